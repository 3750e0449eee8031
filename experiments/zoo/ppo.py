"""PPO's settings for rl-zoo3."""

from ia_gym.experiments.zoo import make_hyperparams

hyperparams, policies = make_hyperparams("ppo", __name__)
globals().update(policies)
