"""Environments in which the agent decomposes: gymnasium's rules, moves, rewards, learning."""

import warnings
from itertools import product

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from stable_baselines3.common.env_checker import check_env as sb3_check_env

import ia_gym  # noqa: F401
from ia_gym.agents import make_evaluator, make_sb3_vec_env
from ia_gym.amplification.assistants import FaultyOracle, Oracle
from ia_gym.domains import DOMAINS, Permutation
from ia_gym.domains.transcript import IDK, Transcript
from ia_gym.envs import check_vector_env

BASE = "IA-Decompose-Permutation-v0"
IDS = [f"IA-Decompose-{name}-v0" for name in DOMAINS]
KWARGS = [
    {},
    {"assistant": "faulty", "observation": "onehot"},
    {"overseer": "scripted", "judge_levels": 2, "observation": "flat"},
    {"reward": "truth", "assistant": "none"},
]


def make(env_id=BASE, **kwargs):
    return gym.make(env_id, disable_env_checker=True, **kwargs).unwrapped


def find_move(env, text):
    """The action that is described so."""
    texts = [env.moves.describe(action) for action in range(env.moves.n_actions)]
    return texts.index(text)


# --------------------------------------------------------- rules of gymnasium and SB3


CASES = [*product(IDS, KWARGS[:1]), *product(IDS[:1], KWARGS[1:])]


@pytest.mark.parametrize(("env_id", "kwargs"), CASES, ids=str)
def test_all_checkers_pass_without_a_warning(env_id, kwargs, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(make(env_id, render_mode="ansi", **kwargs))
        sb3_check_env(make(env_id, **kwargs))
    check_vector_env(lambda n, mode: gym.make_vec(env_id, n, autoreset_mode=mode, **kwargs))


@pytest.mark.parametrize("env_id", IDS)
def test_a_vector_of_one_gives_what_a_single_environment_gives(env_id):
    single, vec = make(env_id), gym.make_vec(env_id, 1, autoreset_mode="NextStep")
    rng = np.random.default_rng(0)
    one, info = single.reset(seed=5)
    many, infos = vec.reset(seed=5)
    for _ in range(40):
        np.testing.assert_array_equal(one, many[0])
        np.testing.assert_array_equal(info["action_mask"], infos["action_mask"][0])
        action = rng.choice(np.flatnonzero(single.action_masks()))
        one, reward, terminated, _, info = single.step(action)
        many, rewards, ended, _, infos = vec.step(np.array([action]))
        assert (reward, terminated) == (rewards[0], ended[0])
        if terminated:
            assert info["approval"] == infos["approval"][0]
            one, info = single.reset()
            many, *_, infos = vec.step(np.zeros(1, np.int64))


def test_what_is_asked_out_of_turn_is_refused():
    env = make()
    for call in (lambda: env.step(0), env.action_masks):
        with pytest.raises(ResetNeeded, match=r"reset\(\)"):
            call()
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"action must be in 0..37"):
        env.step(38)
    env.step(0)
    with pytest.raises(ResetNeeded, match="after every answer"):
        env.step(0)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"overseer": "human"}, "overseer must be one of"),
        ({"assistant": "inline"}, "assistant must be one of"),
        ({"max_questions": 0}, "max_questions must be"),
        ({"max_depth": 0}, "max_depth must be in 1..2, got 0"),
        ({"max_depth": 3}, "max_depth must be in 1..2, got 3"),
        ({"judge_levels": 0}, "judge_levels must be"),
        ({"question_cost": -1}, "question_cost must be"),
        ({"error_rate": 0.1}, 'error_rate must be left out.*assistant="oracle"'),
        ({"reward": "truth", "round_cost": 0.1}, "round_cost must be left out"),
        ({"approval": "graded"}, 'approval must be "strict" for Permutation'),
        ({"observation": "text"}, "observation must be one of"),
        ({"assistant": "faulty", "error_growth": 0.5}, "error_growth must be"),
    ],
)
def test_arguments_are_refused_by_name(kwargs, message):
    with pytest.raises(ValueError, match=message):
        make(**kwargs)


def test_other_domains_and_assistants_are_refused_by_name():
    class Mute(Permutation):
        templates = ()

    with pytest.raises(ValueError, match=r"domain must have templates.*Permutation has none"):
        make(domain=Mute, overseer="scripted")
    with pytest.raises(TypeError, match="'max_powr'"):
        make(max_powr=9)
    with pytest.raises(ValueError, match="assistant must have a method answer"):
        make().set_assistant(3)


