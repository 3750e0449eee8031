"""Environments whose overseer or assistant fails, and the adversary's reward."""

import copy

import gymnasium as gym
import numpy as np
import pytest

import ia_gym  # noqa: F401
from ia_gym.amplification.assistants import Oracle
from ia_gym.amplification.failures import FailingOverseer
from ia_gym.amplification.overseers import ScriptedOverseer
from ia_gym.amplification.votes import VotingOverseer
from ia_gym.envs import make_evaluation_kwargs

SMALL = {"size": 4, "max_power": 8, "observation": "tokens"}
CASES = [
    {"overseer_failure": 0.3},
    {"overseer_failure": 0.3, "failure_kind": "hashed", "trust": None},
    {"overseer_failure": 0.3, "failure_at": "approval"},
    {"overseer_failure": 0.3, "failure_at": "subquestion", "trust": None},
    {"votes": 3, "trust": None},
    {"overseer_failure": 0.3, "votes": 3, "assistant": "oracle"},
    {"assistant_failure": 0.3, "assistant": "oracle", "adversarial_assistant": True},
    {"assistant_failure": 0.3, "assistant": "none", "failure_kind": "hashed"},
    {"reward": "deception", "trust": None},
]


def make(**kwargs):
    return gym.make("IA-Permutation-v0", **SMALL, **kwargs).unwrapped


def make_vec(n, **kwargs):
    return gym.make_vec("IA-Permutation-v0", n, **SMALL, **kwargs).unwrapped


def play(env, steps, answer):
    """Rewards of a vector, and the infos of the questions answered."""
    _, info = env.reset(seed=0)
    rewards, infos = [], []
    for _ in range(steps):
        _, reward, _, _, info = env.step(answer(env, info))
        rewards.append(reward)
        infos.append(info["final_info"])
    return np.stack(rewards), infos


def tell_truth(env, info):
    return info["truth"]


def lie(env, info):
    return env.domain.lie(env.engine.contexts, env.engine.questions[:, None])[:, 0]


@pytest.mark.parametrize("kwargs", CASES, ids=str)
def test_a_vector_of_one_equals_the_env_and_seeds_repeat(kwargs):
    def record(env, is_vector):
        rng = np.random.default_rng(0)
        env.reset(seed=3)
        found = []
        for _ in range(150):
            action = int(rng.integers(env.domain.n_answers))
            if is_vector:
                _, reward, _, _, info = env.step(np.array([action]))
                info = info["final_info"]
                found.append((float(reward[0]), int(info["target"][0]), int(info["truth"][0])))
            else:
                _, reward, _, _, info = env.step(action)
                found.append((reward, int(info["target"]), int(info["truth"])))
                env.reset()
        return found

    single = record(make(**kwargs), False)
    assert single == record(make(**kwargs), False) == record(make_vec(1, **kwargs), True)
    assert len(set(single)) > 1


@pytest.mark.parametrize(
    ("kwargs", "approved", "target"),
    [
        ({}, 1 - 0.3 + 0.3 / 5, 0.76),
        ({"failure_at": "approval"}, 0.7, 1),
        ({"votes": 3}, 0.76, 0.8878),  # the mean of three; their majority, see test_failures.py
    ],
    ids=str,
)
def test_true_answers_earn_what_the_closed_form_says(kwargs, approved, target):
    env = make_vec(64, overseer_failure=0.3, assistant="oracle", trust=None, **kwargs)
    rewards, infos = play(env, 300, tell_truth)
    assert abs(rewards.mean() - approved) < 0.015
    right = np.mean([info["target"] == info["truth"] for info in infos])
    assert abs(right - target) < 0.015
    could, failed = env.failures["overseer"].sum(axis=1)
    assert abs(failed / could - 0.3) < 0.015


def test_questions_are_those_of_an_environment_that_never_fails_if_failures_are_hashed():
    """Hashed failures draw nothing, so that only what is said differs."""

    def ask(**kwargs):
        env = make_vec(4, assistant="oracle", trust=None, **kwargs)
        env.reset(seed=1)
        return env.engine.sheet.rows

    failing = ask(overseer_failure=0.5, failure_kind="hashed")
    np.testing.assert_array_equal(failing, ask())


