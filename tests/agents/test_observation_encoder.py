"""Policies are evaluated, and assist, on the observations that their wrappers show them."""

from typing import get_args

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import (
    DelayObservation,
    FlattenObservation,
    FrameStackObservation,
    NormalizeObservation,
    TransformObservation,
)
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    SubprocVecEnv,
    VecExtractDictObs,
    VecFrameStack,
    VecMonitor,
    VecNormalize,
)

from ia_gym.agents import (
    AmplificationCallback,
    EpisodeEvaluator,
    EvaluationCallback,
    GymnasiumVecEnv,
    HumanPredictorCallback,
    QuestionEvaluator,
    make_evaluator,
    make_sb3_vec_env,
)
from ia_gym.agents.assistants.observation_encoder import find_encoder
from ia_gym.envs.questions.observations import ObservationMode

BASE = "IA-Permutation-v0"
MODES = get_args(ObservationMode)
FLAT = {"observation": "flat"}
TINY = {"size": 3, "max_power": 4}


def negate(env):
    """An ObservationWrapper of gymnasium's: a vector of the tokens' opposites."""
    flat = FlattenObservation(env)
    space = gym.spaces.Box(-100, 0, flat.observation_space.shape, np.float64)
    return TransformObservation(flat, lambda observation: -1.0 * observation, space)


def normalized(env):
    """With statistics that have seen something, and are frozen."""
    env = VecNormalize(env, norm_reward=False)
    env.reset()
    for _ in range(20):
        env.step(np.array([env.action_space.sample() for _ in range(env.num_envs)]))
    env.training = False
    return env


def in_sync(**kwargs):
    make = [lambda: FlattenObservation(gym.make(BASE, **TINY, **kwargs))] * 3
    return GymnasiumVecEnv(SyncVectorEnv(make, autoreset_mode=AutoresetMode.SAME_STEP))


def in_processes(**kwargs):
    kwargs = {**TINY, **kwargs}
    workers = {"vec_env_cls": SubprocVecEnv, "vec_env_kwargs": {"start_method": "fork"}}
    return make_vec_env(BASE, 3, env_kwargs=kwargs, **workers)


WAYS = {
    **{
        mode: lambda mode=mode: make_sb3_vec_env(BASE, 3, observation=mode, **TINY)
        for mode in MODES
    },
    "single one-hot": lambda: make_vec_env(BASE, 3, env_kwargs={**TINY, "observation": "onehot"}),
    "single ones in a vector": lambda: in_sync(observation="multidiscrete"),
    "wrapped": lambda: make_vec_env(BASE, 3, env_kwargs=TINY, wrapper_class=negate),
    "normalized": lambda: normalized(make_sb3_vec_env(BASE, 3, **TINY)),
    "normalized one-hot": lambda: normalized(
        VecMonitor(make_vec_env(BASE, 3, env_kwargs={**TINY, "observation": "onehot"}))
    ),
}


def read_tokens(engine):
    return {
        "facts": engine.contexts["facts"].reshape(engine.n_envs, -1),
        "question": engine.questions,
    }


@pytest.mark.parametrize("way", WAYS)
def test_the_encoder_shows_what_environments_and_wrappers_show(way):
    """The tokens inside, encoded, are what comes out at the top."""
    env = WAYS[way]()
    encode = find_encoder(env)
    shown = env.reset()
    for _ in range(3):
        base = env.unwrapped
        if hasattr(base, "venv") and not hasattr(base.venv.unwrapped, "envs"):
            inside = read_tokens(base.venv.unwrapped.engine)
        else:
            singles = base.envs if hasattr(base, "envs") else base.venv.unwrapped.envs
            rows = [read_tokens(single.unwrapped.engine) for single in singles]
            inside = {key: np.concatenate([row[key] for row in rows]) for key in rows[0]}
        encoded = encode(inside)
        if isinstance(shown, tuple):
            assert encoded == shown
        elif isinstance(shown, dict):
            for key, value in shown.items():
                assert encoded[key].dtype == value.dtype or way == "normalized"
                np.testing.assert_allclose(encoded[key], value)
        else:
            assert encoded.dtype == shown.dtype
            np.testing.assert_allclose(encoded, shown)
        shown = env.step(np.zeros(3, np.int64))[0]


