"""MuonAdamW is Muon on matrices and AdamW on the rest, and an optimizer like any of PyTorch's."""

import copy
import pickle

import pytest
import torch
from stable_baselines3 import PPO
from torch import nn

from ia_gym.domains import Permutation
from ia_gym.networks.answer_network import AnswerNetwork
from ia_gym.networks.human_predictor import HumanPredictor
from ia_gym.networks.optimizers import AdamWParameter, BatchedMuon, MuonAdamW


class Small(nn.Module):
    """A matrix, a bias and an embedding."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(6, 4)
        self.embedding = nn.Embedding(5, 6)
        self.embedding.weight = AdamWParameter(self.embedding.weight.data)

    def train_step(self, optimizer, seed):
        optimizer.zero_grad()
        target = torch.randn(5, 4, generator=torch.Generator().manual_seed(seed))
        (self.linear(self.embedding.weight) - target).square().sum().backward()
        optimizer.step()


class PlainMuon(torch.optim.SGD):
    """Muon as it is defined: a polynomial of the singular values of the averaged gradient."""

    def __init__(self, matrices, lr, momentum, weight_decay):
        super().__init__(matrices, lr)
        self.options = lr, momentum, weight_decay

    @torch.no_grad()
    def step(self):
        lr, momentum, weight_decay = self.options
        for group in self.param_groups:
            for each in group["params"]:
                average = self.state[each].get("average", torch.zeros_like(each))
                average = momentum * average + (1 - momentum) * each.grad
                self.state[each]["average"] = average
                blend = momentum * average + (1 - momentum) * each.grad
                left, values, right = torch.linalg.svd(blend.double(), full_matrices=False)
                values = values / values.norm()
                for _ in range(5):
                    values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
                update = left @ torch.diag(values) @ right
                rows, columns = each.shape
                each.mul_(1 - lr * weight_decay)
                each.sub_(lr * max(1, rows / columns) ** 0.5 * update.float())


class Reference:
    """Muon and PyTorch's AdamW, with parameters assigned by hand: ``(network, options)``."""

    def __init__(self, *groups):
        self.parts = []
        for small, options in groups:
            options = {"lr": 3e-3, "matrix_factor": 3.0, "weight_decay": 0.01, "momentum": 0.95,
                       "betas": (0.9, 0.999), **options}  # fmt: skip
            shared = {"weight_decay": options["weight_decay"]}
            lr = options["lr"] * options["matrix_factor"]
            self.parts += [
                PlainMuon([small.linear.weight], lr, options["momentum"], **shared),
                torch.optim.AdamW(
                    [small.linear.bias, small.embedding.weight], options["lr"],
                    betas=options["betas"], **shared,
                ),
            ]  # fmt: skip

    def zero_grad(self):
        for part in self.parts:
            part.zero_grad()

    def step(self):
        for part in self.parts:
            part.step()


def make(seed=0):
    torch.manual_seed(seed)
    return Small()


def assert_equal(one, other, **tolerance):
    for name, value in one.state_dict().items():
        torch.testing.assert_close(
            value, other.state_dict()[name], msg=name, **(tolerance or {"rtol": 0, "atol": 0})
        )


OPTIONS = {
    "lr": 0.1,
    "matrix_factor": 0.5,
    "weight_decay": 0.3,
    "momentum": 0.5,
    "betas": (0.7, 0.8),
}


@pytest.mark.parametrize("options", [{}, OPTIONS])
def test_it_is_muon_on_matrices_and_adamw_on_the_rest(options):
    ours, theirs = make(), make()
    optimizer, reference = MuonAdamW(ours.parameters(), **options), Reference((theirs, options))
    for step in range(5):
        ours.train_step(optimizer, step)
        theirs.train_step(reference, step)
    assert_equal(ours, theirs, rtol=1e-4, atol=1e-5)
    assert not torch.equal(ours.linear.weight, make().linear.weight)


