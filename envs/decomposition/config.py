"""The arguments of a decomposition environment: documentation, checks, and what they build."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from ia_gym.amplification.approval import ApprovalMode
from ia_gym.amplification.assistants import Assistant, FaultyOracle, KnowNothing, Oracle
from ia_gym.amplification.overseers import Overseer, ScriptedOverseer
from ia_gym.domains import Domain
from ia_gym.envs.arguments import RewardMode, refuse_without_effect
from ia_gym.envs.decomposition.engine import DecompositionEngine
from ia_gym.envs.decomposition.observations import ObservationMode
from ia_gym.envs.questions.config import check_approval, find_domain, find_script, make_domain
from ia_gym.validation import check_number, check_range

AssistantMode = Literal["oracle", "faulty", "none"]
JudgeMode = Literal["novice", "scripted"]

MAX_QUESTIONS_LIMIT = 64
"""Largest ``max_questions``; the number of actions grows with it."""
MAX_JUDGE_LEVELS = 64
"""Largest ``judge_levels``; the judge's sub-questions multiply with each."""


@dataclass(frozen=True, kw_only=True)
class DecompositionConfig:
    """Arguments of :class:`~ia_gym.envs.DecompositionEnv` and its vector.

    An argument that would have no effect beside the others is refused.

    Args:
        domain: a name in ``ia_gym.domains.DOMAINS``, a subclass of ``Domain`` with templates, or
            the place of one as "module:Class".
        size: names per context; default the domain's own.
        max_size: names in the pool that contexts draw from; default ``size``.
        max_depth: of the questions, 1 to the domain's own, which is the default.
        questions_per_context: questions about a context before the next one, 1..10,000.
        max_questions: the most sub-questions about a question, 1..64. The number of actions grows
            with it.
        overseer: who judges the answers, by a decomposition of its own: "novice" or "scripted".
        judge_levels: levels that the judge decomposes, 1..64: with more than 1 its sub-questions
            are decomposed too, and only those of the last level are put to the assistant.
        approval: "strict" (0 or 1), or "graded" (credit for near misses).
        reward: "approval", or "truth" for evaluation: 1 for a true answer, else 0, without costs.
        assistant: who answers the sub-questions, the agent's and the judge's: "oracle" (always
            true), "faulty" (wrong ever more often with depth) or "none" ("I don't know"). Attach
            another one with ``env.unwrapped.set_assistant(assistant)``.
        error_rate: how often the "faulty" assistant errs about a question of depth 1, in [0, 1].
        error_growth: factor by which it errs more often at each further depth, at least 1.
        question_cost: subtracted for each sub-question that the assistant answers, at least 0.
        round_cost: subtracted for each sub-question, looked up or answered, at least 0.
        observation: "multidiscrete", "onehot" or "flat", see
            :class:`~ia_gym.envs.decomposition.observations.TranscriptEncoding`.
        domain_kwargs: further arguments of the domain, such as ``max_power`` of Permutation.

    Raises:
        ValueError: for a value that is not allowed or has no effect; the message names it.
    """

    domain: str | type[Domain] = "Permutation"
    size: int | None = None
    max_size: int | None = None
    max_depth: int | None = None
    questions_per_context: int = 16
    max_questions: int = 6
    overseer: JudgeMode = "novice"
    judge_levels: int = 1
    approval: ApprovalMode = "strict"
    reward: RewardMode = "approval"
    assistant: AssistantMode = "oracle"
    error_rate: float = 0.05
    error_growth: float = 2.0
    question_cost: float = 0.05
    round_cost: float = 0.01
    observation: ObservationMode = "multidiscrete"
    domain_kwargs: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        cls = find_domain(self.domain)
        for name, allowed in (
            ("overseer", get_args(JudgeMode)),
            ("approval", get_args(ApprovalMode)),
            ("reward", get_args(RewardMode)),
            ("assistant", get_args(AssistantMode)),
        ):
            if (value := getattr(self, name)) not in allowed:
                raise ValueError(f"{name} must be one of {list(allowed)}, got {value!r}")
        check_range("questions_per_context", self.questions_per_context, 1, 10_000)
        check_range("max_questions", self.max_questions, 1, MAX_QUESTIONS_LIMIT)
        check_range("judge_levels", self.judge_levels, 1, MAX_JUDGE_LEVELS)
        check_number("error_rate", self.error_rate, "[0, 1]")
        check_number("error_growth", self.error_growth, "[1, inf)")
        check_number("question_cost", self.question_cost, "[0, inf)")
        check_number("round_cost", self.round_cost, "[0, inf)")
        check_approval(cls, self.approval)
        if self.assistant != "faulty":
            refuse_without_effect(
                self, ("error_rate", "error_growth"), f'assistant="{self.assistant}"'
            )
        if self.reward == "truth":
            names = ("overseer", "judge_levels", "approval", "question_cost", "round_cost")
            refuse_without_effect(self, names, 'reward="truth", which has no overseer and no costs')

    def make_engine(self, n_envs: int) -> DecompositionEngine:
        """Make the engine of ``n_envs`` environments.

        Raises:
            TypeError: for an argument that the domain does not have.
            ValueError: for a value out of range, or a domain without templates or novice.
        """
        judged = self.reward == "approval"
        cls = find_script(self.domain, self.overseer if judged else "scripted")
        sizes = {"size": self.size, "max_size": self.max_size}
        domain = make_domain(cls, sizes, self.domain_kwargs, type(self))
        deepest = domain.max_depth
        if self.max_depth is not None:
            deepest = check_range("max_depth", self.max_depth, 1, deepest)
        overseer: Overseer | None = ScriptedOverseer(domain, self.approval) if judged else None
        assistant: Assistant = Oracle(domain)
        if self.assistant == "faulty":
            assistant = FaultyOracle(domain, self.error_rate, self.error_growth)
        elif self.assistant == "none":
            assistant = KnowNothing()
        return DecompositionEngine(
            domain,
            n_envs,
            deepest,
            self.questions_per_context,
            self.max_questions,
            overseer,
            self.judge_levels,
            assistant,
            self.question_cost if judged else 0.0,
            self.round_cost if judged else 0.0,
        )
