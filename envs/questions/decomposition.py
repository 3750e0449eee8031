"""The overseer's sub-questions about the root questions of a sheet, and the answers to them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ia_gym.amplification.amplify import open_rounds
from ia_gym.amplification.assistants import Assistant, Oracle
from ia_gym.amplification.overseers import Overseer, list_round_slots
from ia_gym.domains.transcript import IDK, PENDING, Symbols, Transcript
from ia_gym.envs.questions.question_sheet import CLASS, QuestionSheet


class Decomposition:
    """Transcripts of all root questions of a sheet.

    With an attached assistant a question is decomposed at once. Inline, the agent will answer the
    sub-questions, and what the overseer asks next depends on its answers. They are *assumed to be
    true* until they are given, so that here too a question is decomposed at once, together with
    many others, which takes hardly longer than one. Where the agent then answers otherwise, the
    rounds after that answer are *stale*, and are opened anew before the agent comes to them: the
    overseer goes by the answers the agent has given, and by no others.

    Args:
        sheet: the root questions.
        votes: times that the overseer decomposes each of them, see
            :class:`~ia_gym.amplification.votes.VotingOverseer`. ``S`` is the number of all slots.

    Attributes:
        transcripts: ``(n_slots, questions_per_context)``.
        awaited: bool ``(..., S)``, the sub-questions that are the agent's to answer, inline.
        is_awaiting: bool ``(...)``, root questions with any of these.
        to_open: bool ``(...)``, root questions that are still to be decomposed.
        opened_inline: bool ``(...)``, those that were decomposed without an assistant.
        can_earn: bool ``(...)``, those that can earn approval.
        valid_rounds: ``(...)``, the number of rounds before the first that is stale.
        round_of_slot: ``(S + 1,)``, the round of each slot, and the number of rounds.
    """

    def __init__(self, sheet: QuestionSheet, votes: int = 1) -> None:
        domain = sheet.domain
        shape = (sheet.n_slots, sheet.questions_per_context)
        self.sheet = sheet
        self.oracle = Oracle(domain)
        self.n_slots = domain.n_slots * votes
        self.round_slots = list_round_slots(domain, votes)
        self.n_rounds = len(self.round_slots)
        widths = [slots.stop - slots.start for slots in self.round_slots]
        self.round_of_slot = np.repeat(np.arange(self.n_rounds + 1), [*widths, 1])
        self.transcripts = Transcript.empty(shape, self.n_slots, domain.question_length)
        self.awaited = np.zeros((*shape, self.n_slots), bool)
        self.is_awaiting = np.zeros(shape, bool)
        self.to_open = np.zeros(shape, bool)
        self.opened_inline = np.zeros(shape, bool)
        self.can_earn = np.zeros(shape, bool)
        self.valid_rounds = np.full(shape, self.n_rounds)

    def open(
        self,
        slots: NDArray[np.intp],
        overseer: Overseer,
        assistant: Assistant | None,
        rng: np.random.Generator,
        may_earn: NDArray[np.bool_] | None,
        trusted: NDArray[np.bool_] | None,
    ) -> None:
        """Decompose the questions of ``slots`` that are still to be.

        Args:
            slots: ``(B,)``.
            overseer: asks; its counters go up.
            assistant: answers; None for the agent, inline.
            rng: for the overseer's choices.
            may_earn: bool ``(n_classes,)``, of which classes a question can earn approval; about
                others nothing is asked. None for all.
            trusted: bool ``(n_classes,)``, see :func:`ia_gym.amplification.amplify.open_round`.
        """
        sheet = self.sheet
        slots_at = sheet.at(slots)
        new = self.to_open[slots_at].copy()
        asked = new
        if may_earn is not None:
            asked = new & may_earn[sheet.by_slot[slots_at][..., CLASS]]
        questions = sheet.roots[slots_at] * asked[..., None]
        transcript = Transcript.empty(new.shape, self.n_slots, questions.shape[-1])
        answered = np.zeros(transcript.answers.shape, bool)
        if np.count_nonzero(asked):
            helper = self.oracle if assistant is None else assistant
            case = sheet.contexts[slots_at], questions, transcript
            answered = open_rounds(overseer, helper, rng, range(self.n_rounds), *case, trusted)
            if assistant is not None:
                overseer.assistant_answers += int(np.count_nonzero(answered))
                answered[:] = False
        places: Any = slots_at
        chosen: Any = slice(None)
        if np.count_nonzero(new) < new.size:
            rows, numbers = np.nonzero(new)
            places, chosen = (slots[rows], numbers), new
        self.transcripts[places] = transcript[chosen]
        self.awaited[places] = answered[chosen]
        self.is_awaiting[places] = answered[chosen].any(axis=-1)
        self.can_earn[places] = asked[chosen]
        self.opened_inline[places] = assistant is None
        self.valid_rounds[places] = self.n_rounds
        self.to_open[slots_at] = False

    def find_next(self, places: NDArray[np.intp], slots: Symbols) -> Symbols:
        """The slots of the sub-questions that follow ``slots``; ``S`` for the root question.

        Args:
            places: ``(n,)``, of the root questions.
            slots: ``(n,)``, of the sub-questions asked last; -1 before the first.
        """
        if self.n_slots == 0:
            return np.zeros(len(places), np.int64)
        later = self.awaited.reshape(-1, self.n_slots)[places]
        later &= np.arange(self.n_slots) > slots[:, None]
        return np.where(later.any(axis=1), later.argmax(axis=1), self.n_slots)

    def find_stale(self, places: NDArray[np.intp], slots: Symbols) -> NDArray[np.bool_]:
        """Which questions rest on an answer that is not the one given.

        Args:
            places: of the root questions.
            slots: of their sub-questions, ``S`` for the root questions themselves; of a shape that
                broadcasts with that of ``places``.
        """
        valid = self.valid_rounds.reshape(-1)[places]
        stale: NDArray[np.bool_] = (valid < self.n_rounds) & (self.round_of_slot[slots] >= valid)
        return stale

    def record(self, places: NDArray[np.intp], slots: Symbols, answers: Symbols) -> Symbols:
        """Record the agent's answers ``(n,)``, and return which are not those assumed."""
        entries = places * self.n_slots + slots
        given = self.transcripts.answers.reshape(-1)
        other: Symbols = np.flatnonzero(given[entries] != answers)
        given[entries] = answers
        self.make_stale(places[other], slots[other])
        return other

    def make_stale(self, places: NDArray[np.intp], slots: Symbols) -> None:
        """The rounds after those of ``slots (n,)`` are stale."""
        self.valid_rounds.reshape(-1)[places] = self.round_of_slot[slots] + 1

    def open_anew(
        self,
        places: NDArray[np.intp],
        overseer: Overseer,
        rng: np.random.Generator,
        trusted: NDArray[np.bool_] | None,
    ) -> None:
        """Open the first stale round of ``places (n,)``, inline; see :meth:`open`.

        Not all of them: an agent that was wrong once may be so again, and then more rounds would be
        opened for nothing.
        """
        sheet = self.sheet
        first_stale = self.valid_rounds.reshape(-1)[places]
        for round in set(first_stale.tolist()):
            at = np.divmod(places[first_stale == round], sheet.questions_per_context)
            transcript = self.transcripts[at][:, None]
            case = sheet.contexts[at[0]], sheet.roots[at][:, None], transcript
            answered = open_rounds(overseer, self.oracle, rng, [round], *case, trusted)[:, 0]
            opened = self.round_slots[round]
            self.transcripts[at] = transcript[:, 0]
            self.awaited[*at, opened] = answered[:, opened]
            self.valid_rounds[at] = round + 1

    def get_transcript(self, place: tuple[int, int], slot: int, answered: bool) -> Transcript:
        """The sub-questions asked so far about one root question.

        Args:
            place: slot of the sheet and number of the root question.
            slot: of the sub-question that is shown; ``S`` for the root question.
            answered: whether it is answered.
        """
        transcript = self.transcripts[place]
        questions, answers = transcript.questions.copy(), transcript.answers.copy()
        if slot < self.n_slots:
            slots = np.arange(self.n_slots)
            answers[self.awaited[place] & (slots >= slot + answered)] = PENDING
            later = self.round_of_slot[:-1] > self.round_of_slot[slot]
            questions[later], answers[later] = 0, IDK
        return Transcript(questions, answers)
