"""The one engine behind the single and the vector environment.

It holds the states of all environments: contexts, root questions, the sub-questions asked about
them, and the current position. An environment shows one question after another::

    next_episode ──► [sub-question ──► answer] ... ──► root question ──► answer, approval

With an attached assistant all sub-questions about a context are answered by it at once, and only
root questions are shown. Inline (without one) the sub-questions come up as episodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

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

Number = TypeVar("Number", bound=np.generic)

LARGE_BATCH = 256
"""Environments from which on freed memory is kept for the next batch."""

CONTEXTS_AHEAD = 16
"""Contexts that a single environment draws at a time."""

MAX_VERDICTS = 4096
"""The most answers that a single environment judges ahead: every answer to all root questions."""

TRUTH, DEPTH, CLASS = range(3)
"""What stands behind each question."""


Known = tuple[np.int64, np.int64, np.int64, bool]
"""Truth, depth and class of a question, and whether it is a root question."""


class Verdict(NamedTuple):
    """One judged answer: an entry of each array of an :class:`Outcome`."""

    reward: float
    approval: float
    target: int
    is_success: bool


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

    def __getitem__(self, row: int) -> Verdict:
        """What became of one answer."""
        return Verdict(
            float(self.rewards[row]),
            float(self.approvals[row]),
            int(self.targets[row]),
            bool(self.successes[row]),
        )


class Engine:
    """``n_envs`` environments side by side.

    What does not depend on the agent is looked up for all root questions about a context at once,
    ahead of time: truths, depths, classes, masks, and the sub-questions that can be asked already.
    A call for a hundred questions takes hardly longer than a call for one, so a single environment
    does so for several contexts, and has every possible answer judged ahead too.

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
        n_draws: how often contexts have been drawn since the last :meth:`reset`.
        slots: ``(n,)``, in which slot the context of each environment is.
        cursor: ``(n,)``, which of the root questions about it is the current one.
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
        n_verdicts = questions_per_context * domain.n_answers
        self._looks_ahead = n_envs == 1 and n_verdicts <= MAX_VERDICTS
        n_ahead = min(CONTEXTS_AHEAD, MAX_VERDICTS // n_verdicts) if self._looks_ahead else 1
        self._n_ahead = n_ahead
        self.all_slots: Rows = np.arange(n_envs * n_ahead) if n_ahead > 1 else self.all_rows
        self._opens_ahead = True  # False with an assistant that learns
        cls = type(domain)
        self._has_several_answers = cls.has_several_answers is not Domain.has_several_answers
        self._ready = False  # whether there has been a reset
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
        # A slot holds a context, the root questions about it, and their decomposition.
        slots = len(self.all_slots)
        self._contexts: Contexts = np.zeros(slots, domain.sample_contexts(rng, n, self.size).dtype)
        self._sheet = np.zeros((slots * k, width + 3), np.int64)
        self._root_masks = np.zeros((slots * k, n_answers), np.int8)
        self.n_draws = 0
        self.can_earn = np.zeros((slots, k), bool)
        self.prepared = np.zeros((slots, k), bool)  # whether all sub-questions are answered
        self.transcripts = Transcript.empty((slots, k), domain.n_slots, width)
        self.rounds_opened = np.zeros((slots, k), np.int64)
        self._to_open = np.zeros((slots, k), bool)  # questions still to be decomposed
        self._any_to_open = False
        self._opened_inline = np.zeros((slots, k), bool)  # without an assistant
        if self._looks_ahead:
            self._judged = np.zeros((slots, k), bool)
            self._targets = np.zeros((slots, k), np.int64)
            self._approvals = np.zeros((slots, k, n_answers))  # of every answer
            self._rewards = np.zeros((slots, k, n_answers))
            self._successes = np.zeros((slots, k, n_answers), bool)
        self.slots = self.all_slots[:: self._n_ahead].copy() if self._n_ahead > 1 else self.all_rows
        self.cursor = np.zeros(n, np.int64)  # the current root question
        self._ready = True
        self._draw(self.all_rows)
        self._show(self.all_rows)

    def _spread(self, sheet: NDArray[Number]) -> NDArray[Number]:
        """An array of all root questions, with an axis for the slots and one for their number."""
        return sheet.reshape(-1, self.questions_per_context, sheet.shape[-1])

    def _at(self, rows: Rows) -> Any:
        """An index for ``rows``, or slots; for all of them one that makes no copies."""
        return slice(None) if rows is self.all_rows or rows is self.all_slots else rows

    def _choose(self, rows: Rows, chosen: NDArray[np.bool_]) -> Rows:
        """Those of ``rows`` that are chosen; the same array if all are."""
        return rows if np.count_nonzero(chosen) == len(rows) else rows[chosen]

    def _find_slots(self, rows: Rows) -> Rows:
        """The slots with the contexts of ``rows``."""
        return rows if self._n_ahead == 1 else self.slots[rows]

    def _find_places(self, rows: Rows) -> Rows:
        """Where the current root questions of ``rows`` stand among all."""
        places: Rows = self.slots * self.questions_per_context + self.cursor
        return places if rows is self.all_rows else places[rows]

    # ------------------------------------------------------------ what is shown

    @property
    def contexts(self) -> Contexts:
        """The contexts, ``(n,)``, of which ``contexts["facts"]`` is observed."""
        return self._contexts if self._n_ahead == 1 else self._contexts[self.slots]

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

    def get_roots(self, slot: int) -> tuple[Symbols, NDArray[np.int8], list[Known]]:
        """All root questions about a context, their masks, and what is known of each."""
        k = self.questions_per_context
        sheet = self._sheet[slot * k : (slot + 1) * k]
        known = [(*numbers, True) for numbers in zip(*sheet[:, -3:].T, strict=True)]
        return sheet[:, :-3], self._root_masks[slot * k : (slot + 1) * k], known

    @property
    def roots(self) -> Symbols:
        """All root questions about the contexts drawn, ``(slots, questions_per_context, Lq)``."""
        return self._spread(self._sheet)[..., :-3]

    # ------------------------------------------------ who decomposes, who answers

    @property
    def overseer(self) -> Overseer | None:
        """Decomposes questions and judges answers, from the next question on."""
        return self._overseer

    @overseer.setter
    def overseer(self, overseer: Overseer | None) -> None:
        self._overseer = overseer
        self._open_anew()
        if self._ready and self._looks_ahead:
            self._judged[:] = False

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
        """Forget the sub-questions opened ahead: their circumstances have changed."""
        if self._ready:
            places = np.arange(self.prepared.size).reshape(self.prepared.shape)
            current = np.repeat(self._find_places(self.all_rows), self._n_ahead)
            self._to_open |= (places > current[:, None]) & self._opened_inline
            self._any_to_open = bool(self._to_open.any())

    # ------------------------------------------------------- the next question

    def next_episode(self, rows: Rows) -> None:
        """Show the next question of the given environments."""
        if self._looks_ahead and len(rows) and self._show_next():
            return
        done = self._choose(rows, self.is_root[self._at(rows)])
        if len(done):
            at = self._at(done)
            self.cursor[at] += 1
            ended = self.cursor[at] == self.questions_per_context
            if np.count_nonzero(ended):
                self._change_context(self._choose(done, ended))
        self._show(rows)

    def _show_next(self) -> bool:
        """Show the next root question of a single environment, if it is ready."""
        cursor = self.cursor.item() + 1
        if cursor == self.questions_per_context or self._any_to_open or not self.is_root.item():
            return False
        place = self.slots.item() * self.questions_per_context + cursor
        if not self.prepared.item(place):
            return False
        self.cursor[0] = cursor
        self._show_ready(place)
        return True

    def _show_ready(self, place: int) -> None:
        """Show the root question at a place, without a copy."""
        self._shown = self._sheet[place : place + 1]
        self.masks = self._root_masks[place : place + 1]

    def _change_context(self, rows: Rows) -> None:
        """Go on to the next context drawn, or draw."""
        if self._n_ahead > 1 and self._difficulty == (self.max_depth, self.size):
            self.slots += 1
            self.cursor[:] = 0
            if self.slots[0] < self._n_ahead:
                self._any_to_open = bool(self._to_open.any())
                return
        self._draw(rows)

    def _draw(self, rows: Rows) -> None:
        """Draw a new context and its root questions for each of ``rows``; or several ahead."""
        domain, k = self.domain, self.questions_per_context
        depths = range(1, self.max_depth + 1)
        drawn = []
        for _ in range(self._n_ahead):
            contexts = domain.sample_contexts(self.rng, len(rows), self.size)
            drawn.append((contexts, domain.sample_questions(self.rng, contexts, k, depths)))
        slots = rows
        contexts, roots = drawn[0]
        if self._n_ahead > 1:
            slots = self.all_slots
            contexts = np.empty(self._n_ahead, contexts.dtype)
            for slot, (context, _) in enumerate(drawn):
                contexts[slot] = context[0]
            roots = np.concatenate([roots for _, roots in drawn])
            self.slots[:] = 0
            self._difficulty = self.max_depth, self.size
        at, width = self._at(slots), domain.question_length
        if slots is self.all_slots:
            self._contexts = contexts
        else:
            self._contexts[slots] = contexts
        truths, depths_drawn = domain.truth(contexts, roots), domain.depth(contexts, roots)
        sheet = np.empty((*roots.shape[:2], width + 3), np.int64)
        sheet[..., :width] = roots
        sheet[..., width + TRUTH] = truths
        sheet[..., width + DEPTH] = depths_drawn
        sheet[..., width + CLASS] = domain.classify(roots, depths_drawn)
        self._spread(self._sheet)[at] = sheet
        self._spread(self._root_masks)[at] = self._mask(roots)
        self.n_draws += 1
        self.cursor[self._at(rows)] = 0
        if self.overseer is None:
            self.prepared[at] = True
        else:
            self._to_open[at] = self._any_to_open = True
        if self._looks_ahead:
            self._judged[:] = self.overseer is None
            self._successes[:] = self._check_all(contexts, roots, truths)
            if self.overseer is None:
                self._rewards[:] = self._successes

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
            slots = self.all_slots if self._opens_ahead else self._find_slots(rows)
            to_open = self._to_open[self._at(slots)].any(axis=1)
            if to_open.any():
                self._open(self._choose(slots, to_open))
            # With an assistant that learns, a context drawn ahead waits for its turn.
            self._any_to_open = self._n_ahead == 1 and bool(self._to_open.any())
        at, places = self._at(rows), self._find_places(rows)
        ready = self.prepared.reshape(-1).take(places)
        if np.count_nonzero(ready) < len(rows):
            self._go_on(rows[~ready])
            ready = self.prepared.reshape(-1).take(places)
        self.is_root[at] = ready
        shown, masks = self._sheet.take(places, axis=0), self._root_masks.take(places, axis=0)
        if rows is self.all_rows:
            self._shown, self.masks = shown, masks
        else:
            self._shown[rows], self.masks[rows] = shown, masks
        if np.count_nonzero(ready) < len(rows):
            subs = rows[~ready]
            slots = self._pending_slot(subs)
            questions = self.transcripts.questions[*self._pairs(subs), slots]
            case = self._contexts[self._find_slots(subs)], questions[:, None]
            width = self.domain.question_length
            self._shown[subs, :width] = questions
            self._shown[subs, width + TRUTH] = self.domain.truth(*case)[:, 0]
            depths = self.domain.depth(*case)
            self._shown[subs, width + DEPTH] = depths[:, 0]
            self._shown[subs, width + CLASS] = self.domain.classify(case[1], depths)[:, 0]
            self.masks[subs] = self._mask(questions)

    @property
    def _trusted(self) -> NDArray[np.bool_] | None:
        """Classes the overseer trusts; None for all."""
        return None if self.gate is None or self.gate.trusted.all() else self.gate.trusted

    def _open(self, slots: Rows) -> None:
        """Decompose the questions of ``slots`` that are still to be: as far as can be done now."""
        assert self.overseer is not None
        at = self._at(slots)
        new = self._to_open[at].copy()
        asked = (
            new
            if self.gate is None
            else new & self.gate.open[self._spread(self._sheet)[at][..., CLASS - 3]]
        )
        rounds = np.zeros(new.shape, np.int64)
        prepared = new
        contexts = self._contexts[at]
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
                        awaited[..., self.domain.round_slots[round]] = pending
                        transcript.answers[awaited] = IDK  # while others go on
                        waiting |= pending.any(axis=-1)
            transcript.answers[awaited] = PENDING
            prepared = new & ~waiting
        else:
            assistant = self.assistant
            if self.audit:
                assistant = AuditedAssistant(self.overseer, assistant, self.rng, self.audit)
            transcript = amplify(
                self.overseer, assistant, self.rng, contexts, roots, trusted=self._trusted
            )
        if np.count_nonzero(new) < new.size:
            places = slots[:, None].repeat(new.shape[1], axis=1)[new], np.nonzero(new)[1]
            chosen: Any = new
        else:
            places, chosen = at, slice(None)
        self.transcripts[places] = transcript[chosen]
        self.rounds_opened[places] = rounds[chosen]
        self.prepared[places] = prepared[chosen]
        self.can_earn[places] = asked[chosen]
        self._opened_inline[places] = self.assistant is None
        self._to_open[at] = False
        if self._looks_ahead:
            self._judge_ahead(slots)

    def _pairs(self, rows: Rows) -> tuple[Rows, Rows]:
        """Slot and number of the current root questions of ``rows``."""
        return self._find_slots(rows), self.cursor[self._at(rows)]

    def _go_on(self, rows: Rows) -> None:
        """Open rounds of the current questions until a sub-question needs the agent's answer."""
        while True:
            rows = rows[~self.prepared[self._pairs(rows)]]
            answers = self.transcripts.answers[self._pairs(rows)]
            rows = rows[~(answers == PENDING).any(axis=1)]
            if not len(rows):
                return
            opened = self.rounds_opened[self._pairs(rows)]
            for round in range(len(self.domain.round_slots)):
                if (opened == round).any():
                    self._open_round(round, rows[opened == round])
            finished = rows[opened == len(self.domain.round_slots)]
            self.prepared[self._pairs(finished)] = True

    def _open_round(self, round: int, rows: Rows) -> None:
        assert self.overseer is not None
        pairs = self._pairs(rows)
        transcripts = self.transcripts[pairs][:, None]
        case = self._contexts[pairs[0]], self.roots[pairs][:, None], transcripts
        open_round(self.overseer, self.rng, round, *case, self._trusted)
        self.transcripts[pairs] = transcripts[:, 0]
        self.rounds_opened[pairs] += 1

    def _pending_slot(self, rows: Rows) -> Rows:
        pending = self.transcripts.answers[self._pairs(rows)] == PENDING
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
            self.transcripts.answers[*self._pairs(subs), slots] = answers[~root]
            self.overseer.assistant_answers += len(subs)
        earns = root & self.can_earn.reshape(-1).take(self._find_places(rows))
        if np.count_nonzero(earns):
            judged, given = self._choose(rows, earns), answers
            chosen: Any = slice(None)
            if judged is not rows:
                given, chosen = answers[earns], earns
            approvals[chosen], targets[chosen] = self._judge(judged, given)
            if self.gate is not None:
                classes = self.classes[self._at(judged)]
                if self.gate.record(classes, approvals[chosen]) and self.assistant is None:
                    self._open_anew()
        rewards = self._compute_rewards(approvals, answers, earns)
        return Outcome(rewards, approvals, targets, successes)

    def answer_one(self, answer: int) -> Verdict:
        """Record and judge the answer of a single environment, see :meth:`answer`."""
        if self._looks_ahead and self.is_root.item() and not self.audit:
            place = self.slots.item() * self.questions_per_context + self.cursor.item()
            if self._judged.item(place):
                entry = place * self.domain.n_answers + answer
                approval = self._approvals.item(entry)
                if self.gate is not None and self.can_earn.item(place):
                    trusts_more = self.gate.record_one(self._shown.item(CLASS - 3), approval)
                    if trusts_more and self.assistant is None:
                        self._open_anew()
                return Verdict(
                    self._rewards.item(entry),
                    approval,
                    self._targets.item(place),
                    self._successes.item(entry),
                )
        return self.answer(self.all_rows, np.array([answer]))[0]

    def _compute_rewards(
        self, approvals: NDArray[np.float64], answers: Symbols, earns: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Approvals less the penalty of answers without, where a question can ``earn`` at all."""
        if not self.wrong_answer_penalty:
            return approvals.copy()
        penalties = self.wrong_answer_penalty * (1 - approvals)
        return np.where(earns & (answers != IDK), approvals - penalties, approvals)

    def _find_successes(self, rows: Rows, answers: Symbols) -> NDArray[np.bool_]:
        """Which answers ``(rows,)`` are true answers to root questions."""
        at = self._at(rows)
        given = self.is_root[at] & (answers != IDK)
        successes: NDArray[np.bool_] = given & (answers == self.truths[at])
        others = given & ~successes
        if self._has_several_answers and np.count_nonzero(others):
            others &= self.domain.has_several_answers(self.questions[at])
            if np.count_nonzero(others):
                asked = self._choose(rows, others)
                case = self._contexts[self._at(self._find_slots(asked))], self.questions[at][others]
                correct = self.domain.is_correct(case[0], case[1][:, None], answers[others, None])
                successes[others] = correct[:, 0]
        return successes

    def _check_all(self, contexts: Contexts, roots: Symbols, truths: Symbols) -> NDArray[np.bool_]:
        """Which of all answers to root questions are true: ``(B, Q, n_answers)``."""
        every = np.arange(self.domain.n_answers)
        successes: NDArray[np.bool_] = (every == truths[..., None]) & (every != IDK)
        if self._has_several_answers:
            several = self.domain.has_several_answers(roots)
            asked = roots[several][:, None].repeat(len(every), axis=1)
            contexts = contexts[np.nonzero(several)[0]]
            successes[several] = self.domain.is_correct(
                contexts, asked, every[None].repeat(len(asked), axis=0)
            )
        return successes

    def _judge(self, rows: Rows, answers: Symbols) -> tuple[NDArray[np.float64], Symbols]:
        """Approvals of the answers to the root questions shown, and the overseer's own answers."""
        assert self.overseer is not None
        pairs = self._pairs(rows)
        contexts = self._contexts[self._at(pairs[0])]
        case = contexts, self.questions[self._at(rows)][:, None], self.transcripts[pairs][:, None]
        approvals = self.overseer.judge(*case, answers[:, None])[:, 0]
        return approvals, self.overseer.answer(*case)[:, 0]

    def _judge_ahead(self, slots: Rows) -> None:
        """Have every answer judged to the root questions that need no answer of the agent's.

        The others are judged when the agent has answered the overseer's sub-questions and them.
        """
        if not isinstance(self.overseer, ScriptedOverseer):
            return
        at, n_answers = self._at(slots), self.domain.n_answers
        earns = self.prepared[at] & self.can_earn[at]
        approvals = np.zeros((*earns.shape, n_answers))
        targets = np.zeros(earns.shape, np.int64)
        if earns.any():
            contexts = self._contexts[at][np.nonzero(earns)[0]]
            roots, transcripts = self.roots[at][earns][:, None], self.transcripts[at][earns]
            targets[earns] = self.overseer.answer(contexts, roots, transcripts[:, None])[:, 0]
            answers = np.arange(n_answers)[None].repeat(len(roots), axis=0)
            repeated = transcripts[:, None][:, np.zeros(n_answers, np.int64)]
            case = contexts, roots.repeat(n_answers, axis=1), repeated
            approvals[earns] = self.overseer.judge(*case, answers)
        self._approvals[at], self._targets[at] = approvals, targets
        every = np.arange(n_answers)
        self._rewards[at] = self._compute_rewards(approvals, every, earns[..., None])
        self._judged[at] = self.prepared[at]


def keep_freed_memory() -> None:
    """Let glibc keep freed blocks of up to 31 MiB for the next ones.

    Batches come and go by the megabyte. glibc returns large blocks to the system at once, and
    getting them again, page by page, takes time: without this call, vectors of 256 environments
    take up to 1.3 times as long a step, of 1024 1.1 to 1.4 times (of 64, no longer). Having seen a
    block of such a size freed, it keeps them (see M_MMAP_THRESHOLD in mallopt(3), at most 32 MiB).
    Nothing is written to the block, so that it takes no memory.
    """
    np.empty(31 << 20, np.uint8)
