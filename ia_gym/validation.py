"""Checks of arguments, with messages that name the argument, the value and what is allowed."""

from __future__ import annotations

from typing import Any

import numpy as np


def check_range(name: str, value: Any, low: int, high: int) -> int:
    """Check that ``value`` is a whole number in ``low..high``, and return it as an int.

    Raises:
        ValueError: if not; the message names the argument, the value and the range.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise ValueError(f"{name} must be a whole number in {low}..{high}, got {value!r}")
    if not low <= value <= high:
        raise ValueError(f"{name} must be in {low}..{high}, got {value}")
    return int(value)


def convert_seed(seed: Any) -> Any:
    """``seed`` with NumPy's integers as Python's, which alone gymnasium takes; also in a list."""
    if isinstance(seed, list | tuple):
        return [convert_seed(each) for each in seed]
    return int(seed) if isinstance(seed, np.integer) else seed


def check_number(name: str, value: Any, interval: str) -> float:
    """Check that ``value`` is a number in an interval, and return it as a float.

    Args:
        name: of the argument, for the message.
        value: what was given.
        interval: such as "(0, 1]" or "[1, inf)".

    Raises:
        ValueError: if not; the message names the argument, the value and the interval.
    """
    low, high = (float(end) for end in interval[1:-1].split(","))
    fits = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if fits:
        fits = value >= low if interval[0] == "[" else value > low
        fits = fits and (value <= high if interval[-1] == "]" else value < high)
    if not fits:
        raise ValueError(f"{name} must be a number in {interval}, got {value!r}")
    return float(value)
