"""Overseers: they decompose questions, answer them, and judge answers."""

from __future__ import annotations

from typing import Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from ia_gym.amplification.approval import ApprovalMode, compute_approval
from ia_gym.amplification.work import WorkCounters
from ia_gym.domains.checks import check_array
from ia_gym.domains.domain import Contexts, Domain
from ia_gym.domains.transcript import IDK, Symbols, Transcript


class Overseer(Protocol):
    """Decomposes and answers questions, and judges answers to them.

    One whose work is to be counted is a :class:`~ia_gym.amplification.work.WorkCounters` too.

    Attributes:
        domain: the domain of the questions.
        human_interactions: queries so far to the human, or to the script in its place; those that
            it was trained on, for a model of it.
        assistant_answers: sub-questions that an assistant has answered so far.
    """

    domain: Domain
    human_interactions: int
    assistant_answers: int

    def ask(
        self,
        rng: np.random.Generator,
        round: int,
        contexts: Contexts,
        questions: Symbols,
        transcript: Transcript,
    ) -> Symbols:
        """The sub-questions of one round.

        Args:
            rng: for choices of the overseer's own.
            round: 0 is the first.
            contexts: ``(B,)``.
            questions: int64 ``(B, Q, Lq)``, none of them primitive; a row of zeros is no question.
            transcript: ``(B, Q)``, with all earlier rounds answered.

        Returns:
            int64 ``(B, Q, n, Lq)``, ``n`` as the domain declares for the round; a row of zeros
            where fewer are needed.
        """
        ...

    def answer(self, contexts: Contexts, questions: Symbols, transcript: Transcript) -> Symbols:
        """Its own answer, the target of imitation.

        Args:
            contexts: ``(B,)``.
            questions: int64 ``(B, Q, Lq)``, none of them primitive.
            transcript: ``(B, Q)``, with the rounds of ``subquestions_per_round`` answered.

        Returns:
            int64 ``(B, Q)``, symbols in ``0..n_answers - 1``.
        """
        ...

    def judge(
        self, contexts: Contexts, questions: Symbols, transcript: Transcript, answers: Symbols
    ) -> NDArray[np.float64]:
        """Its approval of somebody else's answers.

        Args:
            contexts: ``(B,)``.
            questions: int64 ``(B, Q, Lq)``, none of them primitive.
            transcript: ``(B, Q)``, with all rounds answered.
            answers: int64 ``(B, Q)``, the answers to judge.

        Returns:
            float64 ``(B, Q)`` in [0, 1]; 0 for ``IDK``.
        """
        ...


class ScriptedOverseer(WorkCounters):
    """An overseer that follows the domain's script, and counts every query and all its work.

    Args:
        domain: the domain of the questions.
        approval: "strict" for approvals of 0 and 1, or "graded" for 2^-error, see
            :meth:`ia_gym.domains.Domain.error`.

    Attributes:
        human_interactions: questions decomposed so far: queries to the overseer.
        assistant_answers: sub-questions that an assistant has answered so far.

    Raises:
        ValueError: for an unknown ``approval``.
    """

    def __init__(self, domain: Domain, approval: ApprovalMode = "strict") -> None:
        if approval not in get_args(ApprovalMode):
            raise ValueError(f'approval must be "strict" or "graded", got {approval!r}')
        super().__init__()
        self.domain = domain
        self.approval = approval
        self.human_interactions = 0
        self.assistant_answers = 0

    def ask(
        self,
        rng: np.random.Generator,
        round: int,
        contexts: Contexts,
        questions: Symbols,
        transcript: Transcript,
    ) -> Symbols:
        """The sub-questions of one round, see :class:`Overseer`. The first counts as a query."""
        if round == 0:
            self.human_interactions += int(np.count_nonzero(questions[..., 0]))
        return self.domain.ask(rng, round, contexts, questions, transcript)

    def answer(self, contexts: Contexts, questions: Symbols, transcript: Transcript) -> Symbols:
        """The script's answer, see :class:`Overseer`.

        Raises:
            ValueError: if the domain's method returns anything but answers.
        """
        domain = self.domain
        answers = domain.answer(contexts, questions, transcript)
        check_array(domain, "answer", answers, questions.shape[:2], domain.n_answers - 1)
        self.combinations += int(np.count_nonzero(questions[..., 0]))
        return answers

    def judge(
        self, contexts: Contexts, questions: Symbols, transcript: Transcript, answers: Symbols
    ) -> NDArray[np.float64]:
        """The script's approval of ``answers (B, Q)``, see :class:`Overseer`."""
        case = contexts, questions, transcript, answers
        self.verdicts += int(np.count_nonzero((questions[..., 0] != 0) & (answers != IDK)))
        return compute_approval(self.domain, self.approval, *case)
