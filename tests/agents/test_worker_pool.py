"""Learners with workers, without Ray: actors that answer at once. `make test-ray` has real ones."""

import sys
import types
from contextlib import nullcontext

import pytest
import torch
from stable_baselines3.common.callbacks import BaseCallback
from tiny_learners import make_tiny_env, make_tiny_learner

from ia_gym.agents import ImitationIA, IteratedAmplification
from ia_gym.agents.ray import session

PREDICTOR = {"width": 16, "heads": 2, "layers": 1}
BATCH = 32


class Method:
    def __init__(self, function):
        self.remote = function


class Actor:
    """Has the methods of an object, each with `remote`, as Ray's handles have."""

    def __init__(self, inside):
        self.inside = inside

    def __getattr__(self, name):
        def call(*arguments):
            with torch.random.fork_rng():  # another process has its own
                return getattr(self.inside, name)(*arguments)

        return Method(call)


def remote(**options):
    return lambda cls: Method(lambda **arguments: Actor(cls(**arguments)))


@pytest.fixture(autouse=True)
def _stub(monkeypatch):
    """Ray's few functions that workers need; objects are their own references."""
    for name in [name for name in sys.modules if name.startswith("ia_gym.agents.ray.ampl")]:
        monkeypatch.delitem(sys.modules, name)
    stub = types.SimpleNamespace(
        put=lambda value: value,
        get=lambda reference: reference,
        kill=lambda actor: None,
        remote=remote,
        exceptions=types.SimpleNamespace(ActorDiedError=KeyError),
    )
    monkeypatch.setitem(sys.modules, "ray", stub)
    monkeypatch.setattr(session, "connect", lambda **_: nullcontext())
    monkeypatch.setattr(session, "check_ray_is_installed", lambda: None)
    yield
    for name in [name for name in sys.modules if name.startswith("ia_gym.agents.ray.ampl")]:
        del sys.modules[name]


class Log(BaseCallback):
    """Keeps the staleness of each batch; stops after some steps if it is to."""

    def __init__(self, stop_at=None):
        super().__init__()
        self.staleness, self.stop_at = [], stop_at

    def _on_step(self):
        self.staleness.append(self.model._pool.staleness)
        return self.model.steps != self.stop_at


def weights(model):
    return torch.cat([value.flatten().float() for value in model.policy.state_dict().values()])


ARGUMENTS = {
    IteratedAmplification: {"predictor_kwargs": PREDICTOR},
    ImitationIA: {"levels": 2, "curriculum": {"start_depth": 2}},
}


@pytest.mark.parametrize(
    "cls", [pytest.param(IteratedAmplification, marks=pytest.mark.slow), ImitationIA]
)
def test_a_training_with_workers_resumes_exactly(cls, tmp_path):
    """Stopped at a step that is none of the broadcasts, with batches under way."""
    kwargs = {"workers": 2, "broadcast_period": 3, **ARGUMENTS[cls]}
    whole, log = make_tiny_learner(cls, **kwargs), Log()
    whole.learn(30 * BATCH, log)
    assert log.staleness[4:] == [2 * 2 + (step % 3) for step in range(26)]  # asked 4 steps ago
    first = make_tiny_learner(cls, **kwargs)
    first.learn(30 * BATCH, Log(stop_at=11))
    first.save(tmp_path / "model")
    first.learn(19 * BATCH, reset_num_timesteps=False)  # goes on without a file, too
    again = cls.load(tmp_path / "model", env=make_tiny_env())
    again.learn(19 * BATCH, reset_num_timesteps=False)
    for other in (again, first):
        assert torch.equal(weights(other), weights(whole))
        assert other.human_interactions == whole.human_interactions > 0
        assert other.assistant_answers == whole.assistant_answers > 0
    other = cls.load(tmp_path / "model", env=make_tiny_env(), workers=0, broadcast_period=None)
    other.learn(3 * BATCH, reset_num_timesteps=False)


def test_a_batch_depends_on_its_number_and_the_weights_alone():
    """So an actor that is started again makes the same one."""
    model = make_tiny_learner(ImitationIA, workers=2)
    model.learn(10 * BATCH)
    from ia_gym.agents.ray.amplification_workers import AmplificationWorker

    arguments, snapshot = model._describe_worker(), model._take_snapshot()
    batches = []
    for numbers in ([7, 3], [3]):
        worker = AmplificationWorker(seed=5, **arguments)
        for number in numbers:
            batch = worker.answer_request(number, 0, [snapshot]).batch
        batches.append(batch)
    other = AmplificationWorker(seed=5, **arguments).answer_request(4, 0, [snapshot]).batch
    assert (batches[0].contexts == batches[1].contexts).all()
    assert (batches[0].targets == batches[1].targets).all()
    assert (batches[0].contexts["facts"] != other.contexts["facts"]).any()


def test_arguments_out_of_range_are_named():
    with pytest.raises(ValueError, match="broadcast_period must be None without workers, got 4"):
        make_tiny_learner(ImitationIA, broadcast_period=4)
    with pytest.raises(ValueError, match=r"broadcast_period must be in 1\.\."):
        make_tiny_learner(ImitationIA, workers=1, broadcast_period=0)
    with pytest.raises(ValueError, match=r"workers must be in 0\.\.1000"):
        make_tiny_learner(ImitationIA, workers=-1)


def test_a_missing_ray_is_named(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(session, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"Ray is not installed: pip install \"ia-gym\[ray\]\""):
        make_tiny_learner(ImitationIA, workers=1)


def test_a_folder_named_ray_is_no_ray(monkeypatch, tmp_path):
    """As in /tmp, where Ray keeps its sessions: a folder can be imported as a namespace."""
    monkeypatch.undo()
    (tmp_path / "ray").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "ray", raising=False)
    with pytest.raises(ValueError, match="Ray is not installed"):
        session.check_ray_is_installed()
