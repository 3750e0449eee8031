"""What is kept of encoded facts is what the network would give now, whatever happened to it."""

import copy
import pickle

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3.common.utils import polyak_update

from ia_gym.agents.policies.facts_extractor import FactsExtractor
from ia_gym.domains import Permutation
from ia_gym.networks.answer_network import AnswerNetwork
from ia_gym.networks.network_assistant import NetworkAssistant

SIZES = {"width": 8, "heads": 2, "fact_layers": 1, "question_layers": 1}


def perturb(module, seed=0, scale=0.3):
    """Move all parameters, so that no block is the identity, in a way that autograd counts."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += scale * torch.randn(parameter.shape, generator=generator)
    return module


def make_extractor(seed=0):
    torch.manual_seed(seed)
    with gym.make("IA-Permutation-v0", size=4) as env:
        return perturb(FactsExtractor(env.observation_space, **SIZES), seed)


def draw_observations(n=6, seed=0):
    """A context a row, as a vector environment shows them."""
    domain, rng = Permutation(4), np.random.default_rng(seed)
    contexts = domain.sample_contexts(rng, n)
    return {
        "facts": torch.as_tensor(contexts["facts"].reshape(n, -1)),
        "question": torch.as_tensor(domain.sample_questions(rng, contexts, 1)[:, 0]),
    }


def compute_features(extractor, observations):
    """Without the cache: a fresh copy, which holds nothing yet."""
    with torch.no_grad():
        return copy.deepcopy(extractor)(observations)


def load_another(extractor):
    """Its norms are what the others were: they are ones in any fresh network."""
    other = make_extractor(1)
    other.network.fact_norm.load_state_dict(extractor.network.fact_norm.state_dict())
    extractor.load_state_dict(other.state_dict())


def train_all_but_the_norm(extractor):
    extractor.network.fact_norm.weight.requires_grad_(False)
    optimizer = torch.optim.SGD([p for p in extractor.parameters() if p.requires_grad], 0.5)
    extractor(draw_observations()).square().sum().backward()
    optimizer.step()


def update_data(extractor):
    """As SB3 does, in a way that PyTorch's version counters do not see."""
    embedding = extractor.network.embedding.weight
    version = embedding._version
    polyak_update([torch.zeros_like(embedding)], [embedding], 0.5)
    assert embedding._version == version


def flip_signs(extractor):
    """No norm and no sum of squares tells."""
    extractor.network.fact_in.weight.data.neg_()


def to_double(extractor):
    extractor.double()


def change_a_buffer(extractor):
    extractor.network.register_buffer("scale", torch.tensor(2.0))
    extractor.network.fact_in.register_forward_hook(lambda _, __, out: out * 2)


def go_through_the_blocks_twice(extractor):
    extractor.network.fact_passes = 2


@pytest.mark.parametrize(
    "change",
    [
        load_another,
        train_all_but_the_norm,
        update_data,
        flip_signs,
        to_double,
        change_a_buffer,
        go_through_the_blocks_twice,
    ],
)
def test_the_extractor_notices_a_change_of_its_network(change):
    extractor, observations = make_extractor(), draw_observations()
    with torch.no_grad():
        before = extractor(observations)
    change(extractor)
    expected = compute_features(extractor, observations)
    with torch.no_grad():
        found = extractor(observations)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    assert found.dtype != before.dtype or not torch.allclose(found, before)


def test_the_extractor_notices_autocast():
    extractor, observations = make_extractor(), draw_observations()
    for _ in range(2):
        with torch.no_grad():
            exact = extractor(observations)
            with torch.autocast("cpu", torch.bfloat16):
                expected = compute_features(extractor, observations)
                rough = extractor(observations)
        torch.testing.assert_close(exact, compute_features(extractor, observations))
        torch.testing.assert_close(rough, expected, rtol=0, atol=0)
        assert not torch.equal(exact, rough.float())


def test_what_is_kept_in_inference_mode_is_not_written_to_outside():
    extractor, observations = make_extractor(), draw_observations()
    with torch.inference_mode():
        extractor(observations)
    observations["facts"][2] = observations["facts"][3]
    with torch.no_grad():
        found = extractor(observations)
    torch.testing.assert_close(found, compute_features(extractor, observations))


