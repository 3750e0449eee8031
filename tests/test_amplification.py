"""Amplify^H(X), with assistants that know, do not know, or misbehave."""

import numpy as np
import pytest

from ia_gym.amplification import amplify, sample_batch
from ia_gym.assistants import KnowNothing, Oracle
from ia_gym.overseers import ScriptedOverseer
from ia_gym.tasks import Permutation
from ia_gym.transcript import IDK


class Always:
    """Gives the same answers, whatever is asked."""

    def __init__(self, answers):
        self.answers = answers

    def answer(self, contexts, questions):
        return self.answers


@pytest.fixture
def overseer():
    return ScriptedOverseer(Permutation(8, max_power=16))


def test_an_assistant_that_knows_nothing_leaves_only_what_h_can_look_up(overseer):
    batch = sample_batch(overseer, KnowNothing(), np.random.default_rng(0), 50, 20)
    np.testing.assert_array_equal(batch.targets != IDK, batch.depths == 1)


def test_interactions_and_answers_are_counted(overseer):
    batch = sample_batch(overseer, Oracle(overseer.domain), np.random.default_rng(0), 50, 20)
    assert overseer.human_interactions == 50 * 20
    assert overseer.assistant_answers == 2 * np.count_nonzero(batch.depths > 1)


def test_rows_without_a_question_are_left_alone(overseer):
    domain, rng = overseer.domain, np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 1)
    questions = domain.sample_questions(rng, contexts, 4)
    questions[0, 1] = 0
    transcript = amplify(overseer, Oracle(domain), rng, contexts, questions)
    assert overseer.human_interactions == 3
    assert not transcript.questions[0, 1].any()
    assert not transcript.answers[0, 1].any()


def test_a_wrong_assistant_gives_a_consistent_wrong_target(overseer):
    domain, rng = overseer.domain, np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 1)
    question = domain.question(np.array([[5]]), np.array([[5]]))  # σ(σ²(σ²(5)))
    transcript = amplify(overseer, Always(np.array([[7]])), rng, contexts, question)
    image = contexts["image"][0]
    assert overseer.answer(contexts, question, transcript) == image[7]
    assert overseer.judge(contexts, question, transcript, np.array([[image[7]]])) == 1


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        (np.zeros((2, 5), int), r"shape \(2, 4\), got int64 of shape \(2, 5\)"),
        (np.zeros((2, 4)), "integer array"),
        (np.full((2, 4), 9), r"symbols in 0\.\.8, got 9\.\.9"),
        (np.full((2, 4), -1), r"symbols in 0\.\.8, got -1\.\.-1"),
        ([["a"] * 4] * 2, "integer array"),
    ],
)
def test_an_assistant_that_misbehaves_is_told(overseer, answers, message):
    domain, rng = overseer.domain, np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 2)
    questions = domain.sample_questions(rng, contexts, 4, depths=[3])
    with pytest.raises(ValueError, match=f"the assistant must return .*{message}"):
        amplify(overseer, Always(answers), rng, contexts, questions)


def test_unknown_approval_is_refused():
    with pytest.raises(ValueError, match="approval must be"):
        ScriptedOverseer(Permutation(8), "lenient")
