"""Operations on batches of rows that the domains share: row b of an array is about context b."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from ia_gym.domains.transcript import Symbols

Number = TypeVar("Number", bound=np.generic)

FEW = 512
"""Entries up to which NumPy's own indexing is faster than :func:`take`'s."""


def take(
    table: NDArray[Number], index: Symbols, rows: NDArray[np.intp] | None = None
) -> NDArray[Number]:
    """Entries of a table at an index, row by row.

    Args:
        table: ``(B, n)``.
        index: ``(B, ...)``; of any shape if ``rows`` are given.
        rows: the row that each index is about, in a shape that broadcasts to that of ``index``.

    Returns:
        An array of the shape of ``index``.
    """
    count, width = table.shape
    if rows is None:
        rows = np.arange(count).reshape(-1, *[1] * (index.ndim - 1))
    if index.size <= FEW:
        few: NDArray[Number] = table[rows, index]
        return few
    step, item = table.strides
    if count and item == table.itemsize and step >= width * item and step % item == 0:
        # A field of a structured array: read it where it lies, without a copy of all of it.
        flat = as_strided(table, ((count - 1) * (step // item) + width,), (item,), writeable=False)
        width = step // item
    else:
        flat = table.reshape(-1)
    taken: NDArray[Number] = flat.take(width * rows + index)
    return taken


def pick(rng: np.random.Generator, allowed: NDArray[np.bool_], count: int) -> Symbols:
    """Draw places uniformly from those that are allowed, row by row.

    Args:
        rng: the source of randomness.
        allowed: bool ``(B, n)``.
        count: how many places to draw in each row, with repetitions.

    Returns:
        int64 ``(B, count)`` in ``0..n - 1``.

    Raises:
        ValueError: if a row allows none, which happens for depths that do not occur.
    """
    _, places = np.nonzero(allowed)
    counts = np.count_nonzero(allowed, axis=1)
    if not counts.all():
        row = int(np.flatnonzero(counts == 0)[0])
        raise ValueError(f"depths must occur in every context, but context {row} has none of them")
    starts = np.cumsum(counts) - counts
    drawn = (rng.random((len(allowed), count)) * counts[:, None]).astype(np.int64)
    picked: Symbols = places[starts[:, None] + drawn]
    return picked


def pick_name(rng: np.random.Generator, names: NDArray[Number], count: int) -> NDArray[Number]:
    """Draw names uniformly from those of each context.

    Args:
        rng: the source of randomness.
        names: ``(B, n)``, padded with 0.
        count: how many names to draw in each row, with repetitions.

    Returns:
        ``(B, count)``, of the dtype of ``names``.
    """
    sizes = np.count_nonzero(names, axis=1)[:, None]
    drawn = rng.random((len(names), count), dtype=np.float32)
    return take(names, (drawn * sizes.astype(np.float32)).astype(np.int64))


def choose_name(names: NDArray[Number], numbers: NDArray[np.uint64]) -> NDArray[Number]:
    """Choose names from those of each context, by random numbers.

    Args:
        names: ``(B, n)``, padded with 0.
        numbers: uint64 ``(B, Q)``.

    Returns:
        ``(B, Q)``, of the dtype of ``names``.
    """
    sizes = np.count_nonzero(names, axis=1)[:, None].astype(np.uint64)
    return take(names, (numbers % sizes).astype(np.int64))


def sample_names(rng: np.random.Generator, count: int, size: int, max_size: int) -> Symbols:
    """Draw the names that occur in each context.

    Args:
        rng: the source of randomness.
        count: number of contexts.
        size: names in each, all different.
        max_size: the names are 1..``max_size``.

    Returns:
        int64 ``(count, size)``, each row sorted.
    """
    pool = np.arange(1, max_size + 1)[None].repeat(count, axis=0)
    if size == max_size:
        return pool
    return np.sort(rng.permuted(pool, axis=1)[:, :size], axis=1)


def rank_in_groups(groups: Symbols, counts: Symbols) -> Symbols:
    """Number the entries of each group from 0.

    Args:
        groups: int64 ``(n,)``, the group of each entry; in order.
        counts: int64 ``(number of groups,)``, how many entries each group has.

    Returns:
        int64 ``(n,)``.
    """
    ranks: Symbols = np.arange(len(groups)) - (np.cumsum(counts) - counts)[groups]
    return ranks


def make_rows(
    first: int | Symbols, second: Symbols, third: int | Symbols, where: NDArray[np.bool_]
) -> Symbols:
    """Questions of three symbols, and rows of zeros.

    Args:
        first: the first symbol of each; as the next two, of a shape that broadcasts to ``where``.
        second: the second symbol of each.
        third: the third symbol of each.
        where: bool, whether there is a question.

    Returns:
        int64 ``(*where.shape, 3)``; zeros where there is none.
    """
    rows = np.empty((*where.shape, 3), np.int64)
    rows[..., 0] = first
    rows[..., 1] = second
    rows[..., 2] = third
    rows *= where[..., None]
    return rows
