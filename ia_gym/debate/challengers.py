"""Challengers: they pick the claim that a debate goes on about."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ia_gym.domains.domain import Contexts
from ia_gym.domains.transcript import Symbols


class Challenger(Protocol):
    """Tells which claims it would challenge soonest."""

    def score(
        self, contexts: Contexts, questions: Symbols, answers: Symbols
    ) -> NDArray[np.floating]:
        """Score claims.

        Args:
            contexts: ``(B,)``. A challenger that learns uses their ``facts`` alone.
            questions: int64 ``(B, Q, Lq)``; a row of zeros is none, and its score is ignored.
            answers: int64 ``(B, Q)``, what is claimed to be their answers.

        Returns:
            ``(B, Q)``, finite: the larger, the sooner the claim is challenged.
        """
        ...


class RandomChallenger:
    """Finds all claims alike, so that one is picked at random: consultancy instead of debate."""

    def score(
        self, contexts: Contexts, questions: Symbols, answers: Symbols
    ) -> NDArray[np.floating]:
        """See :class:`Challenger`."""
        return np.zeros(answers.shape)


def pick_claims(
    rng: np.random.Generator,
    challenger: Challenger,
    contexts: Contexts,
    questions: Symbols,
    answers: Symbols,
    is_open: NDArray[np.bool_],
    exploration: float = 0.0,
) -> Symbols:
    """Pick the open claim with the largest score; one at random of those with equal scores.

    Args:
        rng: breaks ties, and explores.
        challenger: scores the claims.
        contexts: ``(B,)``.
        questions: int64 ``(B, Q, S, Lq)``, sub-questions.
        answers: int64 ``(B, Q, S)``, the claims about them.
        is_open: bool ``(B, Q, S)``, those to pick from.
        exploration: probability, in [0, 1], of a pick at random whatever the scores.

    Returns:
        int64 ``(B, Q)``, places among the ``S``; -1 where no claim is open.
    """
    shape = answers.shape
    chance = rng.random(shape)
    scores: NDArray[np.floating] = np.zeros(shape)
    to_choose = is_open & (np.count_nonzero(is_open, axis=-1) > 1)[..., None]
    if exploration:
        to_choose &= (rng.random(shape[:2]) >= exploration)[..., None]
    if to_choose.any():
        # Of the others nothing is shown: what was looked up need not be an answer symbol.
        asked = (questions * to_choose[..., None]).reshape(shape[0], -1, questions.shape[-1])
        claimed = (answers * to_choose).reshape(shape[0], -1)
        scores = challenger.score(contexts, asked, claimed).reshape(shape)
        scores = np.where(to_choose, scores, 0.0)
    best = scores.max(axis=-1, keepdims=True, where=is_open, initial=-np.inf)
    picked = np.where(is_open & (scores == best), chance, -1.0).argmax(axis=-1)
    return np.where(is_open.any(axis=-1), picked, -1)
