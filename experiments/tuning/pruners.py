"""Pruners: which trials of a search are stopped early, by the curve of their evaluations."""

from __future__ import annotations

from collections.abc import Callable

import optuna
from optuna.pruners import BasePruner, MedianPruner, NopPruner, SuccessiveHalvingPruner

FIRST_RUNG = 4
"""Evaluations before a trial can be stopped: a tenth of a run's, as long as the budget is."""
REDUCTION = 3
"""ASHA lets a third of the trials go on from each rung, to one three times as long."""

PRUNERS: dict[str, Callable[[], BasePruner]] = {
    "asha": lambda: SuccessiveHalvingPruner(min_resource=FIRST_RUNG, reduction_factor=REDUCTION),
    "median": lambda: MedianPruner(n_startup_trials=4, n_warmup_steps=FIRST_RUNG),
    "none": NopPruner,
}
"""By name: asynchronous successive halving (Li et al., 2020), Optuna's median rule, and none.

Steps are the numbers of the evaluations, 0 for the one before training.
"""


def make_pruner(name: str) -> optuna.pruners.BasePruner:
    """Make a pruner.

    Raises:
        ValueError: for an unknown name.
    """
    if name not in PRUNERS:
        raise ValueError(f"pruner must be one of {list(PRUNERS)}, got {name!r}")
    return PRUNERS[name]()
