"""The one engine behind the single and the vector environment.

It holds an array of states: a context, its root questions, what the overseer has asked about
them, and how far each environment has come. An environment shows one question after another:

    next_episode ──► [sub-question ──► answer] ... ──► root question ──► answer, approval

With an attached assistant the sub-questions of all root questions about a context are put to it
at once, and only root questions are shown. Inline (no assistant), they come up as episodes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ia_gym.amplification.amplified_assistants import AuditedAssistant
from ia_gym.amplification.amplify import amplify, open_round
from ia_gym.amplification.assistants import Assistant, KnowNothing, Oracle
from ia_gym.amplification.domain_checker import check_domain
from ia_gym.amplification.overseers import ApprovalMode, Overseer, ScriptedOverseer
from ia_gym.amplification.trust import TrustGate
from ia_gym.domains import DOMAINS, Contexts, Domain
from ia_gym.domains.transcript import IDK, PENDING, Symbols, Transcript
from ia_gym.networks.learned_overseer import LearnedOverseer
from ia_gym.validation import check_number, check_range

RewardMode = Literal["approval", "truth"]
AssistantMode = Literal["inline", "oracle", "none"]

Rows = NDArray[np.intp]
"""Indices of environments."""


@dataclass
class Outcome:
    """What came of the answers of some environments; arrays of shape ``(rows,)``.

    Attributes:
        rewards: approval of a root answer, less the price of a wrong one (or, without an overseer,
            whether it is correct); 0 for a sub-answer.
        approvals: H's approval of a root answer; 0 for a sub-question, for a question that could
            not earn any, and without an overseer.
        targets: H's own answer to a root question; ``IDK`` for a sub-question, for a question
            that could not earn approval, and without an overseer.
    """

    rewards: NDArray[np.float64]
    approvals: NDArray[np.float64]
    targets: Symbols


class Engine:
    """``n_envs`` environments side by side.

    Args:
        domain: what is asked.
        n_envs: environments.
        questions_per_context: root questions asked about a context before the next one.
        overseer: judges the answers; None to reward the truth (for evaluation).
        assistant: answers the sub-questions; None to put them to the agent, inline.
        gate: the trust gate; None to let every question earn approval.
        wrong_answer_penalty: what an answer costs that H does not approve of; idk costs nothing.
        audit: share of an attached assistant's answers that H takes apart once more.

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

    def reset(self, rng: np.random.Generator) -> None:
        """Start everything afresh: contexts, trust and pending sub-questions."""
        n, k, domain = self.n_envs, self.questions_per_context, self.domain
        self.rng = rng
        if self.gate is not None:
            self.gate.reset()
        self.questions = np.zeros((n, domain.question_length), np.int64)
        self.truths = np.zeros(n, np.int64)
        self.depths = np.zeros(n, np.int64)
        self.classes = np.zeros(n, np.int64)
        self.is_root = np.ones(n, bool)
        # The root questions about each environment's context, and H's work on each of them.
        self.contexts: Contexts = domain.sample_contexts(rng, n, self.size)
        self.roots = np.zeros((n, k, domain.question_length), np.int64)
        self.root_truths = np.zeros((n, k), np.int64)
        self.root_depths = np.zeros((n, k), np.int64)
        self.root_classes = np.zeros((n, k), np.int64)
        self.can_earn = np.zeros((n, k), bool)
        self.prepared = np.zeros((n, k), bool)  # whether H has asked all it wants to
        self.transcripts = Transcript.empty((n, k), domain.n_slots, domain.question_length)
        self.rounds_opened = np.zeros(n, np.int64)  # of the script for the current root question
        self.cursor = np.zeros(n, np.int64)  # the current root question
        self._draw(self.all_rows)
        self._show(self.all_rows)

    # ------------------------------------------------------------ going on

    def next_episode(self, rows: Rows) -> None:
        """Bring up the next question of the given environments."""
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
        """Let H go on as far as it can, then show what is to be answered next."""
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
        """Classes H trusts; None for all."""
        return None if self.gate is None or self.gate.trusted.all() else self.gate.trusted

    def _prepare_at_once(self, rows: Rows) -> None:
        """Put all sub-questions about the contexts of ``rows`` to the attached assistant."""
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
        self.can_earn[rows] = asked  # what is overwritten has been answered already
        self.prepared[rows] = True

    def _prepare_inline(self, rows: Rows) -> None:
        """Open round after round until a sub-question awaits the agent's answer."""
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

    # ----------------------------------------------------------- answering

    def answer(self, rows: Rows, answers: Symbols) -> Outcome:
        """Take the answers ``(rows,)`` to the questions shown in ``rows``, and judge them."""
        approvals = np.zeros(len(rows))
        targets = np.zeros(len(rows), np.int64)
        root = self.is_root[rows]
        if self.overseer is None:
            questions = self.questions[rows][:, None]
            correct = self.domain.is_correct(self.contexts[rows], questions, answers[:, None])
            return Outcome(correct[:, 0].astype(np.float64), approvals, targets)
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
        return Outcome(rewards, approvals, targets)


