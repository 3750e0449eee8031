"""Amplification, with assistants that know, do not know, or misbehave."""

from typing import ClassVar

import numpy as np
import pytest

from ia_gym.amplification.amplified_assistants import (
    AmplifiedAssistant,
    AuditedAssistant,
    DecomposingFallbackAssistant,
)
from ia_gym.amplification.amplify import amplify, open_round
from ia_gym.amplification.assistants import KnowNothing, Oracle
from ia_gym.amplification.batches import sample_batch
from ia_gym.amplification.overseers import ScriptedOverseer
from ia_gym.domains import Permutation, ShortestPath
from ia_gym.domains.transcript import IDK, PENDING, Transcript


class Always:
    """Gives the same answers, whatever is asked."""

    def __init__(self, answers):
        self.answers = answers

    def answer(self, contexts, questions):
        return self.answers


@pytest.fixture
def overseer():
    return ScriptedOverseer(Permutation(8, max_power=16))


def test_without_help_the_overseer_answers_what_it_can_look_up(overseer):
    batch = sample_batch(overseer, KnowNothing(), np.random.default_rng(0), 50, 20)
    np.testing.assert_array_equal(batch.targets != IDK, batch.depths == 1)


def test_interactions_and_answers_are_counted(overseer):
    batch = sample_batch(overseer, Oracle(overseer.domain), np.random.default_rng(0), 50, 20)
    assert overseer.human_interactions == 50 * 20
    assert overseer.assistant_answers == 2 * np.count_nonzero(batch.depths > 1)


def test_the_assistant_is_asked_what_is_not_looked_up():
    domain, rng = ShortestPath(6), np.random.default_rng(0)
    overseer = ScriptedOverseer(domain)
    batch = sample_batch(overseer, Oracle(domain), rng, 20, 20, judging=True)
    asked = batch.transcript.questions
    put = (asked[..., 0] != 0) & ~domain.is_primitive(asked)
    assert overseer.assistant_answers == np.count_nonzero(put) < put.size / 2


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
    question = domain.make_questions(np.array([[5]]), np.array([[5]]))  # σ(σ²(σ²(5)))
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
def test_answers_of_a_wrong_shape_type_or_range_are_refused(overseer, answers, message):
    domain, rng = overseer.domain, np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 2)
    questions = domain.sample_questions(rng, contexts, 4, depths=[3])
    with pytest.raises(ValueError, match=f"the assistant must return .*{message}"):
        amplify(overseer, Always(answers), rng, contexts, questions)


def test_unknown_approval_is_refused():
    with pytest.raises(ValueError, match="approval must be"):
        ScriptedOverseer(Permutation(8), "lenient")


def test_a_round_leaves_pending_what_awaits_an_answer(overseer):
    domain, rng = overseer.domain, np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 1)
    powers = np.array([[2, 5, 0]])
    questions = domain.make_questions(np.array([[3, 4, IDK]]), powers)
    transcript = Transcript.empty((1, 3), domain.n_slots, domain.question_length)
    awaited = open_round(overseer, rng, 0, contexts, questions, transcript)
    assert awaited.tolist() == [[[False], [True], [False]]]  # σ is looked up, σ² is not
    assert transcript.answers[0, :, 0].tolist() == [contexts["image"][0, 3], PENDING, IDK]
    trusted = np.zeros(domain.n_classes, bool)
    transcript = Transcript.empty((1, 3), domain.n_slots, domain.question_length)
    assert not open_round(overseer, rng, 0, contexts, questions, transcript, trusted).any()
    assert transcript.answers[0, :, 0].tolist() == [contexts["image"][0, 3], IDK, IDK]
    assert not transcript.questions[0, 1].any()  # left aside: it is not asked at all


class Says(Permutation):
    """A script in which one method says something else."""

    name = "Says"
    said: ClassVar = {}

    def is_primitive(self, questions):
        return self.said.get("is_primitive", super().is_primitive(questions))

    def look_up(self, rng, contexts, questions):
        return self.said.get("look_up", super().look_up(rng, contexts, questions))

    def ask(self, *rest):
        return self.said.get("ask", super().ask(*rest))

    def answer(self, *rest):
        return self.said.get("answer", super().answer(*rest))

    def error(self, *rest):
        return self.said.get("error", super().error(*rest))


