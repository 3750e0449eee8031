"""Uses an installed ``ia_gym`` from a folder that holds no source: run by ``make test-wheel``."""

import subprocess
import sys
from pathlib import Path

import gymnasium as gym
from stable_baselines3 import PPO

import ia_gym
from ia_gym.agents import FactsExtractor, make_sb3_vec_env

SOURCE = Path(__file__).resolve().parents[2]
COMMAND = str(Path(sys.executable).with_name("ia-gym"))

assert not Path(ia_gym.__file__).is_relative_to(SOURCE / "ia_gym"), ia_gym.__file__
env = gym.make("IA-Permutation-v0", render_mode="ansi")
_, info = env.reset(seed=0)
env.step(info["truth"])
print(env.render())
policy_kwargs = {"features_extractor_class": FactsExtractor}
vec = make_sb3_vec_env("IA-Permutation-v0", 4)
PPO("MultiInputPolicy", vec, n_steps=8, batch_size=32, policy_kwargs=policy_kwargs).learn(64)
subprocess.run([COMMAND, "envs"], check=True)
train = ["train", "supervised", "--timesteps", "4096", "--log-dir", "run", "--eval-questions", "64"]
subprocess.run([COMMAND, *train], check=True)
subprocess.run([COMMAND, "report", "run"], check=True)