@pytest.mark.parametrize("max_depth", [1, 3, None])
def test_questions_are_at_most_as_deep_as_asked_for(max_depth):
    vec = gym.make_vec(BASE, 256, max_power=64, max_depth=max_depth).unwrapped
    seen = set(vec.reset(seed=0)[1]["depth"])
    for _ in range(20):  # giving up, context after context
        seen |= set(vec.step(np.zeros(256, np.int64))[-1]["depth"])
    assert seen == set(range(1, (max_depth or 5) + 1))


# ---------------------------------------------------------------------- moves and masks


@pytest.mark.parametrize("env_id", IDS)
def test_what_the_mask_allows_is_a_question_or_an_answer(env_id):
    """Judged by the domain, over random play: well formed, and never the root question itself."""
    vec = gym.make_vec(env_id, 64).unwrapped
    domain, rng = vec.domain, np.random.default_rng(0)
    vec.reset(seed=0)
    asked_some = np.zeros(vec.moves.n_actions, bool)
    for _ in range(30):
        engine, options = vec.engine, vec.engine.options
        asked = options.asked[options.allowed & (options.asked[..., 0] != 0)]
        assert domain.is_well_formed(asked).all()
        roots = np.repeat(engine.questions[:, None], vec.moves.n_actions, axis=1)
        assert not ((options.asked == roots).all(axis=-1) & options.allowed).any()
        answers = options.answers * options.allowed
        mask = domain.answer_mask(engine.questions)
        assert np.take_along_axis(mask, answers, axis=1).all()
        assert options.allowed[:, 0].all()
        full = engine.n_rounds == vec.moves.max_questions
        assert not options.asked[full].any()
        asked_some |= options.allowed.any(axis=0)
        weights = options.allowed * rng.random(options.allowed.shape)
        weights[options.answers != 0] *= 0.1
        weights[:, 0] *= 0.01
        vec.step(weights.argmax(axis=1))
    assert asked_some.mean() > 0.6  # some arguments never are of the right kind


def test_a_move_that_is_not_well_formed_gives_up():
    env = make()
    env.reset(seed=0)
    action = find_move(env, "answer a1")  # nothing has been asked
    assert not env.action_masks()[action]
    _, reward, terminated, _, info = env.step(action)
    assert (reward, terminated, bool(info["is_success"])) == (0, True, False)


def test_templates_of_wildcard_split_patterns():
    domain = DOMAINS["Wildcard"](8)
    b = domain.bit_symbol
    question = np.array([[domain.kind_symbol, b + 2, b + 1, b + 2]])
    filled = [domain.fill_template(i, question)[0, 1:].tolist() for i in range(4)]
    assert filled == [[b, b + 1, b + 2], [b + 1, b + 1, b + 2],
                      [b + 2, b + 1, b], [b + 2, b + 1, b + 1]]  # fmt: skip


# ------------------------------------------------------------------------- episodes


@pytest.mark.parametrize("assistant", ["oracle", "set"])
@pytest.mark.parametrize(
    ("decomposition", "put", "asked"),
    [
        (["ask σ^(k-1)(q1)", "ask σ(a1)", "answer a2"], 1, 2),
        (["ask σ^⌊k/2⌋(q1)", "ask σ^⌈k/2⌉(a1)", "answer a2"], 2, 2),
        (["ask σ^(k-2)(q1)", "ask σ(a1)", "ask σ(a2)", "answer a3"], 1, 3),
    ],
)
def test_permutation_is_decomposed_by_hand(decomposition, put, asked, assistant):
    """Costs by counting; approval by following the permutation in the facts."""
    env = make(question_cost=0.125, round_cost=0.03125)
    if assistant == "set":
        env.set_assistant(Oracle(env.domain))
    env.reset(seed=1)
    played = 0
    for _ in range(60):
        name, power = (part[0] for part in env.domain.parse_questions(env.engine.questions))
        env.reset() if power < 4 else None
        if power < 4:
            continue
        image = dict(env.engine.contexts["facts"][0].tolist())
        for _ in range(power):
            name = image[name]
        total = 0.0
        for text in decomposition:
            _, reward, terminated, _, info = env.step(find_move(env, text))
            total += reward
        assert terminated
        assert (info["n_questions"], info["n_rounds"]) == (put, asked)
        assert (info["truth"], info["target"], info["approval"]) == (name, name, 1)
        assert total == 1 - 0.125 * put - 0.03125 * asked
        played += 1
        env.reset()
    assert played > 20


