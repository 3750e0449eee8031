"""H, the overseer: how a question is taken apart, answered and an answer to it judged."""

from __future__ import annotations

from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from ia_gym.domains.checks import check_array
from ia_gym.domains.domain import Contexts, Domain
from ia_gym.domains.transcript import Symbols, Transcript

ApprovalMode = Literal["strict", "graded"]


class Overseer(Protocol):
    """Who takes questions apart: H, or a model of H.

    Attributes:
        domain: the domain whose questions are asked.
        human_interactions: questions put to H so far, for this overseer to be what it is.
        assistant_answers: sub-questions that an assistant answered for it so far.
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
        """The sub-questions of one round, ``(B, Q, width, Lq)``; see ``Domain.ask``."""
        ...

    def answer(self, contexts: Contexts, questions: Symbols, transcript: Transcript) -> Symbols:
        """Its own answer, the *target*, ``(B, Q)``."""
        ...

    def judge(
        self, contexts: Contexts, questions: Symbols, transcript: Transcript, answers: Symbols
    ) -> NDArray[np.float64]:
        """Its approval of ``answers``, ``(B, Q)`` in [0, 1]; 0 for ``IDK``."""
        ...


class ScriptedOverseer:
    """H follows the domain's script. Every question put to H is counted.

    Args:
        domain: the domain whose script H follows.
        approval: "strict", or "graded" to give credit for near misses where the domain has any.

    Attributes:
        human_interactions: questions put to H so far, one for each root question taken apart.
        assistant_answers: sub-questions that an assistant answered for H so far.

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
        """The sub-questions of one round, ``(B, Q, width, Lq)``; the first counts as put to H."""
        if round == 0:
            self.human_interactions += int(np.count_nonzero(questions[..., 0]))
        return self.domain.ask(rng, round, contexts, questions, transcript)

    def answer(self, contexts: Contexts, questions: Symbols, transcript: Transcript) -> Symbols:
        """H's own answer, the *target*, ``(B, Q)``."""
        domain = self.domain
        answers = domain.answer(contexts, questions, transcript)
        check_array(domain, "answer", answers, questions.shape[:2], domain.n_answers - 1)
        return answers

    def judge(
        self, contexts: Contexts, questions: Symbols, transcript: Transcript, answers: Symbols
    ) -> NDArray[np.float64]:
        """H's approval of ``answers``, ``(B, Q)`` in [0, 1]; 0 for ``IDK``.

        Strict approval is 1 or 0; graded approval is 2^-error, see ``Domain.error``.
        """
        error = self.domain.error(contexts, questions, transcript, answers)
        if np.shape(error) != answers.shape or not np.all(error >= 0):
            raise ValueError(
                f"error() of {self.domain.name} must return numbers of at least 0, of shape "
                f"{answers.shape}, got {error!r}"
            )
        return np.where(error == 0, 1.0, 0.0) if self.approval == "strict" else np.exp2(-error)
