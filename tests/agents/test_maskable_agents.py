"""Agents that answer among the allowed symbols only, with SB3's and our vector environments."""

import inspect
from itertools import product

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from stable_baselines3 import DQN
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

from ia_gym.agents import (
    AmplificationCallback,
    GymnasiumVecEnv,
    MaskableDQN,
    QuestionEvaluator,
    make_sb3_vec_env,
)

ENV_ID = "IA-UnionFind-N4-v0"
DQN_KWARGS = {"learning_starts": 16, "train_freq": 1, "batch_size": 16, "buffer_size": 1000}


class CountRefused(BaseCallback):
    """Counts answers that the mask of their question does not allow."""

    refused = answers = 0

    def _on_step(self):
        actions, infos = self.locals["actions"], self.locals["infos"]
        allowed = [info["action_mask"][action] for action, info in zip(actions, infos, strict=True)]
        self.answers += len(allowed)
        self.refused += allowed.count(0)
        return True


def make_sync(env_id, **kwargs):
    make = [lambda: gym.make(env_id, **kwargs)] * 3
    return GymnasiumVecEnv(SyncVectorEnv(make, autoreset_mode=AutoresetMode.SAME_STEP))


VECTORS = {
    "native": lambda: make_sb3_vec_env(ENV_ID, 3),
    "wrapped": lambda: VecNormalize(make_sb3_vec_env(ENV_ID, 3), norm_reward=False),
    "sync": lambda: make_sync(ENV_ID),
    "SB3": lambda: make_vec_env(ENV_ID, 3),
    "dict": lambda: make_sb3_vec_env(ENV_ID, 3, observation="tokens"),
}


@pytest.mark.parametrize(
    ("algorithm", "vector"),
    [
        *product(["MaskablePPO"], ["native", "wrapped", "sync"]),
        *product(["MaskableDQN"], VECTORS),
        ("DQN", "native"),
    ],
)
def test_masks_hold_in_training_and_evaluation(algorithm, vector):
    vec = VECTORS[vector]()
    policy = "MultiInputPolicy" if vector == "dict" else "MlpPolicy"
    if algorithm == "MaskablePPO":
        contrib = pytest.importorskip("sb3_contrib")
        model = contrib.MaskablePPO(policy, vec, n_steps=16, batch_size=16, seed=0)
    else:
        cls = {"DQN": DQN, "MaskableDQN": MaskableDQN}[algorithm]
        model = cls(policy, vec, seed=0, exploration_fraction=0.9, **DQN_KWARGS)
    count = CountRefused()
    model.learn(96, callback=[count, AmplificationCallback()])
    assert count.answers >= 96
    assert (count.refused == 0) == (algorithm != "DQN")
    takes_masks = "action_masks" in inspect.signature(model.predict).parameters
    assert takes_masks == (algorithm != "DQN")
    held_out = QuestionEvaluator(ENV_ID, 256)
    assert 0 <= held_out.evaluate(model)["eval/accuracy"] <= 1


def test_the_slow_copy_of_a_masked_dqn_is_masked():
    vec = make_sb3_vec_env(ENV_ID, 3, observation="tokens")
    model = MaskableDQN("MultiInputPolicy", vec, seed=0, **DQN_KWARGS)
    callback = AmplificationCallback()
    model.learn(32, callback=callback)
    held_out = QuestionEvaluator(ENV_ID, 256)
    copy = callback.assistant
    assert copy.domain is not None  # else no masks are given
    answers = copy.answer(held_out.contexts, held_out.questions)
    allowed = held_out.domain.answer_mask(held_out.questions)
    assert np.take_along_axis(allowed, answers[..., None], -1).all()


def test_a_masked_prediction_is_the_best_allowed_value():
    env = gym.make(ENV_ID)
    model = MaskableDQN("MlpPolicy", env, seed=0)
    observation, info = env.reset(seed=0)
    values = model.q_net(model.policy.obs_to_tensor(observation)[0])[0].detach().numpy()
    order = np.argsort(-values)
    for allowed in (order[:1], order[3:5], order[[-1]]):
        mask = np.isin(np.arange(len(values)), allowed)
        action, _ = model.predict(observation, deterministic=True, action_masks=mask)
        assert action == allowed[0]
        batch, _ = model.predict(observation[None], deterministic=True, action_masks=mask[None])
        assert batch.tolist() == [allowed[0]]
    model.exploration_rate = 1.0
    mask = info["action_mask"].astype(bool)
    drawn = {int(model.predict(observation, action_masks=mask)[0]) for _ in range(100)}
    assert drawn == set(np.flatnonzero(mask))
    free = {int(model.predict(observation)[0]) for _ in range(300)}
    assert free == set(range(len(values)))


def test_a_masked_dqn_learns_from_approval():
    """Inline, three vertices. DQN without masks is at 66 % after these steps."""
    kwargs = {"size": 3, "max_size": 3}
    model = MaskableDQN(
        "MlpPolicy", make_sb3_vec_env(ENV_ID, 32, **kwargs), seed=0, gamma=0.0, train_freq=1,
        learning_starts=500, buffer_size=10_000, batch_size=256, learning_rate=2e-3,
        exploration_fraction=0.125, policy_kwargs={"net_arch": [128]},
    )  # fmt: skip
    held_out = QuestionEvaluator(ENV_ID, 2048, **kwargs)
    assert max(held_out.references()[name]["accuracy"] for name in ("copy", "majority")) < 0.62
    model.learn(8000)
    assert held_out.evaluate(model)["eval/accuracy"] > 0.75


def test_a_masked_dqn_needs_masks_to_train():
    with pytest.raises(ValueError, match="env must have a method action_masks"):
        MaskableDQN("MlpPolicy", "CartPole-v1").learn(8)