def make_model(env, **kwargs):
    policy = (
        "MultiInputPolicy" if isinstance(env.observation_space, gym.spaces.Dict) else "MlpPolicy"
    )
    few = {"n_steps": 64, "batch_size": 64, "n_epochs": 4, "gamma": 0.0, "seed": 0}
    return PPO(policy, env, **{**few, **kwargs})


@pytest.mark.parametrize("way", ["onehot", "single one-hot", "normalized"])
def test_an_evaluation_agrees_with_playing(way):
    """Answers to the held-out questions, encoded by hand, are as often right as reported."""
    env = WAYS[way]()
    model = make_model(env)
    model.learn(192)
    evaluator = QuestionEvaluator(BASE, 320, **TINY)
    domain, rows = evaluator.domain, evaluator.observations
    if way == "normalized":
        rows = env.normalize_obs(rows)
    else:  # the evaluator's own environment shows tokens
        tokens = np.concatenate([rows["facts"], rows["question"]], axis=1)
        rows = np.eye(domain.n_symbols, dtype=np.float32)[tokens].reshape(len(tokens), -1)
    answers = model.predict(rows, deterministic=True)[0].reshape(evaluator.truths.shape)
    expected = np.mean(answers == evaluator.truths)
    assert evaluator.evaluate(model)["eval/accuracy"] == pytest.approx(expected)


def test_training_with_all_callbacks_under_wrappers():
    """Without a trust gate, so that the assistant is asked from the start."""
    inside = make_vec_env(BASE, 2, env_kwargs={"trust": None, "observation": "onehot"})
    model = make_model(VecNormalize(inside))
    evaluation = EvaluationCallback(QuestionEvaluator(BASE, 64), 64)
    model.learn(128, [AmplificationCallback(), evaluation])
    assert evaluation.history[-1]["overseer/assistant_answers"] > 0
    model.learn(128, HumanPredictorCallback(2, 4, seed=0, width=16, heads=2, layers=1))


def test_action_approval_trains_and_evaluates_under_wrappers():
    """VecNormalize over all, and one-hot states of the lake inside."""
    env = VecNormalize(make_vec_env("IA-FrozenLake-v0", 2, wrapper_class=FlattenObservation))
    model = make_model(env, n_steps=32)
    evaluation = EvaluationCallback(EpisodeEvaluator("IA-FrozenLake-v0", 4), 64)
    model.learn(64, [AmplificationCallback(), evaluation])
    states = env.normalize_obs(np.eye(64, dtype=np.int64))
    policy = model.predict(states, deterministic=True)[0]
    episodes = evaluation.evaluator.known.tabular()
    expected, _ = episodes.table.compute_expected_episode(policy, episodes.start, episodes.n_steps)
    assert evaluation.history[-1]["eval/return"] == pytest.approx(expected)
    assistant = env.get_attr("assistant")[0]
    np.testing.assert_array_equal(
        assistant.policy.predict(states, deterministic=True)[0],
        [assistant.policy.predict(row, deterministic=True)[0] for row in states],
    )
    assistant.deterministic = True
    np.testing.assert_array_equal(
        assistant.good_action(np.arange(64)),
        assistant.policy.predict(states, deterministic=True)[0],
    )


