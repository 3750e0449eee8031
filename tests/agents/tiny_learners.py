"""Learners and environments small enough for tests."""

import gymnasium as gym

TINY = {"size": 4, "max_power": 8}
"""Arguments of a Permutation environment that is learned in seconds."""
SMALL = {"width": 16, "heads": 2}
"""Sizes of a network that trains in milliseconds."""


def make_tiny_env(**kwargs):
    """A small Permutation environment."""
    return gym.make("IA-Permutation-v0", **TINY, **kwargs)


def make_tiny_learner(cls, env=None, **kwargs):
    """A learner with a small network, batches of 32 questions, and an environment by default."""
    arguments = {"n_contexts": 4, "n_questions": 8, "policy_kwargs": SMALL, "seed": 0}
    return cls(env=make_tiny_env() if env is None else env, **{**arguments, **kwargs})
