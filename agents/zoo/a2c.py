"""A2C's settings for rl-zoo3."""

from ia_gym.agents.zoo import for_zoo

hyperparams = for_zoo("a2c")
