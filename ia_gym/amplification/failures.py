"""Overseers and assistants that fail: with a given probability they say something else.

A failure is *random*, drawn anew whenever a question is decomposed or asked, or *hashed*, a fixed
function of the context and the question, so that to ask again does not help. All that learns from
an overseer, environments and learners alike, goes through the two wrappers below; truth and
evaluations do not.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ia_gym.amplification.assistants import Assistant
from ia_gym.amplification.hashing import (
    Keys,
    choose_allowed,
    hash_questions,
    mix,
    to_unit,
)
from ia_gym.amplification.overseers import Overseer, OverseerWrapper
from ia_gym.domains.domain import Contexts, Domain
from ia_gym.domains.transcript import IDK, Symbols, Transcript
from ia_gym.validation import check_number

FailureKind = Literal["random", "hashed"]
"""Anew each time; or the same input always fails in the same way."""

FailurePlace = Literal["answer", "approval", "subquestion"]
"""What of an overseer fails."""

WHETHER, WHAT, SLOT, VERDICT, ASSISTANT = range(2, 7)
"""Salts: whether something fails, and what is said instead; which sub-question, which verdict; the
assistant's failures are others than the overseer's."""


class FailureCounts:
    """How often something could have failed, and how often it has, by depth of the question.

    Args:
        max_depth: of the domain.

    Attributes:
        numbers: int64 ``(2, max_depth + 1)``: first how often it could have, then how often it has.
    """

    def __init__(self, max_depth: int) -> None:
        self.numbers = np.zeros((2, max_depth + 1), np.int64)

    def record(self, depths: Symbols, could: NDArray[np.bool_], failed: NDArray[np.bool_]) -> None:
        """Count; three arrays of one shape, those that ``failed`` among those that ``could``."""
        for row, counted in zip(self.numbers, (could, failed), strict=True):
            row += np.bincount(depths[counted], minlength=len(row))


def list_rates(name: str, numbers: NDArray[np.int64]) -> dict[str, float]:
    """The shares that failed, by tag: ``failures/<name>`` in all, and by depth.

    Args:
        name: what fails, such as "overseer".
        numbers: as in :class:`FailureCounts`.
    """
    rates = {}
    if numbers[0].any():
        rates[f"failures/{name}"] = float(numbers[1].sum() / numbers[0].sum())
    for depth in np.flatnonzero(numbers[0]).tolist():
        rates[f"failures/{name}_depth_{depth}"] = float(numbers[1, depth] / numbers[0, depth])
    return rates


class FailingOverseer(OverseerWrapper):
    """An overseer that fails with a given probability, and is otherwise the one that it wraps.

    What it says instead is drawn uniformly from what is allowed there, so that by chance it may be
    the same as before.

    Args:
        overseer: what it is when it does not fail.
        probability: of a failure, in [0, 1].
        kind: "random": drawn anew for each question that it decomposes, from the generator given to
            :meth:`ask`; its verdicts on different answers then fail independently. "hashed": a
            fixed function of the context, the question and ``seed``.
        at: "answer": its answer to a question is replaced, and approval compares with that one;
            "approval": a verdict on an answer is turned around (``1 - approval``), but idk is never
            approved of; "subquestion": it asks something else of the same form, see
            :meth:`ia_gym.domains.Domain.vary`.
        seed: another seed gives other failures of kind "hashed".

    Attributes:
        failures: answers, verdicts or sub-questions that could have failed, and that have, by depth
            of the question decomposed.

    Raises:
        ValueError: for a value that is not allowed, or a domain without ``vary`` where
            sub-questions fail.
    """

    def __init__(
        self,
        overseer: Overseer,
        probability: float,
        kind: FailureKind = "random",
        at: FailurePlace = "answer",
        seed: int = 0,
    ) -> None:
        super().__init__(overseer)
        self.probability = check_number("overseer_failure", probability, "[0, 1]")
        self.kind = check_choice("failure_kind", kind, get_args(FailureKind))
        self.at = check_choice("failure_at", at, get_args(FailurePlace))
        self.seed = seed
        self.failures = FailureCounts(self.domain.max_depth)
        if at == "subquestion" and type(self.domain).vary is Domain.vary:
            raise ValueError(
                f'failure_at must not be "subquestion" for {self.domain.name}, which has no method '
                "vary() that says what else could be asked"
            )

    def ask(
        self,
        rng: np.random.Generator,
        round: int,
        contexts: Contexts,
        questions: Symbols,
        transcript: Transcript,
    ) -> Symbols:
        """See :class:`~ia_gym.amplification.overseers.Overseer`, also for the next two."""
        if round == 0:
            if self.kind == "random":
                shape = (*questions.shape[:2], 1)
                transcript.draws = rng.integers(0, 2**64, shape, np.uint64)
            if self.at == "answer":
                fails = self._fails(self._find_keys(contexts, questions, transcript))
                self._count(contexts, questions, questions[..., 0] != 0, fails)
        asked = self.inner.ask(rng, round, contexts, questions, transcript)
        if self.at != "subquestion" or not asked.size:
            return asked
        keys = self._find_keys(contexts, questions, transcript)
        places = np.arange(asked.shape[2]) + self.domain.round_slots[round].start
        keys = mix(keys[..., None] + mix(places.astype(np.uint64), SLOT))
        fails = self._fails(keys) & (asked[..., 0] != 0)
        self._count(contexts, questions, asked[..., 0] != 0, fails)
        flat = asked.reshape(len(asked), -1, asked.shape[-1])
        other = self.domain.vary(contexts, flat, mix(keys, WHAT).reshape(flat.shape[:2]))
        return np.where(fails[..., None], other.reshape(asked.shape), asked)

    def answer(self, contexts: Contexts, questions: Symbols, transcript: Transcript) -> Symbols:
        """Its own answer, or another one."""
        answers = self.inner.answer(contexts, questions, transcript)
        if self.at != "answer":
            return answers
        keys = self._find_keys(contexts, questions, transcript)
        return replace_answers(self.domain, questions, answers, self._fails(keys), keys)

    def judge(
        self, contexts: Contexts, questions: Symbols, transcript: Transcript, answers: Symbols
    ) -> NDArray[np.float64]:
        """Its approval, compared with what it would answer itself, or turned around."""
        approvals = self.inner.judge(contexts, questions, transcript, answers)
        if self.at == "subquestion":
            return approvals
        keys, given = self._find_keys(contexts, questions, transcript), answers != IDK
        if self.at == "answer":
            fails = self._fails(keys)
            own = replace_answers(self.domain, questions, answers, fails, keys)
            return np.where(fails, (answers == own) & given, approvals)
        fails = self._fails(mix(keys + mix(answers.astype(np.uint64), VERDICT))) & given
        self._count(contexts, questions, given & (questions[..., 0] != 0), fails)
        return np.where(fails, 1 - approvals, approvals)

    def _find_keys(self, contexts: Contexts, questions: Symbols, transcript: Transcript) -> Keys:
        """What decides on failures: ``(B, Q)``."""
        if self.kind == "hashed":
            return hash_questions(contexts, questions, self.seed)
        if transcript.draws is None:  # decomposed by another overseer
            return np.zeros(questions.shape[:2], np.uint64)
        return transcript.draws[..., 0]

    def _fails(self, keys: Keys) -> NDArray[np.bool_]:
        fails: NDArray[np.bool_] = to_unit(mix(keys, WHETHER)) < self.probability
        return fails

    def _count(
        self,
        contexts: Contexts,
        questions: Symbols,
        could: NDArray[np.bool_],
        failed: NDArray[np.bool_],
    ) -> None:
        depths = self.domain.depth(contexts, questions)
        if could.ndim > depths.ndim:
            depths = np.broadcast_to(depths[..., None], could.shape)
        self.failures.record(depths, could, failed & could)


class AssistantFailures:
    """How an assistant fails, and how often it has.

    Args:
        domain: the domain of the questions.
        probability: of a failure, in [0, 1], for each question that it is asked.
        kind: "random": drawn anew each time; "hashed": a fixed function of the context, the
            question and ``seed``.
        adversarial: a failing answer is the domain's consistent lie
            (:meth:`ia_gym.domains.Domain.lie`), which the overseer is likeliest to accept; without
            it, an answer drawn uniformly from those of the kind asked for.
        seed: another seed gives other failures of kind "hashed".

    Attributes:
        counts: answers that could have failed, and that have, by depth of the question asked.

    Raises:
        ValueError: for a value that is not allowed, or a domain without a lie where one is needed.
    """

    def __init__(
        self,
        domain: Domain,
        probability: float,
        kind: FailureKind = "random",
        adversarial: bool = False,
        seed: int = 0,
    ) -> None:
        self.domain = domain
        self.probability = check_number("assistant_failure", probability, "[0, 1]")
        self.kind = check_choice("failure_kind", kind, get_args(FailureKind))
        self.adversarial = adversarial
        self.seed = seed
        self.counts = FailureCounts(domain.max_depth)
        if adversarial and type(domain).lie is Domain.lie:
            raise ValueError(
                f"adversarial_assistant must be False for {domain.name}, which has no method lie()"
            )


class FailingAssistant:
    """An assistant that fails with a given probability.

    Args:
        assistant: what it is when it does not fail.
        failures: how it fails; counts the failures.
        rng: for failures of kind "random".
    """

    def __init__(
        self, assistant: Assistant, failures: AssistantFailures, rng: np.random.Generator
    ) -> None:
        self.assistant = assistant
        self.failures = failures
        self.rng = rng

    def answer(self, contexts: Contexts, questions: Symbols) -> Symbols:
        """See :class:`~ia_gym.amplification.assistants.Assistant`."""
        answers, how = self.assistant.answer(contexts, questions), self.failures
        if how.kind == "hashed":
            keys = mix(hash_questions(contexts, questions, how.seed), ASSISTANT)
        else:
            keys = self.rng.integers(0, 2**64, questions.shape[:2], np.uint64)
        asked = questions[..., 0] != 0
        fails = asked & (to_unit(mix(keys, WHETHER)) < how.probability)
        how.counts.record(how.domain.depth(contexts, questions), asked, fails)
        if not fails.any():
            return answers
        if how.adversarial:
            return np.where(fails, how.domain.lie(contexts, questions), answers)
        return replace_answers(how.domain, questions, answers, fails, keys)


def replace_answers(
    domain: Domain,
    questions: Symbols,
    answers: Symbols,
    fails: NDArray[np.bool_],
    keys: Keys,
) -> Symbols:
    """Replace failing answers by others of the kind asked for, idk among them.

    Args:
        domain: the domain of the questions.
        questions: ``(B, Q, Lq)``.
        answers: ``(B, Q)``.
        fails: bool ``(B, Q)``.
        keys: ``(B, Q)``, decide on the answer; each allowed one has the same chance.

    Returns:
        int64 ``(B, Q)``.
    """
    replaced = answers.copy()
    if fails.any():
        allowed = domain.answer_mask(questions[fails])
        replaced[fails] = choose_allowed(mix(keys[fails], WHAT), allowed)
    return replaced


def check_choice(name: str, value: str, allowed: tuple[str, ...]) -> str:
    """Check that ``value`` is one of those allowed, and return it.

    Raises:
        ValueError: naming the argument, the value and those that are allowed.
    """
    if value not in allowed:
        raise ValueError(f"{name} must be one of {list(allowed)}, got {value!r}")
    return value
