"""Learners with workers: repeatable, exact when resumed, and indifferent to killed actors."""

import os
import runpy
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import gymnasium as gym
import numpy as np
import psutil
import pytest
import ray
import torch
from stable_baselines3.common.callbacks import BaseCallback
from tiny_learners import make_tiny_env, make_tiny_learner

from ia_gym.agents import ImitationIA, IteratedAmplification, QuestionEvaluator
from ia_gym.agents.ray.amplification_workers import DEPTH
from ia_gym.agents.ray.session import stay_on_loopback

PREDICTOR = {"width": 16, "heads": 2, "layers": 1}
BATCH = 32
ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("IA_GYM_KILLS", "3"))


@pytest.fixture(scope="module", autouse=True)
def cluster():
    """Two cores, and the smallest object store."""
    with stay_on_loopback():
        ray.init(
            address="local",
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            object_store_memory=80_000_000,
        )
    yield
    ray.shutdown()


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


def test_a_training_with_workers_is_repeatable_and_resumes_exactly(tmp_path):
    """Stopped at a step that is none of the broadcasts, with batches under way."""
    kwargs = {"workers": 2, "broadcast_period": 3, "predictor_kwargs": PREDICTOR}
    whole, log = make_tiny_learner(IteratedAmplification, **kwargs), Log()
    whole.learn(30 * BATCH, log)
    assert max(log.staleness) == DEPTH * 2 + 3 - 1  # the bound is reached, and kept
    assert min(log.staleness) >= 0
    first = make_tiny_learner(IteratedAmplification, **kwargs)
    first.learn(30 * BATCH, Log(stop_at=11))
    first.save(tmp_path / "model")
    again = IteratedAmplification.load(tmp_path / "model", env=make_tiny_env())
    again.learn(19 * BATCH, reset_num_timesteps=False)
    assert torch.equal(weights(again), weights(whole))
    assert again.human_interactions == whole.human_interactions > 0
    assert again.assistant_answers == whole.assistant_answers > 0


def find_actors():
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if any("ray::AmplificationWorker" in word for word in process.cmdline()):
                found.append(process)
    return found


def kill_actors(times):
    """Kill whatever actor lives, over and over."""
    dead = set()
    while len(dead) < times:
        for actor in find_actors():
            if actor.pid not in dead:
                actor.kill()
                dead.add(actor.pid)
        time.sleep(0.1)


def test_killed_actors_change_nothing():
    """Levels and a curriculum go to the actors, too."""
    kwargs = {"workers": 1, "levels": 2, "curriculum": {"start_depth": 2}}
    whole = make_tiny_learner(ImitationIA, **kwargs)
    whole.learn(60 * BATCH)
    killed = make_tiny_learner(ImitationIA, **kwargs)
    killer = threading.Thread(target=kill_actors, args=(KILLS,))
    killer.start()

    class UntilKilled(BaseCallback):
        def _on_step(self):
            if self.model.steps == 30:
                killer.join()
            return True

    killed.learn(60 * BATCH, UntilKilled())
    assert torch.equal(weights(killed), weights(whole))
    # Each batch that was taken is counted once.
    assert killed.human_interactions == whole.human_interactions >= 60 * BATCH


def test_workers_teach_as_well_as_none_with_a_full_object_store():
    """Other objects fill the store meanwhile, which spills to disk."""
    ballast = [ray.put(np.ones(4_000_000)) for _ in range(6)]  # 192 MB
    env = {"size": 4, "max_power": 4}
    evaluator = QuestionEvaluator("IA-Permutation-v0", 512, **env)
    scores = []
    for workers in (0, 2):
        model = make_tiny_learner(
            ImitationIA,
            gym.make("IA-Permutation-v0", **env),
            workers=workers,
            n_contexts=32,
            learning_rate=1e-2,
        )
        model.learn(200 * 256)
        assert model.human_interactions == 200 * 256
        scores.append(evaluator.evaluate(model)["eval/accuracy"])
    assert min(scores) > 0.9, scores
    assert all(ray.get(each)[-1] == 1 for each in ballast)


def test_the_example_times_trainings(monkeypatch, capsys):
    words = ["--workers", "0", "1", "--timesteps", "10240"]
    monkeypatch.setattr(sys, "argv", ["time_workers", "IA-Permutation-N4-v0", *words])
    monkeypatch.syspath_prepend(ROOT / "examples")
    runpy.run_path(str(ROOT / "examples" / "time_workers.py"), run_name="__main__")
    header, *rows = capsys.readouterr().out.strip().splitlines()
    assert [row.split()[0] for row in rows] == ["0", "1"]
    assert len(header.split()) == len(rows[0].split()) + 2  # "minutes to 95%" is one column
    waiting = [float(row.split()[3].rstrip("%")) for row in rows]
    assert 0 == waiting[0] <= waiting[1] < 100  # only workers are waited for


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
    deadline = time.monotonic() + 60
    while find_actors():
        assert time.monotonic() < deadline
        time.sleep(0.1)
