"""Assistants and agents learn from approval of actions; commands and comparisons of such agents."""

import gymnasium as gym
import numpy as np
import pandas as pd
import pytest
import torch
from stable_baselines3 import DQN, PPO
from typer.testing import CliRunner

from ia_gym.agents import AmplificationCallback, GymnasiumVecEnv, LearnedActionAssistant
from ia_gym.envs import ActionApprovalVectorEnv
from ia_gym.experiments.cli import app
from ia_gym.experiments.compare import compare
from ia_gym.experiments.inspection.puzzle import learn_tables, run_puzzle
from ia_gym.experiments.settings import load_settings

N = 6


class Corridor(gym.Env):
    """Left or right; the reward waits at the right end. Nothing on the way tells of it."""

    observation_space = gym.spaces.Discrete(N)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place, self.steps = int(self.np_random.integers(N - 1)), 0
        return self.place, {}

    def step(self, action):
        self.place = max(0, self.place + (1 if action else -1))
        self.steps += 1
        there = self.place == N - 1
        return self.place, float(there), there, self.steps == 20, {}


def corridor(n=8, **options):
    return GymnasiumVecEnv(ActionApprovalVectorEnv([Corridor] * n, **options))


def an_agent(cls=PPO, env=None, **kwargs):
    kwargs = {"gamma": 0.0, "seed": 0, "device": "cpu", **kwargs}
    return cls("MlpPolicy", env or corridor(), **kwargs)


def records(n, rng, **fields):
    observations, actions = rng.integers(N, size=n), rng.integers(2, size=n)
    base = {
        "observations": observations,
        "actions": actions,
        "approvals": np.zeros(n),
        "information": rng.integers(3, size=n),
        "observed": np.zeros(n),
        "usefulness": np.full(n, np.nan),
    }
    return base | {key: value(base) for key, value in fields.items()}


def test_how_good_is_learned_by_imitation():
    rng = np.random.default_rng(0)
    assistant = LearnedActionAssistant(
        an_agent().policy, ("ending", "outcome", "rollout"), learning_rate=1e-2
    )
    losses = []
    for _ in range(60):
        batch = records(256, rng, approvals=lambda r: r["observations"] * (2.0 * r["actions"] - 1))
        losses.append(assistant.learn([batch])["loss"])
    observations, actions = np.arange(N).repeat(2), np.tile([0, 1], N)
    values = assistant.how_good(observations, actions)
    np.testing.assert_allclose(values, observations * (2.0 * actions - 1), atol=0.3)
    assert losses[-1] < 0.01 * losses[0]


def test_useful_information_is_learned_from_the_overseers_judgement():
    """With action 0 the first is useful, with action 1 the last."""
    rng = np.random.default_rng(0)
    assistant = LearnedActionAssistant(
        an_agent().policy, ("ending", "outcome", "rollout"), learning_rate=1e-2, ent_coef=0.0
    )
    for _ in range(60):
        batch = records(128, rng)
        batch["information"] = assistant.useful_information(batch["observations"], batch["actions"])
        batch["usefulness"] = (batch["information"] == 2 * batch["actions"]).astype(float)
        output = assistant.learn([batch])
    assert output["usefulness"] > 0.9
    observations = rng.integers(N, size=200)
    for action, best in ((0, 0), (1, 2)):
        shown = assistant.useful_information(observations, np.full(200, action))
        assert np.mean(shown == best) > 0.85
    assert sum(output[f"shown_{name}"] for name in assistant.information) == pytest.approx(1)


def test_nothing_is_learned_from_nothing():
    assert LearnedActionAssistant(an_agent().policy, ("outcome",)).learn([]) == {}


@pytest.mark.parametrize(("argument", "value"), [("n_epochs", 0), ("batch_size", 2.5),
                                                 ("learning_rate", 0.0), ("polyak_tau", 1.5),
                                                 ("ent_coef", -1)])  # fmt: skip
def test_bad_arguments_of_the_assistant_are_named(argument, value):
    with pytest.raises(ValueError, match=argument):
        LearnedActionAssistant(an_agent().policy, ("outcome",), **{argument: value})


def goes_right(model):
    return model.predict(np.arange(N - 1), deterministic=True)[0].tolist() == [1] * (N - 1)


@pytest.mark.parametrize(
    "information",
    [("outcome",), pytest.param(("ending", "outcome", "rollout"), marks=pytest.mark.slow)],
)
def test_ppo_learns_the_way_from_approval_alone(information):
    look = {"look_ahead": 2} if "rollout" in information else {}
    env = corridor(information=information, **look)
    model = an_agent(PPO, env, n_steps=32, batch_size=64, learning_rate=3e-3)
    model.learn(4096, callback=AmplificationCallback(answering={"learning_rate": 3e-3}))
    assert goes_right(model)
    assert env.get_attr("human_interactions")[0] == 4096


@pytest.mark.slow
def test_dqn_learns_the_way_from_approval_alone():
    env = corridor(information=("outcome",))
    model = an_agent(
        DQN, env, learning_starts=256, learning_rate=3e-3, train_freq=4, gradient_steps=4
    )
    model.learn(4096, callback=AmplificationCallback(polyak_tau=0.25))
    assert goes_right(model)


