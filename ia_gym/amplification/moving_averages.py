"""Moving averages of approval by class of question."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ia_gym.domains.transcript import Symbols


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
    def is_full(self) -> NDArray[np.bool_]:
        """Which classes have a whole window of values, ``(n_classes,)``."""
        return self.counts >= self.values.shape[1]

    @property
    def means(self) -> NDArray[np.float64]:
        """Averages, ``(n_classes,)``; 0 for a class whose window is not full yet."""
        return np.where(self.is_full, self.values.mean(axis=1), 0.0)
