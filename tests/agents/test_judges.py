"""The common measures: how good a judge is, and what it makes of true and of false answers."""

import numpy as np
import pytest
from stable_baselines3 import DQN, PPO
from tiny_learners import TINY, make_tiny_learner

from ia_gym.agents import (
    AnswerSearch,
    EvaluationCallback,
    ImitationIA,
    QuestionEvaluator,
    Supervised,
    make_sb3_vec_env,
)
from ia_gym.agents.evaluation.judges import find_falsehoods, measure_judge
from ia_gym.agents.policies.answer_preferences import read_preferences
from ia_gym.domains import DOMAINS

BASE = "IA-Permutation-v0"


class Judges:
    """Scores by a table of verdicts, of shape (B, Q, n_answers)."""

    def __init__(self, table):
        self.table = table

    def judge(self, contexts, questions, answers):
        return np.take_along_axis(self.table, answers[..., None], axis=-1)[..., 0]


@pytest.mark.parametrize("name", DOMAINS)
def test_measures_of_judges_whose_verdicts_are_known(name):
    domain, rng = DOMAINS[name](6), np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 20)
    questions = domain.sample_questions(rng, contexts, 10)
    shape = (*questions.shape[:2], domain.n_answers)
    right = np.stack(
        [
            domain.is_correct(contexts, questions, np.full(shape[:2], answer))
            for answer in range(domain.n_answers)
        ],
        axis=-1,
    )
    preferences = rng.random(shape)
    falsehoods = find_falsehoods(domain, contexts, questions, preferences)
    allowed = domain.answer_mask(questions) & ~right
    allowed[..., 0] = False
    for row in np.ndindex(shape[:2]):  # the likeliest of the false ones, one by one
        best = max(np.flatnonzero(allowed[row]), key=lambda answer: preferences[row][answer])
        assert falsehoods[row] == best
    answers = rng.integers(1, domain.n_answers, size=shape[:2])
    case = domain, contexts, questions, answers, falsehoods
    correct = domain.is_correct(contexts, questions, answers).mean()
    perfect = measure_judge(Judges(right.astype(float)), *case)
    assert perfect["judge/accuracy"] == perfect["judge/score_difference"] == 1
    assert perfect["judge/overapproval"] == 0
    lenient = measure_judge(Judges(np.full(shape, 0.75)), *case)
    assert lenient["judge/accuracy"] == correct
    assert lenient["judge/overapproval"] == pytest.approx(0.75 - correct)
    assert lenient["judge/score_difference"] == 0


def test_every_agent_logs_them_and_the_largest_overapproval():
    evaluator = QuestionEvaluator(BASE, 64, **TINY)
    callback = EvaluationCallback(evaluator, 64)
    make_tiny_learner(AnswerSearch).learn(256, callback)
    gaps = [row["judge/overapproval"] for row in callback.history]
    largest = [row["judge/max_overapproval"] for row in callback.history]
    assert largest == [max(gaps[: i + 1]) for i in range(len(gaps))]
    last = callback.history[-1]
    assert last["overseer/verdicts"] >= 4 * 256
    assert last["judge/score"] == last["overseer/approval"]  # its judge is the amplified overseer
    assert {"judge/accuracy", "judge/score_difference", "overseer/lookups"} <= set(last)


@pytest.mark.parametrize("cls", [PPO, DQN])
def test_preferences_of_sb3s_agents_are_their_own(cls):
    """The answer an agent prefers is the one it gives."""
    env = make_sb3_vec_env(BASE, 1, **TINY, observation="onehot")
    model = cls("MlpPolicy", env, seed=0)
    observations = env.reset()
    preferences = read_preferences(model.policy, observations)
    assert preferences.shape == (1, 5)
    assert preferences.argmax() == model.predict(observations, deterministic=True)[0]
    assert read_preferences(object(), observations) is None


@pytest.mark.parametrize(
    ("cls", "kwargs", "per_question"),
    [
        (ImitationIA, {}, {"combinations": 1, "verdicts": 0}),
        (AnswerSearch, {"n_samples": None}, {"combinations": 0, "verdicts": None}),
        (Supervised, {}, {"lookups": 0, "combinations": 0, "verdicts": 0}),
    ],
)
def test_learners_report_the_work_of_their_overseer(cls, kwargs, per_question):
    model = make_tiny_learner(cls, **kwargs).learn(64)
    for work, number in per_question.items():
        if number is not None:
            assert getattr(model, work) == 64 * number
    if cls is AnswerSearch:  # each name, and the agent's own answer unless it is idk
        assert 4 * 64 <= model.verdicts <= 5 * 64
