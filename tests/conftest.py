"""Every test: one thread, a fixed seed of torch, and no environments of other tests."""

import gymnasium as gym
import pytest
import torch

torch.set_num_threads(1)  # tests run side by side; two threads each would wait for one another


@pytest.fixture(autouse=True)
def _seed_torch():
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _forget_registered_environments():
    """Remove the ids that a test registers: others list all environments."""
    before = set(gym.registry)
    yield
    for env_id in gym.registry.keys() - before:
        del gym.registry[env_id]
