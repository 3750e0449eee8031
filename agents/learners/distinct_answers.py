"""Different answers to a question, drawn from the agent's policy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ia_gym.domains import Domain
from ia_gym.domains.transcript import IDK, Symbols


def find_allowed_answers(domain: Domain, questions: Symbols) -> NDArray[np.bool_]:
    """Which answers are of the type asked for, "I don't know" left out.

    Args:
        domain: the domain of the questions.
        questions: ``(B, Q, Lq)``.

    Returns:
        bool ``(B, Q, n_answers)``.
    """
    allowed = domain.answer_mask(questions).copy()
    allowed[..., IDK] = False
    return allowed


def draw_distinct_answers(
    rng: np.random.Generator,
    allowed: NDArray[np.bool_],
    probabilities: NDArray[np.floating],
    n_answers: int | None,
    exploration: float,
) -> Symbols:
    """Draw answers without replacement, the likelier the sooner.

    Args:
        rng: the only source of randomness.
        allowed: bool ``(B, Q, A)``, the answers to draw from.
        probabilities: ``(B, Q, A)``, those of the policy.
        n_answers: how many to draw, at most ``A - 1``; None for all.
        exploration: weight, in [0, 1], of the uniform distribution in the mixture with the policy's
            that is drawn from.

    Returns:
        int64 ``(B, Q, n)``; ``IDK`` where fewer are allowed.
    """
    own = probabilities * allowed
    own = own / np.maximum(own.sum(axis=-1, keepdims=True), 1e-30)
    uniform = allowed / allowed.sum(axis=-1, keepdims=True)
    mixed = (1 - exploration) * own + exploration * uniform
    # The largest log-probabilities with Gumbel noise are such a draw (Kool et al., 2019).
    noisy = np.log(np.maximum(mixed, 1e-30)) + rng.gumbel(size=mixed.shape)
    keys = np.where(allowed, noisy, -np.inf)
    drawn = np.argsort(-keys, axis=-1, kind="stable")[..., : allowed.shape[-1] - 1][..., :n_answers]
    return np.where(np.take_along_axis(allowed, drawn, -1), drawn, IDK)
