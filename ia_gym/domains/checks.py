"""Checks of what the methods of a domain return."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ia_gym.domains.domain import Domain

ANY = -1
"""In the place of the largest value: values are not checked."""


def check_array(
    domain: Domain,
    method: str,
    result: Any,
    shape: tuple[int, ...],
    high: int,
    low: int = 0,
    kinds: str = "iu",
) -> None:
    """Refuse what a method returned unless it is an array of this shape, type and range.

    Args:
        domain: the domain.
        method: the name of its method.
        result: what the method returned.
        shape: the shape allowed.
        high: the largest value allowed; ``ANY`` for no bounds.
        low: the smallest value allowed.
        kinds: NumPy's letters for the types allowed: "iu" for whole numbers, "b" for booleans.

    Raises:
        ValueError: naming the domain, the method, what it returned and what is allowed.
    """
    if (
        type(result) is np.ndarray
        and result.shape == shape
        and result.dtype.kind in kinds
        and (high == ANY or not result.size or (kinds == "b" and high))
    ):
        return  # no value to look at
    try:
        array = np.asarray(result)
    except ValueError:  # of rows that differ in length
        array = np.array(None)
    fits = array.shape == shape and array.dtype.kind in kinds
    if fits and (not array.size or high == ANY or _is_within(array, low, high)):
        return
    words = "whole numbers" if high == ANY else f"whole numbers in {low}..{high}"
    if kinds == "b":
        words = "booleans" if high else "booleans, all of them false,"
    found = f", {array.min()}..{array.max()}" if fits else ""
    raise ValueError(
        f"{method}() of {domain.name} must return {words} of shape {shape}, got {array.dtype} of "
        f"shape {array.shape}{found}"
    )


def _is_within(array: NDArray[Any], low: int, high: int) -> bool:
    if low == 0 and array.dtype == np.int64:
        return bool(array.view(np.uint64).max() <= high)  # negative numbers are very large there
    return bool(low <= array.min() <= array.max() <= high)
