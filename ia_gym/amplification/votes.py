"""Reliability amplification: the overseer is asked several times, and the majority counts.

After Christiano's post "Reliability amplification". It helps against mistakes that differ from one
time to the next, and not against those that are always the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ia_gym.amplification.overseers import Overseer, OverseerWrapper
from ia_gym.domains.domain import Contexts
from ia_gym.domains.transcript import Symbols, Transcript
from ia_gym.validation import check_range

MAX_VOTES = 99
"""Most votes on a question."""


class VotingOverseer(OverseerWrapper):
    """An overseer that decomposes every question ``votes`` times over.

    The votes are independent: each has sub-answers and random choices of its own. They differ as
    far as the assistant samples its answers, the overseer draws at random, or either fails at
    random. The answer is the one that most votes give (in a tie, the one given first), the approval
    the mean of the votes' approvals.

    In a transcript the slots of all votes stand side by side, round by round, so that the assistant
    is still called once a round. Each vote is a query to the overseer, and asks all its
    sub-questions: the counters say what it costs.

    Args:
        overseer: is asked several times.
        votes: how many times; odd, 1..``MAX_VOTES``.

    Raises:
        ValueError: for a number of votes that is not allowed.
    """

    def __init__(self, overseer: Overseer, votes: int) -> None:
        super().__init__(overseer)
        self.votes = check_votes(votes)
        widths = [(each.start, each.stop - each.start) for each in self.domain.round_slots]
        self._slots = [
            np.concatenate(
                [
                    np.zeros(0, np.intp),
                    *(votes * start + vote * width + np.arange(width) for start, width in widths),
                ]
            )
            for vote in range(votes)
        ]

    def ask(
        self,
        rng: np.random.Generator,
        round: int,
        contexts: Contexts,
        questions: Symbols,
        transcript: Transcript,
    ) -> Symbols:
        """The sub-questions of one round, for all votes: ``(B, Q, votes * n, Lq)``.

        Arguments as in :class:`~ia_gym.amplification.overseers.Overseer`; in the transcript, here
        and below, there are ``votes`` times as many slots.
        """
        parts = self.split(transcript)
        asked = [self.inner.ask(rng, round, contexts, questions, part) for part in parts]
        self._keep_notes(transcript, parts)
        draws = [part.draws for part in parts if part.draws is not None]
        if draws:
            transcript.draws = np.concatenate(draws, axis=-1)
        return np.concatenate(asked, axis=2)

    def answer(self, contexts: Contexts, questions: Symbols, transcript: Transcript) -> Symbols:
        """The answer of most votes: int64 ``(B, Q)``."""
        parts = self.split(transcript)
        given = np.stack([self.inner.answer(contexts, questions, part) for part in parts], axis=-1)
        self._keep_notes(transcript, parts)
        agreeing = np.count_nonzero(given[..., None] == given[..., None, :], axis=-1)
        first = agreeing.argmax(axis=-1)[..., None]
        answers: Symbols = np.take_along_axis(given, first, axis=-1)[..., 0]
        return answers

    def judge(
        self, contexts: Contexts, questions: Symbols, transcript: Transcript, answers: Symbols
    ) -> NDArray[np.float64]:
        """The mean of the votes' approvals of ``answers (B, Q)``: float64 ``(B, Q)``."""
        parts = self.split(transcript)
        case = contexts, questions
        approvals = [self.inner.judge(*case, part, answers) for part in parts]
        self._keep_notes(transcript, parts)
        mean: NDArray[np.float64] = np.mean(approvals, axis=0)
        return mean

    def split(self, transcript: Transcript) -> list[Transcript]:
        """The transcript of each vote."""
        n_slots = transcript.answers.shape[-1] // self.votes
        notes: Any = transcript.notes
        if not isinstance(notes, tuple) or len(notes) != self.votes:
            notes = (None,) * self.votes
        draws = transcript.draws
        return [
            Transcript(
                transcript.questions[..., slots[:n_slots], :],
                transcript.answers[..., slots[:n_slots]],
                notes[vote],
                None if draws is None else draws[..., vote : vote + 1],
            )
            for vote, slots in enumerate(self._slots)
        ]

    def _keep_notes(self, transcript: Transcript, parts: list[Transcript]) -> None:
        transcript.notes = tuple(part.notes for part in parts)


def check_votes(votes: int) -> int:
    """Check that ``votes`` is an odd number that is allowed, and return it.

    Raises:
        ValueError: naming the value and what is allowed.
    """
    votes = check_range("votes", votes, 1, MAX_VOTES)
    if votes % 2 == 0:
        raise ValueError(f"votes must be odd, so that two answers cannot tie, got {votes}")
    return votes
