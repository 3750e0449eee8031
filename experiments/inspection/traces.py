"""The trace of one held-out question or episode that ``ia-gym trace`` prints."""

from __future__ import annotations

import os
from pathlib import Path

from rich.console import Console

from ia_gym.experiments.inspection.evaluation import load_for_evaluation
from ia_gym.experiments.inspection.trace_page import render_page
from ia_gym.experiments.terminal import TerminalConsole
from ia_gym.files import write_text


def print_trace(
    model: str | os.PathLike[str],
    env_id: str,
    number: int | None = None,
    levels: int | None = None,
    unfold: bool = False,
    html: str | os.PathLike[str] | None = None,
    console: Console | None = None,
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

    Raises:
        FileNotFoundError: if there is no such model.
        ValueError: if it is none, or one for another environment; for an argument out of range, or
            one that has no effect on this environment.
    """
    agent, assistant, evaluator = load_for_evaluation(model, env_id)
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
