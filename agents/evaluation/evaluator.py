"""What every evaluation of an agent shares."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

EVALUATION_STREAM = 2_018_1810
"""Spawns the evaluation's random stream, which no training seed gives."""


class Predictor(Protocol):
    """Whatever predicts as SB3's models and policies do."""

    def predict(
        self, observation: NDArray[Any] | dict[str, NDArray[Any]], *, deterministic: bool
    ) -> tuple[NDArray[Any], Any]:
        """Actions for a batch of observations, and a state."""
        ...


@contextmanager
def undisturbed() -> Iterator[None]:
    """Leave the random states that training draws from as they were."""
    state = np.random.get_state()  # noqa: NPY002  (SB3's DQN explores by it)
    with torch.random.fork_rng():
        yield
    np.random.set_state(state)  # noqa: NPY002
