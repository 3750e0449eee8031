"""The overseer's work, counted by one rule in every protocol.

=============  ====================================================================
lookup         the overseer answers one primitive question, by looking at the context
combination    it puts an answer of its own together from sub-answers, to be used: as a
               target, as the answer to a sub-question, or as a demonstration
verdict        it says of one answer whether it agrees with the sub-answers, or of two answers
               which is better. "I don't know" needs no verdict
=============  ====================================================================

Asking costs nothing more: each sub-question is answered by a lookup or by an assistant, whose
answers are counted too (``assistant_answers``). Each question that the overseer decomposes is one
query to it (``human_interactions``). What is computed only to be measured or shown is not counted,
nor is what a human predictor does in the overseer's place.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

Work = Literal["lookups", "combinations", "verdicts"]
WORK: tuple[Work, ...] = ("lookups", "combinations", "verdicts")
"""Names of the counters of an overseer's work."""


class WorkCounters:
    """The counters of an overseer's work, all of them 0 at first.

    Attributes:
        lookups: primitive questions answered so far.
        combinations: answers put together from sub-answers so far.
        verdicts: answers judged so far.
    """

    def __init__(self) -> None:
        self.lookups = self.combinations = self.verdicts = 0

    def count_work(self, work: Work, number: int) -> None:
        """Add to one of the counters."""
        setattr(self, work, getattr(self, work) + number)


def count_work(overseer: object, work: Work, number: int) -> None:
    """Add to a counter of an overseer's work; nothing happens to an overseer that has none."""
    if isinstance(overseer, WorkCounters):
        overseer.count_work(work, number)


def read_work(overseer: Any) -> dict[str, int]:
    """The counters of an overseer's work by name; 0 for those it does not have."""
    return {work: int(getattr(overseer, work, 0)) for work in WORK}


@contextmanager
def leave_uncounted(overseer: object) -> Iterator[None]:
    """Set the counters back afterwards: for what is computed only to be measured or shown."""
    before = read_work(overseer)
    yield
    if isinstance(overseer, WorkCounters):
        vars(overseer).update(before)
