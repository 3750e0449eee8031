"""Batches of root questions with the amplified overseer's answers, to train on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ia_gym.amplification.amplify import amplify
from ia_gym.amplification.assistants import Assistant
from ia_gym.amplification.overseers import Overseer
from ia_gym.domains import Contexts
from ia_gym.domains.transcript import Symbols, Transcript


@dataclass
class Batch:
    """Root questions, and the overseer's sub-questions about them.

    Attributes:
        contexts: ``(B,)``.
        questions: ``(B, Q, Lq)``.
        transcript: ``(B, Q)``.
        depths: ``(B, Q)``, depths of the questions.
        overseer: whose sub-questions these are; None in a batch that was stripped.
    """

    contexts: Contexts
    questions: Symbols
    transcript: Transcript
    depths: Symbols
    overseer: Overseer | None

    @cached_property
    def targets(self) -> Symbols:
        """The overseer's answers, ``(B, Q)``; it is asked for them when they are first needed."""
        assert self.overseer is not None
        return self.overseer.answer(self.contexts, self.questions, self.transcript)

    def strip(self) -> Batch:
        """The batch without its overseer and with an empty transcript, most of its size."""
        stripped = replace(self, transcript=self.transcript[:, :0], overseer=None)
        stripped.targets = self.targets
        return stripped


def sample_batch(
    overseer: Overseer,
    assistant: Assistant,
    rng: np.random.Generator,
    n_contexts: int,
    n_questions: int,
    size: int | None = None,
    depths: Sequence[int] | None = None,
    judging: bool = False,
) -> Batch:
    """Draw contexts and questions, and have the overseer decompose them.

    Args:
        overseer: the overseer; its counters go up.
        assistant: answers the overseer's sub-questions.
        rng: the source of all randomness but the assistant's.
        n_contexts: ``B``.
        n_questions: ``Q``, questions about each context.
        size: names in a context; default the domain's.
        depths: depths of the questions; default all.
        judging: also ask the rounds that only ``overseer.judge`` needs.
    """
    domain = overseer.domain
    contexts = domain.sample_contexts(rng, n_contexts, size)
    questions = domain.sample_questions(rng, contexts, n_questions, depths)
    transcript = amplify(overseer, assistant, rng, contexts, questions, judging=judging)
    drawn = domain.depth(contexts, questions)
    return Batch(contexts, questions, transcript, drawn, overseer)
