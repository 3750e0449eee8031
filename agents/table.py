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


def print_table(table: pd.DataFrame, env_id: str, n_questions: int, console: Console) -> None:
    """Print the table; it fits a terminal 80 columns wide."""
    depths = [name for name in table.columns if name.startswith("accuracy_depth_")]
    shown = Table(title=f"{env_id}: truth accuracy on {n_questions} held-out questions, in %")
    shown.add_column("agent")
    for heading in ("all", *(name.removeprefix("accuracy_") for name in depths)):
        shown.add_column(heading.replace("_", " "), justify="right")
    for heading in COLUMNS.values():
        shown.add_column(heading, justify="right")
    for row in table.to_dict("records"):
        name = row["agent"] if pd.isna(row.get("seed")) else f"{row['agent']} {row['seed']:.0f}"
        cells = [f"{100 * row[column]:.1f}" for column in ("accuracy", *depths)]
        for column in COLUMNS.values():
            value = row.get(column)
            if value is None or pd.isna(value):
                cells.append("")
            elif column in ("approval", "target true"):
                cells.append(f"{100 * value:.1f}")
            elif column == "minutes":
                cells.append(f"{value:.1f}")
            else:
                cells.append(short(value))
        shown.add_row(name, *cells)
    console.print(shown)
