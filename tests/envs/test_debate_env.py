"""Debate as a PettingZoo environment: PettingZoo's tests, and the rules of the vectorised one."""

import warnings

import numpy as np
import pytest

from ia_gym.amplification.overseers import ScriptedOverseer
from ia_gym.debate.rules import count_levels, debate, find_standing
from ia_gym.domains import DOMAINS

pytest.importorskip("pettingzoo")
from pettingzoo.test import api_test, render_test, seed_test

from ia_gym.envs import debate_v0

SIZES = {"size": 5}


@pytest.mark.parametrize("name", DOMAINS)
def test_pettingzoos_own_tests(name, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        api_test(debate_v0.env(name, **SIZES), num_cycles=60)
        seed_test(lambda: debate_v0.env(name, **SIZES), num_cycles=30)
        render_test(lambda render_mode: debate_v0.env(name, render_mode=render_mode, **SIZES))
    assert "answerer: " in capsys.readouterr().out


class Notes:
    """Claims and picks by a table that fills at random: the same question, the same answer."""

    def __init__(self, domain, rng, root, answer):
        self.domain, self.rng = domain, rng
        self.known, self.scores = {tuple(root): answer}, {}

    def answer_one(self, context, question):
        if tuple(question) not in self.known:
            truth = self.domain.truth(context, question[None, None])[0, 0]
            lies = np.flatnonzero(self.domain.answer_mask(question))[1:]
            said = self.rng.choice(lies) if self.rng.random() < 0.3 else truth
            self.known[tuple(question)] = int(said)
        return self.known[tuple(question)]

    def answer(self, contexts, questions):
        answers = np.zeros(questions.shape[:2], np.int64)
        for place in zip(*np.nonzero(questions[..., 0])):
            answers[place] = self.answer_one(contexts, questions[place])
        return answers

    def score(self, contexts, questions, answers):
        keys = [tuple(row) for row in questions.reshape(-1, questions.shape[-1])]
        scores = [self.scores.setdefault(key, self.rng.random()) for key in keys]
        return np.reshape(scores, answers.shape)


@pytest.mark.parametrize("name", DOMAINS)
def test_who_wins_is_what_the_vectorised_rules_say(name):
    """The same answers and picks, move by move and all at once."""
    rng, outcomes = np.random.default_rng(0), []
    env = debate_v0.env(name, **SIZES).unwrapped
    domain = env.domain
    for seed in range(25):
        env.reset(seed=seed)
        context, root = env.context, env.root[0, 0]
        truth = int(domain.truth(context, env.root)[0, 0])
        assert env.infos["answerer"]["truth"] == truth
        lies = np.flatnonzero(domain.answer_mask(root))[1:]
        answer = truth if seed % 2 else int(rng.choice(lies))
        notes = Notes(domain, rng, root, answer)
        while not any(env.terminations.values()):
            seen = env.split_observation(env.observe("answerer")["observation"])
            np.testing.assert_array_equal(seen["facts"], context["facts"][0])
            allowed = np.flatnonzero(env.observe(env.agent_selection)["action_mask"])
            if env.agent_selection == "challenger":
                rows = seen["subquestions"][allowed - 1][None]
                action = allowed[notes.score(context, rows, rows[..., 0]).argmax()]
            else:
                action = notes.answer_one(context, seen["asked"])
                assert action in allowed
            env.step(int(action))
        assert env.infos["challenger"]["is_correct"] == domain.is_correct(
            context, env.root, np.array([[answer]])
        )
        parts = ScriptedOverseer(domain), notes, notes, rng
        case = context, root[None, None], np.array([[answer]])
        levels = debate(*parts, *case, count_levels(domain))
        stands = bool(find_standing(levels)[0][0, 0])
        assert env.rewards == {"answerer": 2 * stands - 1, "challenger": 1 - 2 * stands}
        assert env.level == len(levels)
        outcomes.append(stands)
    assert 0 < sum(outcomes) < len(outcomes)


def test_what_is_not_allowed_is_refused_and_changes_nothing():
    env = debate_v0.env("Permutation", size=8).unwrapped
    env.reset(seed=1)
    before = env.observe("answerer")
    for bad in (0, 9, -1, 1.0, None, [1], "1"):
        with pytest.raises(
            ValueError, match=r"^action must be one of \[1, 2, .*8\] for the answerer"
        ):
            env.step(bad)
    after = env.observe("answerer")
    for key, value in before.items():
        np.testing.assert_array_equal(value, after[key])
    assert not env.observe("challenger")["action_mask"].any()
    with pytest.raises(ValueError, match=r"^depth_limit must be .*2.* needs 2"):
        debate_v0.env("Permutation", size=8, depth_limit=1)
    with pytest.raises(ValueError, match=r'^render_mode must be "human", "ansi" or None'):
        debate_v0.env(render_mode="rgb_array")
    with pytest.raises(ValueError, match=r"^domain must be one of"):
        debate_v0.env("Chess")
    with pytest.raises(TypeError, match="sise"):
        debate_v0.env("Permutation", sise=4)
    with pytest.raises(ValueError, match=r"^seed must be"):
        env.reset(seed=-1)


def test_a_challenger_must_pick_an_open_claim():
    env = debate_v0.env("Permutation", size=8).unwrapped
    for seed in range(20):
        env.reset(seed=seed)
        oracle = {"answerer": lambda q: int(env.domain.truth(env.context, q[None, None])[0, 0])}
        while env.agent_selection == "answerer" and not env.terminations["answerer"]:
            seen = env.split_observation(env.observe("answerer")["observation"])
            env.step(oracle["answerer"](seen["asked"]))
        if env.terminations["answerer"]:
            assert env.rewards["answerer"] == 1  # the truth, settled by lookups
            continue
        with pytest.raises(ValueError, match=r"^action must be one of \[1, 2\] for the challenger"):
            env.step(0)
        return
    pytest.fail("no debate came to a challenge")
