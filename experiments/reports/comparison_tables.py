"""The table a comparison ends with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

COLUMNS = {
    "overseer/approval": "approval",
    "overseer/target_accuracy": "target true",
    "overseer/human_interactions": "asked of H",
    "overseer/assistant_answers": "answered by X",
    "time/cpu_minutes": "minutes",
}
"""Tags of an evaluation, and what the table calls them; minutes are those of a core at work."""


def summary_table(
    results: Sequence[Mapping[str, Any]], reference_lines: Mapping[str, Mapping[str, float]]
) -> pd.DataFrame:
    """One row a run, then one a reference line.

    Args:
        results: what the runs left in ``result.json``.
        reference_lines: by name, scores as :meth:`QuestionEvaluator.score` gives them.
    """
    rows = []
    for result in results:
        final = result["final"]
        scores = {
            tag.removeprefix("eval/"): value for tag, value in final.items() if "eval/" in tag
        }
        rest = {name: final.get(tag, np.nan) for tag, name in COLUMNS.items()}
        rows.append({"agent": result["agent"], "seed": result["seed"], **scores, **rest})
    rows += [{"agent": name, **scores} for name, scores in reference_lines.items()]
    return pd.DataFrame(rows)


def short(number: float) -> str:
    """A count in at most five characters: 940, 12.3k, 2.0M."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.1f}{unit}"
    return f"{number:.0f}"


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


def print_table(table: pd.DataFrame, env_id: str, n_questions: int, console: Console) -> None:
    """Print truth, then what the overseer made of it; all fits a terminal 80 columns wide."""
    if "return" in table:
        print_returns(table, env_id, n_questions, console)
        return
    scores = {name: split_tag(name) for name in table.columns if name.startswith("accuracy")}
    kinds = dict.fromkeys(kind for kind, _ in scores.values() if kind)
    console.print(f"{env_id}: % of {n_questions} held-out questions answered truly")
    if kinds:
        whole = [name for name, (_, depth) in scores.items() if not depth]
        print_scores(
            table, "all kinds", whole, [scores[name][0] or "all" for name in whole], console
        )
    for kind in kinds or [""]:
        of_kind = [name for name in scores if scores[name][0] == kind]
        headings = [scores[name][1] or "all" for name in of_kind]
        print_scores(table, f"{kind} by depth".strip(), of_kind, headings, console)
    runs = table.dropna(subset="seed") if "seed" in table else table[:0]
    if not len(runs):
        return
    overseer = Table(
        title="the overseer, with the agent as its assistant, and the cost",
        title_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    overseer.add_column("agent, seed", no_wrap=True)
    for heading in COLUMNS.values():
        overseer.add_column(heading, justify="right")
    for row in runs.to_dict("records"):
        overseer.add_row(
            run_name(row),
            f"{100 * row['approval']:.1f}",
            f"{100 * row['target true']:.1f}",
            short(row["asked of H"]),
            short(row["answered by X"]),
            f"{row['minutes']:.1f}",
        )
    console.print(overseer)


def print_returns(table: pd.DataFrame, env_id: str, n_episodes: int, console: Console) -> None:
    """Print the returns of agents whose actions are approved of, and what H made of them."""
    printed = Table(
        title=f"{env_id}: means of {n_episodes} held-out episodes",
        title_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    printed.add_column("agent, seed", no_wrap=True)
    headings = ("return", "of the best, %", "approval", "came to", "of H", "of X", "minutes")
    for heading in headings:
        printed.add_column(heading, justify="right")
    columns = ("return", "accuracy", "approval", "discounted_return")
    for row in table.to_dict("records"):
        numbers = [row.get(name, np.nan) for name in columns]
        numbers[1] *= 100
        counts = [row.get(name, np.nan) for name in ("asked of H", "answered by X")]
        printed.add_row(
            run_name(row),
            *("–" if pd.isna(number) else f"{number:.2f}" for number in numbers),
            *("–" if pd.isna(count) else short(count) for count in counts),
            "–" if pd.isna(row.get("minutes")) else f"{row['minutes']:.1f}",
        )
    console.print(printed)


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
            *("–" if np.isnan(cost) else short(cost) for cost in costs[:2]),
            "–" if np.isnan(costs[2]) else f"{costs[2]:.1f}",
        )
    console.print(table)
