"""The one engine behind the single and the vector environment.

It holds the states of all environments: contexts, root questions, the sub-questions asked about
them, and the current position. An environment shows one question after another::

    next_episode ──► [sub-question ──► answer] ... ──► root question ──► answer, approval

With an attached assistant all sub-questions about a context are answered by it at once, and only
root questions are shown. Inline (without one) the sub-questions come up as episodes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ia_gym.amplification.amplified_assistants import AuditedAssistant
from ia_gym.amplification.amplify import amplify, open_round
from ia_gym.amplification.assistants import Assistant
from ia_gym.amplification.overseers import Overseer
from ia_gym.amplification.trust import TrustGate
from ia_gym.domains import Contexts, Domain
from ia_gym.domains.transcript import IDK, PENDING, Symbols, Transcript

Rows = NDArray[np.intp]
"""Indices of environments."""

LARGE_BATCH = 256
"""Environments from which on freed memory is kept for the next batch."""


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
        questions: ``(n, Lq)``, the questions shown now.
        truths, depths, classes: ``(n,)``, of the questions shown now.
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
        self.overseer = overseer
        self.assistant = assistant
        self.gate = gate
        self.wrong_answer_penalty = wrong_answer_penalty
        self.audit = audit
        self.max_depth = domain.max_depth
        self.size = domain.size
        self.all_rows: Rows = np.arange(n_envs)
        if n_envs >= LARGE_BATCH:
            keep_freed_memory()

    def reset(self, rng: np.random.Generator) -> None:
        """Start afresh: new contexts and questions, no trust, no pending sub-questions."""
        n, k, domain = self.n_envs, self.questions_per_context, self.domain
        self.rng = rng
        if self.gate is not None:
            self.gate.reset()
        self.questions = np.zeros((n, domain.question_length), np.int64)
        self.truths = np.zeros(n, np.int64)
        self.depths = np.zeros(n, np.int64)
        self.classes = np.zeros(n, np.int64)
        self.is_root = np.ones(n, bool)
        # The root questions about each environment's context, and their decomposition.
        self.contexts: Contexts = domain.sample_contexts(rng, n, self.size)
        self.roots = np.zeros((n, k, domain.question_length), np.int64)
        self.root_truths = np.zeros((n, k), np.int64)
        self.root_depths = np.zeros((n, k), np.int64)
        self.root_classes = np.zeros((n, k), np.int64)
        self.can_earn = np.zeros((n, k), bool)
        self.prepared = np.zeros((n, k), bool)  # whether all sub-questions are answered
        self.transcripts = Transcript.empty((n, k), domain.n_slots, domain.question_length)
        self.rounds_opened = np.zeros(n, np.int64)  # for the current root question
        self.cursor = np.zeros(n, np.int64)  # the current root question
        self._draw(self.all_rows)
        self._show(self.all_rows)

    # ------------------------------------------------------- the next question

    def next_episode(self, rows: Rows) -> None:
        """Show the next question of the given environments."""
        done = rows[self.is_root[rows]]
        self.cursor[done] += 1
        self.rounds_opened[done] = 0
        self._draw(done[self.cursor[done] == self.questions_per_context])
        self._show(rows)

    def _draw(self, rows: Rows) -> None:
        """Draw a new context and its root questions for each of ``rows``."""
        if not len(rows):
            return
        domain = self.domain
        contexts = domain.sample_contexts(self.rng, len(rows), self.size)
        depths = range(1, self.max_depth + 1)
        roots = domain.sample_questions(self.rng, contexts, self.questions_per_context, depths)
        self.contexts[rows] = contexts
        self.roots[rows] = roots
        self.root_truths[rows] = domain.truth(contexts, roots)
        self.root_depths[rows] = domain.depth(contexts, roots)
        self.root_classes[rows] = domain.classes(contexts, roots)
        self.prepared[rows] = self.overseer is None
        self.cursor[rows] = 0

    def _show(self, rows: Rows) -> None:
        """Let the overseer ask as far as it can, then show what is to be answered next."""
        pairs = rows, self.cursor[rows]
        unprepared = ~self.prepared[pairs]
        if unprepared.any():
            waiting = rows[unprepared]
            started = self.rounds_opened[waiting] > 0  # inline scripts are finished inline
            if self.assistant is None or started.any():
                self._prepare_inline(waiting if self.assistant is None else waiting[started])
            if self.assistant is not None:
                self._prepare_at_once(waiting[~started])
        self.is_root[rows] = self.prepared[pairs]
        self.questions[rows] = self.roots[pairs]
        self.truths[rows] = self.root_truths[pairs]
        self.depths[rows] = self.root_depths[pairs]
        self.classes[rows] = self.root_classes[pairs]
        subs = rows[~self.is_root[rows]]
        if len(subs):
            slots = self._pending_slot(subs)
            self.questions[subs] = self.transcripts.questions[subs, self.cursor[subs], slots]
            case = self.contexts[subs], self.questions[subs][:, None]
            self.truths[subs] = self.domain.truth(*case)[:, 0]
            self.depths[subs] = self.domain.depth(*case)[:, 0]
            self.classes[subs] = self.domain.classes(*case)[:, 0]

    def _open_classes(self, classes: Symbols) -> NDArray[np.bool_]:
        return np.ones(classes.shape, bool) if self.gate is None else self.gate.open[classes]

    @property
    def _trusted(self) -> NDArray[np.bool_] | None:
        """Classes the overseer trusts; None for all."""
        return None if self.gate is None or self.gate.trusted.all() else self.gate.trusted

    def _prepare_at_once(self, rows: Rows) -> None:
        """Let the attached assistant answer all sub-questions about the contexts of ``rows``."""
        if not len(rows):
            return
        assert self.overseer is not None
        assert self.assistant is not None
        assistant = self.assistant
        if self.audit:
            assistant = AuditedAssistant(self.overseer, assistant, self.rng, self.audit)
        asked = ~self.prepared[rows] & self._open_classes(self.root_classes[rows])
        self.transcripts[rows] = amplify(
            self.overseer,
            assistant,
            self.rng,
            self.contexts[rows],
            self.roots[rows] * asked[..., None],
            trusted=self._trusted,
        )
        self.can_earn[rows] = asked  # questions left out have been answered
        self.prepared[rows] = True

    def _prepare_inline(self, rows: Rows) -> None:
        """Open rounds until a sub-question needs the agent's answer."""
        assert self.overseer is not None
        pairs = rows, self.cursor[rows]
        new = self.rounds_opened[rows] == 0
        can_earn = self._open_classes(self.root_classes[pairs])
        self.can_earn[rows[new], self.cursor[rows[new]]] = can_earn[new]
        self.transcripts.questions[rows[new], self.cursor[rows[new]]] = 0
        self.transcripts.answers[rows[new], self.cursor[rows[new]]] = IDK
        self.prepared[pairs] = new & ~can_earn
        while True:
            rows = rows[~self.prepared[rows, self.cursor[rows]]]
            answers = self.transcripts.answers[rows, self.cursor[rows]]
            rows = rows[~(answers == PENDING).any(axis=1)]
            if not len(rows):
                return
            opened = self.rounds_opened[rows]  # a copy: a round opened here waits for its answers
            for round in np.unique(opened):
                ready = rows[opened == round]
                if round == len(self.domain.round_slots):
                    self.prepared[ready, self.cursor[ready]] = True
                else:
                    self._open_round(int(round), ready)

    def _open_round(self, round: int, rows: Rows) -> None:
        assert self.overseer is not None
        transcripts = self.transcripts[rows, self.cursor[rows]][:, None]
        questions = self.roots[rows, self.cursor[rows]][:, None]
        contexts = self.contexts[rows]
        open_round(self.overseer, self.rng, round, contexts, questions, transcripts, self._trusted)
        self.transcripts[rows, self.cursor[rows]] = transcripts[:, 0]
        self.rounds_opened[rows] += 1

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
        approvals = np.zeros(len(rows))
        targets = np.zeros(len(rows), np.int64)
        root = self.is_root[rows]
        successes = self._find_successes(rows, answers)
        if self.overseer is None:
            return Outcome(successes.astype(np.float64), approvals, targets, successes)
        subs = rows[~root]
        if len(subs):
            slots = self._pending_slot(subs)
            self.transcripts.answers[subs, self.cursor[subs], slots] = answers[~root]
            self.overseer.assistant_answers += len(subs)
        judged = np.flatnonzero(root)
        judged = judged[self.can_earn[rows[judged], self.cursor[rows[judged]]]]
        if len(judged):
            pairs = rows[judged], self.cursor[rows[judged]]
            case = (
                self.contexts if len(judged) == self.n_envs else self.contexts[rows[judged]],
                self.roots[pairs][:, None],
                self.transcripts[pairs][:, None],
            )
            approvals[judged] = self.overseer.judge(*case, answers[judged, None])[:, 0]
            targets[judged] = self.overseer.answer(*case)[:, 0]
            if self.gate is not None:
                self.gate.record(self.root_classes[pairs], approvals[judged])
        rewards = approvals.copy()
        if self.wrong_answer_penalty:
            given = judged[answers[judged] != IDK]
            rewards[given] -= self.wrong_answer_penalty * (1 - approvals[given])
        return Outcome(rewards, approvals, targets, successes)

    def _find_successes(self, rows: Rows, answers: Symbols) -> NDArray[np.bool_]:
        """Which answers ``(rows,)`` are true answers to root questions."""
        given = self.is_root[rows] & (answers != IDK)
        successes: NDArray[np.bool_] = given & (answers == self.truths[rows])
        others = np.flatnonzero(given & ~successes)
        if len(others):
            others = others[self.domain.has_several_answers(self.questions[rows[others]])]
        if len(others):
            asked = rows[others]
            case = self.contexts[asked], self.questions[asked][:, None], answers[others, None]
            successes[others] = self.domain.is_correct(*case)[:, 0]
        return successes


def keep_freed_memory() -> None:
    """Let glibc keep freed blocks of up to 31 MiB for the next ones.

    Batches come and go by the megabyte. glibc returns large blocks to the system at once, and
    getting them again, page by page, takes time: without this call, vectors of 256 environments
    take up to 1.3 times as long a step, of 1024 1.1 to 1.4 times (of 64, no longer). Having seen a
    block of such a size freed, it keeps them (see M_MMAP_THRESHOLD in mallopt(3), at most 32 MiB).
    Nothing is written to the block, so that it takes no memory.
    """
    np.empty(31 << 20, np.uint8)
