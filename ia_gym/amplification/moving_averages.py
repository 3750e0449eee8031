"""Moving averages of approval by class of question."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ia_gym.domains.transcript import Symbols


class MovingAverages:
    """Averages of the last ``window`` values of each class.

    Args:
        n_classes: number of classes.
        window: values in an average, at least 1.
    """

    def __init__(self, n_classes: int, window: int) -> None:
        self.values = np.zeros((n_classes, window))
        self.counts = np.zeros(n_classes, np.int64)
        self._means = np.zeros(n_classes)

    def clear(self) -> None:
        """Forget all values."""
        self.counts[:] = 0
        self._means[:] = 0

    def record(self, classes: Symbols, values: NDArray[np.float64]) -> None:
        """Add ``values (n,)`` of the classes ``classes (n,)``, in order."""
        window = self.values.shape[1]
        for cls in set(classes.tolist()):
            new = values[classes == cls][-window:]
            places = (self.counts[cls] + np.arange(len(new))) % window
            self.values[cls, places] = new
            self.counts[cls] += len(new)
            if self.counts[cls] >= window:
                self._means[cls] = np.add.reduce(self.values[cls]) / window

    def record_one(self, cls: int, value: float) -> float:
        """Add one value, as :meth:`record` does; returns the average of its class."""
        window = self.values.shape[1]
        count = self.counts.item(cls)
        self.values[cls, count % window] = value
        self.counts[cls] = count + 1
        if count + 1 >= window:
            self._means[cls] = np.add.reduce(self.values[cls]) / window
        return self._means.item(cls)

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Copies of all that :meth:`record` changes, for a checkpoint."""
        return {"values": self.values.copy(), "counts": self.counts.copy()}

    def load_state_dict(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restore what :meth:`state_dict` returned."""
        self.values[:] = state["values"]
        self.counts[:] = state["counts"]
        self._means[:] = np.where(self.is_full, self.values.mean(axis=1), 0.0)

    @property
    def is_full(self) -> NDArray[np.bool_]:
        """Classes with at least ``window`` values: bool ``(n_classes,)``."""
        return self.counts >= self.values.shape[1]

    @property
    def means(self) -> NDArray[np.float64]:
        """Averages ``(n_classes,)``; 0 for a class with fewer than ``window`` values."""
        return self._means.copy()
