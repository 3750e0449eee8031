"""Signs of a collapse that an overseer can see by itself, without the truth.

In a collapse an overseer approves of wrong answers, since they agree with one another
(``docs/collapse.md``). If it checks the sub-answers, by decomposing their questions in turn, it
finds other answers to some of those that it can look up: approval rested on nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ia_gym.amplification.amplified_assistants import AmplifiedAssistant
from ia_gym.amplification.amplify import amplify
from ia_gym.amplification.assistants import Assistant
from ia_gym.amplification.overseers import Overseer
from ia_gym.domains.domain import Contexts
from ia_gym.domains.transcript import Symbols


@dataclass(frozen=True)
class Signs:
    """What an overseer sees of an agent, as shares in [0, 1].

    Attributes:
        approval: of the agent's answers, with the agent as the assistant.
        confirmed: of the sub-answers, those that the overseer finds itself when it decomposes their
            questions in turn; 1 if there are none.
        unfounded: approval of those answers that rest on a sub-answer that is not confirmed, over
            all answers: large in a collapse.
        repeated: how often two amplifications with sampled sub-answers give the same answer.
    """

    approval: float
    confirmed: float
    unfounded: float
    repeated: float


def look_for_signs(
    overseer: Overseer,
    best: Assistant,
    sampling: Assistant,
    rng: np.random.Generator,
    contexts: Contexts,
    questions: Symbols,
) -> Signs:
    """See how well an agent's answers hold when they are checked.

    Args:
        overseer: decomposes and judges; its counters go up. Every question is decomposed three
            times, and every sub-question once.
        best: gives the agent's likeliest answers.
        sampling: samples them.
        rng: for the overseer's choices.
        contexts: ``(B,)``.
        questions: ``(B, Q, Lq)``, root questions.
    """
    domain = overseer.domain
    transcript = amplify(overseer, best, rng, contexts, questions)
    answers = best.answer(contexts, questions)
    approvals = overseer.judge(contexts, questions, transcript, answers)
    asked = transcript.questions.reshape(len(contexts), -1, domain.question_length)
    said = transcript.answers.reshape(len(contexts), -1)
    checked = (asked[..., 0] != 0) & ~domain.is_primitive(asked)
    refuted = np.zeros(checked.shape, bool)
    if checked.any():
        auditor = AmplifiedAssistant(overseer, best, rng)
        refuted = checked & (auditor.answer(contexts, asked * checked[..., None]) != said)
    unfounded = approvals * refuted.reshape(transcript.answers.shape).any(axis=-1)
    repeats = AmplifiedAssistant(overseer, sampling, rng)
    once, again = (repeats.answer(contexts, questions) for _ in range(2))
    return Signs(
        approval=float(approvals.mean()),
        confirmed=1 - float(refuted.sum() / max(checked.sum(), 1)),
        unfounded=float(unfounded.mean()),
        repeated=float((once == again).mean()),
    )
