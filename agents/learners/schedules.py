"""Learning rates over a training, as SB3 takes them: functions of the share that remains."""

from __future__ import annotations

from ia_gym.validation import check_number


class WarmupLinear:
    """Rises linearly to its peak, then falls linearly to 0.

    Args:
        peak: the highest learning rate, at least 0.
        warmup: share of the training in which it rises, in (0, 1).

    Raises:
        ValueError: for a number out of range.
    """

    def __init__(self, peak: float, warmup: float = 0.05) -> None:
        self.peak = check_number("peak", peak, "[0, inf)")
        self.warmup = check_number("warmup", warmup, "(0, 1)")

    def __call__(self, progress_remaining: float) -> float:
        """The learning rate when ``progress_remaining`` (1 to 0) of the training is left."""
        done = 1 - progress_remaining
        if done < self.warmup:
            return self.peak * max(done / self.warmup, 0.01)
        return self.peak * max(progress_remaining, 0.0) / (1 - self.warmup)


class HoldLinear:
    """Stays at its peak, then falls linearly to 0.

    Args:
        peak: the highest learning rate, at least 0.
        fall: share of the training in which it falls, in (0, 1].

    Raises:
        ValueError: for a number out of range.
    """

    def __init__(self, peak: float, fall: float = 1 / 3) -> None:
        self.peak = check_number("peak", peak, "[0, inf)")
        self.fall = check_number("fall", fall, "(0, 1]")

    def __call__(self, progress_remaining: float) -> float:
        """The learning rate when ``progress_remaining`` (1 to 0) of the training is left."""
        return self.peak * min(max(progress_remaining, 0.0) / self.fall, 1.0)


SCHEDULES: dict[str, type[WarmupLinear] | type[HoldLinear]] = {
    cls.__name__: cls for cls in (WarmupLinear, HoldLinear)
}
"""Schedules that a learner's file can hold, by name."""


Weight = float | tuple[float, float]
"""A number; or two, at the beginning and at the end of training, with a straight line between."""


def check_weight(name: str, weight: Weight) -> Weight:
    """Check a number or a pair of numbers, each at least 0, and return it.

    Raises:
        ValueError: naming the argument.
    """
    pair = isinstance(weight, list | tuple) and len(weight) == 2
    for each in weight if pair else (weight,):  # type: ignore[union-attr]
        check_number(name, each, "[0, inf)")
    return weight


def interpolate(weight: Weight, progress_remaining: float) -> float:
    """A weight when ``progress_remaining`` (1 to 0) of the training is left."""
    if isinstance(weight, list | tuple):
        start, end = weight
        return end + (start - end) * progress_remaining
    return float(weight)