def test_without_an_assistant_only_the_last_step_is_learned():
    env = corridor()
    model = an_agent(PPO, env, n_steps=32, batch_size=64, learning_rate=3e-3)
    model.learn(2048)
    with torch.no_grad():
        chances = model.policy.get_distribution(torch.arange(N - 1)).distribution.probs[:, 1]
    assert chances[N - 2] > 0.8
    assert chances[: N - 2].min() < 0.75


def test_training_continues_with_the_assistant_from_its_file(tmp_path):
    path = tmp_path / "assistant.safetensors"
    env = corridor(2)
    an_agent(PPO, env, n_steps=32, batch_size=64).learn(128, AmplificationCallback(path=path))
    kept = env.get_attr("assistant")[0]
    asked = np.arange(N - 1), np.ones(N - 1, np.int64)
    again = corridor(2)
    callback = AmplificationCallback(path=path)
    model = an_agent(PPO, again, n_steps=32, batch_size=64, seed=1)
    callback.init_callback(model)
    callback.on_training_start({}, {})
    np.testing.assert_array_equal(
        again.get_attr("assistant")[0].how_good(*asked), kept.how_good(*asked)
    )
    other = an_agent(PPO, corridor(2), policy_kwargs={"net_arch": [8]})
    with pytest.raises(ValueError, match="path must hold the copy"):
        other.learn(64, AmplificationCallback(path=path))


def test_answering_is_for_actions_alone():
    from ia_gym.agents import make_sb3_vec_env

    env = make_sb3_vec_env("IA-Permutation-v0", 2)
    model = PPO("MultiInputPolicy", env, n_steps=16, batch_size=16)
    with pytest.raises(ValueError, match="answering must be None"):
        model.learn(32, AmplificationCallback(answering={}))


def test_the_puzzle(tmp_path):
    """Better actions make a better overseer only where both sub-questions learn."""
    both, acting, judging = (learn_tables(2, *which, 250) for which in
                             ((True, True), (True, False), (False, True)))  # fmt: skip
    assert both["error"][-1] < 1e-4 < 0.3 < min(acting["error"][-1], judging["error"][-1])
    assert both["value"][-1] == pytest.approx(both["optimal"][0], rel=1e-4)
    assert acting["value"][-1] < 0.1 * both["value"][-1]
    shallow, at_once = learn_tables(1, True, True, 40), learn_tables(0, True, True, 40)
    assert both["error"][39] < shallow["error"][-1] < at_once["error"][-1]
    assert len(set(at_once["error"])) == 1  # on X's word alone, nothing moves
    for path in run_puzzle(tmp_path, 5):
        assert path.stat().st_size > 1000


@pytest.mark.slow
def test_commands_work_on_approval_of_actions(tmp_path):
    run = tmp_path / "run"
    output = CliRunner().invoke(app, ["train", "ppo", "--env", "IA-CartPole-v0",
                                    "--timesteps", "1024", "--log-dir", str(run)])  # fmt: skip
    assert output.exit_code == 0, output.output
    assert "of the best return" in output.output
    curve = pd.read_csv(run / "curve.csv")
    assert {"eval/return", "overseer/approval", "overseer/simulated_steps"} <= set(curve)
    assert curve["overseer/simulated_steps"].iloc[-1] > 1024
    runner = CliRunner()
    output = runner.invoke(app, ["eval", str(run), "--env", "IA-CartPole-v0"])
    assert output.exit_code == 0, output.output
    assert "of the best" in output.output
    output = runner.invoke(app, ["trace", str(run), "--env", "IA-CartPole-v0"])
    assert output.exit_code == 0, output.output
    assert "approval" in output.output
    assert "3.940" not in output.output  # 1 + d + d^2 + d^3: four steps, which are not the run's
    for command in ("eval", "trace"):
        output = runner.invoke(app, [command, str(run), "--env", "IA-FrozenLake-v0"])
        assert output.exit_code == 2
        assert "model must fit IA-FrozenLake-v0" in output.output


@pytest.mark.slow
def test_comparisons_work_on_approval_of_actions(tmp_path, capsys):
    table = compare("IA-CartPole-v0", ["plain"], log_dir=tmp_path, n_timesteps=512)
    assert {"random", "best"} <= set(table["agent"])
    assert 0 < table.set_index("agent").loc["plain", "share_of_best_return"] <= 1
    assert (tmp_path / "curves.png").exists()
    assert "held-out episodes" in capsys.readouterr().out


def test_settings_of_actions_stand_alone():
    settings = load_settings("ppo", "IA-CartPole-v0")
    assert "policy_kwargs" not in settings.model
    assert load_settings("lookahead-0", "IA-CartPole-v0").env_kwargs["look_ahead"] == 0
    assert load_settings("plain", "IA-CartPole-v0").env_kwargs == {"reward": "truth"}
    with pytest.raises(ValueError, match="env_id must be one of"):
        load_settings("imitation", "IA-CartPole-v0")
