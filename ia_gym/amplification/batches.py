"""Batches of root questions with the amplified overseer's answers, to train on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ia_gym.amplification.amplify import amplify
from ia_gym.amplification.assistants import Assistant
from ia_gym.amplification.overseers import Overseer
from ia_gym.domains import Contexts
from ia_gym.domains.transcript import Symbols, Transcript


@dataclass
class Batch:
    """Root questions, the overseer's sub-questions about them, and its answers.

    Attributes:
        contexts: ``(B,)``.
        questions: ``(B, Q, Lq)``.
        transcript: ``(B, Q)``.
        targets: ``(B, Q)``, the overseer's answers.
        depths: ``(B, Q)``, depths of the questions.
    """

    contexts: Contexts
    questions: Symbols
    transcript: Transcript
    targets: Symbols
    depths: Symbols

    def drop_transcript(self) -> Batch:
        """The batch with an empty transcript ``(B, 0)``, which is most of its size."""
        return replace(self, transcript=self.transcript[:, :0])


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
    """Draw contexts and questions, and answer them with the amplified overseer.

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
    targets = overseer.answer(contexts, questions, transcript)
    return Batch(contexts, questions, transcript, targets, domain.depth(contexts, questions))
