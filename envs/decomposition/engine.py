"""The one engine behind the single and the vector environment of decomposition."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ia_gym.amplification.amplified_assistants import AmplifiedAssistant
from ia_gym.amplification.amplify import amplify, check_answers
from ia_gym.amplification.assistants import Assistant, FaultyOracle
from ia_gym.amplification.overseers import Overseer
from ia_gym.domains import Contexts, Domain
from ia_gym.domains.transcript import IDK, Symbols, Transcript
from ia_gym.envs.decomposition.moves import Moves, Options
from ia_gym.envs.questions.question_sheet import DEPTH, N_KNOWN, TRUTH, QuestionSheet

Rows = NDArray[np.intp]
"""Indices of environments, in order."""


@dataclass
class Outcome:
    """What became of the actions of some environments; arrays of shape ``(rows,)``.

    Attributes:
        rewards: approval of an answer; the costs of a sub-question, below 0.
        ended: whether the action answered.
        answers: the answers; ``IDK`` where the action asked.
        approvals: the overseer's approval of the answers, else 0.
        targets: the overseer's own answers; ``IDK`` where the action asked.
        successes: whether the answers are true.
    """

    rewards: NDArray[np.float64]
    ended: NDArray[np.bool_]
    answers: Symbols
    approvals: NDArray[np.float64]
    targets: Symbols
    successes: NDArray[np.bool_]


class DecompositionEngine:
    """``n_envs`` environments side by side, each with a question and the transcript so far.

    Args:
        domain: of the questions; it has templates.
        n_envs: number of environments.
        max_depth: of the questions.
        questions_per_context: questions about a context before the next one.
        max_questions: the most sub-questions about a question.
        overseer: judges the answers, with sub-questions of its own; None to reward true answers.
        judge_levels: how many levels the judge decomposes.
        assistant: answers sub-questions, the agent's and the judge's.
        question_cost: of a sub-question that the assistant answers.
        round_cost: of any sub-question.

    Attributes:
        moves: the actions.
        transcript: ``(n_envs,)``, with ``max_questions`` slots, filled from the first on.
        n_rounds: int64 ``(n_envs,)``, sub-questions so far.
        n_questions: int64 ``(n_envs,)``, those of them that the assistant answered.
        options: what each action means now.
    """

    options: Options

    def __init__(
        self,
        domain: Domain,
        n_envs: int,
        max_depth: int,
        questions_per_context: int,
        max_questions: int,
        overseer: Overseer | None,
        judge_levels: int,
        assistant: Assistant,
        question_cost: float,
        round_cost: float,
    ) -> None:
        self.domain = domain
        self.n_envs = n_envs
        self.max_depth = max_depth
        self.questions_per_context = questions_per_context
        self.overseer = overseer
        self.judge_levels = judge_levels
        self.assistant = assistant
        self.question_cost = question_cost
        self.round_cost = round_cost
        self.moves = Moves(domain, max_questions)
        self.all_rows: Rows = np.arange(n_envs)
        self.assistant_answers = 0

    def reset(self, rng: np.random.Generator) -> None:
        """Start afresh, with new contexts and questions."""
        n = self.n_envs
        self.rng = rng
        if isinstance(self.assistant, FaultyOracle):
            self.assistant.rng = rng
        self.sheet = QuestionSheet(self.domain, n, self.questions_per_context)
        self.cursor = np.full(n, self.questions_per_context - 1)
        self.transcript = Transcript.empty(
            (n,), self.moves.max_questions, self.domain.question_length
        )
        self.n_rounds, self.n_questions = np.zeros(n, np.int64), np.zeros(n, np.int64)
        self.next_episode(self.all_rows)

    def next_episode(self, rows: Rows) -> None:
        """Go on to the next question of the given environments."""
        if not len(rows):
            return
        self.cursor[rows] += 1
        ended = rows[self.cursor[rows] == self.questions_per_context]
        if len(ended):
            self.sheet.draw(self.rng, ended, self.domain.size, self.max_depth, one_by_one=False)
            self.cursor[ended] = 0
        self.transcript.questions[rows] = 0
        self.transcript.answers[rows] = IDK
        self.n_rounds[rows] = self.n_questions[rows] = 0
        self._list_options()

    def _list_options(self) -> None:
        self.options = self.moves.list_options(self.questions, self.transcript)

    @property
    def _known(self) -> Symbols:
        known: Symbols = self.sheet.by_slot[self.all_rows, self.cursor]
        return known

    @property
    def contexts(self) -> Contexts:
        """The contexts, ``(n_envs,)``, which are not shown."""
        return self.sheet.contexts

    @property
    def questions(self) -> Symbols:
        """The root questions, ``(n_envs, Lq)``."""
        return self._known[:, :-N_KNOWN]

    @property
    def truths(self) -> Symbols:
        """Their true answers, ``(n_envs,)``."""
        return self._known[:, TRUTH]

    @property
    def depths(self) -> Symbols:
        """Their depths, ``(n_envs,)``."""
        return self._known[:, DEPTH]

    def step(self, rows: Rows, actions: Symbols) -> Outcome:
        """Let the given environments ask or answer.

        An action that is not well formed answers "I don't know".

        Args:
            rows: which environments.
            actions: ``(rows,)``.
        """
        options, n = self.options, len(rows)
        asked = options.asked[rows, actions]
        asks = asked[:, 0] != 0
        answers = options.answers[rows, actions]
        outcome = Outcome(
            np.zeros(n), ~asks, answers, np.zeros(n), np.full(n, IDK), np.zeros(n, bool)
        )
        if asks.any():
            outcome.rewards[asks] = self._ask(rows[asks], asked[asks])
        if not asks.all():
            ends = ~asks
            self._judge(rows[ends], ends, outcome)
        self._list_options()
        return outcome

    def _ask(self, rows: Rows, asked: Symbols) -> NDArray[np.float64]:
        """Put a sub-question in each of ``rows``; return what it costs, as rewards."""
        domain, contexts, questions = self.domain, self.contexts[rows], asked[:, None]
        primitive = domain.is_primitive(asked)
        answers = domain.look_up(self.rng, contexts, questions)[:, 0]
        put = ~primitive
        if put.any():
            given = self.assistant.answer(contexts[put], questions[put])
            check_answers(given, (int(put.sum()), 1), domain.n_answers)
            answers[put] = np.asarray(given)[:, 0]
            self.assistant_answers += int(put.sum())
        slots = self.n_rounds[rows]
        self.transcript.questions[rows, slots] = asked
        self.transcript.answers[rows, slots] = answers
        self.n_rounds[rows] += 1
        self.n_questions[rows] += put
        return -np.where(put, self.round_cost + self.question_cost, self.round_cost)

    def _judge(self, rows: Rows, ends: NDArray[np.bool_], outcome: Outcome) -> None:
        """Judge the answers of ``rows``, where ``ends`` in ``outcome``, and write it there."""
        domain, contexts = self.domain, self.contexts[rows]
        questions, answers = self.questions[rows][:, None], outcome.answers[ends][:, None]
        right = domain.is_correct(contexts, questions, answers)[:, 0]
        outcome.successes[ends] = right
        if self.overseer is None:
            outcome.rewards[ends] = right
            return
        helper = self.assistant
        for _ in range(self.judge_levels - 1):
            helper = AmplifiedAssistant(self.overseer, helper, self.rng)
        transcript = amplify(self.overseer, helper, self.rng, contexts, questions)
        approvals = self.overseer.judge(contexts, questions, transcript, answers)[:, 0]
        outcome.approvals[ends] = outcome.rewards[ends] = approvals
        outcome.targets[ends] = self.overseer.answer(contexts, questions, transcript)[:, 0]
