"""The trace of one held-out question or episode that ``ia-gym trace`` prints."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import gymnasium as gym
from rich.console import Console

from ia_gym.agents.evaluation.question_evaluator import QuestionEvaluator
from ia_gym.amplification.overseers import Overseer
from ia_gym.envs.questions.config import SCRIPTS
from ia_gym.experiments.inspection.evaluation import load_for_evaluation
from ia_gym.experiments.inspection.trace_page import render_page
from ia_gym.experiments.terminal import TerminalConsole
from ia_gym.files import write_text
from ia_gym.networks.learned_overseer import LearnedOverseer


def print_trace(
    model: str | os.PathLike[str],
    env_id: str,
    number: int | None = None,
    levels: int | None = None,
    unfold: bool = False,
    html: str | os.PathLike[str] | None = None,
    console: Console | None = None,
    overseers: Sequence[str] | None = None,
) -> None:
    """Trace one held-out question or episode, print it, and if wanted write the page.

    Args:
        model: see :func:`~ia_gym.experiments.saved_agents.load_agent`.
        env_id: the environment.
        number: of the question or episode; default the first that is answered wrongly, or 0.
        levels: how many levels of sub-questions to show; for questions only.
        unfold: show sub-questions without an error too; for questions only.
        html: file for a page with all sub-questions; for questions only.
        console: where to print.
        overseers: show the question as each of these decomposes it, side by side: "scripted",
            "novice", or the file of a human predictor; for questions only.

    Raises:
        FileNotFoundError: if there is no such model.
        ValueError: if it is none, or one for another environment; for an argument out of range, or
            one that has no effect on this environment.
    """
    agent, assistant, evaluator = load_for_evaluation(model, env_id)
    if overseers is not None:
        for name, given in (("html", html), ("unfold", unfold or None)):
            if given is not None:
                raise ValueError(f"{name} has no effect with overseers: leave it out, got {given}")
        if not isinstance(evaluator, QuestionEvaluator):
            raise ValueError(
                f"overseers is for environments that ask questions, got {overseers} for {env_id}"
            )
        chosen = {
            name if name in SCRIPTS else f"{Path(name).parent.name}/{Path(name).name}": (
                load_overseer(name, evaluator.env_id)
            )
            for name in overseers
        }
        example = evaluator.compare_decompositions(agent, chosen, number, levels)
    else:
        example = evaluator.showing(agent, assistant, number, levels, unfold)
    if html is not None and example.trace is None:
        raise ValueError(f"html is for environments that ask questions, got {html} for {env_id}")
    console = console or TerminalConsole()
    for text in (example.title, example.context):
        if text:
            console.print(text, highlight=False, markup=False)
    console.print(example.body)
    if example.summary:
        console.print(example.summary, markup=False)
    if html is not None and example.trace is not None:
        title = f"{example.trace.question}: {example.title}"
        write_text(Path(html), render_page(example.trace, title, example.context))
        console.print(f"page: {html}", soft_wrap=True, markup=False, highlight=False)


def load_overseer(name: str, env_id: str) -> Overseer:
    """An overseer of an environment's questions by its name, see :func:`print_trace`.

    Raises:
        ValueError: for a novice where there is none, or a file that holds no human predictor for
            this domain.
        FileNotFoundError: if there is no such file.
    """
    try:
        found: Overseer = gym.make(env_id, overseer=name).unwrapped.overseer  # type: ignore[attr-defined]
    except ValueError:
        if name in SCRIPTS:
            raise
        # It may have learned from the novice, who asks in other rounds.
        found = LearnedOverseer.load(name, load_overseer("novice", env_id).domain)
    return found
