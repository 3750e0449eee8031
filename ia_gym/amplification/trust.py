"""The trust gate: H builds only on answers of classes that have proved themselves.

Without it an agent and its assistant come to approve of each other: a self-consistent wrong
answer earns as much approval as the truth. With it, approval can be earned only by questions
whose sub-questions are of trusted classes, so that truth climbs from the primitive questions up.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ia_gym.amplification.moving_averages import MovingAverages
from ia_gym.domains.transcript import Symbols
from ia_gym.validation import check_number


class TrustGate:
    """Which classes of questions H trusts its assistant with.

    A class is *open* when every class it rests on is trusted; only then can its questions earn
    approval, and only then does approval count towards trust in it. A class becomes trusted, for
    good, when the approval of its last ``window`` questions averages over ``threshold``. A rare
    class is trusted along with the class it goes with.

    Args:
        depends_on: bool ``(C, C)``, see :attr:`ia_gym.domains.Domain.depends_on`. Class 0, the
            primitive questions, is trusted from the start.
        merged_into: ``(C,)``, see :attr:`ia_gym.domains.Domain.merged_into`.
        threshold: in [0, 1).
        window: questions of a class to average over.

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

    def record(self, classes: Symbols, approvals: NDArray[np.float64]) -> None:
        """Count the approvals ``(n,)`` of root questions of the given classes ``(n,)``."""
        if self.trusted.all():
            return
        counted = self.open[classes] & ~self.trusted[classes]
        self.averages.record(classes[counted], approvals[counted])
        proved = self.trusted | (self.averages.means > self.threshold)
        self.trusted = proved[self.merged_into]
        self._open()
