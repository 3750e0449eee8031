"""Tables for the terminal: what a comparison and an evaluation end with.

They fit 80 columns, and print on terminals that know ASCII alone: no dash but "-", and cells that
are too long are wrapped, not cut off with an ellipsis. Names of agents and environments are never
taken for markup.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ia_gym.agents.evaluation.evaluator import Labels, format_count
from ia_gym.agents.evaluation.make_evaluator import find_evaluator_class
from ia_gym.experiments.reports.finished_runs import split_tag
from ia_gym.experiments.reports.formatting import (
    DASH,
    format_known,
    format_measurement,
    format_number,
    format_percent,
)

COSTS = {
    "overseer/human_interactions": "overseer queries",
    "overseer/assistant_answers": "assistant answers",
    "time/cpu_minutes": "minutes",
}
"""Tags of an evaluation, and what the table calls them; minutes are those of a core at work."""


def build_score_table(
    results: Sequence[Mapping[str, Any]], references: Mapping[str, Mapping[str, float]]
) -> pd.DataFrame:
    """One row a run, then one a reference.

    Args:
        results: what the runs left in ``result.json``.
        references: by name, scores as ``Evaluator.references`` gives them.
    """
    rows = []
    for result in results:
        final = {
            tag: math.nan if value is None else value for tag, value in result["final"].items()
        }
        scores = {
            tag.removeprefix("eval/"): value for tag, value in final.items() if "eval/" in tag
        }
        judged = {
            column.tag.removeprefix("overseer/"): final.get(column.tag, math.nan)
            for column in find_evaluator_class(result["env_id"]).labels.columns
            if column.tag.startswith("overseer/")
        }
        costs = {name: final.get(tag, math.nan) for tag, name in COSTS.items()}
        rows.append({"agent": result["agent"], "seed": result["seed"], **scores, **judged, **costs})
    rows += [{"agent": name, **scores} for name, scores in references.items()]
    return pd.DataFrame(rows)


def name_run(row: Mapping[Any, Any]) -> str:
    """Agent and seed of a row; only the name for a reference."""
    return row["agent"] if pd.isna(row.get("seed")) else f"{row['agent']} {row['seed']:.0f}"


def print_rows(
    title: str, headings: Sequence[str], rows: Sequence[Sequence[str]], console: Console
) -> None:
    """Print a table whose first column holds names and the others numbers, which stay whole."""
    printed = Table(
        title=escape(title) or None, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    printed.add_column(headings[0], overflow="fold")
    for i, heading in enumerate(headings[1:], 1):
        widest = max(map(len, [*heading.split(), *(row[i] for row in rows)]))
        printed.add_column(escape(heading), justify="right", overflow="fold", width=widest)
    for row in rows:
        printed.add_row(*(escape(cell.replace(DASH, "-")) for cell in row))
    console.print(printed)


def print_table(table: pd.DataFrame, env_id: str, n_problems: int, console: Console) -> None:
    """Print the scores, then what the overseer made of them, and the costs."""
    labels = find_evaluator_class(env_id).labels
    scores = {name: split_tag(name) for name in table.columns if name.startswith(labels.score_name)}
    console.print(
        f"{env_id}: {labels.score_label}, % of {n_problems} held-out {labels.unit}",
        markup=False,
        highlight=False,
    )
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


def print_scores(
    table: pd.DataFrame, title: str, names: Sequence[str], headings: Sequence[str], console: Console
) -> None:
    """Print some columns of the table as percentages."""
    rows = [
        [name_run(row), *(format_percent(row[name]) for name in names)]
        for row in table.to_dict("records")
    ]
    print_rows(title, ["agent, seed", *headings], rows, console)


def print_overseer(runs: pd.DataFrame, labels: Labels, console: Console) -> None:
    """Print what the evaluation measured beside the score, and what the runs cost."""
    headings = [*(column.heading for column in labels.columns), *COSTS.values()]
    *counts, minutes = COSTS.values()
    rows = [
        [
            name_run(row),
            *(
                format_measurement(row.get(column.tag.split("/")[1]), column.form)
                for column in labels.columns
            ),
            *(format_known(row[name], format_count) for name in counts),
            format_number(row[minutes], 1),
        ]
        for row in runs.to_dict("records")
    ]
    title = "overseer, with the agent's assistant, and costs"
    print_rows(title, ["agent, seed", *headings], rows, console)


def print_agent_summaries(summaries: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Print one row an agent: what its seeds reach, as ``summarize_agent`` gives it."""
    headings = ["median", "IQM [95 % interval]", "samples", "overseer queries", "minutes"]
    rows = []
    for one in summaries:
        mean, low, high = (
            format_percent(one[key]) for key in ("interquartile_mean", "low", "high")
        )
        rows.append(
            [
                f"{one['agent']} {one['seeds']}",
                format_percent(one["median"]),
                f"{mean} [{low}, {high}]",
                format_known(one["samples_to_95"], format_count),
                format_known(one["overseer_queries_to_95"], format_count),
                format_number(one["minutes_to_95"], 1),
            ]
        )
    title = "agents over their seeds, %, and medians of what 95 % took"
    print_rows(title, ["agent, seeds", *headings], rows, console)
