"""rl-zoo3 trains SB3's agents on the suite's environments. It needs an environment of its own, for
it does not go with the newest gymnasium: `make test-zoo`."""

import subprocess
import sys
from importlib.util import find_spec

import pytest
from stable_baselines3 import PPO

from ia_gym.agents import FactsExtractor
from ia_gym.experiments.settings import load_settings
from ia_gym.experiments.zoo import ppo

ENV_ID = "IA-Permutation-v0"


def test_settings_in_the_form_of_rl_zoo3():
    hyperparams, settings = ppo.hyperparams[ENV_ID], load_settings("ppo", ENV_ID)
    assert hyperparams["n_timesteps"] == settings.n_timesteps
    assert hyperparams["learning_rate"] == "lin_4e-3"
    assert hyperparams["policy_kwargs"]["features_extractor_class"] is FactsExtractor
    assert hyperparams["callback"][1] == {
        "ia_gym.agents.AmplificationCallback": {"polyak_tau": 0.25}
    }


@pytest.mark.skipif(find_spec("rl_zoo3") is None, reason="rl-zoo3 is not installed")
@pytest.mark.parametrize("algo", ["ppo", "a2c", "dqn", "qrdqn"])
def test_rl_zoo3_trains(algo, tmp_path):
    command = [
        *(sys.executable, "-m", "rl_zoo3.train", "--algo", algo, "--env", ENV_ID),
        *("--gym-packages", "ia_gym", "--conf-file", f"ia_gym.experiments.zoo.{algo}"),
        *("-n", "8192", "--eval-freq", "4096", "--eval-env-kwargs", "reward:'truth'"),
        *("--log-folder", str(tmp_path), "--seed", "0", "--num-threads", "1"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    saved = tmp_path / algo / f"{ENV_ID}_1" / f"{ENV_ID}.zip"
    assert saved.exists()
    if algo == "ppo":
        assert PPO.load(saved).num_timesteps >= 8192
