"""Other names for the same things: what is true of a context stays true when its names change."""

from __future__ import annotations

import numpy as np

from ia_gym.domains.domain import Domain
from ia_gym.domains.transcript import Symbols


def draw_renamings(domain: Domain, rng: np.random.Generator, count: int) -> Symbols:
    """Draw permutations of the symbols that may change places.

    Args:
        domain: says which these are, see :attr:`ia_gym.domains.Domain.interchangeable`.
        rng: the only source of randomness.
        count: how many.

    Returns:
        int64 ``(count, n_symbols)``: the new symbol for each.
    """
    renamings = np.tile(np.arange(domain.n_symbols), (count, 1))
    for symbols in domain.interchangeable:
        among = slice(symbols.start, symbols.stop)
        renamings[:, among] = rng.permuted(renamings[:, among], axis=1)
    return renamings


def rename(renamings: Symbols, symbols: Symbols) -> Symbols:
    """Rename the symbols of a batch: those of row i by renaming i.

    Args:
        renamings: ``(B, n_symbols)``.
        symbols: int64 ``(B, ...)``.
    """
    rows = np.arange(len(renamings)).reshape(-1, *[1] * (symbols.ndim - 1))
    renamed: Symbols = renamings[rows, symbols]
    return renamed
