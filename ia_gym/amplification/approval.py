"""Approval: how good the amplified overseer finds an answer. It is the environments' reward.

It is M2("how good is answer a to question q?") of the post on RL-based Iterated Amplification,
where M2 is the overseer with the help of its assistant. The assistant has answered the overseer's
sub-questions before the answer is known; the domain says how far the answer is off, given these
sub-answers. Which questions can earn approval at all is the trust gate's (``trust.py``).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ia_gym.domains.domain import Contexts, Domain
from ia_gym.domains.transcript import Symbols, Transcript

ApprovalMode = Literal["strict", "graded"]
"""Approval of 0 or 1; or 2^-error, which credits near misses where a domain knows any."""


def compute_approval(
    domain: Domain,
    mode: ApprovalMode,
    contexts: Contexts,
    questions: Symbols,
    transcript: Transcript,
    answers: Symbols,
) -> NDArray[np.float64]:
    """Approval of answers, by the sub-answers in a transcript.

    Args:
        domain: the domain of the questions.
        mode: "strict" or "graded".
        contexts: ``(B,)``.
        questions: ``(B, Q, Lq)``.
        transcript: ``(B, Q)``, with every sub-question answered.
        answers: ``(B, Q)``, those to judge.

    Returns:
        float64 ``(B, Q)`` in [0, 1]; 0 for ``IDK``.

    Raises:
        ValueError: if the domain's :meth:`~ia_gym.domains.Domain.error` returns anything but
            numbers of at least 0 of this shape.
    """
    error = domain.error(contexts, questions, transcript, answers)
    if np.shape(error) != answers.shape or not np.all(error >= 0):
        raise ValueError(
            f"error() of {domain.name} must return numbers of at least 0, of shape "
            f"{answers.shape}, got {error!r}"
        )
    return np.where(error == 0, 1.0, 0.0) if mode == "strict" else np.exp2(-error)
