"""rl-zoo3 trains SB3's agents on the suite's environments, in an environment of its own: `make
test-zoo`."""

import importlib
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from stable_baselines3 import A2C, DQN, PPO
from torch import nn

from ia_gym.agents import FactsExtractor, make_sb3_vec_env
from ia_gym.experiments.settings import load_settings
from ia_gym.experiments.zoo import ppo
from ia_gym.networks.optimizers import MuonAdamW

ENV_ID = "IA-Permutation-v0"
with_zoo = pytest.mark.skipif(find_spec("rl_zoo3") is None, reason="rl-zoo3 is not installed")


def test_settings_in_the_form_of_rl_zoo3():
    hyperparams, settings = ppo.hyperparams[ENV_ID], load_settings("ppo", ENV_ID)
    assert hyperparams["n_timesteps"] == settings.n_timesteps
    assert hyperparams["learning_rate"] == "lin_2e-3"
    assert hyperparams["callback"] == [
        {"ia_gym.agents.AmplificationCallback": {"polyak_tau": 0.25}}
    ]


@pytest.mark.parametrize(
    ("algorithm", "env_id"), [(PPO, "IA-Assignment-v0"), (A2C, ENV_ID), (DQN, "IA-Assignment-v0")]
)
def test_sampled_policy_kwargs_leave_network_and_optimizer_as_tuned(algorithm, env_id, tmp_path):
    """With `-optimize`, rl-zoo3 passes these instead of those of its configuration."""
    module = importlib.import_module(f"ia_gym.experiments.zoo.{algorithm.__name__.lower()}")
    hyperparams = dict(module.hyperparams[env_id])
    for key in ("n_timesteps", "n_envs", "env_kwargs", "callback"):
        del hyperparams[key]
    name = hyperparams.pop("policy").removeprefix(f"{module.__name__}.")
    sampled = {"net_arch": [8], "activation_fn": nn.ReLU}
    hyperparams |= {"learning_rate": 1e-3, "policy_kwargs": sampled}
    if algorithm is PPO:
        hyperparams["batch_size"] = 128
    model = algorithm(getattr(module, name), make_sb3_vec_env(env_id, 2), **hyperparams)
    model.save(tmp_path / "model")
    for each in (model, algorithm.load(tmp_path / "model")):
        policy = each.policy
        assert policy.features_extractor_class is FactsExtractor
        tuned = load_settings(algorithm.__name__.lower(), env_id).model
        kwargs = tuned["policy_kwargs"]["features_extractor_kwargs"]
        assert policy.features_extractor_kwargs == kwargs
        assert isinstance(policy.optimizer, MuonAdamW)
        assert policy.net_arch == [8]


def run_zoo(algo, folder, *more, env_id=ENV_ID, conf_file=None):
    conf_file = conf_file or f"ia_gym.experiments.zoo.{algo}"
    command = [
        *(sys.executable, "-m", "rl_zoo3.train", "--algo", algo, "--env", env_id),
        *("--gym-packages", "ia_gym", "--conf-file", str(conf_file)),
        *("--eval-env-kwargs", "reward:'truth'", "--log-folder", str(folder)),
        *("--seed", "0", "--num-threads", "1", *more),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@with_zoo
@pytest.mark.parametrize("algo", ["ppo", "a2c", "dqn", "qrdqn"])
def test_rl_zoo3_trains(algo, tmp_path):
    run_zoo(algo, tmp_path, "-n", "8192", "--eval-freq", "4096")
    saved = tmp_path / algo / f"{ENV_ID}_1" / f"{ENV_ID}.zip"
    assert saved.exists()
    if algo == "ppo":
        assert PPO.load(saved).num_timesteps >= 8192


@with_zoo
def test_rl_zoo3_trains_by_the_recipe(tmp_path):
    small, budget = "IA-Permutation-N4-v0", ("-n", "4096", "--eval-freq", "4096")
    recipe = Path(__file__).parents[2] / "examples" / "rl_zoo3.yml"
    run_zoo("ppo", tmp_path, *budget, env_id=small, conf_file=recipe)
    assert PPO.load(tmp_path / "ppo" / f"{small}_1" / f"{small}.zip").n_envs == 16


@with_zoo
def test_rl_zoo3_optimizes(tmp_path):
    budget = ["-n", "4096", "--n-trials", "1", "--n-evaluations", "1", "--eval-episodes", "2"]
    out = run_zoo("dqn", tmp_path, "-optimize", *budget)
    assert "Number of finished trials:  1" in out, out
