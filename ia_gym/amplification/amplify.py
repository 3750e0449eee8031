"""Amplify^H(X): an overseer H answers questions with an assistant X (Christiano et al., 2018).

The overseer asks sub-questions in rounds. It looks up the primitive ones in the context; the
assistant answers the others.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ia_gym.amplification.assistants import Assistant
from ia_gym.amplification.overseers import Overseer
from ia_gym.amplification.work import count_work
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
    """Write the sub-questions of one round into a transcript, with answers to the primitive ones.

    Args:
        overseer: the overseer; its counters go up.
        rng: for the overseer's choices, and for lookups that draw at random.
        round: 0 is the first; all rounds before it are answered.
        contexts: ``(B,)``.
        questions: ``(B, Q, Lq)``, none of them primitive.
        transcript: ``(B, Q)``; the round's slots are written.
        trusted: bool ``(n_classes,)``: sub-questions of other classes are not asked. None trusts
            all.

    Returns:
        bool ``(B, Q, n)``: the sub-questions that await the assistant's answer, which is
        ``PENDING`` in the transcript.

    Raises:
        ValueError: if a method of the domain or overseer returns what it should not.
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
        seen = primitive & (flat[..., 0] != 0)
        answers = np.where(seen, found, answers)
        count_work(overseer, "lookups", int(np.count_nonzero(seen)))
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
    """Let the overseer ask all its sub-questions, with one call of the assistant in each round.

    Args:
        overseer: the overseer; its counters go up.
        assistant: answers the sub-questions that are not primitive.
        rng: for the overseer's choices, and for lookups that draw at random.
        contexts: ``(B,)``.
        questions: ``(B, Q, Lq)``, none of them primitive. Rows of zeros are ignored.
        judging: also ask the rounds that only ``overseer.judge`` needs, not ``overseer.answer``.
        trusted: see :func:`open_round`.

    Returns:
        The transcript, ``(B, Q)``, with every slot answered.

    Raises:
        ValueError: if the assistant's answers have a wrong shape, type or range.
    """
    domain = overseer.domain
    n_rounds = len(domain.round_slots) if judging else len(domain.subquestions_per_round)
    slots = domain.round_slots[n_rounds - 1].stop
    transcript = Transcript.empty(questions.shape[:2], slots, domain.question_length)
    case = contexts, questions, transcript
    answered = open_rounds(overseer, assistant, rng, range(n_rounds), *case, trusted)
    overseer.assistant_answers += int(np.count_nonzero(answered))
    return transcript


def open_rounds(
    overseer: Overseer,
    assistant: Assistant,
    rng: np.random.Generator,
    rounds: Iterable[int],
    contexts: Contexts,
    questions: Symbols,
    transcript: Transcript,
    trusted: NDArray[np.bool_] | None = None,
) -> NDArray[np.bool_]:
    """Open rounds one after another, each with the assistant's answers to those before it.

    Args:
        overseer: the overseer; ``human_interactions`` goes up.
        assistant: answers the sub-questions that are not primitive.
        rng: for the overseer's choices, and for lookups that draw at random.
        rounds: in order; all rounds before them are answered.
        contexts: ``(B,)``.
        questions: ``(B, Q, Lq)``, none of them primitive. Rows of zeros are ignored.
        transcript: ``(B, Q)``; the slots of the rounds are written.
        trusted: see :func:`open_round`.

    Returns:
        bool, of the shape of ``transcript.answers``: the sub-questions that the assistant answered.

    Raises:
        ValueError: if the assistant's answers have a wrong shape, type or range.
    """
    domain = overseer.domain
    answered = np.zeros(transcript.answers.shape, bool)
    for round in rounds:
        slots = domain.round_slots[round]
        pending = open_round(overseer, rng, round, contexts, questions, transcript, trusted)
        if pending.any():
            asked = transcript.questions[..., slots, :]
            given = ask_assistant(assistant, domain, contexts, asked, pending)
            transcript.answers[..., slots][pending] = given
            answered[..., slots] = pending
    return answered


def ask_assistant(
    assistant: Assistant,
    domain: Domain,
    contexts: Contexts,
    asked: Symbols,
    pending: NDArray[np.bool_],
) -> Symbols:
    """Ask the assistant those sub-questions that await an answer.

    If these are few, they are moved together first, so that the assistant does not compute answers
    that nobody needs.

    Args:
        assistant: the assistant.
        domain: the domain.
        contexts: ``(B,)``.
        asked: ``(B, Q, n, Lq)``, the sub-questions of a round.
        pending: bool ``(B, Q, n)``, those to ask.

    Returns:
        Answers to the pending ones, one row, in order.

    Raises:
        ValueError: if the assistant's answers have a wrong shape, type or range.
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
    """Refuse an assistant's answers unless they are whole numbers in ``0..n_answers - 1``.

    Args:
        answers: what the assistant returned.
        shape: the shape allowed.
        n_answers: of the domain.

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
