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
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Decompose questions, then their sub-questions, and so on down to lookups.

    A question that comes up again in the same context is decomposed as it was the first time, so
    that trees of thousands of questions, such as a novice has in graphs, take little work.

    Args:
        overseer: decomposes; its counters go up.
        assistant: answers the sub-questions, on which later ones depend.
        rng: for the overseer's choices.
        contexts: ``(B,)``.
        questions: ``(B, Q, Lq)``, none of them primitive.
        max_levels: a tree is cut below this depth.
        max_questions: no further level is decomposed once it has more new questions than this.

    Returns:
        The depth of each tree (1 if only lookups are asked, ``max_levels`` if it was cut), and the
        number of all questions in it that are no lookups, without its root: two arrays ``(B, Q)``.
    """
    domain, (n_contexts, n_questions, length) = overseer.domain, questions.shape
    places = np.repeat(np.arange(n_contexts), n_questions)
    rows = np.column_stack([places, questions.reshape(-1, length)])
    known, roots = np.unique(rows, axis=0, return_inverse=True)  # nodes: context and question
    numbers = {node.tobytes(): i for i, node in enumerate(known)}
    new = known
    parents: list[Symbols] = []
    children: list[Symbols] = []
    is_cut = np.zeros(0, bool)  # nodes whose sub-questions are not known
    for _ in range(max_levels):
        too_many = len(new) > max_questions
        is_cut = np.concatenate([is_cut, np.full(len(new), too_many)])
        if too_many or not len(new):
            break
        first = len(is_cut) - len(new)
        transcript = amplify(
            overseer, assistant, rng, contexts[new[:, 0]], new[:, None, 1:], judging=False
        )
        asked = transcript.questions[:, 0]
        nodes, slots = np.nonzero((asked[..., 0] != 0) & ~domain.is_primitive(asked))
        put = np.column_stack([new[nodes, 0], asked[nodes, slots]])
        distinct, inverse = np.unique(put, axis=0, return_inverse=True)
        before = len(numbers)
        found = [numbers.setdefault(node.tobytes(), len(numbers)) for node in distinct]
        of_distinct = np.array(found, np.int64)
        parents.append(first + nodes)
        children.append(of_distinct[inverse.ravel()])
        new = distinct[of_distinct >= before]
    is_cut = np.concatenate([is_cut, np.ones(len(numbers) - len(is_cut), bool)])
    depths, sizes = _unfold(_join(parents), _join(children), is_cut, max_levels)
    shape = n_contexts, n_questions
    of_roots = roots.ravel()
    return depths[of_roots].reshape(shape), sizes[of_roots].reshape(shape)


def _join(parts: list[Symbols]) -> Symbols:
    return np.concatenate([np.zeros(0, np.int64), *parts])


def _unfold(
    parents: Symbols, children: Symbols, is_cut: NDArray[np.bool_], max_levels: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Depth and size of the tree below each node of a graph, from the shallowest trees up.

    Args:
        parents: ``(edges,)``, numbers of nodes.
        children: likewise.
        is_cut: ``(nodes,)``, those whose children are not known.
        max_levels: the graph may have cycles; trees are cut below this depth.
    """
    n_nodes = len(is_cut)
    depths: Symbols = np.where(is_cut, max_levels, 1)
    sizes: NDArray[np.float64] = np.zeros(n_nodes)
    for level in range(1, max_levels + 1):
        counted = 1.0 + sizes[children]
        larger = np.bincount(parents, weights=counted, minlength=n_nodes).astype(np.float64)
        deeper = depths.copy()
        if level > 1:
            np.maximum.at(deeper, parents, np.minimum(1 + depths[children], max_levels))
        if np.array_equal(larger, sizes) and np.array_equal(deeper, depths):
            break
        depths, sizes = deeper, larger
    return depths, sizes
