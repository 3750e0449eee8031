"""Rendering of one environment, as text or as a picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ia_gym.domains import Contexts, Domain
from ia_gym.domains.transcript import PENDING, Symbols, Transcript


@dataclass
class Scene:
    """What is rendered of one environment.

    Attributes:
        domain: the domain.
        context: one context, shape ``()``.
        root: the root question, ``(Lq,)``.
        question: the question shown to the agent, ``(Lq,)``.
        is_root: whether it is the root question.
        transcript: the sub-questions so far, batch shape ``()``; None without an overseer.
        can_earn: whether the root question can earn approval.
        answer: the agent's answer; None before it.
        reward: what it earned; None before the answer.
        approval: the overseer's approval of it; None before the answer and without an overseer.
        truth: the true answer.
        asking: who asks the sub-questions, in words.
    """

    domain: Domain
    context: Contexts
    root: Symbols
    question: Symbols
    is_root: bool
    transcript: Transcript | None
    can_earn: bool
    answer: int | None
    reward: float | None
    approval: float | None
    truth: int
    asking: str = "overseer"


def format_transcript(scene: Scene) -> list[str]:
    """Format the sub-questions, one line each."""
    domain, transcript = scene.domain, scene.transcript
    if transcript is None:
        return ["  no overseer: a true answer earns 1"]
    if scene.is_root and not scene.can_earn:
        return ["  overseer asks nothing: it depends on classes of questions not trusted yet"]
    lines = []
    for question, answer in zip(transcript.questions, transcript.answers, strict=True):
        if question[0] == 0:
            continue
        source = "looked up" if domain.is_primitive(question) else "answered"
        text = "?" if answer == PENDING else f"{domain.answer_text(int(answer))}  ({source})"
        lines.append(f"  {scene.asking} asks {domain.question_text(question)} = {text}")
    return lines


def format_answer(scene: Scene) -> str:
    """Format the agent's answer, and what it earned."""
    if scene.answer is None:
        return "no answer yet"
    domain = scene.domain
    line = f"answer {domain.answer_text(scene.answer)} (truth {domain.answer_text(scene.truth)})"
    if not scene.is_root:
        return f"{line}, recorded as a sub-answer"
    if scene.approval is not None:
        line += f", approval {scene.approval:.2f}"
    return f"{line}, reward {scene.reward:.2f}"


def format_scene(scene: Scene) -> str:
    """Format the scene as a few lines of text."""
    domain = scene.domain
    lines = [
        f"context   {domain.context_text(scene.context)}",
        f"question  {domain.question_text(scene.root)}",
        *format_transcript(scene),
    ]
    if not scene.is_root:
        lines.append(f"agent is asked {domain.question_text(scene.question)}")
    return "\n".join([*lines, format_answer(scene)])


def draw_scene(scene: Scene) -> NDArray[np.uint8]:
    """Draw the scene: uint8 ``(height, width, 3)``."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 6), dpi=100)
    canvas = FigureCanvasAgg(figure)
    picture = figure.add_axes((0.03, 0.38, 0.94, 0.54))
    scene.domain.draw(scene.context, picture)
    asked = scene.domain.question_text(scene.question)
    figure.suptitle(f"{asked} = ?" if scene.answer is None else asked)
    lines = [*format_transcript(scene), "", format_answer(scene)]
    if not scene.is_root:
        lines.insert(0, f"sub-question of {scene.domain.question_text(scene.root)}")
    figure.text(0.05, 0.34, "\n".join(lines), va="top", family="monospace")
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels = canvas.buffer_rgba()  # type: ignore[no-untyped-call]
    return np.asarray(pixels)[..., :3].copy()