@pytest.mark.parametrize("added", [False, True])
@pytest.mark.parametrize("option", OPTIONS)
def test_each_group_has_options_of_its_own(option, added):
    """Whether it was there from the start, or was added after some steps."""
    one, two, of_one, of_two = make(1), make(2), make(1), make(2)
    own = {option: OPTIONS[option]}
    group = {"params": two.parameters(), **own}
    if added:
        optimizer = MuonAdamW(one.parameters())
        optimizer.add_param_group(group)
    else:
        optimizer = MuonAdamW([{"params": one.parameters()}, group])
    reference = Reference((of_one, {}), (of_two, own))
    for step in range(3):
        for network, driver in ((one, optimizer), (of_one, reference)):
            other = two if network is one else of_two
            driver.zero_grad()
            for each in (network, other):
                target = torch.full((5, 4), float(step))
                (each.linear(each.embedding.weight) - target).square().sum().backward()
            driver.step()
    assert_equal(one, of_one, rtol=1e-4, atol=1e-5)
    assert_equal(two, of_two, rtol=1e-4, atol=1e-5)


def test_a_group_added_late_is_trained():
    early, late = make(1), make(2)
    optimizer = MuonAdamW(early.parameters())
    early.train_step(optimizer, 0)
    before = copy.deepcopy(late)
    optimizer.add_param_group({"params": list(late.parameters()), "lr": 0.5})
    late.train_step(optimizer, 1)
    for new, old in zip(late.parameters(), before.parameters(), strict=True):
        assert not torch.equal(new, old)
    assert optimizer.param_groups[1]["lr"] == 0.5


def round_trip(network, optimizer):
    return pickle.loads(pickle.dumps((network, optimizer)))


def deepcopy(network, optimizer):
    return copy.deepcopy((network, optimizer))


def through_state_dict(network, optimizer):
    other = make(7)
    new = MuonAdamW(other.parameters(), lr=9.0)
    other.load_state_dict(network.state_dict())
    new.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    return other, new


def through_tensors(network, optimizer):
    other = make(7)
    new = MuonAdamW(other.parameters(), **OPTIONS)
    other.load_state_dict(network.state_dict())
    tensors = {name: value.clone() for name, value in optimizer.tensors().items()}
    assert all(isinstance(value, torch.Tensor) for value in tensors.values())
    new.load_tensors(tensors)
    return other, new


@pytest.mark.parametrize("copied", [deepcopy, round_trip, through_state_dict, through_tensors])
def test_a_copy_trains_on_as_the_original_does(copied):
    network = make()
    optimizer = MuonAdamW(network.parameters(), **OPTIONS)
    for step in range(3):
        network.train_step(optimizer, step)
    other, its_own = copied(network, optimizer)
    assert_equal(network, other)
    for step in range(3, 6):
        before = copy.deepcopy(network)
        other.train_step(its_own, step)
        assert_equal(network, before)  # the copy trains the copy
        network.train_step(optimizer, step)
        assert_equal(network, other)
    assert type(other.embedding.weight) is AdamWParameter


def test_the_state_is_one_for_all_parameters():
    network = make()
    optimizer = MuonAdamW(network.parameters())
    network.train_step(optimizer, 0)
    assert set(optimizer.state) == set(network.parameters())
    stored = optimizer.state_dict()
    assert stored["state"].keys() == {0, 1, 2}
    assert stored["param_groups"][0]["params"] == [0, 1, 2]
    assert stored["state"][0].keys() == {"momentum_buffer"}
    assert stored["state"][1].keys() == {"step", "exp_avg", "exp_avg_sq"}


def test_schedulers_closures_hooks_and_frozen_parameters():
    network, calls = make(), []
    network.linear.bias.requires_grad_(False)
    frozen = network.linear.bias.clone()
    optimizer = MuonAdamW(network.named_parameters(), lr=0.2)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.1)
    optimizer.register_step_post_hook(lambda *_: calls.append("hook"))

    def closure():
        calls.append("closure")
        optimizer.zero_grad()
        loss = network.linear(network.embedding.weight).square().sum()
        loss.backward()
        return loss

    before = network.embedding.weight.detach().clone()
    assert optimizer.step(closure) > 0
    first = (network.embedding.weight.detach() - before).abs().max()
    scheduler.step()
    before = network.embedding.weight.detach().clone()
    optimizer.step(closure)
    assert (network.embedding.weight.detach() - before).abs().max() < 0.2 * first
    assert calls == ["closure", "hook"] * 2
    assert torch.equal(network.linear.bias, frozen)