@pytest.mark.parametrize(
    ("method", "said", "message"),
    [
        ("ask", np.zeros((1, 2, 2, 4), int), r"in 0\.\.11 of shape \(1, 2, 1, 4\), got int64 of"),
        ("ask", np.full((1, 2, 1, 4), 12), r"in 0\.\.11 .*, got int64 of shape .*, 12\.\.12"),
        ("ask", np.full((1, 2, 1, 4), -1), r"got int64 of shape .*, -1\.\.-1"),
        ("ask", np.zeros((1, 2, 1, 4)), "got float64"),
        ("look_up", np.full((1, 2), 12), r"in 0\.\.11 of shape \(2,\)"),
        ("look_up", np.zeros((1, 1), int), r"whole numbers of shape \(1, 2\)"),
        ("is_primitive", np.zeros((1, 2), int), r"booleans of shape \(1, 2\), got int64"),
        ("is_primitive", None, "booleans"),
        ("answer", np.full((1, 2), 9), r"in 0\.\.8 of shape \(1, 2\), got int64 of"),
        ("error", np.full((1, 2), -1.0), "numbers of at least 0"),
        ("error", np.full((1, 2), np.nan), "numbers of at least 0"),
        ("error", np.zeros(2), r"of shape \(1, 2\)"),
    ],
)
def test_what_a_script_should_not_return_is_refused(method, said, message):
    domain, rng = Says(8, max_power=4), np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 1)
    questions = domain.make_questions(np.array([[1, 2]]), np.array([[2, 3]]))
    domain.said = {method: said}
    overseer = ScriptedOverseer(domain)

    def play():
        transcript = amplify(overseer, Oracle(domain), rng, contexts, questions)
        answers = overseer.answer(contexts, questions, transcript)
        overseer.judge(contexts, questions, transcript, answers)

    with pytest.raises(ValueError, match=rf"{method}\(\) of Says must return .*{message}"):
        play()


def test_rounds_of_judging_are_asked_if_requested():
    domain, rng = ShortestPath(6), np.random.default_rng(0)
    overseer, oracle = ScriptedOverseer(domain), Oracle(domain)
    for judging, slots in ((False, sum(domain.subquestions_per_round)), (True, domain.n_slots)):
        batch = sample_batch(overseer, oracle, rng, 3, 4, judging=judging)
        assert batch.transcript.questions.shape == (3, 4, slots, 3)
        assert domain.is_correct(batch.contexts, batch.questions, batch.targets).all()
    assert sample_batch(overseer, oracle, rng, 3, 4).transcript.answers.shape[2] == sum(
        domain.subquestions_per_round
    )


def test_batches_are_of_the_depths_and_sizes_asked_for(overseer):
    rng = np.random.default_rng(0)
    batch = sample_batch(overseer, Oracle(overseer.domain), rng, 5, 6, size=4, depths=[2])
    assert batch.depths.shape == (5, 6)
    assert (batch.depths == 2).all()
    assert ((batch.contexts["facts"][..., 0] != 0).sum(axis=1) == 4).all()


def test_amplified_again_an_assistant_answers_one_level_deeper(overseer):
    """Without help the overseer answers depth 1; amplified once more depth 2; and so on."""
    domain, rng = overseer.domain, np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 20)
    questions = domain.sample_questions(rng, contexts, 30)
    depths, truth = domain.depth(contexts, questions), domain.truth(contexts, questions)
    assistant = KnowNothing()
    for level in (1, 2, 3):
        assistant = AmplifiedAssistant(overseer, assistant, rng)
        answers = assistant.answer(contexts, questions)
        np.testing.assert_array_equal(answers, np.where(depths <= level, truth, IDK))


class KnowsShallow:
    """Knows the answers up to a depth."""

    def __init__(self, domain, depth):
        self.domain, self.depth = domain, depth

    def answer(self, contexts, questions):
        known = self.domain.depth(contexts, questions) <= self.depth
        return np.where(known, self.domain.truth(contexts, questions), IDK)