def make_engine(
    n_envs: int,
    domain: str | type[Domain],
    *,
    questions_per_context: int = 16,
    overseer: str | os.PathLike[str] = "scripted",
    approval: ApprovalMode = "strict",
    reward: RewardMode = "approval",
    assistant: AssistantMode = "inline",
    trust: float | None = 0.75,
    wrong_answer_penalty: float = 0.0,
    audit: float = 0.0,
    **domain_kwargs: Any,
) -> Engine:
    """An engine from the arguments that environments take.

    Args:
        n_envs: environments.
        domain: a name in ``ia_gym.domains.DOMAINS``, or a subclass of ``Domain``.
        questions_per_context: root questions about a context before the next one is drawn.
        overseer: "scripted" (H itself), or a file of H' that ``ia-gym train imitation`` has left;
            it judges strictly.
        approval: "strict" or "graded".
        reward: "approval", or "truth" for evaluation (root questions only, no overseer).
        assistant: "inline" (the agent itself), "oracle" (truth) or "none" (idk to all). Attach
            your own with ``env.unwrapped.set_assistant(X)``.
        trust: threshold of the trust gate in [0, 1), None for no gate. It guards inline and
            attached assistants; "oracle" and "none" need none.
        wrong_answer_penalty: what an answer costs that H does not approve of, at least 0; "I don't know"
            costs nothing, so that an agent may abstain.
        audit: share of an attached assistant's answers, in [0, 1], that H takes apart once more.
        **domain_kwargs: the domain's own arguments: ``size``, ``max_size``, ...

    Raises:
        ValueError: for a value that is not allowed; the message names it.
        TypeError: for an argument that neither this nor the domain knows.
        FileNotFoundError: if ``overseer`` names no file.
    """
    if isinstance(domain, str):
        if domain not in DOMAINS:
            raise ValueError(f"domain must be one of {sorted(DOMAINS)}, got {domain!r}")
        domain = DOMAINS[domain]
    if not (isinstance(domain, type) and issubclass(domain, Domain)):
        raise ValueError(f"domain must be a name or a subclass of Domain, got {domain!r}")
    for name, value, allowed in (
        ("reward", reward, get_args(RewardMode)),
        ("assistant", assistant, get_args(AssistantMode)),
    ):
        if value not in allowed:
            raise ValueError(f"{name} must be one of {list(allowed)}, got {value!r}")
    wrong_answer_penalty = check_number("wrong_answer_penalty", wrong_answer_penalty, "[0, inf)")
    audit = check_number("audit", audit, "[0, 1]")
    built = domain(**domain_kwargs)
    if domain not in DOMAINS.values():
        check_domain(built)
    judge: Overseer = ScriptedOverseer(built, approval)
    if overseer != "scripted":
        if approval != "strict":
            raise ValueError(f'approval must be "strict" with a learned overseer, got {approval!r}')
        judge = LearnedOverseer.load(overseer, built)
    gate = None if trust is None else TrustGate(built.depends_on, built.merged_into, trust)
    assistants = {"inline": None, "oracle": Oracle(built), "none": KnowNothing()}
    return Engine(
        built,
        n_envs,
        check_range("questions_per_context", questions_per_context, 1, 10_000),
        judge if reward == "approval" else None,
        assistants[assistant],
        gate if reward == "approval" and assistant == "inline" else None,
        wrong_answer_penalty,
        audit,
    )
