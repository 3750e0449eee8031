"""How much a decomposition asks: in one level, and down to lookups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ia_gym.amplification.amplify import amplify
from ia_gym.amplification.assistants import Assistant
from ia_gym.amplification.overseers import Overseer
from ia_gym.domains import Contexts, Domain
from ia_gym.domains.transcript import Symbols, Transcript


@dataclass(frozen=True)
class DecompositionCounts:
    """Counts of sub-questions, arrays ``(B, Q)``.

    Attributes:
        questions: sub-questions that an assistant answered.
        lookups: sub-questions that were looked up.
        rounds: rounds in which anything was asked.
    """

    questions: Symbols
    lookups: Symbols
    rounds: Symbols


def count_questions(domain: Domain, transcript: Transcript) -> DecompositionCounts:
    """Count the sub-questions of transcripts ``(B, Q)``."""
    asked = transcript.questions[..., 0] != 0
    rows = transcript.questions.reshape(len(asked), -1, transcript.questions.shape[-1])
    looked_up = asked & domain.is_primitive(rows).reshape(asked.shape)
    n_slots = asked.shape[-1]
    rounds = [
        asked[..., slots].any(axis=-1) for slots in domain.round_slots if slots.stop <= n_slots
    ]
    return DecompositionCounts(
        questions=(asked & ~looked_up).sum(axis=-1),
        lookups=looked_up.sum(axis=-1),
        rounds=np.sum(rounds, axis=0),
    )


def measure_tree(
    overseer: Overseer,
    assistant: Assistant,
    rng: np.random.Generator,
    contexts: Contexts,
    questions: Symbols,
    max_levels: int = 32,
    max_questions: int = 100_000,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Decompose questions, then their sub-questions, and so on down to lookups.

    Args:
        overseer: decomposes; its counters go up.
        assistant: answers the sub-questions, on which later ones depend.
        rng: for the overseer's choices.
        contexts: ``(B,)``.
        questions: ``(B, Q, Lq)``, none of them primitive.
        max_levels: a tree is cut below this depth.
        max_questions: no further level is decomposed once it has more questions than this.

    Returns:
        The depth of each tree (1 if only lookups are asked, ``max_levels`` if it was cut), and the
        number of all questions in it that are no lookups, without its root: two arrays ``(B, Q)``.
    """
    domain, (n_contexts, n_questions, length) = overseer.domain, questions.shape
    depths = np.zeros(n_contexts * n_questions, np.int64)
    sizes = np.zeros_like(depths)
    roots = np.arange(len(depths))
    level = questions.reshape(-1, 1, length)
    for depth in range(1, max_levels + 1):
        depths[roots] = depth
        if len(roots) > max_questions:
            depths[roots] = max_levels
            break
        transcript = amplify(
            overseer, assistant, rng, contexts[roots // n_questions], level, judging=False
        )
        asked = transcript.questions[:, 0]
        put = (asked[..., 0] != 0) & ~domain.is_primitive(asked)
        rows, slots = np.nonzero(put)
        if not len(rows):
            break
        roots, level = roots[rows], asked[rows, slots][:, None]
        np.add.at(sizes, roots, 1)
    shape = n_contexts, n_questions
    return depths.reshape(shape), sizes.reshape(shape)
