"""The one engine behind the single and the vector environment.

It holds the states of all environments: contexts, root questions, the sub-questions asked about
them, and the current position. An environment shows one question after another::

    next_episode ──► [sub-question ──► answer] ... ──► root question ──► answer, approval

With an attached assistant all sub-questions about a context are answered by it at once, and only
root questions are shown. Inline (without one) the sub-questions come up as episodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ia_gym.amplification.amplified_assistants import AuditedAssistant
from ia_gym.amplification.amplify import amplify, open_round
from ia_gym.amplification.assistants import Assistant
from ia_gym.amplification.overseers import Overseer, ScriptedOverseer
from ia_gym.amplification.trust import TrustGate
from ia_gym.domains import Contexts, Domain
from ia_gym.domains.transcript import IDK, PENDING, Symbols, Transcript

Rows = NDArray[np.intp]
"""Indices of environments."""

LARGE_BATCH = 256
"""Environments from which on freed memory is kept for the next batch."""

MAX_VERDICTS = 4096
"""The most answers that are judged ahead: every answer to all root questions of all environments.

Few environments are judged ahead, a context at once, since one call for many answers takes hardly
longer than one for a single answer. In larger vectors it would take longer than judging the
answers that are given."""


TRUTH, DEPTH, CLASS = range(3)
"""What stands behind each question."""


@dataclass
class Outcome:
    """The judged answers of some environments; arrays of shape ``(rows,)``.

    Attributes:
        rewards: approval of a root answer, less the penalty of a wrong one (without an overseer:
            1 if it is true, else 0); 0 for a sub-answer.
        approvals: the overseer's approval of a root answer; 0 for a sub-question, for a question
            that could not earn any, and without an overseer.
        targets: the overseer's own answer to a root question; ``IDK`` for a sub-question, for a
            question that could not earn approval, and without an overseer.
        successes: whether a root answer is true; False for a sub-question.
    """

    rewards: NDArray[np.float64]
    approvals: NDArray[np.float64]
    targets: Symbols
    successes: NDArray[np.bool_]


class Engine:
    """``n_envs`` environments side by side.

    What does not depend on the agent is looked up for all root questions about a context at once,
    ahead of time: truths, depths, classes, masks, and the sub-questions that can be asked already.

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
        contexts: ``(n,)``, of which ``contexts["facts"]`` is observed.
        masks: int8 ``(n, n_answers)``, 1 for the answers of the kind asked for now.
        is_root: ``(n,)``, false for a sub-question.
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
        self.all_rows: Rows = np.arange(n_envs)
        self._first_places = self.all_rows * questions_per_context
        cls = type(domain)
        self._has_several_answers = cls.has_several_answers is not Domain.has_several_answers
        self._ready = False  # whether there has been a reset
        n_verdicts = n_envs * questions_per_context * domain.n_answers
        self._judges_ahead = n_verdicts <= MAX_VERDICTS
        if n_envs >= LARGE_BATCH:
            keep_freed_memory()

    def reset(self, rng: np.random.Generator) -> None:
        """Start afresh: new contexts and questions, no trust, no pending sub-questions."""
        n, k, domain = self.n_envs, self.questions_per_context, self.domain
        width, n_answers = domain.question_length, domain.n_answers
        self.rng = rng
        if self.gate is not None:
            self.gate.reset()
        # A question and what is known of it stand side by side, so that both are shown at once.
        self._shown = np.zeros((n, width + 3), np.int64)
        self.masks = np.zeros((n, n_answers), np.int8)
        self.is_root = np.ones(n, bool)
        # The root questions about each environment's context, and their decomposition.
        self.contexts: Contexts = domain.sample_contexts(rng, n, self.size)
        self._sheet = np.zeros((n, k, width + 3), np.int64)
        self._root_masks = np.zeros((n, k, n_answers), np.int8)
        self.can_earn = np.zeros((n, k), bool)
        self.prepared = np.zeros((n, k), bool)  # whether all sub-questions are answered
        self.transcripts = Transcript.empty((n, k), domain.n_slots, width)
        self.rounds_opened = np.zeros((n, k), np.int64)
        self.cursor = np.zeros(n, np.int64)  # the current root question
        self._to_open = np.zeros((n, k), bool)  # questions still to be decomposed
        self._any_to_open = False
        self._opened_inline = np.zeros((n, k), bool)  # without an assistant
        if self._judges_ahead:
            self._judged = np.zeros((n, k), bool)
            self._verdicts = np.zeros((n, k, n_answers))  # approval of each answer
            self._targets = np.zeros((n, k), np.int64)
            self._checked = np.zeros(n, bool)
            self._true = np.zeros((n, k, n_answers), bool)  # each answer
        self._ready = True
        self._draw(self.all_rows)
        self._show(self.all_rows)

    def _at(self, rows: Rows) -> Any:
        """An index for ``rows``; for all rows one that makes no copies."""
        return slice(None) if rows is self.all_rows else rows

    def _choose(self, rows: Rows, chosen: NDArray[np.bool_]) -> Rows:
        """Those of ``rows`` that are chosen; the same array if all are."""
        return rows if np.count_nonzero(chosen) == len(rows) else rows[chosen]

    def _find_places(self, rows: Rows) -> Rows:
        """Where the current root questions of ``rows`` stand among all ``n * k``."""
        at = self._at(rows)
        places: Rows = self._first_places[at] + self.cursor[at]
        return places

    # ------------------------------------------------------------ what is shown

    @property
    def questions(self) -> Symbols:
        """The questions shown now, ``(n, Lq)``."""
        return self._shown[:, :-3]

    @property
    def truths(self) -> Symbols:
        """Their true answers, ``(n,)``."""
        return self._shown[:, TRUTH - 3]

    @property
    def depths(self) -> Symbols:
        """Their depths, ``(n,)``."""
        return self._shown[:, DEPTH - 3]

    @property
    def classes(self) -> Symbols:
        """Their classes, ``(n,)``."""
        return self._shown[:, CLASS - 3]

    @property
    def roots(self) -> Symbols:
        """All root questions about the contexts, ``(n, questions_per_context, Lq)``."""
        return self._sheet[..., :-3]

    # ------------------------------------------------ who decomposes, who answers

    @property
    def overseer(self) -> Overseer | None:
        """Decomposes questions and judges answers, from the next question on."""
        return self._overseer

    @overseer.setter
    def overseer(self, overseer: Overseer | None) -> None:
        self._overseer = overseer
        self._open_anew()
        if self._ready and self._judges_ahead:
            self._judged[:] = False

    @property
    def assistant(self) -> Assistant | None:
        """Answers the sub-questions, from the next question on; None for the agent, inline."""
        return self._assistant

    @assistant.setter
    def assistant(self, assistant: Assistant | None) -> None:
        self._assistant = assistant
        self._open_anew()

    def _open_anew(self) -> None:
        """Forget the sub-questions opened ahead: their circumstances have changed."""
        if self._ready:
            later = np.arange(self.questions_per_context) > self.cursor[:, None]
            self._to_open |= later & self._opened_inline
            self._any_to_open = bool(self._to_open.any())

    # ------------------------------------------------------- the next question

    def next_episode(self, rows: Rows) -> None:
        """Show the next question of the given environments."""
        done = self._choose(rows, self.is_root[self._at(rows)])
        if len(done):
            at = self._at(done)
            self.cursor[at] += 1
            ended = self.cursor[at] == self.questions_per_context
            if np.count_nonzero(ended):
                self._draw(self._choose(done, ended))
        self._show(rows)

    def _draw(self, rows: Rows) -> None:
        """Draw a new context and its root questions for each of ``rows``."""
        domain, at = self.domain, self._at(rows)
        contexts = domain.sample_contexts(self.rng, len(rows), self.size)
        depths = range(1, self.max_depth + 1)
        roots = domain.sample_questions(self.rng, contexts, self.questions_per_context, depths)
        if rows is self.all_rows:
            self.contexts = contexts
        else:
            self.contexts[rows] = contexts
        width = domain.question_length
        self._sheet[at, :, :width] = roots
        self._sheet[at, :, width + TRUTH] = domain.truth(contexts, roots)
        self._sheet[at, :, width + DEPTH] = domain.depth(contexts, roots)
        self._sheet[at, :, width + CLASS] = domain.classes(contexts, roots)
        self._root_masks[at] = self._mask(roots)
        if self._judges_ahead:
            self._checked[at] = False
        self.cursor[at] = 0
        if self.overseer is None:
            self.prepared[at] = True
        else:
            self._to_open[at] = self._any_to_open = True

    def _mask(self, questions: Symbols) -> NDArray[np.bool_]:
        """Which answers are of the kind asked for, ``(..., n_answers)``."""
        mask = self.domain.answer_mask(questions)
        if not mask[..., IDK].all() and not mask.any(axis=-1).all():  # the first is faster
            question = questions[~mask.any(axis=-1)][0]
            raise ValueError(
                f"answer_mask() of {self.domain.name} must allow an answer to every question, "
                f"allows none to {self.domain.question_text(question)}"
            )
        return mask

    def _show(self, rows: Rows) -> None:
        """Let the overseer ask as far as it can, then show what is to be answered next."""
        if self._any_to_open:
            to_open = self._to_open[self._at(rows)].any(axis=1)
            if to_open.any():
                self._open(self._choose(rows, to_open))
                self._any_to_open = bool(self._to_open.any())
        at, places = self._at(rows), self._find_places(rows)
        ready = self.prepared.reshape(-1).take(places)
        if np.count_nonzero(ready) < len(rows):
            self._go_on(rows[~ready])
            ready = self.prepared.reshape(-1).take(places)
        self.is_root[at] = ready
        sheet = self._sheet.reshape(-1, self._sheet.shape[-1])
        masks = self._root_masks.reshape(-1, self.domain.n_answers)
        if rows is self.all_rows:
            sheet.take(places, axis=0, out=self._shown, mode="clip")
            masks.take(places, axis=0, out=self.masks, mode="clip")
        else:
            self._shown[rows] = sheet.take(places, axis=0)
            self.masks[rows] = masks.take(places, axis=0)
        if np.count_nonzero(ready) < len(rows):
            subs = rows[~ready]
            slots = self._pending_slot(subs)
            questions = self.transcripts.questions[subs, self.cursor[subs], slots]
            case = self.contexts[subs], questions[:, None]
            width = self.domain.question_length
            self._shown[subs, :width] = questions
            self._shown[subs, width + TRUTH] = self.domain.truth(*case)[:, 0]
            self._shown[subs, width + DEPTH] = self.domain.depth(*case)[:, 0]
            self._shown[subs, width + CLASS] = self.domain.classes(*case)[:, 0]
            self.masks[subs] = self._mask(questions)

    @property
    def _trusted(self) -> NDArray[np.bool_] | None:
        """Classes the overseer trusts; None for all."""
        return None if self.gate is None or self.gate.trusted.all() else self.gate.trusted

    def _open(self, rows: Rows) -> None:
        """Decompose the questions of ``rows`` that are still to be: as far as can be done now."""
        assert self.overseer is not None
        at = self._at(rows)
        new = self._to_open[at].copy()
        asked = new if self.gate is None else new & self.gate.open[self._sheet[at][..., CLASS - 3]]
        rounds = np.zeros(new.shape, np.int64)
        prepared = new
        contexts = self.contexts[at]
        roots = self.roots[at] * asked[..., None]
        if self.assistant is None:
            transcript = Transcript.empty(new.shape, self.domain.n_slots, roots.shape[-1])
            awaited = np.zeros(transcript.answers.shape, bool)
            waiting = np.zeros(new.shape, bool)
            if asked.any():
                for round in range(len(self.domain.round_slots)):
                    going = asked & ~waiting
                    if not going.any():
                        break
                    questions = roots if round == 0 else roots * going[..., None]
                    case = contexts, questions, transcript
                    pending = open_round(self.overseer, self.rng, round, *case, self._trusted)
                    rounds += going
                    if pending.any():
                        slots = self.domain.round_slots[round]
                        awaited[..., slots] = pending
                        transcript.answers[awaited] = IDK  # while others go on
                        waiting |= pending.any(axis=-1)
            transcript.answers[awaited] = PENDING
            prepared = new & ~waiting
        else:
            assistant = self.assistant
            if self.audit:
                assistant = AuditedAssistant(self.overseer, assistant, self.rng, self.audit)
            case = self.rng, contexts, roots
            transcript = amplify(self.overseer, assistant, *case, trusted=self._trusted)
        if np.count_nonzero(new) < new.size:
            places = rows[:, None].repeat(new.shape[1], axis=1)[new], np.nonzero(new)[1]
            chosen: Any = new
        else:
            places, chosen = at, slice(None)
        self.transcripts[places] = transcript[chosen]
        self.rounds_opened[places] = rounds[chosen]
        self.prepared[places] = prepared[chosen]
        self.can_earn[places] = asked[chosen]
        self._opened_inline[places] = self.assistant is None
        self._to_open[at] = False
        if self._judges_ahead:
            self._judged[places] = False

    def _go_on(self, rows: Rows) -> None:
        """Open rounds of the current questions until a sub-question needs the agent's answer."""
        while True:
            rows = rows[~self.prepared[rows, self.cursor[rows]]]
            answers = self.transcripts.answers[rows, self.cursor[rows]]
            rows = rows[~(answers == PENDING).any(axis=1)]
            if not len(rows):
                return
            opened = self.rounds_opened[rows, self.cursor[rows]]
            for round in range(len(self.domain.round_slots)):
                if (opened == round).any():
                    self._open_round(round, rows[opened == round])
            finished = rows[opened == len(self.domain.round_slots)]
            self.prepared[finished, self.cursor[finished]] = True

    def _open_round(self, round: int, rows: Rows) -> None:
        assert self.overseer is not None
        pairs = rows, self.cursor[rows]
        transcripts = self.transcripts[pairs][:, None]
        case = self.contexts[rows], self.roots[pairs][:, None], transcripts
        open_round(self.overseer, self.rng, round, *case, self._trusted)
        self.transcripts[pairs] = transcripts[:, 0]
        self.rounds_opened[pairs] += 1

    def _pending_slot(self, rows: Rows) -> Rows:
        pending = self.transcripts.answers[rows, self.cursor[rows]] == PENDING
        slots: Rows = pending.argmax(axis=1)
        return slots

    # ----------------------------------------------------------------- answers

    def answer(self, rows: Rows, answers: Symbols) -> Outcome:
        """Record and judge the answers ``(rows,)`` to the questions shown in ``rows``.

        Raises:
            ValueError: if there is to be an audit, but no assistant is attached.
        """
        if self.audit and self.assistant is None:
            raise ValueError(
                f"audit must be 0 without an attached assistant, got {self.audit}: the agent's own "
                "answers are not audited. Call set_assistant() before the first step"
            )
        at = self._at(rows)
        approvals = np.zeros(len(rows))
        targets = np.zeros(len(rows), np.int64)
        root = self.is_root[at]
        successes = self._find_successes(rows, answers)
        if self.overseer is None:
            return Outcome(successes.astype(np.float64), approvals, targets, successes)
        if np.count_nonzero(root) < len(rows):
            subs = rows[~root]
            slots = self._pending_slot(subs)
            self.transcripts.answers[subs, self.cursor[subs], slots] = answers[~root]
            self.overseer.assistant_answers += len(subs)
        earns = root & self.can_earn.reshape(-1).take(self._find_places(rows))
        if np.count_nonzero(earns):
            judged, given = self._choose(rows, earns), answers
            chosen: Any = slice(None)
            if judged is not rows:
                given, chosen = answers[earns], earns
            approvals[chosen], targets[chosen] = self._judge(judged, given)
            if self.gate is not None:
                changed = self.gate.record(self.classes[self._at(judged)], approvals[chosen])
                if changed and self.assistant is None:
                    self._open_anew()
        rewards = approvals.copy()
        if self.wrong_answer_penalty:
            given = earns & (answers != IDK)
            rewards[given] -= self.wrong_answer_penalty * (1 - approvals[given])
        return Outcome(rewards, approvals, targets, successes)

    def _find_successes(self, rows: Rows, answers: Symbols) -> NDArray[np.bool_]:
        """Which answers ``(rows,)`` are true answers to root questions."""
        at = self._at(rows)
        given = self.is_root[at] & (answers != IDK)
        successes: NDArray[np.bool_] = given & (answers == self.truths[at])
        others = given & ~successes
        if self._has_several_answers and np.count_nonzero(others):
            others &= self.domain.has_several_answers(self.questions[at])
            if np.count_nonzero(others):
                successes[others] = self._check(self._choose(rows, others), answers[others])
        return successes

    def _check(self, rows: Rows, answers: Symbols) -> NDArray[np.bool_]:
        """Which answers to the root questions shown are true."""
        at = self._at(rows)
        contexts = self.contexts[at]
        if self._judges_ahead:
            if np.count_nonzero(self._checked[at]) < len(rows):
                self._true[at] = self._check_all(contexts, self.roots[at])
                self._checked[at] = True
            places = self._find_places(rows) * self.domain.n_answers + answers
            return self._true.reshape(-1).take(places)
        case = contexts, self.questions[at][:, None], answers[:, None]
        correct: NDArray[np.bool_] = self.domain.is_correct(*case)[:, 0]
        return correct

    def _check_all(self, contexts: Contexts, roots: Symbols) -> NDArray[np.bool_]:
        """Which of all answers to root questions are true: ``(B, Q, n_answers)``."""
        n_answers = self.domain.n_answers
        answers = np.tile(np.arange(n_answers), roots.shape[:2])
        correct = self.domain.is_correct(contexts, np.repeat(roots, n_answers, axis=1), answers)
        return correct.reshape(*roots.shape[:2], n_answers)

    def _judge(self, rows: Rows, answers: Symbols) -> tuple[NDArray[np.float64], Symbols]:
        """Approvals of the answers to the root questions shown, and the overseer's own answers."""
        assert self.overseer is not None
        if self._judges_ahead and isinstance(self.overseer, ScriptedOverseer):
            places = self._find_places(rows)
            if np.count_nonzero(self._judged.reshape(-1).take(places)) < len(rows):
                self._judge_ahead(rows)
            verdicts = self._verdicts.reshape(-1).take(places * self.domain.n_answers + answers)
            return verdicts, self._targets.reshape(-1).take(places)
        at = self._at(rows)
        transcripts = self.transcripts[rows, self.cursor[at]][:, None]
        case = self.contexts[at], self.questions[at][:, None], transcripts
        approvals = self.overseer.judge(*case, answers[:, None])[:, 0]
        return approvals, self.overseer.answer(*case)[:, 0]

    def _judge_ahead(self, rows: Rows) -> None:
        """Judge every answer to each root question of ``rows`` whose sub-questions are answered.

        Questions in the middle of which the agent is asked a sub-question wait for its answer.
        """
        assert self.overseer is not None
        at, n_answers = self._at(rows), self.domain.n_answers
        complete = self.prepared[at] & self.can_earn[at]
        contexts, roots = self.contexts[at], self.roots[at] * complete[..., None]
        transcripts = self.transcripts[at]
        transcripts.answers = np.maximum(transcripts.answers, IDK)  # of those not complete
        repeated = np.arange(roots.shape[1]).repeat(n_answers)
        answers = np.tile(np.arange(n_answers), roots.shape[:2])
        case = contexts, roots[:, repeated], transcripts[:, repeated]
        verdicts = self.overseer.judge(*case, answers)
        self._verdicts[at] = verdicts.reshape(*roots.shape[:2], n_answers)
        self._targets[at] = self.overseer.answer(contexts, roots, transcripts)
        self._judged[at] = complete


def keep_freed_memory() -> None:
    """Let glibc keep freed blocks of up to 31 MiB for the next ones.

    Batches come and go by the megabyte. glibc returns large blocks to the system at once, and
    getting them again, page by page, takes time: without this call, vectors of 256 environments
    take up to 1.3 times as long a step, of 1024 1.1 to 1.4 times (of 64, no longer). Having seen a
    block of such a size freed, it keeps them (see M_MMAP_THRESHOLD in mallopt(3), at most 32 MiB).
    Nothing is written to the block, so that it takes no memory.
    """
    np.empty(31 << 20, np.uint8)
