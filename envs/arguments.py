"""What all environments share: the kinds of reward, and checks of arguments and actions."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

RewardMode = Literal["approval", "truth"]
"""The overseer's approval; or what it should lead to, for evaluation: true answers, or the
environment's own reward."""


def refuse_without_effect(config: Any, names: tuple[str, ...], beside: str) -> None:
    """Refuse arguments that would have no effect, unless they are None or at their default.

    Args:
        config: a dataclass of arguments, each with a default.
        names: those without effect.
        beside: why, for the message: with which other argument.

    Raises:
        ValueError: naming the argument, why it has no effect, and its value.
    """
    for name in names:
        value = getattr(config, name)
        if value is not None and value != getattr(type(config), name):
            raise ValueError(
                f"{name} must be left out, for it has no effect with {beside}; got {value!r}"
            )


def check_actions(actions: Any, shape: tuple[int, ...], n_actions: int) -> NDArray[np.int64]:
    """Check that ``actions`` are whole numbers in ``0..n_actions - 1``, and return them as int64.

    Args:
        actions: what ``step`` was given.
        shape: the shape allowed: ``()`` for one environment.
        n_actions: size of the ``Discrete`` action space.

    Raises:
        ValueError: if not; the message names the actions and what is allowed.
    """
    try:
        array = np.asarray(actions)
    except ValueError:  # rows of different lengths
        array = np.asarray(None)
    if array.shape != shape or array.dtype.kind not in "iu":
        raise ValueError(
            f"action must be of whole numbers and shape {shape}, got {actions!r} "
            f"({array.dtype}, shape {array.shape})"
        )
    if array.size and (array.min() < 0 or array.max() >= n_actions):
        raise ValueError(f"action must be in 0..{n_actions - 1}, got {actions!r}")
    return array.astype(np.int64)