def test_votes_triple_the_sub_questions_that_the_agent_is_asked():
    counts = []
    for votes in (1, 3):
        env = make_vec(8, votes=votes, trust=None)
        _, infos = play(env, 400, tell_truth)
        roots = np.sum([info["is_root"] for info in infos])
        counts.append((8 * 400 - roots) / roots)
        assert abs(env.human_interactions - votes * roots) <= votes * 8 * 17
    assert abs(counts[1] / counts[0] - 3) < 0.2


def test_a_failing_assistant_has_to_be_attached():
    env = make(assistant_failure=0.5, trust=None)
    env.reset(seed=0)
    with pytest.raises(ValueError, match="assistant_failure must be 0 without an attached"):
        env.step(1)
    env.set_assistant(Oracle(env.domain))
    for _ in range(200):
        env.step(1)
        env.reset()
    could, failed = env.failures["assistant"]
    assert could[1] > 50
    assert 0.3 < failed[1] / could[1] < 0.7
    assert env.failures.keys() == {"assistant"}


def test_an_overseer_that_is_set_fails_as_the_one_before():
    env = make(overseer_failure=1, assistant="oracle", votes=3)
    own = ScriptedOverseer(env.domain)
    env.set_overseer(own)
    assert env.overseer is own
    assert isinstance(env.engine.overseer, VotingOverseer)
    assert isinstance(env.engine.overseer.inner, FailingOverseer)
    with pytest.raises(ValueError, match="votes must be given to the environment"):
        env.set_overseer(VotingOverseer(own, 3))


@pytest.mark.parametrize("kwargs", CASES[:6], ids=str)
def test_copies_continue_alike(kwargs):
    env = make_vec(4, **kwargs)
    env.reset(seed=0)
    env.step(np.ones(4, np.int64))
    other = copy.deepcopy(env)
    for _ in range(60):
        one, two = (each.step(np.ones(4, np.int64)) for each in (env, other))
        np.testing.assert_array_equal(one[1], two[1])
        np.testing.assert_array_equal(
            one[4]["final_info"]["target"], two[4]["final_info"]["target"]
        )
    for name, numbers in env.failures.items():
        np.testing.assert_array_equal(numbers, other.failures[name])


def test_evaluations_never_fail():
    kwargs = {"overseer_failure": 0.5, "votes": 3, "assistant_failure": 0.1, "size": 4}
    kept = make_evaluation_kwargs({**kwargs, "failure_kind": "hashed"})
    assert kept == {"size": 4, "reward": "truth"}
    assert make(reward="truth").failures == {}


# ----------------------------------------------------------------- the adversary


@pytest.mark.parametrize("n", [1, 8])
@pytest.mark.parametrize(
    ("kwargs", "accepted"), [({}, 1), ({"votes": 3}, 1), ({"audit": 1.0}, 0)], ids=str
)
def test_a_liar_is_believed_until_it_is_audited(n, kwargs, accepted):
    class Liar:
        def answer(self, contexts, questions):
            return env.domain.lie(contexts, questions)

    env = make_vec(n, reward="deception", trust=None, **kwargs)
    env.set_assistant(Liar())
    rewards, infos = play(env, 1200 // n, lie)
    wrong = np.stack([~info["is_success"] for info in infos])
    deep = np.stack([info["depth"] for info in infos]) == 2
    np.testing.assert_array_equal(rewards == 1, wrong & deep & bool(accepted))
    measured = env.deception
    assert measured["deception/accepted_depth_1"] == 0  # it is looked up
    assert measured["deception/accepted_depth_2"] == accepted
    expected = (rewards * deep)[deep].reshape(-1)[-256:].mean()
    assert abs(measured["deception/deceived_depth_2"] - expected) < 1e-9
    assert make(trust=None).deception == {}


def test_the_gate_never_opens_to_a_liar():
    env = make_vec(8, reward="deception", trust=0.75)
    rewards, _ = play(env, 400, lie)
    assert not rewards.any()
    assert env.trusted.tolist() == [True, False, False]


def test_a_single_environment_rewards_deception_as_a_vector_does():
    env = make(reward="deception", assistant="oracle")
    env.reset(seed=0)
    for _ in range(100):
        truth = int(env.engine.truths[0])
        _, reward, _, _, info = env.step(truth)
        assert (reward, info["approval"]) == (0, 1)
        env.reset()
