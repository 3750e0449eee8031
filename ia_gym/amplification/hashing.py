"""Numbers that look random and are a fixed function of symbols, the same in every process and run.

NumPy's generators give a stream, in which a number depends on how many were drawn before it. Here a
number depends on its input alone. The mixing function is that of SplitMix64 (Steele, Lea and Flood,
2014).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ia_gym.domains.domain import Contexts
from ia_gym.domains.transcript import Symbols

Keys = NDArray[np.uint64]
"""Hashes, or random numbers in their place."""

GOLDEN = 0x9E3779B97F4A7C15


def mix(keys: Keys, salt: int = 0) -> Keys:
    """Scramble each key; with another ``salt`` otherwise."""
    mixed = keys + np.uint64((salt + 1) * GOLDEN % 2**64)  # arrays wrap around
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def hash_symbols(symbols: Symbols) -> Keys:
    """Hash rows of symbols, ``(..., n)``: ``(...)``."""
    places = mix(np.arange(symbols.shape[-1], dtype=np.uint64))
    terms = mix(symbols.astype(np.uint64) + places)
    return mix(terms.sum(axis=-1, dtype=np.uint64, keepdims=True))[..., 0]


def hash_questions(contexts: Contexts, questions: Symbols, salt: int = 0) -> Keys:
    """Hash questions together with the facts of their contexts.

    Args:
        contexts: ``(B,)``.
        questions: ``(B, Q, Lq)``.
        salt: another one gives other hashes.

    Returns:
        uint64 ``(B, Q)``.
    """
    of_contexts = hash_symbols(contexts["facts"].reshape(len(contexts), -1))
    return mix(of_contexts[:, None] + mix(hash_symbols(questions), 1), salt)


def to_unit(keys: Keys) -> NDArray[np.float64]:
    """Keys as numbers in [0, 1)."""
    return (keys >> np.uint64(11)).astype(np.float64) * 2.0**-53


def choose_allowed(keys: Keys, allowed: NDArray[np.bool_]) -> Symbols:
    """Choose one of the allowed entries by each key, all with the same chance.

    Args:
        keys: ``(...)``.
        allowed: bool ``(..., n)``, at least one of them in each row.

    Returns:
        int64 ``(...)`` in ``0..n - 1``.
    """
    rank = (to_unit(keys) * np.count_nonzero(allowed, axis=-1)).astype(np.int64)
    chosen: Symbols = (allowed.cumsum(axis=-1) > rank[..., None]).argmax(axis=-1)
    return chosen
