"""The trust gate: H builds only on answers of classes that have proved themselves.

Without it an agent and its assistant come to approve of each other: a self-consistent wrong
answer earns as much approval as the truth. With it, approval can be earned only by questions
whose sub-questions are of trusted classes, so that truth climbs from the primitive questions up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ia_gym.tasks.domain import check_number
from ia_gym.transcript import Symbols


class MovingAverages:
    """The average of the last ``window`` values of each class.

    Args:
        n_classes: classes, numbered from 0.
        window: values of a class that are averaged, at least 1.
    """

    def __init__(self, n_classes: int, window: int) -> None:
        self.values = np.zeros((n_classes, window))
        self.counts = np.zeros(n_classes, np.int64)

    def clear(self) -> None:
        """Forget all values."""
        self.counts[:] = 0

    def record(self, classes: Symbols, values: NDArray[np.float64]) -> None:
        """Add ``values (n,)`` of the classes ``classes (n,)``, in order."""
        window = self.values.shape[1]
        for cls in np.unique(classes):
            new = values[classes == cls][-window:]
            places = (self.counts[cls] + np.arange(len(new))) % window
            self.values[cls, places] = new
            self.counts[cls] += len(new)

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Copies of all that :meth:`record` changes."""
        return {"values": self.values.copy(), "counts": self.counts.copy()}

    def load_state_dict(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on where :meth:`state_dict` was taken."""
        self.values[:] = state["values"]
        self.counts[:] = state["counts"]

    @property
    def full(self) -> NDArray[np.bool_]:
        """Which classes have a whole window of values, ``(n_classes,)``."""
        return self.counts >= self.values.shape[1]

    @property
    def means(self) -> NDArray[np.float64]:
        """Averages, ``(n_classes,)``; 0 for a class whose window is not full yet."""
        return np.where(self.full, self.values.mean(axis=1), 0.0)


class TrustGate:
    """Which classes of questions H trusts its assistant with.

    A class is *open* when every class it rests on is trusted; only then can its questions earn
    approval, and only then does approval count towards trust in it. A class becomes trusted, for
    good, when the approval of its last ``window`` questions averages over ``threshold``. A rare
    class is trusted along with the class it goes with.

    Args:
        rests_on: bool ``(C, C)``, see :attr:`ia_gym.tasks.Domain.rests_on`. Class 0, the
            primitive questions, is trusted from the start.
        goes_with: ``(C,)``, see :attr:`ia_gym.tasks.Domain.goes_with`.
        threshold: in [0, 1).
        window: questions of a class to average over.

    Raises:
        ValueError: for a threshold outside [0, 1).
    """

    def __init__(
        self,
        rests_on: NDArray[np.bool_],
        goes_with: Symbols,
        threshold: float = 0.75,
        window: int = 256,
    ) -> None:
        threshold = check_number("trust", threshold, "[0, 1)")
        self.rests_on = rests_on
        self.goes_with = goes_with
        self.threshold = threshold
        self.averages = MovingAverages(len(rests_on), window)
        self.reset()

    def reset(self) -> None:
        """Trust nothing but the primitive questions."""
        self.averages.clear()
        self.trusted = np.zeros(len(self.rests_on), bool)
        self.trusted[0] = True
        self._open()

    def _open(self) -> None:
        self.open = ~np.any(self.rests_on & ~self.trusted, axis=1)

    def record(self, classes: Symbols, approvals: NDArray[np.float64]) -> None:
        """Count the approvals ``(n,)`` of root questions of the given classes ``(n,)``."""
        if self.trusted.all():
            return
        counted = self.open[classes] & ~self.trusted[classes]
        self.averages.record(classes[counted], approvals[counted])
        proved = self.trusted | (self.averages.means > self.threshold)
        self.trusted = proved[self.goes_with]
        self._open()
