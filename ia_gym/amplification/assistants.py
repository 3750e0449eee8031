"""X, the assistant: whoever answers H's sub-questions."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ia_gym.domains.domain import Contexts, Domain
from ia_gym.domains.transcript import IDK, Symbols


class Assistant(Protocol):
    """Anything that answers questions about contexts."""

    def answer(self, contexts: Contexts, questions: Symbols) -> Symbols:
        """Answers ``(B, Q)`` to ``questions (B, Q, Lq)`` about ``contexts (B,)``.

        A row of zeros is no question; whatever stands there in the answers is ignored. An
        assistant that learns looks at ``contexts["facts"]`` alone.
        """
        ...


class Oracle:
    """Answers with the truth: the ceiling that no learner can pass."""

    def __init__(self, domain: Domain) -> None:
        self.domain = domain

    def answer(self, contexts: Contexts, questions: Symbols) -> Symbols:
        """See :class:`Assistant`."""
        return self.domain.truth(contexts, questions)


class KnowNothing:
    """Answers ``idk`` to everything: the floor, where H has only its own lookups."""

    def answer(self, contexts: Contexts, questions: Symbols) -> Symbols:
        """See :class:`Assistant`."""
        return np.full(questions.shape[:2], IDK)
