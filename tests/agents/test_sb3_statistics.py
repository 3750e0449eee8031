"""What SB3 itself logs and reports of training and evaluation: root questions only."""

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.callbacks import BaseCallback, EvalCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecNormalize
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ia_gym.agents import AmplificationCallback, ApprovalCallback, make_sb3_vec_env

N4 = "IA-UnionFind-N4-v0"
WINDOW = 30


class Count(BaseCallback):
    """Keeps every info, to count by hand."""

    def __init__(self):
        super().__init__()
        self.infos = []

    def _on_step(self):
        self.infos += self.locals["infos"]
        return True

    def last(self, key, roots_only=True):
        """Mean over the last questions, as many as SB3 looks at."""
        values = [info[key] for info in self.infos if info["is_root"] or not roots_only]
        return np.mean(values[-WINDOW:])


def learn(algorithm, env, callback, log_dir, steps=128, **arguments):
    """The last value of every tag that SB3 has written, and the count by hand."""
    model = algorithm(
        "MlpPolicy", env, seed=0, stats_window_size=WINDOW, tensorboard_log=log_dir, **arguments
    )
    count = Count()
    model.learn(steps, callback=[*callback, count], log_interval=1)
    events = EventAccumulator(model.logger.dir).Reload()
    return {tag: events.Scalars(tag)[-1].value for tag in events.Tags()["scalars"]}, count


@pytest.mark.parametrize(
    ("algorithm", "arguments"),
    [(PPO, {"n_steps": 16, "batch_size": 16}), (A2C, {}), (DQN, {"learning_starts": 8})],
)
@pytest.mark.parametrize("callback", [ApprovalCallback, AmplificationCallback])
def test_sb3_logs_means_over_root_questions(algorithm, arguments, callback, tmp_path):
    vec = make_sb3_vec_env(N4, num_envs=4, trust=None)
    logged, count = learn(algorithm, vec, [callback()], tmp_path, **arguments)
    assert logged["rollout/ep_rew_mean"] == pytest.approx(count.last("approval"))
    assert logged["rollout/approval"] == pytest.approx(count.last("approval"))
    assert logged["rollout/success_rate"] == pytest.approx(count.last("is_success"))
    assert logged["rollout/ep_len_mean"] == 1
    share = 1 - count.last("is_root", roots_only=False)
    assert logged["rollout/sub_questions"] == pytest.approx(share)
    assert (share == 0) == (callback is AmplificationCallback)  # inline, many


def test_without_any_class_of_ours_success_is_over_root_questions_and_return_over_all(tmp_path):
    """SB3's own Monitor sees one-step episodes of reward 0: that halves its means."""
    callback = [ApprovalCallback()]
    logged, count = learn(PPO, N4, callback, tmp_path, n_steps=64, batch_size=64)
    assert logged["rollout/success_rate"] == pytest.approx(count.last("is_success"))
    assert logged["rollout/approval"] == pytest.approx(count.last("approval"))
    returns = np.mean([info["episode"]["r"] for info in count.infos[-WINDOW:]])
    assert logged["rollout/ep_rew_mean"] == pytest.approx(returns)


@pytest.mark.parametrize("kwargs", [{"reward": "truth"}, {"trust": None}])
@pytest.mark.parametrize("kind", ["bridge", "VecNormalize", "SB3"])
def test_evaluations_of_sb3_report_success(kind, kwargs, tmp_path, recwarn):
    if kind == "SB3":
        vec = make_vec_env(N4, n_envs=3, env_kwargs=kwargs)
    else:
        vec = make_sb3_vec_env(N4, num_envs=3, **kwargs)
    if kind == "VecNormalize":
        vec = VecNormalize(vec, norm_reward=False)
    assert vec.env_is_wrapped(Monitor) == [True] * 3
    model = PPO("MlpPolicy", vec, n_steps=8, batch_size=8, seed=0)
    seen = []

    def keep(local, _):
        info = local["infos"][local["i"]]
        seen.append((info["is_root"], info.get("is_success"), local["rewards"][local["i"]]))

    evaluate_policy(model, vec, n_eval_episodes=30, callback=keep)
    assert all((success is None) == (not is_root) for is_root, success, _ in seen)
    if kwargs == {"reward": "truth"}:
        assert all(success == reward for _, success, reward in seen)
    path = str(tmp_path)
    evaluation = EvalCallback(vec, n_eval_episodes=30, eval_freq=8, log_path=path, verbose=0)
    model.learn(24, evaluation)
    with np.load(tmp_path / "evaluations.npz") as stored:
        successes, results = stored["successes"], stored["results"]
    if kwargs == {"reward": "truth"}:
        np.testing.assert_array_equal(successes, results)
    messages = [str(warning.message) for warning in recwarn]
    assert not [message for message in messages if "Monitor" in message]


def test_approvals_of_actions_are_logged_too(tmp_path):
    vec = make_sb3_vec_env("IA-CartPole-v0", num_envs=2)
    model = PPO("MlpPolicy", vec, n_steps=8, batch_size=8, tensorboard_log=tmp_path)
    model.learn(16, callback=ApprovalCallback())
    tags = EventAccumulator(model.logger.dir).Reload().Tags()["scalars"]
    assert "rollout/approval" in tags
    assert "rollout/sub_questions" not in tags


@pytest.mark.parametrize("env_id", [N4, "IA-CartPole-v0"])
def test_without_approval_there_is_none_to_log(env_id):
    model = PPO("MlpPolicy", gym.make(env_id, reward="truth"))
    with pytest.raises(ValueError, match='needs environments of reward="approval"'):
        model.learn(8, callback=ApprovalCallback())
