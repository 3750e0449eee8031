"""The evaluation of a saved agent that ``ia-gym eval`` prints."""

from __future__ import annotations

import os
from typing import Any

import pandas as pd
import torch
from rich.console import Console

from ia_gym.agents.evaluation.evaluator import Evaluator
from ia_gym.agents.evaluation.make_evaluator import find_evaluator_class, make_evaluator
from ia_gym.experiments.inputs import check_env_id
from ia_gym.experiments.reports.formatting import format_measurement
from ia_gym.experiments.reports.terminal_tables import print_table
from ia_gym.experiments.saved_agents import check_fit, load_agent, load_assistant, read_run_settings
from ia_gym.experiments.terminal import TerminalConsole


def load_for_evaluation(
    model: str | os.PathLike[str], env_id: str, n_eval_questions: int | None = None, seed: int = 0
) -> tuple[Any, Any, Evaluator]:
    """Load a trained agent and what it takes to evaluate it on ``env_id``, on one thread.

    Args:
        model: see :func:`~ia_gym.experiments.saved_agents.load_agent`.
        env_id: the environment.
        n_eval_questions: held-out questions; default the evaluator's.
        seed: another seed, other questions or episodes.

    Returns:
        The agent; its assistant, if it was trained with one; the evaluator.

    Raises:
        FileNotFoundError: if there is no such model.
        ValueError: if it is none, or one for another environment.
    """
    torch.set_num_threads(1)
    env_id = check_env_id(env_id)
    agent = load_agent(model)
    trained = (read_run_settings(model) or {}).get("env_kwargs", {})
    overseer_kwargs = find_evaluator_class(env_id).overseer_kwargs(trained)
    check_fit(agent, env_id, **overseer_kwargs)
    evaluator = make_evaluator(env_id, n_eval_questions, seed, **overseer_kwargs)
    return agent, load_assistant(model, agent, evaluator), evaluator


def print_evaluation(
    model: str | os.PathLike[str],
    env_id: str,
    n_eval_questions: int | None = None,
    seed: int = 0,
    console: Console | None = None,
) -> dict[str, float]:
    """Evaluate a trained agent, see :meth:`Evaluator.evaluate`, and print the table.

    Args:
        model: as for :func:`load_for_evaluation`, like the next three.
        env_id: the environment.
        n_eval_questions: held-out questions.
        seed: another seed, other questions or episodes.
        console: where to print.

    Returns:
        What the evaluator measured.

    Raises:
        FileNotFoundError: see :func:`load_for_evaluation`.
        ValueError: see there.
    """
    agent, assistant, evaluator = load_for_evaluation(model, env_id, n_eval_questions, seed)
    labels = evaluator.labels
    result = evaluator.evaluate(agent, assistant)
    scores = {
        tag.removeprefix("eval/"): value
        for tag, value in result.items()
        if tag.startswith(labels.score)
    }
    references = [{"agent": name, **each} for name, each in evaluator.references().items()]
    table = pd.DataFrame([{"agent": "agent", **scores}, *references])
    console = console or TerminalConsole()
    print_table(table, evaluator.env_id, evaluator.n_problems, console)
    measured = (
        f"{column.heading} {format_measurement(result[column.tag], column.form)}"
        for column in (*labels.columns, labels.overapproval)
        if column.tag in result
    )
    console.print("; ".join(measured), highlight=False)
    if result.get("overseer/collapsed"):
        console.print("COLLAPSED: wrong answers are approved of", style="bold red")
    return result
