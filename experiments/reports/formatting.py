"""Numbers as the tables write them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

DASH = "–"
"""Stands where a value is unknown, or was never reached."""


def format_percent(share: float, digits: int = 1) -> str:
    """A share as a percentage, without the sign; a dash for NaN."""
    return format_number(100 * share, digits)


def format_number(number: float, digits: int) -> str:
    """A number with so many digits after the point; a dash for NaN."""
    return format_known(number, lambda value: f"{round(value, digits) + 0.0:.{digits}f}")  # no -0.0


def format_known(number: float, write: Callable[[float], str]) -> str:
    """What ``write`` makes of a number; a dash for NaN."""
    return DASH if np.isnan(number) else write(number)


def format_measurement(number: float | None, form: str) -> str:
    """A measurement in the ``form`` of its ``Column``, "percent" or "number"; a dash for none."""
    known = np.nan if number is None else number
    return format_percent(known) if form == "percent" else format_number(known, 2)
