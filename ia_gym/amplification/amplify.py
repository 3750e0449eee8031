"""Amplify^H(X): H answers a question with an assistant X (Christiano et al., 2018).

H asks in rounds. Primitive sub-questions are looked up in the context; the others are X's to
answer, either at once (:func:`amplify`) or later, one at a time (an environment calls
:func:`open_round` itself and fills in the pending answers as they come).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ia_gym.amplification.assistants import Assistant
from ia_gym.amplification.overseers import Overseer
from ia_gym.domains.batch_arrays import rank_in_groups
from ia_gym.domains.checks import ANY, check_array
from ia_gym.domains.domain import Contexts, Domain
from ia_gym.domains.transcript import IDK, PENDING, Symbols, Transcript


def open_round(
    overseer: Overseer,
    rng: np.random.Generator,
    round: int,
    contexts: Contexts,
    questions: Symbols,
    transcript: Transcript,
    trusted: NDArray[np.bool_] | None = None,
) -> NDArray[np.bool_]:
    """Let H put the sub-questions of one round, and look up those it can.

    Args:
        overseer: H.
        rng: for H's own choices, and for the lookups that choose at random.
        round: 0 is the first; all rounds before it are answered.
        contexts: ``(B,)``.
        questions: ``(B, Q, Lq)``, none of them primitive.
        transcript: ``(B, Q)``; the round's slots are written.
        trusted: ``(n_classes,)``: H leaves aside what is not of a trusted class. None trusts all.

    Returns:
        ``(B, Q, width)``: which sub-questions await X's answer; ``PENDING`` stands there.
    """
    domain = overseer.domain
    slots = domain.round_slots[round]
    asked = overseer.ask(rng, round, contexts, questions, transcript)
    width = slots.stop - slots.start
    shape = (*questions.shape[:2], width, domain.question_length)
    check_array(domain, "ask", asked, shape, domain.n_symbols - 1)
    flat = asked.reshape(len(asked), -1, domain.question_length)
    primitive = domain.is_primitive(flat)
    check_array(domain, "is_primitive", primitive, flat.shape[:2], 1, kinds="b")
    pending = (flat[..., 0] != 0) & ~primitive
    if trusted is not None:
        untrusted = pending & ~trusted[domain.classes(contexts, flat)]
        flat[untrusted] = 0
        pending &= ~untrusted
    answers = np.where(pending, PENDING, IDK)
    if primitive.any():
        found = domain.look_up(rng, contexts, flat)
        check_array(domain, "look_up", found, primitive.shape, ANY)
        sought = found[primitive]
        check_array(domain, "look_up", sought, sought.shape, domain.n_symbols - 1)
        answers = np.where(primitive & (flat[..., 0] != 0), found, answers)
    transcript.questions[..., slots, :] = flat.reshape(asked.shape)
    transcript.answers[..., slots] = answers.reshape(asked.shape[:3])
    awaited: NDArray[np.bool_] = pending.reshape(asked.shape[:3])
    return awaited


def amplify(
    overseer: Overseer,
    assistant: Assistant,
    rng: np.random.Generator,
    contexts: Contexts,
    questions: Symbols,
    *,
    judging: bool = True,
    trusted: NDArray[np.bool_] | None = None,
) -> Transcript:
    """Let H ask all it wants to, with ``assistant`` answering, one call a round.

    Args:
        overseer: H; its counters go up.
        assistant: X.
        rng: for H's own choices, and for the lookups that choose at random.
        contexts: ``(B,)``.
        questions: ``(B, Q, Lq)``, none of them primitive. A row of zeros is left alone.
        judging: also ask what only ``overseer.judge`` needs; ``overseer.answer`` does not.
        trusted: see :func:`open_round`.

    Returns:
        The transcript, ``(B, Q)``, with every slot answered.

    Raises:
        ValueError: if the assistant returns answers of a wrong shape, or no answers at all.
    """
    domain = overseer.domain
    n_rounds = len(domain.round_slots) if judging else len(domain.subquestions_per_round)
    slots = domain.round_slots[n_rounds - 1].stop
    transcript = Transcript.empty(questions.shape[:2], slots, domain.question_length)
    for round in range(n_rounds):
        pending = open_round(overseer, rng, round, contexts, questions, transcript, trusted)
        if pending.any():
            asked = transcript.questions[..., domain.round_slots[round], :]
            answers = ask_assistant(assistant, domain, contexts, asked, pending)
            transcript.answers[..., domain.round_slots[round]][pending] = answers
            overseer.assistant_answers += len(answers)
    return transcript


def ask_assistant(
    assistant: Assistant,
    domain: Domain,
    contexts: Contexts,
    asked: Symbols,
    pending: NDArray[np.bool_],
) -> Symbols:
    """Put the pending ones of the questions ``asked (B, Q, width, Lq)`` to the assistant.

    If most slots are empty or looked up, the others are moved together first, so that nobody works
    on nothing; else all are put, and what was looked up stays.

    Returns:
        Their answers, ``(n,)``, in order.

    Raises:
        ValueError: if the assistant misbehaves, see :func:`check_answers`.
    """
    rows = np.nonzero(pending)[0]
    if 2 * len(rows) > pending.size:
        put = asked.reshape(len(asked), -1, asked.shape[-1])
        places: Any = pending.reshape(len(asked), -1)
    else:
        counts = np.bincount(rows, minlength=len(asked))
        places = rows, rank_in_groups(rows, counts)
        put = np.zeros((len(asked), counts.max(), asked.shape[-1]), np.int64)
        put[places] = asked[pending]
    answers = assistant.answer(contexts, put)
    check_answers(answers, put.shape[:2], domain.n_answers)
    given: Symbols = np.asarray(answers)[places]
    return given


def check_answers(answers: Symbols, shape: tuple[int, ...], n_answers: int) -> None:
    """Refuse answers that are not ``shape`` whole numbers in ``0..n_answers-1``.

    Raises:
        ValueError: naming what the assistant returned and what is allowed.
    """
    answers = np.asarray(answers)
    if answers.shape != tuple(shape) or answers.dtype.kind not in "iu":
        raise ValueError(
            f"the assistant must return an integer array of shape {tuple(shape)}, "
            f"got {answers.dtype} of shape {answers.shape}"
        )
    if answers.size and (answers.min() < 0 or answers.max() >= n_answers):
        raise ValueError(
            f"the assistant must return symbols in 0..{n_answers - 1}, "
            f"got {answers.min()}..{answers.max()}"
        )
