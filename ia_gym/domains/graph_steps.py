"""How H chooses the next vertex on the way to a goal, in the two graph domains.

H collects three candidates (two suggested by X, one neighbour drawn at random), keeps those that
an edge leads to, asks how far each is from the goal, and takes the nearest. To judge a vertex
somebody else names, H asks how far every neighbour is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ia_gym.domains.batch_arrays import take
from ia_gym.domains.domain import Contexts
from ia_gym.domains.transcript import IDK, Symbols

MAX_DEGREE = 16
"""A context in which a vertex has more neighbours (one in a hundred million) is drawn again: they
all must find a place in a transcript."""

FAR = np.iinfo(np.int64).max
"""Farther than any vertex."""


def list_candidates(suggested: Symbols, are_edges: Symbols, drawn: Symbols) -> Symbols:
    """The candidates that H asks about, each named once; ``IDK`` in the places left.

    The first of several that turn out to be equally near is taken. So a tie falls by chance: to the
    neighbour drawn at random, or between suggestions that X sampled. Each candidate has its place,
    which is what lets a model of H learn whom to ask about.

    Args:
        suggested: ``(B, Q, 2)``, X's suggestions.
        are_edges: ``(B, Q, 2)``, ``IDK`` for a suggestion that no edge leads to.
        drawn: ``(B, Q)``, a neighbour drawn at random.

    Returns:
        ``(B, Q, 3)``: the neighbour drawn, then X's suggestions.
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
    """A neighbour of each of ``names (B, Q)``, drawn evenly; ``IDK`` if there is none."""
    degrees = take(contexts["degree"], names)
    places = (rng.random(names.shape) * degrees).astype(np.int64)
    table = contexts["neighbours"]
    drawn = take(table.reshape(len(table), -1), names * table.shape[2] + places)
    return np.where(degrees > 0, drawn, IDK)


def find_nearest(candidates: Symbols, distances: Symbols) -> tuple[Symbols, Symbols]:
    """The first of the nearest candidates, and how far it is.

    Args:
        candidates: ``(B, Q, n)``.
        distances: ``(B, Q, n)``; ``FAR`` for one that is left aside.

    Returns:
        Two arrays ``(B, Q)``; ``IDK`` and ``FAR`` if all are left aside.
    """
    place = distances.argmin(axis=-1)[..., None]
    least = np.take_along_axis(distances, place, axis=-1)[..., 0]
    found = np.take_along_axis(candidates, place, axis=-1)[..., 0]
    return np.where(least == FAR, IDK, found), least


def measure_detour(
    candidates: Symbols, distances: Symbols, answers: Symbols
) -> NDArray[np.float64]:
    """How much farther ``answers (B, Q)`` are than the nearest of the candidates.

    Args:
        candidates: ``(B, Q, n)``, each vertex once.
        distances: ``(B, Q, n)``; ``FAR`` for one that is left aside.
        answers: ``(B, Q)``.

    Returns:
        ``(B, Q)``; infinite for an answer that is no candidate, or one left aside.
    """
    near = distances < FAR
    chosen = (candidates == answers[..., None]) & near & (answers != IDK)[..., None]
    distance = np.where(chosen, distances, 0).sum(axis=-1)
    least = distances.min(axis=-1)
    return np.where(chosen.any(axis=-1), distance - least.astype(np.float64), np.inf)


def measure_difference(
    own: Symbols, given: Symbols, own_distance: Symbols, given_distance: Symbols
) -> NDArray[np.float64]:
    """How far ``given`` answers are from H's ``own``, of any shape: steps, or 0 and infinity.

    Args:
        own: H's answers.
        given: somebody else's.
        own_distance: what distance ``own`` stands for; ``FAR`` if for none.
        given_distance: likewise.
    """
    both = (own_distance < FAR) & (given_distance < FAR)
    exact = np.where((own == given) & (own != IDK), 0.0, np.inf)
    return np.where(both, np.abs(own_distance - given_distance), exact)


def check_kinds(kinds: Sequence[str] | None, known: tuple[str, ...]) -> Symbols:
    """The places in ``known`` of the question kinds to ask; None stands for all.

    Raises:
        ValueError: for a kind not in ``known``, or none at all.
    """
    if kinds is None:
        return np.arange(len(known))
    if isinstance(kinds, str) or len(kinds) == 0 or not set(kinds) <= set(known):
        raise ValueError(f"question_kinds must be some of {list(known)}, got {kinds!r}")
    return np.array(sorted(known.index(kind) for kind in set(kinds)))


def make_rows(
    first: int | Symbols, second: Symbols, third: int | Symbols, where: NDArray[np.bool_]
) -> Symbols:
    """Question rows of three tokens, zeros but ``where``: its shape and ``(3,)``."""
    rows = np.empty((*where.shape, 3), np.int64)
    rows[..., 0] = first
    rows[..., 1] = second
    rows[..., 2] = third
    rows *= where[..., None]
    return rows
