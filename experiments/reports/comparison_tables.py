"""The table a comparison ends with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from ia_gym.agents.evaluation.evaluator import Column, Labels, short_count
from ia_gym.agents.evaluation.make_evaluator import evaluator_class

COSTS = {
    "overseer/human_interactions": "overseer queries",
    "overseer/assistant_answers": "assistant answers",
    "time/cpu_minutes": "minutes",
}
"""Tags of an evaluation, and what the table calls them; minutes are those of a core at work."""


def summary_table(
    results: Sequence[Mapping[str, Any]], references: Mapping[str, Mapping[str, float]]
) -> pd.DataFrame:
    """One row a run, then one a reference.

    Args:
        results: what the runs left in ``result.json``.
        references: by name, scores as ``Evaluator.references`` gives them.
    """
    rows = []
    for result in results:
        final = result["final"]
        scores = {
            tag.removeprefix("eval/"): value for tag, value in final.items() if "eval/" in tag
        }
        judged = {
            column.tag.removeprefix("overseer/"): final.get(column.tag, np.nan)
            for column in evaluator_class(result["env_id"]).labels.columns
            if column.tag.startswith("overseer/")
        }
        costs = {name: final.get(tag, np.nan) for tag, name in COSTS.items()}
        rows.append({"agent": result["agent"], "seed": result["seed"], **scores, **judged, **costs})
    rows += [{"agent": name, **scores} for name, scores in references.items()]
    return pd.DataFrame(rows)


def run_name(row: Mapping[Any, Any]) -> str:
    """Agent and seed of a row; only the name for a reference line."""
    return row["agent"] if pd.isna(row.get("seed")) else f"{row['agent']} {row['seed']:.0f}"


def split_tag(tag: str) -> tuple[str, str]:
    """Kind and depth that an accuracy is about, each "" for all: "accuracy_D_depth_3" is D, 3."""
    kind, _, depth = tag.removeprefix("accuracy").partition("depth_")
    return kind.strip("_"), depth


def print_scores(
    table: pd.DataFrame, title: str, names: Sequence[str], headings: Sequence[str], console: Console
) -> None:
    """Print some columns of the table as percentages."""
    printed = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    printed.add_column("agent, seed", no_wrap=True)
    for heading in headings:
        printed.add_column(heading, justify="right")
    for row in table.to_dict("records"):
        printed.add_row(run_name(row), *(f"{100 * row[name]:.1f}" for name in names))
    console.print(printed)


def print_table(table: pd.DataFrame, env_id: str, n_problems: int, console: Console) -> None:
    """Print the scores, then what the overseer made of them; all fits a terminal of 80 columns."""
    labels = evaluator_class(env_id).labels
    scores = {name: split_tag(name) for name in table.columns if name.startswith(labels.score_name)}
    console.print(f"{env_id}: {labels.score_label}, % of {n_problems} held-out {labels.unit}")
    if labels.has_depths:
        kinds = dict.fromkeys(kind for kind, _ in scores.values() if kind)
        if kinds:
            whole = [name for name, (_, depth) in scores.items() if not depth]
            headings = [scores[name][0] or "all" for name in whole]
            print_scores(table, "all kinds", whole, headings, console)
        for kind in kinds or [""]:
            of_kind = [name for name in scores if scores[name][0] == kind]
            headings = [scores[name][1] or "all" for name in of_kind]
            print_scores(table, f"{kind} by depth".strip(), of_kind, headings, console)
    else:
        print_scores(table, "", [labels.score_name], [labels.score_label], console)
    runs = table.dropna(subset="seed") if "seed" in table else table[:0]
    if len(runs):
        print_overseer(runs, labels, console)


def print_overseer(runs: pd.DataFrame, labels: Labels, console: Console) -> None:
    """Print what the evaluation measured beside the score, and what the runs cost."""
    printed = Table(
        title="the overseer, with the agent's assistant, and the cost",
        title_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    printed.add_column("agent, seed", no_wrap=True)
    for heading in (*(column.heading for column in labels.columns), *COSTS.values()):
        printed.add_column(heading, justify="right")
    for row in runs.to_dict("records"):
        values = (cell(row.get(column.tag.split("/")[1]), column) for column in labels.columns)
        counts = (short_count(row[name]) for name in (*COSTS.values(),)[:2])
        printed.add_row(run_name(row), *values, *counts, f"{row['minutes']:.1f}")
    console.print(printed)


def cell(value: float | None, column: Column) -> str:
    """A measurement as a table shows it; a dash where there is none."""
    if value is None or np.isnan(value):
        return "–"
    return f"{100 * value:.1f}" if column.form == "percent" else f"{value:.2f}"


def print_agents(summaries: Sequence[Mapping[str, Any]], console: Console) -> None:
    """What the seeds of each agent come to, see :func:`ia_gym.experiments.reports.finished_runs.summary`."""
    table = Table(
        title="agents over their seeds, %, and medians of what 95 % took",
        title_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("agent, seeds", no_wrap=True)
    for heading in ("median", "IQM [95 % interval]", "questions", "asked of H", "minutes"):
        table.add_column(heading, justify="right")
    for one in summaries:
        mean, low, high = (f"{100 * one[key]:.1f}" for key in ("interquartile_mean", "low", "high"))
        costs = [one[f"{name}_to_95"] for name in ("questions", "human_interactions", "minutes")]
        table.add_row(
            f"{one['agent']} {one['seeds']}",
            f"{100 * one['median']:.1f}",
            f"{mean} [{low}, {high}]",
            *("–" if np.isnan(cost) else short_count(cost) for cost in costs[:2]),
            "–" if np.isnan(costs[2]) else f"{costs[2]:.1f}",
        )
    console.print(table)
