"""A2C's settings for rl-zoo3."""

from ia_gym.experiments.zoo import make_hyperparams

hyperparams, policies = make_hyperparams("a2c", __name__)
globals().update(policies)
