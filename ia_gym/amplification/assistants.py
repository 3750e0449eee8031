"""Assistants: they answer an overseer's sub-questions."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ia_gym.domains.domain import Contexts, Domain
from ia_gym.domains.transcript import IDK, Symbols
from ia_gym.validation import check_number


class Assistant(Protocol):
    """Anything that answers questions about contexts."""

    def answer(self, contexts: Contexts, questions: Symbols) -> Symbols:
        """Answer questions.

        Args:
            contexts: ``(B,)``. An assistant that learns uses their ``facts`` alone.
            questions: int64 ``(B, Q, Lq)``. A row of zeros is no question; its answer is ignored.

        Returns:
            int64 ``(B, Q)``, symbols in ``0..n_answers - 1``.
        """
        ...


class Oracle:
    """Answers with the truth: an upper bound for assistants that learn.

    Args:
        domain: the domain of the questions.
    """

    def __init__(self, domain: Domain) -> None:
        self.domain = domain

    def answer(self, contexts: Contexts, questions: Symbols) -> Symbols:
        """See :class:`Assistant`."""
        return self.domain.truth(contexts, questions)


class KnowNothing:
    """Answers ``idk`` to everything: the overseer has only its own lookups."""

    def answer(self, contexts: Contexts, questions: Symbols) -> Symbols:
        """See :class:`Assistant`."""
        return np.full(questions.shape[:2], IDK)


class FaultyOracle:
    """Answers with the truth, but is wrong the more often the deeper a question is.

    An answer about a question of depth d is wrong with probability ``min(1, error_rate *
    error_growth**(d - 1))``; it is then one of the other answers of the kind asked for, drawn
    uniformly, or "I don't know" if there is none. Each answer errs on its own. It is for studying
    which decompositions an assistant's errors favour.

    Args:
        domain: the domain of the questions.
        error_rate: how often it errs at depth 1, in [0, 1].
        error_growth: factor from one depth to the next, at least 1.
        rng: the source of its errors.

    Raises:
        ValueError: for a number out of range.
    """

    def __init__(
        self,
        domain: Domain,
        error_rate: float,
        error_growth: float = 1.0,
        rng: np.random.Generator | None = None,
    ) -> None:
        self.domain = domain
        self.error_rate = check_number("error_rate", error_rate, "[0, 1]")
        self.error_growth = check_number("error_growth", error_growth, "[1, inf)")
        self.rng = np.random.default_rng() if rng is None else rng

    def answer(self, contexts: Contexts, questions: Symbols) -> Symbols:
        """See :class:`Assistant`."""
        domain, truths = self.domain, self.domain.truth(contexts, questions)
        depths = np.clip(domain.depth(contexts, questions), 1, domain.max_depth)
        errors = self.error_rate * self.error_growth ** (depths - 1.0)
        errs = (self.rng.random(truths.shape) < errors) & (questions[..., 0] != 0)
        others = domain.answer_mask(questions[errs])
        others[:, IDK] = False
        others[np.arange(len(others)), truths[errs]] = False
        answers = truths.copy()
        answers[errs] = np.where(others, self.rng.random(others.shape), 0.0).argmax(axis=-1)
        return answers
