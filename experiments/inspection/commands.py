"""What ``ia-gym envs``, ``eval`` and ``trace`` print."""

from __future__ import annotations

import os
from pathlib import Path

import gymnasium as gym
import pandas as pd
import torch
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from ia_gym.agents.evaluation.evaluator import Evaluator
from ia_gym.agents.evaluation.make_evaluator import evaluator_class, make_evaluator
from ia_gym.experiments.inputs import check_env_id
from ia_gym.experiments.inspection.trace_page import page
from ia_gym.experiments.reports.comparison_tables import cell, print_table
from ia_gym.experiments.saved_agents import check_fit, load_agent, load_assistant, settings_of


def print_environments(console: Console | None = None) -> None:
    """A table for each kind of environment, with one row a registered id."""
    console = console or Console()
    kinds: dict[type[Evaluator], list[str]] = {}
    for env_id in gym.registry:
        if env_id.startswith("IA-"):
            kinds.setdefault(evaluator_class(env_id), []).append(env_id)
    for kind, env_ids in kinds.items():
        rows = [kind.describe(env_id) for env_id in env_ids]
        headings = max(rows, key=len)
        table = Table(
            title=kind.labels.title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0)
        )
        table.add_column("id", no_wrap=True)
        for heading in headings:
            table.add_column(heading, justify="right")
        for env_id, row in zip(env_ids, rows, strict=True):
            table.add_row(env_id, *(row.get(heading, "") for heading in headings))
        console.print(table)


def print_evaluation(
    model: str | os.PathLike[str],
    env_id: str,
    n_questions: int | None = None,
    seed: int = 0,
    console: Console | None = None,
) -> dict[str, float]:
    """Evaluate a trained agent, see :meth:`Evaluator.evaluate`, and print the table.

    Args:
        model: see :func:`~ia_gym.experiments.saved_agents.load_agent`.
        env_id: the environment.
        n_questions: held-out questions; default the evaluator's.
        seed: another seed, other questions or episodes.
        console: where to print.

    Raises:
        FileNotFoundError: if there is no such model.
        ValueError: if it is none, or one for another environment.
    """
    torch.set_num_threads(1)
    env_id = check_env_id(env_id)
    agent = load_agent(model)
    check_fit(agent, env_id)
    trained = (settings_of(model) or {}).get("env_kwargs", {})
    overseer_kwargs = evaluator_class(env_id).overseer_kwargs(trained)
    evaluator = make_evaluator(env_id, n_questions, seed, **overseer_kwargs)
    labels = evaluator.labels
    result = evaluator.evaluate(agent, load_assistant(model, agent, evaluator))
    scores = {
        tag.removeprefix("eval/"): value
        for tag, value in result.items()
        if tag.startswith(labels.score)
    }
    references = [{"agent": name, **each} for name, each in evaluator.references().items()]
    table = pd.DataFrame([{"agent": "agent", **scores}, *references])
    console = console or Console()
    print_table(table, env_id, evaluator.n_problems, console)
    measured = (
        f"{column.heading} {cell(result[column.tag], column)}"
        for column in (*labels.columns, labels.overapproval)
        if column.tag in result
    )
    console.print("; ".join(measured), highlight=False)
    if result.get("overseer/collapsed"):
        console.print("COLLAPSED: approved of, but wrong", style="bold red")
    return result


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
        levels: how many levels of sub-questions to show.
        unfold: show sub-questions without an error too.
        html: file for a page with all sub-questions; for questions only.
        console: where to print.

    Raises:
        FileNotFoundError: if there is no such model.
        ValueError: if it is none or one for another environment, or for an argument out of range
            or without effect.
    """
    torch.set_num_threads(1)
    env_id = check_env_id(env_id)
    agent = load_agent(model)
    check_fit(agent, env_id)
    trained = (settings_of(model) or {}).get("env_kwargs", {})
    overseer_kwargs = evaluator_class(env_id).overseer_kwargs(trained)
    evaluator = make_evaluator(env_id, **overseer_kwargs)
    assistant = load_assistant(model, agent, evaluator)
    example = evaluator.showing(agent, assistant, number, levels, unfold)
    if html is not None and example.trace is None:
        raise ValueError(f"html is for environments that ask questions, got {html} for {env_id}")
    console = console or Console()
    console.print(example.title)
    if example.context:
        console.print(example.context, highlight=False, markup=False)
    console.print(example.body)
    if example.summary:
        console.print(example.summary)
    if html is not None and example.trace is not None:
        text = page(example.trace, f"{example.trace.question}: {example.title}", example.context)
        Path(html).write_text(text, encoding="utf-8")
        console.print(f"page: {html}", soft_wrap=True, markup=False)
