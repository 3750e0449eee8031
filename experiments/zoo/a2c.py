"""A2C's settings for rl-zoo3."""

from ia_gym.experiments.zoo import for_zoo

hyperparams = for_zoo("a2c")
