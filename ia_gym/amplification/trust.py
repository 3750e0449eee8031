"""The trust gate: the overseer uses answers of an assistant only to classes that it trusts.

Without it an agent and its assistant may come to agree on wrong answers: a consistent wrong answer
earns as much approval as the truth. With it, only questions whose sub-questions are of trusted
classes can earn approval, so that correct answers spread from the primitive questions upwards.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ia_gym.amplification.moving_averages import MovingAverages
from ia_gym.domains.transcript import Symbols
from ia_gym.validation import check_number


class TrustGate:
    """Which classes of questions the overseer trusts its assistant with.

    A class is *open* when all classes that it depends on are trusted; only then can its questions
    earn approval, and only then does approval count towards trust in it. A class becomes trusted,
    for good, when the average approval of its last ``window`` questions exceeds ``threshold``. A
    rare class is trusted together with the class that it is merged into.

    Args:
        depends_on: bool ``(n_classes, n_classes)``, see
            :attr:`ia_gym.domains.Domain.depends_on`. Class 0, the primitive questions, is trusted
            from the start.
        merged_into: ``(n_classes,)``, see :attr:`ia_gym.domains.Domain.merged_into`.
        threshold: average approval to exceed, in [0, 1).
        window: questions in the average of each class, at least 1.

    Attributes:
        trusted: bool ``(n_classes,)``.
        open: bool ``(n_classes,)``.

    Raises:
        ValueError: for a threshold outside [0, 1).
    """

    def __init__(
        self,
        depends_on: NDArray[np.bool_],
        merged_into: Symbols,
        threshold: float = 0.75,
        window: int = 256,
    ) -> None:
        threshold = check_number("trust", threshold, "[0, 1)")
        self.depends_on = depends_on
        self.merged_into = merged_into
        self.threshold = threshold
        self.averages = MovingAverages(len(depends_on), window)
        self.reset()

    def reset(self) -> None:
        """Trust nothing but the primitive questions."""
        self.averages.clear()
        self.trusted = np.zeros(len(self.depends_on), bool)
        self.trusted[0] = True
        self._open()

    def _open(self) -> None:
        self.open = ~np.any(self.depends_on & ~self.trusted, axis=1)
        self._counted = self.open & ~self.trusted  # classes whose approval counts

    def record(self, classes: Symbols, approvals: NDArray[np.float64]) -> bool:
        """Add approvals of answers to root questions.

        Args:
            classes: ``(n,)``, classes of the questions.
            approvals: ``(n,)``.

        Returns:
            Whether further classes have become trusted.
        """
        counted = self._counted[classes]
        if not np.count_nonzero(counted):
            return False
        self.averages.record(classes[counted], approvals[counted])
        return self._trust()

    def record_one(self, cls: int, approval: float) -> bool:
        """Add the approval of one answer, as :meth:`record` does."""
        if not self._counted.item(cls):
            return False
        return self.averages.record_one(cls, approval) > self.threshold and self._trust()

    def _trust(self) -> bool:
        """Trust the classes that have proved themselves, and say whether there are new ones."""
        proved = self.trusted | (self.averages.means > self.threshold)
        trusted = proved[self.merged_into]
        if np.count_nonzero(trusted) == np.count_nonzero(self.trusted):
            return False  # none is ever lost
        self.trusted = trusted
        self._open()
        return True
