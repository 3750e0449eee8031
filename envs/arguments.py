"""What the arguments of all environments share: the kinds of reward, and a check."""

from __future__ import annotations

from typing import Any, Literal

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
