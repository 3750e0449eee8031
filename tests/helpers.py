"""What tests of several rooms share."""

import gymnasium as gym
import numpy as np

from ia_gym.amplification.amplify import amplify


class ItselfAsAssistant:
    """H as its own assistant, all the way down to primitive questions."""

    def __init__(self, overseer, rng):
        self.overseer, self.rng = overseer, rng

    def answer(self, contexts, questions):
        # Questions among them that H looks up are not this assistant's to answer.
        questions = questions * ~self.overseer.domain.is_primitive(questions)[..., None]
        if not questions.any():
            return np.zeros(questions.shape[:2], np.int64)
        transcript = amplify(self.overseer, self, self.rng, contexts, questions, judging=False)
        return self.overseer.answer(contexts, questions, transcript)


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
