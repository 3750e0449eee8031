"""Batches of root questions with the amplified overseer's answers, for trainers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ia_gym.amplification.amplify import amplify
from ia_gym.amplification.assistants import Assistant
from ia_gym.amplification.overseers import Overseer
from ia_gym.domains import Contexts
from ia_gym.domains.transcript import Symbols, Transcript


@dataclass
class Batch:
    """Root questions with what the amplified overseer made of them; the trainers' food.

    Attributes:
        contexts: ``(B,)``.
        questions: ``(B, Q, Lq)``.
        transcript: ``(B, Q)``.
        targets: ``(B, Q)``, H's answers.
        depths: ``(B, Q)``.
    """

    contexts: Contexts
    questions: Symbols
    transcript: Transcript
    targets: Symbols
    depths: Symbols


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
    """Draw contexts and questions and answer them with Amplify^H(X).

    Args:
        overseer: H.
        assistant: X.
        rng: where all randomness but X's comes from.
        n_contexts: ``B``.
        n_questions: ``Q``, questions a context.
        size: names in a context; default the domain's.
        depths: depths to draw from; default all.
        judging: also ask what only ``overseer.judge`` needs.
    """
    domain = overseer.domain
    contexts = domain.sample_contexts(rng, n_contexts, size)
    questions = domain.sample_questions(rng, contexts, n_questions, depths)
    transcript = amplify(overseer, assistant, rng, contexts, questions, judging=judging)
    targets = overseer.answer(contexts, questions, transcript)
    return Batch(contexts, questions, transcript, targets, domain.depth(contexts, questions))
