"""Policies are evaluated, and assist, on the observations that their wrappers show them."""

import re
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
    CurriculumCallback,
    EpisodeEvaluator,
    EvaluationCallback,
    FactsExtractor,
    GymnasiumVecEnv,
    HumanPredictorCallback,
    PolicyAssistant,
    QuestionEvaluator,
    Supervised,
    make_evaluator,
    make_sb3_vec_env,
)
from ia_gym.agents.assistants.observation_encoder import find_encoder
from ia_gym.domains import Permutation
from ia_gym.envs.questions.observations import ObservationEncoding, ObservationMode
from ia_gym.experiments.saved_agents import check_fit

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


# ------------------------------------------------------------------------- encodings


class Reader:
    """Answers questions about permutations from what it is shown, by applying σ k times.

    Args:
        space: of what it is shown; says nothing of it if ``silent``.
    """

    def __init__(self, domain, mode, silent=False):
        self.domain, self.mode = domain, mode
        if not silent:
            self.observation_space = ObservationEncoding(domain, mode).space

    def predict(self, observations, state=None, episode_start=None, deterministic=False):
        return np.array([self.answer(*self.read(each)) for each in self.split(observations)]), None

    def split(self, observations):
        if self.mode != "tokens":
            return observations
        return np.concatenate([observations["facts"], observations["question"]], axis=1)

    def read(self, shown):
        """Pairs (x, σ(x)), a name and a power."""
        domain = self.domain
        if self.mode in ("text", "prompt"):
            pairs = re.findall(r"σ\((\d+)\) = (\d+)", shown)
            [(power, name)] = re.findall(r"σ\^(\d+)\((\d+)\) = \?", shown)
            return np.array(pairs, int), int(name), int(power)
        if self.mode == "onehot":
            shown = shown.reshape(-1, domain.n_symbols).argmax(axis=1)
        shown = shown.astype(int)
        facts, question = np.split(shown, [2 * domain.max_size])
        bits = "".join(map(str, question[2:] - domain.bit_symbol))
        return facts.reshape(-1, 2), question[1], int(bits, 2)

    def answer(self, pairs, name, power):
        image = dict(pairs.tolist())
        for _ in range(power):
            name = image[name]
        return name


@pytest.mark.parametrize("silent", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_questions_are_shown_to_an_agent_as_it_reads_them(mode, silent):
    """Held out, as an assistant, and in a trace: who can read answers everything rightly.

    One that says what it sees is shown that, whatever the evaluator's environment shows; another
    one is shown what that environment shows.
    """
    kwargs = {"observation": mode} if silent else {}
    evaluator = QuestionEvaluator(BASE, 64, size=5, max_size=7, **kwargs)
    reader = Reader(evaluator.domain, mode, silent)
    row = evaluator.evaluate(reader)
    assert row["eval/accuracy"] == row["overseer/approval"] == row["overseer/target_accuracy"] == 1
    assert all(node.right for node in evaluator.showing(reader, number=3, levels=2).trace.walk())
    if not silent:
        vec = gym.make_vec(BASE, 8, size=5, max_size=7, trust=None, observation="flat")
        vec.call("set_assistant", PolicyAssistant(reader, domain=evaluator.domain))
        _, infos = vec.reset(seed=0)
        for _ in range(20):
            _, rewards, *_, infos = vec.step(infos["truth"])
            assert rewards.all()


def test_an_assistant_that_sees_other_observations_needs_the_domain():
    domain = gym.make(BASE).unwrapped.domain
    with pytest.raises(ValueError, match=r"^domain must be given for a policy that sees Box"):
        PolicyAssistant(Reader(domain, "onehot"))
    with pytest.raises(ValueError, match="model must see observations of"):
        PolicyAssistant(Reader(Permutation(7), "onehot"), domain=domain)


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode not in ("text", "prompt")])
def test_every_encoding_trains_with_the_callbacks(mode, tmp_path):
    env = make_sb3_vec_env(BASE, 4, observation=mode, trust=None)
    model = make_model(env, n_steps=32)
    evaluation = EvaluationCallback(QuestionEvaluator(BASE, 64), 128)
    model.learn(128, [AmplificationCallback(), CurriculumCallback(), evaluation])
    assert evaluation.history[-1]["overseer/assistant_answers"] > 0
    model.learn(128, HumanPredictorCallback(2, 4, seed=0, width=16, heads=2, layers=1))
    before = evaluation.evaluator.evaluate(model)["eval/accuracy"]
    model.save(tmp_path / "model")
    again = PPO.load(tmp_path / "model")  # without environments
    assert evaluation.evaluator.evaluate(again)["eval/accuracy"] == before
    check_fit(again, BASE)
    with pytest.raises(ValueError, match="model must fit IA-Wildcard-v0"):
        check_fit(again, "IA-Wildcard-v0")


@pytest.mark.parametrize("mode", ["onehot", "multidiscrete"])
def test_encodings_reach_assistants_in_other_processes(mode):
    env = in_processes(observation=mode, trust=None, max_power=8)
    encoder = find_encoder(env)
    assert encoder.encoding.mode == mode
    model = make_model(env, n_steps=16, batch_size=16)
    model.learn(48, AmplificationCallback())
    assert sum(env.get_attr("assistant_answers")) > 0
    env.close()


def test_networks_for_tokens_name_the_encoding_they_need():
    env = gym.make("IA-Permutation-N4-v0")
    wanted = r'^observation_space must be Dict.*, as question .* with observation="tokens"'
    for make in (
        lambda: FactsExtractor(env.observation_space),
        lambda: Supervised("MultiInputPolicy", env),
    ):
        with pytest.raises(ValueError, match=wanted):
            make()
