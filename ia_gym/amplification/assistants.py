"""Assistants: they answer an overseer's sub-questions."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ia_gym.domains.domain import Contexts, Domain
from ia_gym.domains.transcript import IDK, Symbols


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
