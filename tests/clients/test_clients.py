"""Tianshou, skrl, TorchRL and Minari, in an environment of their own: `make test-clients`."""

import os
import re
import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import minari
import numpy as np
import pytest
import torch
from skrl.envs.wrappers.torch import wrap_env
from tianshou.data import Collector
from tianshou.env import DummyVectorEnv
from torchrl.envs import (
    ActionMask,
    Compose,
    DTypeCastTransform,
    GymEnv,
    GymWrapper,
    TransformedEnv,
    check_env_specs,
)

ROOT = Path(__file__).parents[2]
SMALL = "ia_gym:IA-Permutation-N4-v0"
INFOS = {"truth", "depth", "class", "is_root", "is_success", "action_mask", "target", "approval"}


def run_example(name, budget, folder):
    """What the last line of an example says of its accuracy."""
    command = [sys.executable, ROOT / "examples" / f"{name}.py", str(budget)]
    environment = {**os.environ, "MINARI_DATASETS_PATH": str(folder)}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=folder, env=environment
    )
    assert done.returncode == 0, done.stderr
    return float(re.findall(r"accuracy (\d+\.\d)%", done.stdout)[-1]) / 100


@pytest.mark.parametrize(
    ("name", "budget"),
    [
        ("skrl_ppo", 120_000),
        ("tianshou_dqn", 30_000),
        ("torchrl_ppo", 120_000),
        ("minari_dataset", 2_000),
    ],
)
def test_examples_learn(name, budget, tmp_path):
    """A network that has learned nothing answers a quarter, or less: there are four names."""
    assert run_example(name, budget, tmp_path) > 0.4


def test_the_code_on_the_page_runs(tmp_path, monkeypatch):
    """That in blocks marked `py`, which need these packages; `make test` runs those in `python`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    blocks = re.findall(r"```py\n(.*?)```", (ROOT / "docs" / "use_with.md").read_text(), re.S)
    assert len(blocks) >= 4
    for block in blocks:
        exec(block, {"__name__": "page"})


# ------------------------------------------------------------------------------- TorchRL


@pytest.mark.parametrize("kwargs", [{}, {"observation": "flat"}, {"observation": "tokens"}])
def test_torchrl_reads_observations_and_infos(kwargs):
    env = GymEnv(SMALL, categorical_action_encoding=True, **kwargs).auto_register_info_dict()
    check_env_specs(env)
    batch = env.rollout(200, break_when_any_done=False)
    assert set(batch["next"].keys()) >= INFOS
    earned = batch["next", "reward"][:, 0]
    assert earned.sum() > 0
    assert torch.equal(earned, batch["next", "approval"].float())
    right = batch["action"] == batch["next", "truth"]
    root = batch["next", "is_root"]
    assert torch.equal(right[root], batch["next", "is_success"][root])
    assert batch["next", "done"].all()


@pytest.mark.parametrize("mode", ["Disabled", "SameStep"])
def test_torchrl_takes_native_vectors(mode):
    env = GymWrapper(gym.make_vec(SMALL, 4, autoreset_mode=mode), categorical_action_encoding=True)
    check_env_specs(env)
    batch = env.rollout(20, break_when_any_done=False)
    assert batch["next", "reward"].shape == (4, 20, 1)
    assert torch.equal(batch["observation"], batch["next", "observation"])  # the question answered


def test_torchrl_masks_answers():
    envs = gym.make_vec(SMALL, 4, autoreset_mode="Disabled")
    env = GymWrapper(envs, categorical_action_encoding=True).auto_register_info_dict()
    to_bool = DTypeCastTransform(torch.int8, torch.bool, in_keys=["action_mask"])
    batch = TransformedEnv(env, Compose(to_bool, ActionMask())).rollout(
        50, break_when_any_done=False
    )
    assert batch["action_mask"].gather(-1, batch["action"][..., None]).all()
    assert not batch["action_mask"].all()


# -------------------------------------------------------------------------------- Minari


@pytest.mark.parametrize("observation", ["onehot", "flat", "multidiscrete", "tokens"])
def test_minari_keeps_what_was_shown(observation, tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    kwargs = {"assistant": "oracle", "observation": observation}
    env, same = minari.DataCollector(gym.make(SMALL, **kwargs)), gym.make(SMALL, **kwargs)
    expected = []
    for number in range(20):
        seed = None if number else 0
        question, info = same.reset(seed=seed)
        env.reset(seed=seed)
        env.step(info["truth"])
        expected.append((question, info["truth"]))
        same.step(info["truth"])
    dataset = env.create_dataset("ia/answers-v0", algorithm_name="truth")
    episodes = list(dataset.iterate_episodes())
    assert len(episodes) == 20
    for episode, (question, truth) in zip(episodes, expected):
        assert episode.rewards.tolist() == [1.0]
        assert episode.actions.tolist() == [truth]
        shown = question if isinstance(question, dict) else {"": question}
        kept = episode.observations
        for key, value in (kept if isinstance(kept, dict) else {"": kept}).items():
            assert np.array_equal(value[0], shown[key])
    again = dataset.recover_environment()
    assert again.observation_space == env.observation_space


# ---------------------------------------------------------------------- skrl and Tianshou


@pytest.mark.parametrize("observation", ["onehot", "flat", "multidiscrete", "tokens"])
def test_skrl_steps_native_vectors(observation):
    env = wrap_env(gym.make_vec(SMALL, 8, observation=observation), wrapper="gymnasium")
    shown, _ = env.reset()
    for _ in range(5):
        shown, rewards, terminated, _, _ = env.step(torch.ones(8, 1, dtype=torch.int64))
        assert shown.shape[0] == 8
        assert rewards.shape == terminated.shape == (8, 1)
        assert terminated.all()


def test_tianshou_collects(monkeypatch):
    from tianshou.algorithm.modelfree.dqn import DiscreteQLearningPolicy
    from tianshou.utils.net.common import Net

    env = gym.make(SMALL)
    net = Net(state_shape=env.observation_space.shape, action_shape=env.action_space.n)
    policy = DiscreteQLearningPolicy(model=net, action_space=env.action_space, eps_training=0.1)
    envs = DummyVectorEnv([lambda: gym.make(SMALL) for _ in range(4)])
    collector = Collector(policy, envs)
    collector.reset()
    stats = collector.collect(n_episode=40)
    assert stats.n_collected_episodes == 40
    assert set(stats.lens) == {1}