@pytest.mark.parametrize("knows", [0, 1, 2])
def test_amplification_answers_one_level_deeper_than_the_assistant(overseer, knows):
    domain, rng = overseer.domain, np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 20)
    questions = domain.sample_questions(rng, contexts, 30)
    questions[:, 3] = 0  # no question
    depths, truth = domain.depth(contexts, questions), domain.truth(contexts, questions)
    for level in (1, 2):
        assistant = DecomposingFallbackAssistant(overseer, KnowsShallow(domain, knows), rng, level)
        answers = assistant.answer(contexts, questions)
        right = (depths <= knows + level) & (questions[..., 0] != 0)
        np.testing.assert_array_equal(answers, np.where(right, truth, IDK))


def test_the_overseer_looks_further_where_an_assistant_finds_no_way():
    """The assistant answers that there is no path; each level finds one more edge of it."""
    domain, rng = ShortestPath(8, question_kinds=["D"]), np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 50)
    questions = domain.sample_questions(rng, contexts, 50)
    depths, truth = domain.depth(contexts, questions), domain.truth(contexts, questions)
    for level in (1, 2, 3, 4):
        assistant = DecomposingFallbackAssistant(
            ScriptedOverseer(domain), FindsNothing(domain), rng, level
        )
        answers = assistant.answer(contexts, questions)
        found = answers != domain.inf_symbol
        # The overseer asks for the step, and then for the distance from there: two levels an edge.
        assert set(depths[found]) == set(range(1, (level + 1) // 2 + 1))
        assert np.all(answers[found] >= truth[found])  # a way, if not always the shortest
        assert found[depths == 1].all()


class FindsNothing:
    """Answers ``inf`` to everything."""

    def __init__(self, domain):
        self.domain = domain

    def answer(self, contexts, questions):
        return np.full(questions.shape[:2], self.domain.inf_symbol)


def test_only_inconclusive_answers_are_decomposed_further(overseer):
    domain, rng = overseer.domain, np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 20)
    questions = domain.sample_questions(rng, contexts, 30)
    for assistant in (Oracle(domain), Wrong(domain)):
        answers = DecomposingFallbackAssistant(overseer, assistant, rng).answer(contexts, questions)
        np.testing.assert_array_equal(answers, assistant.answer(contexts, questions))
    assert overseer.human_interactions == 0
    unknown = np.count_nonzero(domain.depth(contexts, questions) > 1)
    DecomposingFallbackAssistant(overseer, KnowsShallow(domain, 1), rng).answer(contexts, questions)
    assert overseer.human_interactions == unknown


class Wrong:
    """One off, always."""

    def __init__(self, domain):
        self.domain = domain

    def answer(self, contexts, questions):
        return 1 + self.domain.truth(contexts, questions) % self.domain.size


@pytest.mark.parametrize("rate", [0, 0.25, 1])
def test_an_audit_replaces_some_answers_by_the_overseers(overseer, rate):
    domain, rng = overseer.domain, np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 100)
    questions = domain.sample_questions(rng, contexts, 40, depths=[1])
    truth, wrong = domain.truth(contexts, questions), Wrong(domain)
    answers = AuditedAssistant(overseer, wrong, rng, rate).answer(contexts, questions)
    right = answers == truth  # of depth 1, the overseer can look all of it up
    np.testing.assert_array_equal(answers[~right], wrong.answer(contexts, questions)[~right])
    assert abs(right.mean() - rate) < 0.03
    assert overseer.human_interactions == right.sum()  # about these alone


def test_an_amplified_assistant_asks_nothing_for_judging():
    domain = ShortestPath(6)
    contexts = domain.sample_contexts(np.random.default_rng(0), 5)
    questions = domain.sample_questions(np.random.default_rng(1), contexts, 10)
    counts = []
    for judging in (None, False, True):
        overseer, rng = ScriptedOverseer(domain), np.random.default_rng(2)
        parts = overseer, Oracle(domain), rng
        if judging is None:
            AmplifiedAssistant(*parts).answer(contexts, questions)
        else:
            amplify(*parts, contexts, questions, judging=judging)
        counts.append(overseer.assistant_answers)
    assert counts[0] == counts[1] < counts[2]
