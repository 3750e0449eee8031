"""The one engine behind the single and the vector environment: the walk through the questions.

An environment shows one question after another::

    next_episode ──► [sub-question ──► answer] ... ──► root question ──► answer, approval

With an attached assistant all sub-questions about a context are answered by it at once, and only
root questions are shown. Inline (without one) the sub-questions come up as episodes.

What the engine walks through is held by its parts: contexts and root questions
(``question_sheet.py``), the overseer's sub-questions (``decomposition.py``), and what becomes of
answers (``judging.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ia_gym.amplification.assistants import Assistant
from ia_gym.amplification.overseers import Overseer, ScriptedOverseer
from ia_gym.amplification.trust import TrustGate
from ia_gym.amplification.work import count_work, leave_uncounted
from ia_gym.domains import Contexts, Domain
from ia_gym.domains.transcript import IDK, Symbols, Transcript
from ia_gym.envs.questions.decomposition import Decomposition
from ia_gym.envs.questions.judging import (
    Outcome,
    Verdict,
    VerdictTable,
    compute_rewards,
    find_successes,
)
from ia_gym.envs.questions.question_sheet import CLASS, DEPTH, N_KNOWN, TRUTH, QuestionSheet

Rows = NDArray[np.intp]
"""Indices of environments."""

LARGE_BATCH = 256
"""Environments from which on freed memory is kept for the next batch."""

CONTEXTS_AHEAD = 16
"""Contexts that a single environment draws at a time."""

MAX_VERDICTS = 4096
"""The most answers that a single environment judges ahead: every answer to all root questions."""


@dataclass
class QuestionsAhead:
    """Questions of a single environment that were looked up together, in the order of asking.

    Attributes:
        rows: int64 ``(n, Lq + 3)``, as in a :class:`QuestionSheet`.
        masks: int8 ``(n, n_answers)``.
        is_root: ``(n,)``.
        shown: what the environment makes of them; None before it has.
    """

    rows: Symbols
    masks: NDArray[np.int8]
    is_root: list[bool]
    shown: list[Any] | None = None


class Engine:
    """``n_envs`` environments side by side.

    What does not depend on the agent is looked up for all root questions about a context at once,
    ahead of time: truths, depths, classes, masks, and the sub-questions. A call for a hundred
    questions takes hardly longer than a call for one, so a single environment does so for several
    contexts, and has every possible answer judged ahead too.

    Args:
        domain: of the questions.
        n_envs: number of environments.
        questions_per_context: root questions asked about a context before the next one.
        overseer: judges the answers; None to reward true answers (for evaluation).
        assistant: answers the sub-questions; None to show them to the agent, inline.
        gate: the trust gate; None to let every question earn approval.
        wrong_answer_penalty: subtracted for an answer without approval; "I don't know" is free.
        audit: share of an attached assistant's answers that the overseer decomposes once more.

    Attributes:
        slots: ``(n,)``, in which slot of the sheet the context of each environment is.
        cursor: ``(n,)``, which of the root questions about it is the current one.
        step: ``(n,)``, which of its sub-questions is shown, by its slot in the transcript;
            ``root_step``, one more than the last, for the root question itself.
        is_root: ``(n,)``, false for a sub-question.
        masks: int8 ``(n, n_answers)``, 1 for the answers of the kind asked for now.
        ahead: of a single environment, the questions that the one shown now was looked up with, and
            which of them it is.
    """

    def __init__(
        self,
        domain: Domain,
        n_envs: int,
        questions_per_context: int,
        overseer: Overseer | None,
        assistant: Assistant | None,
        gate: TrustGate | None,
        wrong_answer_penalty: float = 0.0,
        audit: float = 0.0,
    ) -> None:
        self.domain = domain
        self.n_envs = n_envs
        self.questions_per_context = questions_per_context
        self._overseer = overseer
        self._assistant = assistant
        self.gate = gate
        self.wrong_answer_penalty = wrong_answer_penalty
        self.audit = audit
        self.max_depth = domain.max_depth
        self.size = domain.size
        self.root_step = domain.n_slots  # after all sub-questions
        self.all_rows: Rows = np.arange(n_envs)
        self._is_single = n_envs == 1
        n_verdicts = questions_per_context * domain.n_answers
        self._judges_ahead = self._is_single and n_verdicts <= MAX_VERDICTS
        # How many contexts are drawn at a time: each environment has so many slots.
        self._n_ahead = min(CONTEXTS_AHEAD, MAX_VERDICTS // n_verdicts) if self._judges_ahead else 1
        self.all_slots: Rows = np.arange(n_envs * self._n_ahead)
        self._opens_ahead = True  # False with an assistant that learns
        self._ready = False  # whether there has been a reset
        if n_envs >= LARGE_BATCH:
            keep_freed_memory()

    def reset(self, rng: np.random.Generator) -> None:
        """Start afresh: new contexts and questions, no trust, no pending sub-questions."""
        n, k, n_slots = self.n_envs, self.questions_per_context, len(self.all_slots)
        self.rng = rng
        if self.gate is not None:
            self.gate.reset()
        self.sheet = QuestionSheet(self.domain, n_slots, k)
        self.decomposition = Decomposition(self.sheet)
        if self._judges_ahead:
            self._verdicts = VerdictTable(self.domain, n_slots, k, self.wrong_answer_penalty)
            self._judged = np.zeros((n_slots, k), bool)  # root questions with verdicts in there
        self._shown = np.zeros((n, self.sheet.rows.shape[1]), np.int64)
        self.masks = np.zeros((n, self.domain.n_answers), np.int8)
        self.slots = np.arange(n) * self._n_ahead
        self.cursor = np.zeros(n, np.int64)
        self.step = np.full(n, -1)
        self.is_root = np.zeros(n, bool)
        self._ahead: dict[tuple[int, int], tuple[QuestionsAhead, int]] = {}  # by cursor and step
        self._ready = True
        # Contexts that nobody sees: without them, every seed would give other questions than ever.
        self.domain.sample_contexts(rng, n, self.size)
        self._draw(self.all_rows)
        self._show(self.all_rows)

    # ------------------------------------------------------------ what is shown

    @property
    def contexts(self) -> Contexts:
        """The contexts, ``(n,)``, of which ``contexts["facts"]`` is observed."""
        contexts: Contexts = self.sheet.contexts[self.sheet.at(self.slots)]
        return contexts

    @property
    def questions(self) -> Symbols:
        """The questions shown now, ``(n, Lq)``."""
        return self._shown[:, :-N_KNOWN]

    @property
    def truths(self) -> Symbols:
        """Their true answers, ``(n,)``."""
        return self._shown[:, TRUTH]

    @property
    def depths(self) -> Symbols:
        """Their depths, ``(n,)``."""
        return self._shown[:, DEPTH]

    @property
    def classes(self) -> Symbols:
        """Their classes, ``(n,)``."""
        return self._shown[:, CLASS]

    @property
    def roots(self) -> Symbols:
        """All root questions about the contexts drawn, ``(slots, questions_per_context, Lq)``."""
        return self.sheet.roots

    @property
    def transcripts(self) -> Transcript:
        """Their decompositions, ``(slots, questions_per_context)``; see :class:`Decomposition`."""
        return self.decomposition.transcripts

    @property
    def can_earn(self) -> NDArray[np.bool_]:
        """Which of them can earn approval, ``(slots, questions_per_context)``."""
        return self.decomposition.can_earn

    # ------------------------------------------------ who decomposes, who answers

    @property
    def overseer(self) -> Overseer | None:
        """Decomposes questions and judges answers, from the next question on."""
        return self._overseer

    @overseer.setter
    def overseer(self, overseer: Overseer | None) -> None:
        self._overseer = overseer
        if self._ready and self._judges_ahead:
            self._judged[:] = False
        self._open_anew()

    @property
    def assistant(self) -> Assistant | None:
        """Answers the sub-questions, from the next question on; None for the agent, inline."""
        return self._assistant

    @assistant.setter
    def assistant(self, assistant: Assistant | None) -> None:
        self._assistant = assistant
        self._opens_ahead = assistant is None
        self._open_anew()

    def _open_anew(self) -> None:
        """Forget the sub-questions that were opened ahead: their circumstances have changed."""
        if self._ready:
            self._ahead.clear()
            parts, places = self.decomposition, np.arange(self.decomposition.to_open.size)
            current = self._find_places(self.all_rows)
            # Of the questions begun, the sub-questions of the current round remain.
            begun = np.flatnonzero(~self.is_root)
            parts.make_stale(current[begun], self.step[begun])
            later = places.reshape(parts.to_open.shape) > current.repeat(self._n_ahead)[:, None]
            parts.to_open |= later & parts.opened_inline
            self._any_to_open = bool(parts.to_open.any())

    # ------------------------------------------------------- the next question

    def _at(self, rows: Rows) -> Any:
        """An index for rows, which are in order; for all of them one that makes no copies."""
        return slice(None) if len(rows) == self.n_envs else rows

    def _choose(self, rows: Rows, chosen: NDArray[np.bool_]) -> Rows:
        """Those of ``rows`` that are chosen; the same array if all are."""
        return rows if np.count_nonzero(chosen) == len(rows) else rows[chosen]

    def _find_places(self, rows: Rows) -> NDArray[np.intp]:
        """Where the current root questions of ``rows`` stand on the sheet."""
        places: NDArray[np.intp] = self.slots * self.questions_per_context + self.cursor
        return places if rows is self.all_rows else places[rows]

    def next_episode(self, rows: Rows) -> None:
        """Show the next question of the given environments."""
        if self._is_single and len(rows) and self._show_ahead():
            return
        root = self.is_root[self._at(rows)]
        if np.count_nonzero(root):
            done = self._choose(rows, root)
            at = self._at(done)
            self.cursor[at] += 1
            self.step[at] = -1
            ended = self.cursor[at] == self.questions_per_context
            if np.count_nonzero(ended):
                self._change_context(self._choose(done, ended))
        self._show(rows)

    def _change_context(self, rows: Rows) -> None:
        """Go on to the next context drawn, or draw."""
        self._ahead.clear()
        if self._n_ahead > 1 and self._difficulty == (self.max_depth, self.size):
            self.slots += 1
            self.cursor[:] = 0
            if self.slots[0] < self._n_ahead:
                return
        self._draw(rows)

    def _draw(self, rows: Rows) -> None:
        """Draw a new context and its root questions for each of ``rows``; or several ahead."""
        slots = rows
        if self._n_ahead > 1:
            slots = self.all_slots
            self.slots[:] = 0
            self._difficulty = self.max_depth, self.size
        self.cursor[rows] = 0
        self.sheet.draw(self.rng, slots, self.size, self.max_depth, one_by_one=self._n_ahead > 1)
        if self.overseer is not None:
            self.decomposition.to_open[self.sheet.at(slots)] = self._any_to_open = True
        else:
            self._any_to_open = False
        if self._judges_ahead:
            truths = self.sheet.by_slot[..., TRUTH]
            self._verdicts.find_successes(self.sheet.contexts, self.sheet.roots, truths)
            self._judged[:] = self.overseer is None

    def _show(self, rows: Rows) -> None:
        """Let the overseer ask, then show what is to be answered next."""
        if self._any_to_open:
            self._open(self.all_slots if self._opens_ahead else self.slots[rows])
        at, places = self._at(rows), self._find_places(rows)
        self.step[at] = steps = self._find_step(places, self.step[at])
        self.is_root[at] = steps == self.root_step
        if self._is_single and len(rows):
            self._look_ahead()
            return
        shown, masks = self._look_up(places, steps)
        if len(rows) == self.n_envs:
            self._shown, self.masks = shown, masks
        else:
            self._shown[rows], self.masks[rows] = shown, masks

    def _open(self, slots: Rows) -> None:
        """Decompose the questions of ``slots`` that are still to be."""
        parts = self.decomposition
        to_open = parts.to_open[self.sheet.at(slots)].any(axis=1)
        slots = self._choose(slots, to_open)
        if len(slots):
            assert self.overseer is not None
            opened = parts.to_open[slots]
            helpers = self.overseer, self.assistant, self.rng
            may_earn = None if self.gate is None else self.gate.open
            parts.open(slots, *helpers, may_earn, self._trusted, self.audit)
            if self._judges_ahead and isinstance(self.overseer, ScriptedOverseer):
                sheet = self.sheet
                case = sheet.contexts[slots], sheet.roots[slots], parts.transcripts[slots]
                self._verdicts.judge(self.overseer, slots, *case, parts.can_earn[slots])
                # Not the others: the agent may have given answers to their sub-questions.
                self._judged[slots] |= opened
        # With an assistant that learns, a context drawn ahead waits for its turn.
        self._any_to_open = bool(parts.to_open.any())

    @property
    def _trusted(self) -> NDArray[np.bool_] | None:
        """Classes the overseer trusts; None for all."""
        return None if self.gate is None or self.gate.trusted.all() else self.gate.trusted

    def _find_step(self, places: NDArray[np.intp], steps: Symbols) -> Symbols:
        """What comes after ``steps (n,)``, once the overseer has gone by all answers so far."""
        parts, found = self.decomposition, np.full(len(places), self.root_step)
        asking = parts.is_awaiting.reshape(-1).take(places)
        if np.count_nonzero(asking):
            places, steps = places[asking], steps[asking]
            following = parts.find_next(places, steps)
            while np.count_nonzero(stale := parts.find_stale(places, following)):
                assert self.overseer is not None
                parts.open_anew(places[stale], self.overseer, self.rng, self._trusted)
                following[stale] = parts.find_next(places[stale], steps[stale])
            found[asking] = following
        return found

    def _look_up(
        self, places: NDArray[np.intp], steps: Symbols
    ) -> tuple[Symbols, NDArray[np.int8]]:
        """Rows and masks of questions: of the root questions at ``places``, or sub-questions."""
        sheet, parts = self.sheet, self.decomposition
        rows, masks = sheet.rows.take(places, axis=0), sheet.masks.take(places, axis=0)
        subs = np.flatnonzero(steps < parts.n_slots)
        if len(subs):
            slots, numbers = np.divmod(places[subs], self.questions_per_context)
            at = slots, numbers, steps[subs]
            # What the agent has not answered yet is answered with the truth.
            questions, truths = parts.transcripts.questions[at], parts.transcripts.answers[at]
            known = sheet.describe(sheet.contexts[slots], questions[:, None], truths[:, None])
            rows[subs], masks[subs] = known[:, 0], sheet.mask(questions)
        return rows, masks

    # --------------------------------------------- what a single environment adds

    def _look_ahead(self) -> None:
        """Look up what comes after the current step: all the questions about its context."""
        slot, cursor, step = self.slots.item(), self.cursor.item(), self.step.item()
        k, last = self.questions_per_context, self.root_step
        unknown = [c for c in range(cursor, k) if (c, last) not in self._ahead]
        roots = slot * k + np.array(unknown)
        asked = ~self.decomposition.find_stale(roots[:, None], np.arange(last + 1))
        asked[:, :last] &= self.decomposition.awaited[slot, unknown]
        asked[0, :step] = False
        rows, steps = np.nonzero(asked)
        ahead = QuestionsAhead(*self._look_up(roots[rows], steps), (steps == last).tolist())
        for i, (row, each) in enumerate(zip(rows.tolist(), steps.tolist(), strict=True)):
            self._ahead[unknown[row], each] = ahead, i
        self._show_one(cursor, step)

    def _show_ahead(self) -> bool:
        """Show the next question if it is known already: if the agent's last answer was true."""
        cursor, step, last = self.cursor.item(), self.step.item(), self.root_step
        if step == last:
            cursor, step = cursor + 1, -1
        for following in range(step + 1, last + 1):
            if (cursor, following) in self._ahead:
                self.cursor[0], self.step[0] = cursor, following
                self.is_root[0] = following == last
                self._show_one(cursor, following)
                return True
        return False

    def _show_one(self, cursor: int, step: int) -> None:
        self.ahead = ahead, i = self._ahead[cursor, step]
        self._shown, self.masks = ahead.rows[i : i + 1], ahead.masks[i : i + 1]

    def answer_one(self, answer: int) -> Verdict:
        """Record and judge the answer of a single environment, see :meth:`answer`."""
        self._check_audit()
        place = self.slots.item() * self.questions_per_context + self.cursor.item()
        step, overseer = self.step.item(), self.overseer
        if step < self.root_step and overseer is not None:
            if self.transcripts.answers.item(place * self.root_step + step) == answer:
                overseer.assistant_answers += 1
                return Verdict(0.0, 0.0, IDK, False)
        elif self._judges_ahead and self._judged.item(place):
            verdict = self._verdicts.look_up(place, answer)
            if answer != IDK and self.can_earn.item(place):
                count_work(overseer, "verdicts", 1)
            if self.gate is not None and self.can_earn.item(place):
                trusts_more = self.gate.record_one(self._shown.item(CLASS), verdict.approval)
                if trusts_more and self.assistant is None:
                    self._open_anew()
            return verdict
        return self.answer(self.all_rows, np.array([answer]))[0]

    # ----------------------------------------------------------------- answers

    def answer(self, rows: Rows, answers: Symbols) -> Outcome:
        """Record and judge the answers ``(rows,)`` to the questions shown in ``rows``.

        Raises:
            ValueError: if there is to be an audit, but no assistant is attached.
        """
        self._check_audit()
        at, places = self._at(rows), self._find_places(rows)
        approvals = np.zeros(len(rows))
        targets = np.zeros(len(rows), np.int64)
        root = self.is_root[at]
        contexts = self.sheet.contexts[self.sheet.at(self.slots[at])]
        questions = self.questions[at][:, None]
        successes = find_successes(
            self.domain, contexts, questions, self.truths[at, None], (answers * root)[:, None]
        )[:, 0]
        if self.overseer is None:
            return Outcome(successes.astype(np.float64), approvals, targets, successes)
        if np.count_nonzero(root) < len(rows):
            subs = np.flatnonzero(~root)
            self._record(places[subs], self.step[at][subs], answers[subs])
        earns = root & self.can_earn.reshape(-1).take(places)
        if np.count_nonzero(earns):
            chosen: Any = slice(None) if np.count_nonzero(earns) == len(rows) else earns
            told = self.transcripts[self.slots[at][chosen], self.cursor[at][chosen]]
            case = contexts[chosen], questions[chosen], told[:, None]
            approvals[chosen] = self.overseer.judge(*case, answers[chosen, None])[:, 0]
            with leave_uncounted(self.overseer):  # targets are only shown
                targets[chosen] = self.overseer.answer(*case)[:, 0]
            if self.gate is not None:
                trusts_more = self.gate.record(self.classes[at][chosen], approvals[chosen])
                if trusts_more and self.assistant is None:
                    self._open_anew()
        rewards = compute_rewards(approvals, answers, earns, self.wrong_answer_penalty)
        return Outcome(rewards, approvals, targets, successes)

    def _check_audit(self) -> None:
        if self.audit and self.assistant is None:
            raise ValueError(
                f"audit must be 0 without an attached assistant, got {self.audit}: the agent's own "
                "answers are not audited. Call set_assistant() before the first step"
            )

    def _record(self, places: NDArray[np.intp], steps: Symbols, answers: Symbols) -> None:
        """Record answers ``(n,)`` to sub-questions."""
        assert self.overseer is not None
        self.overseer.assistant_answers += len(answers)
        other = self.decomposition.record(places, steps, answers)
        if self._is_single and len(other):  # what follows is yet to be asked
            every_step = np.arange(self.root_step + 1)
            stale = self.decomposition.find_stale(places, every_step)
            for step in np.flatnonzero(stale).tolist():
                self._ahead.pop((self.cursor.item(), step), None)
            if self._judges_ahead:
                self._judged.reshape(-1)[places] = False


def keep_freed_memory() -> None:
    """Let glibc keep freed blocks of up to 31 MiB for the next ones.

    Batches come and go by the megabyte. glibc returns large blocks to the system at once, and
    getting them again, page by page, takes time: without this call, vectors of 256 environments
    take up to 1.3 times as long a step, of 1024 1.1 to 1.4 times (of 64, no longer). Having seen a
    block of such a size freed, it keeps them (see M_MMAP_THRESHOLD in mallopt(3), at most 32 MiB).
    Nothing is written to the block, so that it takes no memory.
    """
    np.empty(31 << 20, np.uint8)
