"""SB3 at its defaults, the first program of README: ``python examples/plain_sb3.py [timesteps]``.

Nothing of the suite's but the id: no callback, no class, and the agent is its own assistant.
"""

import sys

from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy

import ia_gym  # noqa: F401  (registers the ids)

TIMESTEPS = int(sys.argv[1]) if len(sys.argv) > 1 else 400_000

env = make_vec_env("IA-Permutation-N4-v0", n_envs=16)  # 4 names, powers below 8
model = PPO("MlpPolicy", env, seed=0).learn(TIMESTEPS)
test_env = make_vec_env("IA-Permutation-N4-v0", env_kwargs={"reward": "truth"}, seed=1)
accuracy, _ = evaluate_policy(model, test_env, n_eval_episodes=1000)
print(f"accuracy {accuracy:.1%}")