def test_the_judge_is_the_overseer_and_not_the_truth():
    """With an assistant that knows nothing a judge approves of what it can look up itself."""
    approved = {}
    for levels in (1, 2, 6):
        env = make(assistant="none", judge_levels=levels)
        env.reset(seed=0)
        for _ in range(80):
            power = int(env.domain.parse_questions(env.engine.questions)[1][0])
            for text in ["ask σ(q1)", *[f"ask σ(a{i})" for i in range(1, min(power, 6))]]:
                env.step(find_move(env, text))
            *_, info = env.step(find_move(env, f"answer a{min(power, 6)}"))
            if power <= 6:
                assert info["is_success"]
                approved[levels, power] = info["approval"]
            env.reset()
    # One level decomposes k = 2, each further level one step more.
    assert approved == {(lv, k): float(k <= lv + 1) for lv in (1, 2, 6) for k in range(2, 7)}


def test_a_faulty_assistant_errs_by_depth():
    domain, rng = Permutation(8, max_power=32), np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 400)
    questions = domain.sample_questions(rng, contexts, 100)
    for rate, growth in ((0.05, 2.0), (0.3, 1.0), (0.2, 3.0), (0.0, 5.0)):
        answers = FaultyOracle(domain, rate, growth, rng).answer(contexts, questions)
        wrong = answers != domain.truth(contexts, questions)
        assert IDK not in answers
        for depth in range(1, 5):
            at = domain.depth(contexts, questions) == depth
            expected = min(1, rate * growth ** (depth - 1))
            error = np.sqrt(max(expected * (1 - expected), 1e-9) / at.sum())
            assert abs(wrong[at].mean() - expected) <= 4 * error


def test_transcripts_are_shown_and_facts_are_not():
    env = make(observation="flat")
    first, _ = env.reset(seed=0)
    length = env.domain.question_length
    np.testing.assert_array_equal(first[:length], env.engine.questions[0])
    assert not first[length:].any()
    shown, *_ = env.step(find_move(env, "ask σ(q1)"))
    image = dict(env.engine.contexts["facts"][0].tolist())
    slot = shown[length : 2 * length + 1]
    asked = env.domain.make_questions(first[1:2].astype(int), np.ones(1, int))[0]
    assert slot.tolist() == [*asked.tolist(), image[first[1]]]
    assert shown.size == length + 6 * (length + 1)


@pytest.mark.parametrize("mode", ["ansi", "rgb_array"])
def test_episodes_are_rendered(mode):
    env = make(render_mode=mode)
    env.reset(seed=0)
    before = env.render()
    env.step(find_move(env, "ask σ(q1)"))
    env.step(find_move(env, "answer a1"))
    after = env.render()
    if mode == "ansi":
        assert "no answer yet" in before
        assert "agent asks σ^1(" in after
        assert "approval" in after
    else:
        assert before.shape == after.shape == (600, 800, 3)


def test_options_are_empty_without_a_question():
    domain = Permutation(4)
    moves = gym.make_vec(BASE, 1, size=4).unwrapped.moves
    nothing = Transcript.empty((1,), 6, domain.question_length)
    options = moves.list_options(np.zeros((1, domain.question_length), np.int64), nothing)
    assert options.allowed.sum() == 1


# ------------------------------------------------------------------------- learning


def test_maskable_ppo_learns_to_decompose():
    contrib = pytest.importorskip("sb3_contrib")
    small = {"size": 4, "max_power": 4, "max_questions": 3, "question_cost": 0.0, "round_cost": 0.0}
    env = make_sb3_vec_env(BASE, 64, **small)
    model = contrib.MaskablePPO(
        "MlpPolicy", env, n_steps=16, batch_size=512, n_epochs=4, learning_rate=3e-3, seed=0,
        ent_coef=0.01, gamma=1.0, policy_kwargs={"net_arch": [64]},
    )  # fmt: skip
    evaluator = make_evaluator(BASE, 256, **small)
    before = evaluator.evaluate(model)
    model.learn(12_000)
    after = evaluator.evaluate(model)
    assert before["eval/accuracy"] < 0.6
    assert after["eval/accuracy"] > 0.95
    assert after["overseer/approval"] == after["eval/accuracy"]  # the oracle's judge is right
    assert "novice" in evaluator.showing(model, number=0).to_text()
    assert set(evaluator.references()) == {"novice", "scripted"}
    with pytest.raises(ValueError, match="levels is for environments that ask questions"):
        evaluator.showing(model, levels=2)