@pytest.mark.parametrize("shape", [(4, 4), (7, 3), (3, 7)])
def test_matrices_of_one_shape_are_updated_as_each_alone_is_by_pytorch(shape):
    """PyTorch's Muon computes in bfloat16, hence the tolerance."""
    torch.manual_seed(0)
    ours = [nn.Parameter(torch.randn(shape)) for _ in range(3)]
    theirs = [nn.Parameter(each.detach().clone()) for each in ours]
    still = ours[2].detach().clone()
    options = {"lr": 0.1, "weight_decay": 0.2, "momentum": 0.8}
    optimizers = BatchedMuon(ours, **options), torch.optim.Muon(theirs, **options)
    for _ in range(4):
        for one, other in zip(ours[:2], theirs[:2], strict=True):  # the third has no gradient
            one.grad = torch.randn(shape)
            other.grad = one.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0.01)
    assert torch.equal(ours[2], still)
    assert not torch.allclose(ours[0], ours[1])


def test_updates_of_matrices_are_orthogonal():
    matrix = nn.Parameter(torch.zeros(8, 8))
    optimizer = MuonAdamW([matrix], lr=0.1, matrix_factor=0.5, weight_decay=0.0)
    matrix.grad = torch.randn(8, 8)
    optimizer.step()
    singular = torch.linalg.svdvals(matrix.data) / 0.05
    assert ((singular > 0.5) & (singular < 1.5)).all()  # Newton-Schulz is rough by design


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"lr": -1.0}, "earning rate"),
        ({"matrix_factor": -1.0}, r"matrix_factor must be a number in \[0, inf\), got -1.0"),
        ({"weight_decay": -1.0}, "weight.decay"),
        ({"momentum": -1.0}, "momentum"),
        ({"betas": (1.5, 0.9)}, "beta"),
    ],
)
def test_values_out_of_range_are_refused(options, words):
    network = make()
    with pytest.raises(ValueError, match=words):
        MuonAdamW(network.parameters(), **options)
    optimizer = MuonAdamW(network.parameters())
    with pytest.raises(ValueError, match=words):
        optimizer.add_param_group({"params": make(1).parameters(), **options})
    assert len(optimizer.param_groups) == 1


def test_options_without_effect_are_refused():
    with pytest.raises(ValueError, match=r"may set lr, matrix_factor, .* got eps, nesterov"):
        MuonAdamW([{"params": make().parameters(), "nesterov": False, "eps": 1.0}])
    with pytest.raises(ValueError, match="empty parameter list"):
        MuonAdamW([])


def test_the_suites_networks_say_what_is_no_matrix_and_so_do_their_copies():
    """Embeddings, heads and the scores of shared tokens are AdamW's."""
    networks = [
        AnswerNetwork(9, (4, 2), 3, 5, relational=True, meeting=True),
        HumanPredictor(Permutation(4)),
    ]
    expected = [
        {"embedding", "head", "shared", "meets", "moves"},
        {"embedding", "event_place", "head"},
    ]
    for network, names in zip(networks, expected, strict=True):
        for each in (network, copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
            (group,) = MuonAdamW(each.parameters()).param_groups
            left = {
                part
                for (name, parameter), use_muon in zip(
                    each.named_parameters(), group["use_muon"], strict=True
                )
                if parameter.ndim == 2 and not use_muon
                for part in [name.removesuffix(".weight").split(".")[-1]]
            }
            assert left == names


def test_sb3_saves_loads_and_schedules_it(tmp_path):
    kwargs = {
        "n_steps": 8,
        "batch_size": 8,
        "n_epochs": 1,
        "learning_rate": lambda left: 0.001 + left,
    }
    policy = {"net_arch": [8], "optimizer_class": MuonAdamW, "optimizer_kwargs": {"momentum": 0.9}}
    model = PPO("MlpPolicy", "CartPole-v1", policy_kwargs=policy, seed=0, device="cpu", **kwargs)
    model.learn(16)
    assert model.policy.optimizer.param_groups[0]["lr"] == pytest.approx(0.001)
    model.save(tmp_path / "model")
    again = PPO.load(tmp_path / "model", env=model.get_env(), device="cpu")
    assert again.policy.optimizer.param_groups[0]["momentum"] == 0.9
    stored, restored = model.policy.optimizer.tensors(), again.policy.optimizer.tensors()
    assert stored.keys() == restored.keys()
    assert stored
    assert all(torch.equal(stored[key], restored[key]) for key in stored)


def test_the_state_of_another_optimizer_is_refused():
    model = Small()
    optimizer = MuonAdamW(model.parameters())
    with pytest.raises(ValueError, match=r"that of a MuonAdamW, .* lack matrix_factor, momentum"):
        optimizer.load_state_dict(torch.optim.AdamW(model.parameters()).state_dict())
    model.train_step(optimizer, 0)
