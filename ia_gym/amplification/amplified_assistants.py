"""Assistants on top of an assistant: the amplified overseer answers in its place, always or sometimes."""

from __future__ import annotations

import numpy as np

from ia_gym.amplification.amplify import amplify, ask_assistant
from ia_gym.amplification.assistants import Assistant
from ia_gym.amplification.overseers import Overseer
from ia_gym.domains import Contexts
from ia_gym.domains.transcript import Symbols


class AmplifiedAssistant:
    """Amplify^H(X) in the place of X: an assistant whose answers H puts together.

    Amplified again, it is H on top of H on top of X.

    Args:
        overseer: H; its counters go up.
        assistant: X.
        rng: for H's own choices, and for the lookups that choose at random.
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
    """X, some of whose answers H takes apart once more, at random, and puts its own in their place.

    A wrong answer that X would confirm by itself can be found out one level further down.

    Args:
        overseer: H; its counters go up.
        assistant: X.
        rng: for the draw, H's own choices, and the lookups that choose at random.
        rate: of the answers that are taken apart, in [0, 1].
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
    """X, with H's help: a question to which X has found no answer, H takes apart once more.

    What X comes to know costs H nothing from then on. What counts as no answer is the domain's
    ``inconclusive``.

    Args:
        overseer: H; its counters go up.
        assistant: X.
        rng: for H's own choices, and for the lookups that choose at random.
        levels: of help, at least 1. Those of H's sub-questions to which X has found no answer in
            turn, H takes apart too, so many levels deep.
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
        asked = questions * unknown[..., None]  # the others are no questions
        slots = asked[:, :, None], unknown[..., None]
        answers = answers.copy()
        answers[unknown] = ask_assistant(self.helper, self.domain, contexts, *slots)
        return answers
