"""How the overseer chooses the next vertex on the way to a goal, in the two graph domains.

It collects three candidates (two suggested by the assistant, one neighbour drawn at random), keeps
those that an edge leads to, asks how far each is from the goal, and takes the nearest. To judge a
vertex that somebody else names, it asks how far every neighbour is from the goal.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ia_gym.domains.batch_arrays import take
from ia_gym.domains.domain import Contexts
from ia_gym.domains.transcript import IDK, Symbols

MAX_DEGREE = 16
"""A context in which a vertex has more neighbours (one in a hundred million) is drawn again, since
all neighbours need a slot in the transcript."""

FAR = np.iinfo(np.int64).max
"""A distance larger than any."""


def list_candidates(suggested: Symbols, are_edges: Symbols, drawn: Symbols) -> Symbols:
    """List the candidates that the overseer asks about, without repetitions.

    The first of several that turn out to be equally near is taken, so that chance decides: it is
    the neighbour drawn at random, or one of two suggestions that were sampled. Each candidate
    keeps its place, so that a model of the overseer can learn which ones to ask about.

    Args:
        suggested: ``(B, Q, 2)``, the assistant's suggestions.
        are_edges: ``(B, Q, 2)``, ``IDK`` for a suggestion that no edge leads to.
        drawn: ``(B, Q)``, a neighbour drawn at random.

    Returns:
        ``(B, Q, 3)``: the neighbour drawn, then the suggestions; ``IDK`` in places left.
    """
    first, second = np.moveaxis(np.where(are_edges != IDK, suggested, IDK), -1, 0)
    first = first * (first != drawn)
    second = second * ((second != first) & (second != drawn))
    return np.stack([drawn, first, second], axis=-1)


def list_other_neighbours(neighbours: Symbols, asked: Symbols) -> Symbols:
    """``neighbours (B, Q, K)`` with those among ``asked (B, Q, n)`` set to ``IDK``."""
    left = neighbours.copy()
    for i in range(asked.shape[-1]):
        left[neighbours == asked[..., i, None]] = IDK
    return left


def draw_neighbour(rng: np.random.Generator, contexts: Contexts, names: Symbols) -> Symbols:
    """Draw a neighbour of each of ``names (B, Q)`` uniformly; ``IDK`` if there is none."""
    degrees = take(contexts["degree"], names)
    places = (rng.random(names.shape) * degrees).astype(np.int64)
    table = contexts["neighbours"]
    drawn = take(table.reshape(len(table), -1), names * table.shape[2] + places)
    return np.where(degrees > 0, drawn, IDK)


def find_next_neighbour(contexts: Contexts, names: Symbols, after: Symbols) -> Symbols:
    """The neighbour of each of ``names (B, Q)`` that follows a given one, in a fixed circle of all.

    Args:
        contexts: ``(B,)``.
        names: vertices.
        after: ``(B, Q)``, a neighbour of each.

    Returns:
        ``(B, Q)``; ``IDK`` where ``after`` is no neighbour.
    """
    neighbours = contexts["neighbours"][np.arange(len(names))[:, None], names]
    is_there = (neighbours == after[..., None]) & (after != IDK)[..., None]
    degrees = np.maximum(take(contexts["degree"], names), 1)
    place = (is_there.argmax(axis=-1) + 1) % degrees
    following = np.take_along_axis(neighbours, place[..., None], axis=-1)[..., 0]
    return np.where(is_there.any(axis=-1), following, IDK).astype(np.int64)


def find_nearest(candidates: Symbols, distances: Symbols) -> tuple[Symbols, Symbols]:
    """Find the nearest candidate (the first of several) and its distance.

    Args:
        candidates: ``(B, Q, n)``.
        distances: ``(B, Q, n)``; ``FAR`` for a candidate that does not count.

    Returns:
        Two arrays ``(B, Q)``; ``IDK`` and ``FAR`` if no candidate counts.
    """
    place = distances.argmin(axis=-1)[..., None]
    least = np.take_along_axis(distances, place, axis=-1)[..., 0]
    found = np.take_along_axis(candidates, place, axis=-1)[..., 0]
    return np.where(least == FAR, IDK, found), least


def measure_detour(
    candidates: Symbols, distances: Symbols, answers: Symbols
) -> NDArray[np.float64]:
    """How much larger the distances of ``answers (B, Q)`` are than that of the nearest candidate.

    Args:
        candidates: ``(B, Q, n)``, each vertex once.
        distances: ``(B, Q, n)``; ``FAR`` for a candidate that does not count.
        answers: ``(B, Q)``.

    Returns:
        float64 ``(B, Q)``; infinite for an answer that is no candidate that counts.
    """
    near = distances < FAR
    chosen = (candidates == answers[..., None]) & near & (answers != IDK)[..., None]
    distance = np.where(chosen, distances, 0).sum(axis=-1)
    least = distances.min(axis=-1)
    return np.where(chosen.any(axis=-1), distance - least.astype(np.float64), np.inf)


def measure_difference(
    own: Symbols, given: Symbols, own_distance: Symbols, given_distance: Symbols
) -> NDArray[np.float64]:
    """How far ``given`` answers are from the overseer's ``own``, in arrays of any shape.

    Args:
        own: the overseer's answers.
        given: somebody else's answers.
        own_distance: the distances that ``own`` stand for; ``FAR`` where for none.
        given_distance: the same for ``given``.

    Returns:
        float64: the difference where both stand for distances; else 0 for equal answers other
        than ``IDK``, and infinity.
    """
    both = (own_distance < FAR) & (given_distance < FAR)
    exact = np.where((own == given) & (own != IDK), 0.0, np.inf)
    return np.where(both, np.abs(own_distance - given_distance), exact)
