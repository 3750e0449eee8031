"""Learners with workers: repeatable, exact when resumed, and indifferent to killed actors."""

import os
import signal
import threading
import time

import numpy as np
import psutil
import pytest
import ray
import torch
from stable_baselines3.common.callbacks import BaseCallback
from tiny_learners import make_tiny_env, make_tiny_learner

from ia_gym.agents import ImitationIA, IteratedAmplification, QuestionEvaluator
from ia_gym.agents.ray.amplification_workers import DEPTH

PREDICTOR = {"width": 16, "heads": 2, "layers": 1}
BATCH = 32
KILLS = int(os.environ.get("IA_GYM_KILLS", "3"))


class Log(BaseCallback):
    """Keeps what the learner logs of its workers; stops after some steps if it is to."""

    def __init__(self, stop_at=None):
        super().__init__()
        self.staleness, self.stop_at = [], stop_at

    def _on_step(self):
        self.staleness.append(self.model.logger.name_to_value.get("workers/staleness"))
        return self.model.steps != self.stop_at


def weights(model):
    return torch.cat([value.flatten().float() for value in model.policy.state_dict().values()])


@pytest.mark.parametrize("cls", [ImitationIA, IteratedAmplification])
def test_a_training_with_workers_is_repeatable_and_resumes_exactly(cls, tmp_path):
    """Stopped at a step that is none of the broadcasts, with batches under way."""
    kwargs = {"workers": 2, "broadcast_period": 3}
    if cls is IteratedAmplification:
        kwargs["predictor_kwargs"] = PREDICTOR
    else:
        kwargs |= {"levels": 2, "curriculum": {"start_depth": 1}}
    whole, log = make_tiny_learner(cls, **kwargs), Log()
    whole.learn(30 * BATCH, log)
    assert max(log.staleness) == DEPTH * 2 + 3 - 1  # the bound is reached, and kept
    assert min(log.staleness) >= 0
    first = make_tiny_learner(cls, **kwargs)
    first.learn(30 * BATCH, Log(stop_at=11))
    first.save(tmp_path / "model")
    again = cls.load(tmp_path / "model", env=make_tiny_env())
    again.learn(19 * BATCH, reset_num_timesteps=False)
    first.learn(19 * BATCH, reset_num_timesteps=False)  # goes on without a file, too
    for other in (again, first):
        assert torch.equal(weights(other), weights(whole))
        assert other.human_interactions == whole.human_interactions > 0
        assert other.assistant_answers == whole.assistant_answers


def kill_actors(times):
    """Kill whatever actor lives, over and over."""
    for _ in range(times):
        while True:
            found = [
                process
                for process in psutil.Process().children(recursive=True)
                if "ray::AmplificationWorker" in " ".join(process.cmdline() or [])
            ]
            if found:
                found[0].kill()
                break
            time.sleep(0.05)
        time.sleep(1)


def test_killed_actors_change_nothing():
    whole = make_tiny_learner(ImitationIA, workers=1)
    whole.learn(400 * BATCH)
    killed = make_tiny_learner(ImitationIA, workers=1)
    killer = threading.Thread(target=kill_actors, args=(KILLS,))
    killer.start()

    class UntilKilled(BaseCallback):
        def _on_step(self):
            if self.model.steps == 100:
                killer.join()
            return True

    killed.learn(400 * BATCH, UntilKilled())
    assert torch.equal(weights(killed), weights(whole))
    assert killed.human_interactions == whole.human_interactions == whole_batches(400)


def whole_batches(n_taken):
    """Questions of the batches that were taken; each is counted once."""
    return n_taken * BATCH


def test_workers_teach_as_well_as_none():
    env = {"size": 4, "max_power": 4}
    scores = []
    for workers in (0, 2):
        model = make_tiny_learner(
            ImitationIA,
            make_tiny_env()
            if not env
            else __import__("gymnasium").make("IA-Permutation-v0", **env),
            workers=workers,
            n_contexts=32,
            learning_rate=1e-2,
        )
        model.learn(200 * 256)
        evaluator = QuestionEvaluator("IA-Permutation-v0", 512, **env)
        scores.append(evaluator.evaluate(model)["eval/accuracy"])
    assert min(scores) > 0.9, scores


def test_a_full_object_store_spills():
    """Other objects fill the store while batches pass through it."""
    with ray_of(object_store_memory=80_000_000):
        ballast = [ray.put(np.ones(4_000_000)) for _ in range(6)]  # 192 MB
        model = make_tiny_learner(ImitationIA, workers=1)
        model.learn(20 * BATCH)
        assert model.human_interactions == whole_batches(20)
        assert all(ray.get(each)[-1] == 1 for each in ballast)


class ray_of:  # noqa: N801
    """A Ray of this machine's own, with other limits."""

    def __init__(self, **limits):
        self.limits = limits

    def __enter__(self):
        ray.init(
            address="local",
            num_cpus=2,
            include_dashboard=False,
            _node_ip_address="127.0.0.1",
            log_to_driver=False,
            **self.limits,
        )

    def __exit__(self, *_):
        ray.shutdown()


def test_a_broadcast_period_without_workers_is_refused():
    with pytest.raises(ValueError, match="broadcast_period must be None without workers, got 4"):
        make_tiny_learner(ImitationIA, broadcast_period=4)
    with pytest.raises(ValueError, match="workers must be in"):
        make_tiny_learner(ImitationIA, workers=-1)


def test_an_interrupted_training_leaves_no_actor_behind():
    model = make_tiny_learner(ImitationIA, workers=1)

    class Interrupt(BaseCallback):
        def _on_step(self):
            if self.model.steps == 3:
                signal.raise_signal(signal.SIGINT)
            return True

    signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.raises(KeyboardInterrupt):
        model.learn(100 * BATCH, Interrupt())
    assert not ray.is_initialized()
