"""DQN's settings for rl-zoo3."""

from ia_gym.experiments.zoo import make_hyperparams

hyperparams, policies = make_hyperparams("dqn", __name__)
globals().update(policies)
