"""The arguments of a question environment: their documentation, checks, and what they build."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import reduce
from importlib import import_module
from typing import Any, Literal, get_args

from ia_gym.amplification.approval import ApprovalMode
from ia_gym.amplification.assistants import Assistant, KnowNothing, Oracle
from ia_gym.amplification.domain_checker import check_domain
from ia_gym.amplification.failures import (
    AssistantFailures,
    FailingOverseer,
    FailureKind,
    FailurePlace,
)
from ia_gym.amplification.overseers import Overseer, ScriptedOverseer
from ia_gym.amplification.trust import TrustGate
from ia_gym.amplification.votes import VotingOverseer, check_votes
from ia_gym.domains import DOMAINS, Domain
from ia_gym.envs.arguments import refuse_without_effect
from ia_gym.envs.questions.engine import Engine
from ia_gym.envs.questions.observations import ObservationMode, check_observation_mode
from ia_gym.validation import check_number, check_range

QuestionReward = Literal["approval", "truth", "deception"]
"""The overseer's approval; for evaluation, true answers; for an adversary, the approval of false
ones."""
AssistantMode = Literal["inline", "oracle", "none"]
Trust = float | Literal["auto"] | None

SCRIPTS = ("scripted", "novice")
"""Overseers that follow a script of the domain."""

TRUST_THRESHOLD = 0.75
"""What ``trust="auto"`` stands for where there is a trust gate."""


@dataclass(frozen=True, kw_only=True)
class QuestionConfig:
    """Arguments of :class:`~ia_gym.envs.QuestionEnv` and :class:`~ia_gym.envs.QuestionVectorEnv`.

    An argument that would have no effect beside the others is refused.

    Args:
        domain: a name in ``ia_gym.domains.DOMAINS``, a subclass of ``Domain``, or the place of one
            as "module:Class".
        size: names per context (the paper's N); default the domain's own.
        max_size: names in the pool that contexts draw from; default ``size``.
        questions_per_context: root questions about a context before the next one is drawn,
            1..10,000.
        overseer: "scripted" (the domain's script); "novice" (the script of a novice, who
            decomposes badly but correctly); or the file of a human predictor that
            ``ia-gym train imitation`` has saved, which judges strictly.
        approval: "strict" (0 or 1), or "graded" (credit for near misses, in domains that have an
            ``error`` of their own).
        reward: "approval", or "truth" for evaluation: root questions only, no overseer, the reward
            is 1 for a true answer and 0 otherwise; or "deception" for an adversary, which measures
            how easily the overseer is deceived: approval, but 0 for a true answer.
        assistant: who answers the overseer's sub-questions: "inline" (the agent itself), "oracle"
            (always true) or "none" (always "I don't know"). Attach another one with
            ``env.unwrapped.set_assistant(assistant)``.
        trust: threshold of the trust gate in [0, 1), for ``assistant="inline"`` and for attached
            assistants. "auto" is 0.75 there, and no gate with ``reward="truth"``, another
            ``assistant`` or ``overseer="novice"``, where a number is refused. None: no gate.
        wrong_answer_penalty: subtracted from the reward of an answer that is not approved of, in
            proportion to what it lacks in approval; at least 0. "I don't know" costs nothing, so
            an agent may abstain.
        audit: share in [0, 1] of the assistant's answers that the overseer decomposes and answers
            itself. Needs an assistant: with ``assistant="inline"`` the first ``step`` before
            ``set_assistant`` is refused.
        overseer_failure: probability in [0, 1] that the overseer fails, and says something else.
        assistant_failure: the same for the assistant, at each sub-question that it is asked; it
            needs an attached assistant, "oracle" or "none", as ``audit`` does.
        failure_kind: "random" (anew each time) or "hashed" (the same input always fails in the same
            way, in every run), of both.
        failure_at: what of the overseer fails: its own "answer", with which approval compares; its
            "approval" (a verdict is turned around); or a "subquestion" (it asks something else of
            the same form). See :class:`~ia_gym.amplification.failures.FailingOverseer`.
        adversarial_assistant: a failing assistant tells the domain's consistent lie
            (:meth:`ia_gym.domains.Domain.lie`), and not anything at random.
        votes: how many times the overseer decomposes and judges each question; odd, 1..99. See
            :class:`~ia_gym.amplification.votes.VotingOverseer`.
        observation: "tokens" (facts and question, for networks with embeddings), "onehot" (one
            vector, for networks without), "multidiscrete", "flat" (one vector of tokens), "text"
            or "prompt" (text with the rules in plain words). See
            :class:`~ia_gym.envs.questions.observations.ObservationEncoding`.
        domain_kwargs: further arguments of the domain, such as ``max_power`` of Permutation.

    Raises:
        ValueError: for a value that is not allowed or has no effect; the message names it.
        TypeError: for a further argument that the domain does not have.
    """

    domain: str | type[Domain] = "Permutation"
    size: int | None = None
    max_size: int | None = None
    questions_per_context: int = 16
    overseer: str | os.PathLike[str] = "scripted"
    approval: ApprovalMode = "strict"
    reward: QuestionReward = "approval"
    assistant: AssistantMode = "inline"
    trust: Trust = "auto"
    wrong_answer_penalty: float = 0.0
    audit: float = 0.0
    overseer_failure: float = 0.0
    assistant_failure: float = 0.0
    failure_kind: FailureKind = "random"
    failure_at: FailurePlace = "answer"
    adversarial_assistant: bool = False
    votes: int = 1
    observation: ObservationMode = "tokens"
    domain_kwargs: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        cls = find_domain(self.domain)
        check_range("questions_per_context", self.questions_per_context, 1, 10_000)
        for name, allowed in (
            ("approval", get_args(ApprovalMode)),
            ("reward", get_args(QuestionReward)),
            ("assistant", get_args(AssistantMode)),
            ("failure_kind", get_args(FailureKind)),
            ("failure_at", get_args(FailurePlace)),
        ):
            if (value := getattr(self, name)) not in allowed:
                raise ValueError(f"{name} must be one of {list(allowed)}, got {value!r}")
        check_observation_mode(self.observation)
        if isinstance(self.trust, str) and self.trust != "auto":
            raise ValueError(
                f'trust must be a number in [0, 1), "auto" or None, got {self.trust!r}'
            )
        if self.trust is not None and self.trust != "auto":
            check_number("trust", self.trust, "[0, 1)")
        check_number("wrong_answer_penalty", self.wrong_answer_penalty, "[0, inf)")
        check_number("audit", self.audit, "[0, 1]")
        check_number("overseer_failure", self.overseer_failure, "[0, 1]")
        check_number("assistant_failure", self.assistant_failure, "[0, 1]")
        check_votes(self.votes)
        if not isinstance(self.adversarial_assistant, bool):
            raise ValueError(
                f"adversarial_assistant must be True or False, got {self.adversarial_assistant!r}"
            )
        if self.reward == "truth":
            refuse_without_effect(self, OVERSEER_ARGUMENTS, 'reward="truth", which has no overseer')
        if self.assistant != "inline":
            refuse_without_effect(
                self, ("trust",), f'assistant="{self.assistant}", which never learns'
            )
        if not self.overseer_failure:
            refuse_without_effect(self, ("failure_at",), "overseer_failure=0")
        if not self.assistant_failure:
            refuse_without_effect(self, ("adversarial_assistant",), "assistant_failure=0")
        if not self.overseer_failure and not self.assistant_failure:
            nothing_fails = "overseer_failure=0 and assistant_failure=0"
            refuse_without_effect(self, ("failure_kind",), nothing_fails)
        if self.overseer == "novice" and self.trust is not None:
            refuse_without_effect(
                self, ("trust",), 'overseer="novice", whose questions may be of their own class'
            )
        if self.overseer not in SCRIPTS and self.approval != "strict":
            raise ValueError(
                f'approval must be "strict" with a learned overseer, got {self.approval!r}'
            )
        check_approval(cls, self.approval)

    def make_domain(self) -> Domain:
        """Make the domain, with its arguments.

        Raises:
            TypeError: for an argument that it does not have.
            ValueError: for a value out of range, or a domain whose methods do not fit it.
        """
        cls = find_script(self.domain, self.overseer)
        sizes = {"size": self.size, "max_size": self.max_size}
        return make_domain(cls, sizes, self.domain_kwargs, type(self))

    def make_overseer(self, domain: Domain) -> Overseer | None:
        """Make the overseer; None with ``reward="truth"``.

        Raises:
            ValueError: for a file that holds no such overseer; see also :meth:`wrap_overseer`.
            FileNotFoundError: if ``overseer`` names no file.
        """
        if self.reward == "truth":
            return None
        if self.overseer in SCRIPTS:
            return self.wrap_overseer(ScriptedOverseer(domain, self.approval))
        from ia_gym.networks.learned_overseer import LearnedOverseer  # takes torch

        return self.wrap_overseer(LearnedOverseer.load(self.overseer, domain))

    def make_gate(self, domain: Domain) -> TrustGate | None:
        """Make the trust gate; None if there is to be none."""
        gated = self.assistant == "inline" and self.overseer != "novice"
        if self.reward == "truth" or not gated or self.trust is None:
            return None
        threshold = TRUST_THRESHOLD if self.trust == "auto" else self.trust
        return TrustGate(domain.depends_on, domain.merged_into, threshold)

    def make_assistant(self, domain: Domain) -> Assistant | None:
        """Make the assistant; None for "inline", the agent itself or one that is attached."""
        if self.assistant == "inline":
            return None
        return Oracle(domain) if self.assistant == "oracle" else KnowNothing()

    def make_engine(self, n_envs: int) -> Engine:
        """Make the engine of ``n_envs`` environments.

        Raises:
            TypeError: see :meth:`make_domain`.
            ValueError: see :meth:`make_domain` and :meth:`make_overseer`.
            FileNotFoundError: see :meth:`make_overseer`.
        """
        domain = self.make_domain()
        overseer = self.make_overseer(domain)
        if overseer is not None:
            domain = overseer.domain  # the model of a person has rounds of its own
        return Engine(
            domain,
            n_envs,
            self.questions_per_context,
            overseer,
            self.make_assistant(domain),
            self.make_gate(domain),
            self.wrong_answer_penalty,
            self.audit,
            self.make_assistant_failures(domain),
            rewards_deception=self.reward == "deception",
        )

    def wrap_overseer(self, overseer: Overseer) -> Overseer:
        """The overseer as it fails and votes by these arguments: environments and learners alike.

        Raises:
            ValueError: if its domain cannot fail in this way.
        """
        if self.overseer_failure:
            how = self.overseer_failure, self.failure_kind, self.failure_at
            overseer = FailingOverseer(overseer, *how)
        return overseer if self.votes == 1 else VotingOverseer(overseer, self.votes)

    def make_assistant_failures(self, domain: Domain) -> AssistantFailures | None:
        """How assistants fail by these arguments; None if they do not.

        Raises:
            ValueError: if the domain has no lie to tell.
        """
        if not self.assistant_failure:
            return None
        how = self.assistant_failure, self.failure_kind, self.adversarial_assistant
        return AssistantFailures(domain, *how)

    @property
    def failure_arguments(self) -> tuple[Any, ...]:
        """The values of ``FAILURE_ARGUMENTS``."""
        return tuple(getattr(self, name) for name in FAILURE_ARGUMENTS)


FAILURE_ARGUMENTS = (
    *("overseer_failure", "assistant_failure", "failure_kind", "failure_at"),
    *("adversarial_assistant", "votes"),
)
"""Arguments of :class:`QuestionConfig` that say what fails, and what is done about it."""

OVERSEER_ARGUMENTS = (
    *("overseer", "approval", "assistant", "trust"),
    *("wrong_answer_penalty", "audit"),
    *FAILURE_ARGUMENTS,
)
"""Arguments of :class:`QuestionConfig` that say how approval comes about."""


def check_approval(cls: type[Domain], approval: ApprovalMode) -> None:
    """Refuse "graded" approval in a domain that knows no near misses.

    Raises:
        ValueError: naming the domain.
    """
    if approval == "graded" and cls.error is Domain.error:
        raise ValueError(
            f'approval must be "strict" for {cls.name}, whose error() knows no near misses, '
            'got "graded"'
        )


def make_domain(
    cls: type[Domain],
    sizes: Mapping[str, int | None],
    domain_kwargs: Mapping[str, Any],
    config: type[Any],
) -> Domain:
    """Make a domain with its arguments.

    Args:
        cls: its class.
        sizes: ``size`` and ``max_size``; None for the domain's own.
        domain_kwargs: its further arguments.
        config: the dataclass of the environment's arguments, for the message.

    Raises:
        TypeError: for an argument that the domain does not have.
        ValueError: for a value out of range, or a domain whose methods do not fit it.
    """
    given = {name: value for name, value in sizes.items() if value is not None}
    given |= domain_kwargs
    parameters = inspect.signature(cls).parameters
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    unknown = [name for name in given if name not in parameters]
    if unknown and not open_ended:
        own = [entry.name for entry in fields(config)[1:-1] if entry.name not in sizes]
        raise TypeError(  # Python's own words, by which TorchRL and others know the case
            f"unexpected keyword argument {', '.join(map(repr, unknown))}: {cls.name} takes "
            f"{', '.join(parameters)}, and every question environment {', '.join(own)}"
        )
    domain = cls(**given)
    if cls not in DOMAINS.values() and cls not in (known.novice for known in DOMAINS.values()):
        check_domain(domain)
    return domain


def find_domain(domain: str | type[Domain]) -> type[Domain]:
    """Find a subclass of ``Domain``: itself, or by its name or place as "module:Class".

    Raises:
        ValueError: if there is none.
    """
    found: Any = domain
    if isinstance(domain, str):
        module, colon, name = domain.partition(":")
        if not colon:
            found = DOMAINS.get(domain)
        else:
            try:
                found = reduce(getattr, name.split("."), import_module(module))
            except (ImportError, AttributeError, ValueError) as error:
                raise ValueError(
                    f"domain must be a name or the place of a class, got {domain!r}: {error}"
                ) from error
    if not (isinstance(found, type) and issubclass(found, Domain)):
        raise ValueError(
            f"domain must be one of {sorted(DOMAINS)}, a subclass of Domain or the place of one as "
            f'"module:Class", got {domain!r}'
        )
    return found


def find_script(domain: str | type[Domain], overseer: str | os.PathLike[str]) -> type[Domain]:
    """Find a domain (see :func:`find_domain`) with the script that an overseer follows.

    Raises:
        ValueError: if there is no such domain, or its novice has no script.
    """
    cls = find_domain(domain)
    if overseer != "novice":
        return cls
    if cls.novice is None:
        raise ValueError(
            f'overseer must not be "novice" for {cls.name}, which has no script for one (novice)'
        )
    return cls.novice


def make_evaluation_kwargs(env_kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Make the arguments of an evaluation environment from those of a training environment.

    Those that say how approval comes about are dropped, and ``reward`` becomes "truth"::

        env = gym.make("IA-Permutation-v0", **make_evaluation_kwargs(env_kwargs))
    """
    kept = {key: value for key, value in env_kwargs.items() if key not in OVERSEER_ARGUMENTS}
    return {**kept, "reward": "truth"}
