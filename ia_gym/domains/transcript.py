"""Transcripts: the overseer's sub-questions about a question, and the answers to them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Symbols = NDArray[np.int64]
"""An array of symbols of a domain's vocabulary, or of depths, distances and the like."""

IDK = 0
"""The symbol "I don't know". A row of zeros is *no question*, and its answer is ``IDK``."""

PENDING = -1
"""Stands in a transcript in the place of an answer that is still to come."""


@dataclass
class Transcript:
    """The sub-questions about a batch of questions, and their answers.

    A domain has a fixed number ``S`` of slots, a sub-question each, divided into rounds
    (:attr:`ia_gym.domains.Domain.round_slots`). The sub-questions of one round are independent of
    one another; those of a later round may depend on the answers of earlier ones.

    Attributes:
        questions: int64 of shape ``(*batch, S, Lq)``; a row of zeros is a slot not used.
        answers: int64 of shape ``(*batch, S)``; ``PENDING`` while a sub-question awaits its
            answer, ``IDK`` in a slot not used.
        notes: what an overseer keeps from one round to the next, if anything.
        draws: uint64 of shape ``(*batch, votes)``: what an overseer that leaves something to chance
            has drawn for each question, once for each vote. None for any other overseer.
    """

    questions: Symbols
    answers: Symbols
    notes: object = field(default=None, repr=False, compare=False)
    draws: NDArray[np.uint64] | None = field(default=None, repr=False, compare=False)

    @classmethod
    def empty(cls, batch: tuple[int, ...], slots: int, question_length: int) -> Transcript:
        """A transcript in which nothing has been asked.

        Args:
            batch: shape of the batch of questions.
            slots: ``S``.
            question_length: ``Lq``.
        """
        return cls(
            np.zeros((*batch, slots, question_length), np.int64),
            np.zeros((*batch, slots), np.int64),
        )

    def in_steps(self, steps: int) -> Transcript:
        """The same sub-questions one after another, without the slots that are not used.

        Args:
            steps: slots of the new transcript; the last ones stay empty.

        Raises:
            ValueError: if a transcript has more sub-questions.
        """
        used = self.questions[..., 0] != 0
        most = int(used.sum(axis=-1).max(initial=0))
        if most > steps:
            raise ValueError(f"steps must be at least {most}, got {steps}")
        order = np.argsort(~used, axis=-1, kind="stable")[..., :steps]
        questions = np.take_along_axis(self.questions, order[..., None], axis=-2)
        answers = np.take_along_axis(self.answers, order, axis=-1)
        missing = steps - order.shape[-1]
        lead = [(0, 0)] * (answers.ndim - 1)
        return Transcript(
            np.pad(questions, [*lead, (0, missing), (0, 0)]),
            np.pad(answers, [*lead, (0, missing)]),
        )

    def __getitem__(self, index: Any) -> Transcript:
        """The transcripts at ``index``, an index into the batch axes (by NumPy's rules)."""
        draws = None if self.draws is None else self.draws[index]
        return Transcript(self.questions[index], self.answers[index], draws=draws)

    def __setitem__(self, index: Any, other: Transcript) -> None:
        """Overwrite the transcripts at ``index``."""
        self.questions[index] = other.questions
        self.answers[index] = other.answers
        self.notes = None
        if other.draws is not None and self.draws is None:
            votes = other.draws.shape[-1:]
            self.draws = np.zeros((*self.answers.shape[:-1], *votes), np.uint64)
        if self.draws is not None:
            self.draws[index] = 0 if other.draws is None else other.draws
