"""What becomes of answers: whether they are true, what the overseer thinks of them, the reward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ia_gym.amplification.overseers import Overseer
from ia_gym.amplification.work import leave_uncounted
from ia_gym.domains import Contexts, Domain
from ia_gym.domains.transcript import IDK, Symbols, Transcript


class Verdict(NamedTuple):
    """One judged answer: an entry of each array of an :class:`Outcome`."""

    reward: float
    approval: float
    target: int
    is_success: bool


@dataclass
class Outcome:
    """The judged answers of some environments; arrays of shape ``(rows,)``.

    Attributes:
        rewards: approval of a root answer, less the penalty of a wrong one (without an overseer:
            1 if it is true, else 0); 0 for a sub-answer.
        approvals: the overseer's approval of a root answer; 0 for a sub-question, for a question
            that could not earn any, and without an overseer.
        targets: the overseer's own answer to a root question; ``IDK`` for a sub-question, for a
            question that could not earn approval, and without an overseer.
        successes: whether a root answer is true; False for a sub-question.
    """

    rewards: NDArray[np.float64]
    approvals: NDArray[np.float64]
    targets: Symbols
    successes: NDArray[np.bool_]

    def __getitem__(self, row: int) -> Verdict:
        """What became of one answer."""
        return Verdict(
            float(self.rewards[row]),
            float(self.approvals[row]),
            int(self.targets[row]),
            bool(self.successes[row]),
        )


def find_successes(
    domain: Domain, contexts: Contexts, questions: Symbols, truths: Symbols, answers: Symbols
) -> NDArray[np.bool_]:
    """Which answers are true, whether or not a question has several true ones.

    Args:
        domain: of the questions.
        contexts: ``(B,)``.
        questions: ``(B, Q, Lq)``.
        truths: ``(B, Q)``, a true answer to each.
        answers: ``(B, Q)``.

    Returns:
        bool ``(B, Q)``; False for ``IDK``.
    """
    given = answers != IDK
    successes: NDArray[np.bool_] = given & (answers == truths)
    if type(domain).has_several_answers is not Domain.has_several_answers:
        unclear = given & ~successes
        if np.count_nonzero(unclear):
            unclear &= domain.has_several_answers(questions)
            some = unclear.any(axis=1)
            if np.count_nonzero(some):
                correct = domain.is_correct(contexts[some], questions[some], answers[some])
                successes[unclear] = correct[unclear[some]]
    return successes


def compute_rewards(
    approvals: NDArray[np.float64],
    answers: Symbols,
    earns: NDArray[np.bool_],
    wrong_answer_penalty: float,
) -> NDArray[np.float64]:
    """Approvals less the penalty of answers without, where a question can ``earn`` at all."""
    if not wrong_answer_penalty:
        return approvals.copy()
    penalties = wrong_answer_penalty * (1 - approvals)
    return np.where(earns & (answers != IDK), approvals - penalties, approvals)


class VerdictTable:
    """Verdicts on every answer to many root questions, so that a step only looks one up.

    Args:
        domain: of the questions.
        n_slots: contexts.
        questions_per_context: root questions about each.
        wrong_answer_penalty: subtracted for an answer without approval.
    """

    def __init__(
        self, domain: Domain, n_slots: int, questions_per_context: int, wrong_answer_penalty: float
    ) -> None:
        self.domain = domain
        self.wrong_answer_penalty = wrong_answer_penalty
        self.every_answer = np.arange(domain.n_answers)
        shape = (n_slots, questions_per_context, domain.n_answers)
        self.targets = np.zeros(shape[:2], np.int64)
        self.approvals = np.zeros(shape)
        self.rewards = np.zeros(shape)
        self.successes = np.zeros(shape, bool)

    def look_up(self, place: int, answer: int) -> Verdict:
        """The verdict on an answer to question ``place`` of all."""
        entry = place * len(self.every_answer) + answer
        return Verdict(
            self.rewards.item(entry),
            self.approvals.item(entry),
            self.targets.item(place),
            self.successes.item(entry),
        )

    def find_successes(self, contexts: Contexts, roots: Symbols, truths: Symbols) -> None:
        """Look up which answers to ``roots (slots, k, Lq)`` are true: what they earn so far."""
        n = len(self.every_answer)
        repeated = roots.repeat(n, axis=1), truths.repeat(n, axis=1)
        answers = np.tile(self.every_answer, roots.shape[:2])
        successes = find_successes(self.domain, contexts, *repeated, answers)
        self.successes[:] = successes.reshape(self.successes.shape)
        self.rewards[:] = self.successes

    def judge(
        self,
        overseer: Overseer,
        slots: NDArray[np.intp],
        contexts: Contexts,
        roots: Symbols,
        transcripts: Transcript,
        earns: NDArray[np.bool_],
    ) -> None:
        """Have the overseer judge every answer.

        It is no work of the overseer's yet: one of the verdicts will be used.

        Args:
            overseer: the judge.
            slots: ``(B,)``.
            contexts: ``(B,)``.
            roots: ``(B, k, Lq)``.
            transcripts: ``(B, k)``.
            earns: bool ``(B, k)``, questions that can earn approval; others get none.
        """
        every, n = self.every_answer, len(self.every_answer)
        approvals = np.zeros((*earns.shape, n))
        targets = np.zeros(earns.shape, np.int64)
        if np.count_nonzero(earns):
            case = contexts[np.nonzero(earns)[0]], roots[earns][:, None]
            told = transcripts[earns][:, None]
            answers = every[None].repeat(len(told.answers), axis=0)
            repeated = told[:, np.zeros(n, np.int64)]
            judged = case[0], case[1].repeat(n, axis=1), repeated, answers
            with leave_uncounted(overseer):
                targets[earns] = overseer.answer(*case, told)[:, 0]
                approvals[earns] = overseer.judge(*judged)
        self.approvals[slots], self.targets[slots] = approvals, targets
        rewards = compute_rewards(approvals, every, earns[..., None], self.wrong_answer_penalty)
        self.rewards[slots] = rewards
