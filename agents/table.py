"""The table a comparison ends with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

COLUMNS = {
    "overseer/approval": "approval",
    "overseer/target_accuracy": "target true",
    "overseer/human_interactions": "asked of H",
    "overseer/assistant_answers": "answered by X",
    "time/minutes": "minutes",
}
"""Tags of an evaluation, and what the table calls them."""


def summary_table(
    results: Sequence[Mapping[str, Any]], reference_lines: Mapping[str, Mapping[str, float]]
) -> pd.DataFrame:
    """One row a run, then one a reference line.

    Args:
        results: what the runs left in ``result.json``.
        reference_lines: by name, scores as :meth:`HeldOut.score` gives them.
    """
    rows = []
    for result in results:
        final = result["final"]
        scores = {
            tag.removeprefix("eval/"): value for tag, value in final.items() if "eval/" in tag
        }
        rest = {name: final[tag] for tag, name in COLUMNS.items()}
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


def print_table(table: pd.DataFrame, env_id: str, n_questions: int, console: Console) -> None:
    """Print truth, then what the overseer made of it; each fits a terminal 80 columns wide."""
    scores = [name for name in table.columns if name.startswith("accuracy")]
    truth = Table(title=f"{env_id}: % of {n_questions} held-out questions answered truly")
    truth.add_column("agent, seed", no_wrap=True)
    for name in scores:
        heading = name.removeprefix("accuracy").replace("_", " ").strip()
        truth.add_column(heading or "all", justify="right")
    for row in table.to_dict("records"):
        truth.add_row(run_name(row), *(f"{100 * row[name]:.1f}" for name in scores))
    console.print(truth)
    runs = table.dropna(subset="seed") if "seed" in table else table[:0]
    if not len(runs):
        return
    overseer = Table(title="the overseer, with the agent as its assistant, and the cost")
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
