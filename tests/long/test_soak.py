"""Days of use in minutes: after warming up, memory, threads and file handles stay constant."""

import gc

import gymnasium as gym
import numpy as np
import psutil
import pytest
import torch

from ia_gym.agents import ImitationIA, make_sb3_vec_env
from ia_gym.domains import DOMAINS

ENV_STEPS = 100_000_000
TRAINING_STEPS = 50_000
NAMES = ["Permutation", "Assignment", "Wildcard", "ShortestPath", "UnionFind"]


def state():
    """Resident memory in MB, threads, open files."""
    gc.collect()
    process = psutil.Process()
    return process.memory_info().rss / 1e6, process.num_threads(), process.num_fds()


def check_flat(measured):
    memory, threads, handles = zip(*measured, strict=True)
    print(f"memory {memory[0]:.1f} MB, then at most {max(memory):.1f}, {memory[-1]:.1f} at last; "
          f"{threads[-1]} threads, {handles[-1]} open files")  # fmt: skip
    assert max(memory) < 1.01 * memory[0]
    assert set(threads) == {threads[0]}
    assert set(handles) == {handles[0]}


@pytest.mark.parametrize("name", NAMES)
def test_a_fifth_of_a_hundred_million_steps_each(name):
    assert set(NAMES) == set(DOMAINS)
    copies = 2048
    vec = gym.make_vec(f"IA-{name}-v0", num_envs=copies, assistant="oracle")
    vec.reset(seed=0)
    actions = np.ones(copies, int)
    measured = []
    rounds = ENV_STEPS // len(NAMES) // copies
    for i in range(rounds):
        vec.step(actions)
        if i >= rounds // 20 and i % (rounds // 40) == 0:
            measured.append(state())
    check_flat(measured)
    vec.close()


def test_fifty_thousand_training_steps():
    torch.set_num_threads(1)
    env = gym.make("IA-Permutation-v0", size=4, max_power=8)
    small = {"width": 16, "heads": 1, "fact_layers": 1, "question_layers": 1}
    model = ImitationIA(env=env, n_contexts=4, n_questions=4, seed=0, policy_kwargs=small)
    measured = []
    for i in range(50):
        model.learn(TRAINING_STEPS // 50 * 16, reset_num_timesteps=i == 0)
        if i >= 5:
            measured.append(state())
    assert model.num_timesteps == TRAINING_STEPS * 16
    check_flat(measured)


def test_environments_that_are_closed_leave_nothing():
    measured = []
    for i in range(60):
        vec = make_sb3_vec_env("IA-ShortestPath-v0", num_envs=256, trust=None)
        vec.seed(0)
        vec.reset()
        for _ in range(5):
            vec.step(np.ones(256, int))
        vec.close()
        del vec
        if i >= 20:
            measured.append(state())
    check_flat(measured)
