"""Reward functions for trainers of language models, in the form of TRL's ``reward_funcs``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ia_gym.amplification.amplified_assistants import AuditedAssistant
from ia_gym.amplification.amplify import amplify
from ia_gym.amplification.assistants import Assistant
from ia_gym.domains import Contexts
from ia_gym.domains.answer_parser import AnswerParser, ParsedAnswers
from ia_gym.domains.transcript import IDK, Symbols
from ia_gym.envs.questions.judging import compute_rewards, find_successes
from ia_gym.envs.questions.numbered_questions import NumberedQuestions

Completion = str | Sequence[dict[str, Any]]
"""What a model wrote: a text, or the messages of a conversation."""


class ApprovalReward:
    """The amplified overseer's approval of what a model writes.

    A call reads the answers (:mod:`ia_gym.domains.answer_parser`), decomposes each distinct
    question of the batch once, asks the assistant the sub-questions of all of them together, a
    round at a time, and judges every answer. An answer that cannot be read counts as "I don't
    know", and is never approved of.

    With a trust gate (``trust``, as in the environments), questions that rest on classes that are
    not trusted yet earn nothing, and nothing is asked about them. A question counts once, with the
    mean approval of its answers in the batch.

    Args:
        questions: what the prompts ask. Of the environment's arguments, ``overseer``, ``approval``,
            ``assistant``, ``trust``, ``wrong_answer_penalty`` and ``audit`` have effect here.
        assistant: answers the sub-questions; needed with ``assistant="inline"``, the default of the
            environments, and only there.
        seed: of the overseer's choices.

    Attributes:
        overseer: who decomposes and judges; its counters go up.
        gate: the trust gate, or None.
        n_unparsed: completions without an answer so far.

    Raises:
        ValueError: for questions of ``reward="truth"``, which no overseer judges; an assistant that
            is missing, cannot answer, or has no effect.
    """

    __name__ = "approval"  # TRL logs the reward under this name

    def __init__(
        self, questions: NumberedQuestions, assistant: Assistant | None = None, seed: int = 0
    ) -> None:
        config, self.domain = questions.config, questions.domain
        overseer = config.make_overseer(self.domain)
        if overseer is None:
            raise ValueError('questions must be of reward="approval", got reward="truth"')
        if (config.assistant == "inline") != (assistant is not None):
            raise ValueError(
                'assistant must be given for questions of assistant="inline", and for no others; '
                f'got {assistant!r} and assistant="{config.assistant}"'
            )
        if assistant is not None and not callable(getattr(assistant, "answer", None)):
            raise ValueError(
                f"assistant must have a method answer(contexts, questions), got {assistant!r}"
            )
        self.questions = questions
        self.parser = AnswerParser(self.domain)
        self.overseer = overseer
        self.gate = config.make_gate(self.domain)
        self.rng = np.random.default_rng(seed)
        self.n_unparsed = 0
        helper: Any = assistant or config.make_assistant(self.domain)
        if config.audit:
            helper = AuditedAssistant(overseer, helper, self.rng, config.audit)
        self.assistant: Assistant = helper

    def __call__(
        self, completions: Sequence[Completion], question_id: Sequence[str], **columns: Any
    ) -> list[float]:
        """Approval of each completion, less the penalty for wrong answers if there is one.

        Args:
            completions: what the model wrote, ``n`` of them.
            question_id: ``n`` ids of the questions, in any order.
            **columns: what else TRL passes on. To ``log_metric`` the share of unparsed completions
                and the number of trusted classes are told.

        Raises:
            ValueError: for ids of other questions than these.
        """
        numbers = self.questions.read_ids(question_id)
        distinct, inverse = np.unique(numbers, return_inverse=True)
        contexts, asked = self.questions.find(distinct)
        asked = asked[:, None]
        read = read_completions(self.parser, completions, asked[inverse, 0])
        answers = read.answers[:, None]
        classes = self.domain.classes(contexts, asked)
        may_earn = np.ones(classes.shape, bool) if self.gate is None else self.gate.open[classes]
        approvals = np.zeros(answers.shape)
        if may_earn.any():
            trusted = None if self.gate is None else self.gate.trusted
            parts = self.overseer, self.assistant, self.rng, contexts, asked * may_earn[..., None]
            transcript = amplify(*parts, trusted=trusted)
            case = contexts[inverse], asked[inverse], transcript[inverse]
            approvals = self.overseer.judge(*case, answers) * may_earn[inverse]
        rewards = compute_rewards(
            approvals, answers, may_earn[inverse], self.questions.config.wrong_answer_penalty
        )
        if self.gate is not None:
            means = np.bincount(inverse, approvals[:, 0]) / np.bincount(inverse)
            self.gate.record(classes[may_earn], means[may_earn[:, 0]])
        self._report(read, columns.get("log_metric"))
        return [float(reward) for reward in rewards[:, 0]]

    def _report(self, read: ParsedAnswers, log_metric: Any) -> None:
        self.n_unparsed += int(np.count_nonzero(~read.parsed))
        if log_metric is not None:
            log_metric("unparsed", float(np.mean(~read.parsed)))
            log_metric("idk", float(np.mean(read.answers == IDK)))
            if self.gate is not None:
                log_metric("trusted_classes", float(self.gate.trusted.sum()))


class _ReadAnswers:
    """Base class of the rewards that need nothing but the answers read.

    Args:
        questions: what the prompts ask.
    """

    def __init__(self, questions: NumberedQuestions) -> None:
        self.questions = questions
        self.parser = AnswerParser(questions.domain)

    def _read(
        self, completions: Sequence[Completion], question_id: Sequence[str]
    ) -> tuple[Contexts, Symbols, ParsedAnswers]:
        """Contexts ``(n,)`` and questions ``(n, Lq)`` of the ids, and what was answered."""
        contexts, asked = self.questions.find(self.questions.read_ids(question_id))
        return contexts, asked, read_completions(self.parser, completions, asked)


class TruthReward(_ReadAnswers):
    """1 for a true answer, 0 for any other; for measuring, or for a baseline trained on truth.

    Beside :class:`ApprovalReward` with a weight of 0 it is logged, and trains nothing::

        GRPOTrainer(model, [approval, truth], GRPOConfig(reward_weights=[1.0, 0.0]), ...)

    Args:
        questions: what the prompts ask.
    """

    __name__ = "truth"

    def __call__(
        self, completions: Sequence[Completion], question_id: Sequence[str], **columns: Any
    ) -> list[float]:
        """Whether each completion is true, see :meth:`ApprovalReward.__call__`."""
        contexts, asked, read = self._read(completions, question_id)
        asked, answers, domain = asked[:, None], read.answers[:, None], self.questions.domain
        truths = domain.truth(contexts, asked)
        successes = find_successes(domain, contexts, asked, truths, answers)
        return [float(success) for success in successes[:, 0]]


class FormatReward(_ReadAnswers):
    """1 for an answer that can be read, 0 for any other text; it says nothing about its truth.

    Where nothing is approved of yet, and an entropy bonus makes answers differ, it keeps a model
    from drifting to texts that are no answers. "I don't know" is an answer.

    Args:
        questions: what the prompts ask.
    """

    __name__ = "format"

    def __call__(
        self, completions: Sequence[Completion], question_id: Sequence[str], **columns: Any
    ) -> list[float]:
        """Whether each completion can be read, see :meth:`ApprovalReward.__call__`."""
        return [float(each) for each in self._read(completions, question_id)[2].parsed]


def read_completions(
    parser: AnswerParser, completions: Sequence[Completion], questions: Symbols
) -> ParsedAnswers:
    """Read the answers in completions; of a conversation, in its last message.

    Args:
        parser: of the domain.
        completions: ``n`` of them.
        questions: ``(n, Lq)``.
    """
    texts = [
        each if isinstance(each, str) else str((each[-1].get("content") if each else None) or "")
        for each in completions
    ]
    return parser.parse(texts, questions)