class Positional(torch.nn.Module):
    """The extractor with tensors for arguments, as tracing wants them."""

    def __init__(self, extractor):
        super().__init__()
        self.extractor = extractor

    def forward(self, facts, question):
        return self.extractor({"facts": facts, "question": question})


def trace(module, arguments):
    return torch.jit.trace(module, arguments)


def export(module, arguments):
    return torch.export.export(module, arguments, strict=False).module()


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize("record", [trace, export])
def test_what_is_kept_does_not_become_part_of_a_graph(record, grad):
    extractor = make_extractor()
    first, second = draw_observations(), draw_observations(seed=1)
    second["facts"][1] = second["facts"][0]  # two rows that share a context
    with torch.no_grad():
        extractor(first)  # now it holds these facts
    with torch.set_grad_enabled(grad):
        recorded = record(Positional(extractor), tuple(first.values()))
    for observations in (first, second):
        expected = compute_features(extractor, observations)
        torch.testing.assert_close(recorded(*observations.values()), expected)


def test_only_changed_rows_are_encoded_again(monkeypatch):
    extractor, observations = make_extractor(), draw_observations()
    encoded, encode = [], extractor.network.encode

    def record(facts, passes=None):
        encoded.append(len(facts))
        return encode(facts, passes)

    monkeypatch.setattr(extractor.network, "encode", record)
    with torch.no_grad():
        extractor(observations)
        extractor(observations)
        observations["facts"][:2] = observations["facts"][2:4]  # in place, as engines write
        extractor(observations)
    assert encoded == [6, 2]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copy_has_a_cache_of_its_own(copied):
    extractor, observations = make_extractor(), draw_observations()
    with torch.no_grad():
        before = extractor(observations)
        other = copied(extractor)
        assert other.cache.network is other.network
        perturb(other, 5)
        assert not torch.allclose(other(observations), before)
        torch.testing.assert_close(extractor(observations), before, rtol=0, atol=0)


# ------------------------------------------------------------ NetworkAssistant


def make_assistant(domain):
    torch.manual_seed(0)
    network = AnswerNetwork(
        domain.n_symbols, domain.fact_shape, domain.question_length, domain.n_answers, **SIZES
    )
    return NetworkAssistant(perturb(network, scale=1.0), temperature=0)


def draw_questions(domain):
    rng = np.random.default_rng(3)
    contexts = domain.sample_contexts(rng, 4)
    return contexts, domain.sample_questions(rng, contexts, 40)


def test_the_assistant_notices_contexts_that_are_written_to():
    """The engine of the environments writes new contexts into an array that it keeps."""
    domain = Permutation(5)
    assistant, (contexts, questions) = make_assistant(domain), draw_questions(domain)
    before = assistant.answer(contexts, questions)
    contexts[:] = domain.sample_contexts(np.random.default_rng(4), 4)
    found = assistant.answer(contexts, questions)
    np.testing.assert_array_equal(found, make_assistant(domain).answer(contexts, questions))
    assert (found != before).any()


@pytest.mark.parametrize("change", ["norm is frozen", "data", "load", "passes"])
def test_the_assistant_notices_a_change_of_its_network(change):
    domain = Permutation(5)
    assistant, (contexts, questions) = make_assistant(domain), draw_questions(domain)
    before = assistant.answer(contexts, questions)
    network = assistant.network
    if change == "norm is frozen":
        with torch.no_grad():
            network.fact_in.weight.neg_()
    elif change == "data":
        network.fact_in.weight.data.neg_()
    elif change == "load":
        state = network.state_dict()
        network.load_state_dict({**state, "fact_in.weight": -state["fact_in.weight"]})
    else:
        assistant.passes = 3
    fresh = NetworkAssistant(copy.deepcopy(network), temperature=0, passes=assistant.passes)
    found = assistant.answer(contexts, questions)
    np.testing.assert_array_equal(found, fresh.answer(contexts, questions))
    assert (found != before).any()


def test_hooks_are_called_whatever_is_kept():
    extractor, observations = make_extractor(), draw_observations()
    with torch.no_grad():
        before = extractor(observations)
        linear = next(m for m in extractor.modules() if isinstance(m, torch.nn.Linear))
        handle = linear.register_forward_hook(lambda module, inputs, output: 2 * output)
        hooked = extractor(observations)
        torch.testing.assert_close(hooked, compute_features(extractor, observations))
        assert not torch.allclose(hooked, before)
        handle.remove()
        torch.testing.assert_close(extractor(observations), before)
