"""Overseers: they decompose questions, answer them, and judge answers."""

from __future__ import annotations

from typing import Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from ia_gym.amplification.approval import ApprovalMode, compute_approval
from ia_gym.domains.checks import check_array
from ia_gym.domains.domain import Contexts, Domain
from ia_gym.domains.transcript import Symbols, Transcript


class Overseer(Protocol):
    """Decomposes and answers questions, and judges answers to them.

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
        """The sub-questions of one round; see :meth:`ia_gym.domains.Domain.ask`."""
        ...

    def answer(self, contexts: Contexts, questions: Symbols, transcript: Transcript) -> Symbols:
        """Its own answer, the target of imitation: ``(B, Q)``."""
        ...

    def judge(
        self, contexts: Contexts, questions: Symbols, transcript: Transcript, answers: Symbols
    ) -> NDArray[np.float64]:
        """Its approval of ``answers (B, Q)``: ``(B, Q)`` in [0, 1], 0 for ``IDK``."""
        ...


class ScriptedOverseer:
    """An overseer that follows the domain's script, and counts every query.

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
        """The sub-questions of one round ``(B, Q, n, Lq)``. The first round counts as a query."""
        if round == 0:
            self.human_interactions += int(np.count_nonzero(questions[..., 0]))
        return self.domain.ask(rng, round, contexts, questions, transcript)

    def answer(self, contexts: Contexts, questions: Symbols, transcript: Transcript) -> Symbols:
        """The overseer's answer, the target of imitation: ``(B, Q)``."""
        domain = self.domain
        answers = domain.answer(contexts, questions, transcript)
        check_array(domain, "answer", answers, questions.shape[:2], domain.n_answers - 1)
        return answers

    def judge(
        self, contexts: Contexts, questions: Symbols, transcript: Transcript, answers: Symbols
    ) -> NDArray[np.float64]:
        """Approval of ``answers (B, Q)``: float64 ``(B, Q)`` in [0, 1], 0 for ``IDK``."""
        case = contexts, questions, transcript, answers
        return compute_approval(self.domain, self.approval, *case)
