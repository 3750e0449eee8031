"""Assistants made of an assistant: the amplified overseer answers in its place, or checks it."""

from __future__ import annotations

import numpy as np

from ia_gym.amplification.amplify import amplify, ask_assistant
from ia_gym.amplification.assistants import Assistant
from ia_gym.amplification.overseers import Overseer
from ia_gym.domains import Contexts
from ia_gym.domains.transcript import Symbols


class AmplifiedAssistant:
    """Answers with the amplified overseer, Amplify^H(X), in the place of an assistant X.

    Used as the assistant of an overseer, it makes amplification two levels deep.

    Args:
        overseer: the overseer; its counters go up.
        assistant: answers the overseer's sub-questions.
        rng: for the overseer's choices, and for lookups that draw at random.
    """

    def __init__(self, overseer: Overseer, assistant: Assistant, rng: np.random.Generator) -> None:
        self.overseer = overseer
        self.assistant = assistant
        self.rng = rng

    def answer(self, contexts: Contexts, questions: Symbols) -> Symbols:
        """See :class:`~ia_gym.amplification.assistants.Assistant`."""
        parts = self.overseer, self.assistant, self.rng, contexts, questions
        transcript = amplify(*parts, judging=False)
        return self.overseer.answer(contexts, questions, transcript)


class AuditedAssistant:
    """An assistant some of whose answers are replaced by the amplified overseer's, at random.

    A wrong answer that the assistant would confirm itself can be detected one level further down.

    Args:
        overseer: the overseer; its counters go up.
        assistant: answers the overseer's sub-questions.
        rng: for the draw, the overseer's choices, and lookups that draw at random.
        rate: share of the answers that are replaced, in [0, 1].
    """

    def __init__(
        self, overseer: Overseer, assistant: Assistant, rng: np.random.Generator, rate: float
    ) -> None:
        self.assistant = assistant
        self.auditor = AmplifiedAssistant(overseer, assistant, rng)
        self.rng = rng
        self.rate = rate

    def answer(self, contexts: Contexts, questions: Symbols) -> Symbols:
        """See :class:`~ia_gym.amplification.assistants.Assistant`."""
        answers = self.assistant.answer(contexts, questions)
        audited = self.rng.random(questions.shape[:2]) < self.rate
        found = self.auditor.answer(contexts, questions * audited[..., None])
        return np.where(audited, found, answers)


class DecomposingFallbackAssistant:
    """An assistant whose inconclusive answers are replaced: the overseer decomposes the question.

    Once the assistant knows an answer, the question costs the overseer nothing. Which answers are
    inconclusive is the domain's to say (:attr:`ia_gym.domains.Domain.inconclusive`).

    Args:
        overseer: the overseer; its counters go up.
        assistant: answers the overseer's sub-questions.
        rng: for the overseer's choices, and for lookups that draw at random.
        levels: at least 1. Sub-questions with an inconclusive answer are decomposed in turn, so
            many levels deep.
    """

    def __init__(
        self, overseer: Overseer, assistant: Assistant, rng: np.random.Generator, levels: int = 1
    ) -> None:
        self.domain = overseer.domain
        self.assistant = assistant
        below = assistant
        if levels > 1:
            below = DecomposingFallbackAssistant(overseer, assistant, rng, levels - 1)
        self.helper = AmplifiedAssistant(overseer, below, rng)

    def answer(self, contexts: Contexts, questions: Symbols) -> Symbols:
        """See :class:`~ia_gym.amplification.assistants.Assistant`."""
        answers = self.assistant.answer(contexts, questions)
        unknown = np.isin(answers, self.domain.inconclusive) & (questions[..., 0] != 0)
        if not unknown.any():
            return answers
        asked = questions * unknown[..., None]  # zeros for the others
        slots = asked[:, :, None], unknown[..., None]
        answers = answers.copy()
        answers[unknown] = ask_assistant(self.helper, self.domain, contexts, *slots)
        return answers
