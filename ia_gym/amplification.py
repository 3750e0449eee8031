"""Amplify^H(X): H answers a question with an assistant X (Christiano et al., 2018).

H asks in rounds. Primitive sub-questions are looked up in the context; the others are X's to
answer, either at once (:func:`amplify`) or later, one at a time (an environment calls
:func:`open_round` itself and fills in the pending answers as they come).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ia_gym.assistants import Assistant
from ia_gym.overseers import ScriptedOverseer
from ia_gym.tasks.domain import Contexts
from ia_gym.transcript import IDK, PENDING, Symbols, Transcript


def open_round(
    overseer: ScriptedOverseer,
    rng: np.random.Generator,
    round: int,
    contexts: Contexts,
    questions: Symbols,
    transcript: Transcript,
) -> NDArray[np.bool_]:
    """Let H put the sub-questions of one round, and look up those it can.

    Args:
        overseer: H.
        rng: for the lookups that choose at random.
        round: 0 is the first; all rounds before it are answered.
        contexts: ``(B,)``.
        questions: ``(B, Q, Lq)``, none of them primitive.
        transcript: ``(B, Q)``; the round's slots are written.

    Returns:
        ``(B, Q, width)``: which sub-questions await X's answer; ``PENDING`` stands there.
    """
    domain = overseer.domain
    slots = domain.rounds[round]
    asked = overseer.ask(round, contexts, questions, transcript)
    batch = asked.shape[:3]
    flat = asked.reshape(batch[0], -1, domain.question_length)
    primitive = domain.is_primitive(flat)
    answers = np.where(primitive, domain.look_up(rng, contexts, flat), PENDING)
    answers[flat[..., 0] == 0] = IDK
    transcript.questions[..., slots, :] = asked
    transcript.answers[..., slots] = answers.reshape(batch)
    pending: NDArray[np.bool_] = transcript.answers[..., slots] == PENDING
    return pending


def amplify(
    overseer: ScriptedOverseer,
    assistant: Assistant,
    rng: np.random.Generator,
    contexts: Contexts,
    questions: Symbols,
) -> Transcript:
    """Let H ask all it wants to, with ``assistant`` answering, one call a round.

    Args:
        overseer: H; its counters go up.
        assistant: X.
        rng: for the lookups that choose at random.
        contexts: ``(B,)``.
        questions: ``(B, Q, Lq)``, none of them primitive. A row of zeros is left alone.

    Returns:
        The transcript, ``(B, Q)``, with every slot answered.

    Raises:
        ValueError: if the assistant returns answers of a wrong shape, or no answers at all.
    """
    domain = overseer.domain
    transcript = Transcript.empty(questions.shape[:2], domain.slots, domain.question_length)
    overseer.human_interactions += int(np.count_nonzero(questions[..., 0]))
    for round, slots in enumerate(domain.rounds):
        pending = open_round(overseer, rng, round, contexts, questions, transcript)
        if pending.any():
            width = pending.shape[2]
            asked = transcript.questions[..., slots, :] * pending[..., None]
            flat = asked.reshape(len(contexts), -1, domain.question_length)
            answers = assistant.answer(contexts, flat)
            check_answers(answers, flat.shape[:2], domain.n_answers)
            filled = transcript.answers[..., slots]
            filled[pending] = answers.reshape(*questions.shape[:2], width)[pending]
            overseer.assistant_answers += int(np.count_nonzero(pending))
    return transcript


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


@dataclass
class Batch:
    """Root questions with what the amplified overseer made of them; the trainers' food.

    Attributes:
        contexts: ``(B,)``.
        questions: ``(B, Q, Lq)``.
        transcript: ``(B, Q)``.
        targets: ``(B, Q)``, H's answers.
        depths: ``(B, Q)``.
    """

    contexts: Contexts
    questions: Symbols
    transcript: Transcript
    targets: Symbols
    depths: Symbols


def sample_batch(
    overseer: ScriptedOverseer,
    assistant: Assistant,
    rng: np.random.Generator,
    n_contexts: int,
    n_questions: int,
    size: int | None = None,
    depths: Sequence[int] | None = None,
) -> Batch:
    """Draw contexts and questions and answer them with Amplify^H(X).

    Args:
        overseer: H.
        assistant: X.
        rng: where all randomness but X's comes from.
        n_contexts: ``B``.
        n_questions: ``Q``, questions a context.
        size: names in a context; default the domain's.
        depths: depths to draw from; default all.
    """
    domain = overseer.domain
    contexts = domain.sample_contexts(rng, n_contexts, size)
    questions = domain.sample_questions(rng, contexts, n_questions, depths)
    transcript = amplify(overseer, assistant, rng, contexts, questions)
    targets = overseer.answer(contexts, questions, transcript)
    return Batch(contexts, questions, transcript, targets, domain.depth(contexts, questions))
