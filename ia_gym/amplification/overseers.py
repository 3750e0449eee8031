"""Overseers: they decompose questions, answer them, and judge answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol, TypeVar, get_args

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

    An overseer that decomposes a question several times also has an attribute ``votes``, see
    :class:`~ia_gym.amplification.votes.VotingOverseer`.
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
        ValueError: for an unknown ``approval``, or a domain without the script's rounds.
    """

    def __init__(self, domain: Domain, approval: ApprovalMode = "strict") -> None:
        if approval not in get_args(ApprovalMode):
            raise ValueError(f'approval must be "strict" or "graded", got {approval!r}')
        if domain.steps is not None:
            raise ValueError(
                f"domain must have the rounds of its script, got {domain!r} for an overseer that "
                f"asks one sub-question at a time, up to {domain.steps}"
            )
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


def share_counter(name: str) -> property:
    """A counter that is that of the wrapped overseer."""
    return property(
        lambda self: getattr(self.inner, name, 0),
        lambda self, count: setattr(self.inner, name, count),
    )


class OverseerWrapper(ABC):
    """Base class of the overseers that are made of another one, whose counters they share.

    Args:
        overseer: the other one.

    Attributes:
        inner: the other one.
    """

    def __init__(self, overseer: Overseer) -> None:
        self.inner = overseer
        self.domain = overseer.domain

    human_interactions = share_counter("human_interactions")
    assistant_answers = share_counter("assistant_answers")
    lookups = share_counter("lookups")
    combinations = share_counter("combinations")
    verdicts = share_counter("verdicts")

    @abstractmethod
    def ask(
        self,
        rng: np.random.Generator,
        round: int,
        contexts: Contexts,
        questions: Symbols,
        transcript: Transcript,
    ) -> Symbols:
        """See :class:`Overseer`, also for the next two."""

    @abstractmethod
    def answer(self, contexts: Contexts, questions: Symbols, transcript: Transcript) -> Symbols:
        """Its own answer."""

    @abstractmethod
    def judge(
        self, contexts: Contexts, questions: Symbols, transcript: Transcript, answers: Symbols
    ) -> NDArray[np.float64]:
        """Its approval."""


Wrapper = TypeVar("Wrapper", bound=OverseerWrapper)


def find_base(overseer: Overseer) -> Overseer:
    """The overseer without the wrappers around it."""
    while isinstance(overseer, OverseerWrapper):
        overseer = overseer.inner
    return overseer


def find_wrapper(overseer: Overseer, kind: type[Wrapper]) -> Wrapper | None:
    """The wrapper of this kind around an overseer; None if there is none."""
    while isinstance(overseer, OverseerWrapper):
        if isinstance(overseer, kind):
            return overseer
        overseer = overseer.inner
    return None


def count_votes(overseer: Overseer) -> int:
    """How many times the overseer decomposes each question: 1, unless it votes."""
    return int(getattr(overseer, "votes", 1))


def list_round_slots(domain: Domain, votes: int) -> tuple[slice, ...]:
    """The slots of a transcript that each round fills, those of all votes side by side."""
    if votes == 1:
        return domain.round_slots
    return tuple(slice(votes * each.start, votes * each.stop) for each in domain.round_slots)
