"""A small learner that learns from judgements, in tests/agents and tests/long."""

import gymnasium as gym

from ia_gym.agents.learners.schedules import HoldLinear

RELATIONAL = {"relational": True, "heads": 2, "width": 32, "polyak_tau": 0.1}
SIZES = {"size": 3, "max_power": 8}


def make_judged_learner(cls, **kwargs):
    """Three names, two levels of questions, 25 contexts judged a level."""
    sizes = {"n_contexts": 8, "n_questions": 16, "learning_rate": HoldLinear(6e-3), "seed": 0}
    judged = {"n_judgements": 600, "reward_batch_size": 8, "reward_updates": 5, "rename": True}
    env = gym.make("IA-Permutation-v0", **SIZES)
    return cls(env=env, ent_coef=0.1, policy_kwargs=RELATIONAL, **sizes, **judged, **kwargs)