@pytest.mark.parametrize(
    ("wrap", "name"),
    [
        (lambda: make_vec_env(BASE, 1, env_kwargs=FLAT, wrapper_class=lambda env:
         DelayObservation(env, 1)), "DelayObservation"),
        (lambda: make_vec_env(BASE, 1, env_kwargs=FLAT, wrapper_class=NormalizeObservation),
         "NormalizeObservation"),
        (lambda: VecFrameStack(make_sb3_vec_env(BASE, 1, **FLAT), 2), "VecFrameStack"),
        (lambda: VecExtractDictObs(make_sb3_vec_env(BASE, 1), "facts"), "VecExtractDictObs"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("callback", ["amplification", "evaluation", "human"])
def test_other_wrappers_are_refused_by_name_before_training(wrap, name, callback):
    env = wrap()
    model = make_model(env)
    callbacks = {
        "amplification": AmplificationCallback,
        "evaluation": lambda: EvaluationCallback(QuestionEvaluator(BASE, 16), 16),
        "human": HumanPredictorCallback,
    }
    with pytest.raises(ValueError, match=f"env must not be wrapped by {name}: allowed are"):
        model.learn(64, callbacks[callback]())
    assert model.num_timesteps == 0


def test_wrappers_in_other_processes_are_refused():
    workers = {"vec_env_cls": SubprocVecEnv, "vec_env_kwargs": {"start_method": "fork"}}
    env = make_vec_env(BASE, 1, wrapper_class=FlattenObservation, **workers)
    with pytest.raises(ValueError, match="wrapped by ObservationWrapper in SubprocVecEnv"):
        find_encoder(env)
    env.close()
    plain = make_vec_env(BASE, 1, **workers)
    assert find_encoder(plain).layers == ()
    plain.close()


@pytest.mark.parametrize(
    ("wrap", "name"),
    [
        (lambda env: TransformObservation(env, lambda seen: seen, None), "ObservationWrapper"),
        (lambda env: FrameStackObservation(env, 2), "FrameStackObservation"),
    ],
)
def test_any_wrapper_in_other_processes_is_found(wrap, name):
    """Also one whose arguments cannot be sent, and one that is no ``ObservationWrapper``."""
    env = SubprocVecEnv([lambda: wrap(gym.make(BASE))], start_method="fork")
    with pytest.raises(ValueError, match=f"wrapped by {name} in SubprocVecEnv"):
        find_encoder(env)
    env.close()


def test_wrappers_of_the_game_itself_are_no_obstacle_in_other_processes():
    pytest.importorskip("ale_py")
    wraps = [lambda env: env, lambda env: TransformObservation(env, np.negative, None)]
    envs = [
        SubprocVecEnv([lambda wrap=wrap: wrap(gym.make("IA-Freeway-v0"))], start_method="fork")
        for wrap in wraps
    ]
    assert find_encoder(envs[0]).layers == ()
    with pytest.raises(ValueError, match="wrapped by ObservationWrapper in SubprocVecEnv"):
        find_encoder(envs[1])
    for env in envs:
        env.close()


@pytest.mark.parametrize(
    ("env_id", "other"),
    [
        (BASE, "IA-ShortestPath-v0"),
        ("IA-CartPole-v0", BASE),
        ("IA-CartPole-v0", "IA-FrozenLake-v0"),
        ("IA-FrozenLake-v0", "IA-CartPole-v0"),
    ],
)
@pytest.mark.parametrize("wrap", [lambda env: env, FlattenObservation])
def test_an_evaluator_of_another_environment_is_refused_before_training(env_id, other, wrap):
    model = make_model(DummyVecEnv([lambda: wrap(gym.make(env_id))]))
    with pytest.raises(ValueError, match="model must be of an environment that shows"):
        model.learn(64, EvaluationCallback(make_evaluator(other), 64))
    assert model.num_timesteps == 0


def test_a_policy_without_its_environments_must_see_an_encoding():
    env = DummyVecEnv([lambda: negate(gym.make(BASE))])
    with pytest.raises(ValueError, match="or hold the environments"):
        QuestionEvaluator(BASE, 16).evaluate(make_model(env).policy)
