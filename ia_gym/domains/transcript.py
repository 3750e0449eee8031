"""Transcripts: what the overseer asked on the way to an answer, and what it was told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Symbols = NDArray[np.int64]
"""An array of vocabulary symbols (or of numbers of the same kind)."""

IDK = 0
"""The symbol "I don't know". A row of zeros is *no question*, and its answer is ``IDK``."""

PENDING = -1
"""Stands in a transcript where a sub-question has been put and not been answered yet."""


@dataclass
class Transcript:
    """The sub-questions put for a batch of questions, slot by slot, and their answers.

    A domain has a fixed number of slots ``S``, cut into rounds (``Domain.subquestions_per_round``); the
    sub-questions of one round are independent of one another, those of a later round may
    depend on the answers of earlier ones.

    Attributes:
        questions: int64 of shape ``(*batch, S, Lq)``; a row of zeros is a slot not used.
        answers: int64 of shape ``(*batch, S)``; ``PENDING`` while a sub-question awaits its
            answer, ``IDK`` in a slot not used.
        notes: what an overseer keeps of it from one round to the next, if it keeps anything.
    """

    questions: Symbols
    answers: Symbols
    notes: object = field(default=None, repr=False, compare=False)

    @classmethod
    def empty(cls, batch: tuple[int, ...], slots: int, question_length: int) -> Transcript:
        """A transcript in which nothing has been asked."""
        return cls(
            np.zeros((*batch, slots, question_length), np.int64),
            np.zeros((*batch, slots), np.int64),
        )

    def __getitem__(self, index: Any) -> Transcript:
        """The transcripts at ``index``, an index into the batch axes (NumPy's rules)."""
        return Transcript(self.questions[index], self.answers[index])

    def __setitem__(self, index: Any, other: Transcript) -> None:
        """Overwrite the transcripts at ``index``."""
        self.questions[index] = other.questions
        self.answers[index] = other.answers
        self.notes = None
