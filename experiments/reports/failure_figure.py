"""Accuracy against the probability that the overseer fails: a figure and a table."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ia_gym.experiments.reports.agent_styles import style_agents
from ia_gym.experiments.reports.figures import LINES, save_figure
from ia_gym.experiments.reports.finished_runs import FinishedRun, read_runs
from ia_gym.experiments.reports.formatting import format_percent
from ia_gym.experiments.reports.tables import format_markdown
from ia_gym.files import write_text

FIGURE, TABLE, MARKDOWN = "failures.png", "failures.csv", "failures.md"
"""Files beside the folders of the runs."""

TAGS = {
    "accuracy": "eval/accuracy",
    "target_accuracy": "failing/target_accuracy",
    "approval": "overseer/approval",
}
"""Columns of the table, all but the first where a run has them; each also by depth."""

MARKERS = "os^Dv"
"""One a number of votes."""
DASHES = {"answer": "solid", "approval": "dot", "subquestion": "dash"}
"""Style of a line by what fails. Markers are hollow where failures are hashed."""


class Case(NamedTuple):
    """What distinguishes the runs of one line from those of another."""

    agent: str
    kind: str
    at: str
    votes: int

    @property
    def label(self) -> str:
        """For the legend."""
        parts = [self.agent, *([] if self.kind == "random" else [self.kind])]
        parts += [] if self.at == "answer" else [f"at {self.at}"]
        return ", ".join([*parts, *([] if self.votes == 1 else [f"{self.votes} votes"])])


def write_failure_report(folder: Path) -> list[Path]:
    """Draw the accuracy of all finished runs under ``folder``, and write it into a table.

    Returns:
        The files written.

    Raises:
        ValueError: if there are no finished runs.
        OSError: if a file cannot be written.
    """
    table = build_failure_table(read_runs(folder))
    write_text(folder / TABLE, table.to_csv(index=False))
    write_text(folder / MARKDOWN, f"{format_failures(table)}\n")
    save_figure(draw_failures(table), folder / FIGURE)
    return [folder / name for name in (FIGURE, TABLE, MARKDOWN)]


def build_failure_table(runs: Sequence[FinishedRun]) -> pd.DataFrame:
    """One row a run: how its overseer fails, and the results.

    Shares are means over the evaluations in the last quarter of the training, in each of which the
    overseer failed anew.
    """
    rows = []
    for run in runs:
        how: Mapping[str, Any] = run.result["settings"].get("env_kwargs", {})
        final = run.result["final"]
        row: dict[str, Any] = {
            "env_id": run.env_id,
            "agent": re.sub(r"-p[\d.]+.*", "", run.agent),
            "probability": how.get("overseer_failure", 0.0),
            "kind": how.get("failure_kind", "random"),
            "at": how.get("failure_at", "answer"),
            "votes": how.get("votes", 1),
            "seed": run.result["seed"],
            "timesteps": final["timesteps"],
            "queries": final["overseer/human_interactions"],
        }
        late = run.curve[run.curve["timesteps"] >= 0.75 * final["timesteps"]].mean()
        for name, tag in TAGS.items():
            row |= {
                key.replace(tag, name): value
                for key, value in late.items()
                if key == tag or str(key).startswith(f"{tag}_depth")
            }
        row["failure_rate"] = final.get("failures/overseer", 0.0)
        row["cpu_minutes"] = final.get("time/cpu_minutes", np.nan)
        rows.append(row)
    keys = ["env_id", "agent", "probability", "at", "kind", "votes", "seed"]
    return pd.DataFrame(rows).sort_values(keys, ignore_index=True)


def format_failures(table: pd.DataFrame) -> str:
    """The table as Markdown, one row a case: medians over the seeds, in percent."""
    shares = [
        name
        for name in table.columns
        if re.fullmatch(r"(target_)?accuracy_depth_.*", name) and table[name].notna().any()
    ]
    rows = []
    for key, runs in table.groupby(["agent", "probability", "at", "kind", "votes"]):
        agent, probability, at, kind, votes = key
        how = "–" if not probability else kind if at == "answer" else f"{kind}, at {at}"
        rows.append(
            {
                "agent": str(agent),
                "probability": f"{probability:g}",
                "failures": str(how),
                "votes": str(votes),
                **{name.replace("_", " "): format_percent(runs[name].median()) for name in shares},
                "runs": str(len(runs)),
            }
        )
    return format_markdown(pd.DataFrame(rows))


def draw_failures(table: pd.DataFrame) -> Figure:
    """Draw accuracy over the probability of failure, one panel a depth.

    Lines are medians over the seeds, bars reach from the worst to the best. An agent's runs without
    failures and votes belong to all of its lines.
    """
    depths = sorted(
        (name for name in table.columns if name.startswith("accuracy_depth_")),
        key=lambda name: int(re.findall(r"\d+", name)[0]),
    )
    panels = depths or ["accuracy"]
    figure = Figure(figsize=(4.6 * len(panels) + 2.6, 4.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = np.atleast_1d(figure.subplots(1, len(panels), sharey=True))
    styles = style_agents(table["agent"])
    votes = sorted(table["votes"].unique())
    for axis, column in zip(axes, panels, strict=True):
        for case, rows in group_cases(table):
            grouped = rows.groupby("probability")[column]
            middle, low, high = grouped.median(), grouped.min(), grouped.max()
            axis.errorbar(
                middle.index,
                100 * middle,
                100 * np.array([middle - low, high - middle]),
                label=case.label,
                color=styles[case.agent].colour,
                linestyle=LINES[DASHES[case.at]],
                fillstyle="full" if case.kind == "random" else "none",
                marker=MARKERS[votes.index(case.votes) % len(MARKERS)],
                markersize=5,
                capsize=3,
            )
        axis.set_xlabel("probability that the overseer fails")
        axis.set_title(column.replace("_", " "), fontsize=10)
        axis.set_ylim(0, 102)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("accuracy (%)")
    figure.legend(
        *axes[0].get_legend_handles_labels(),
        loc="outside right upper",
        fontsize=8,
        handlelength=3.5,  # long enough for a dashed line
    )
    return figure


def group_cases(table: pd.DataFrame) -> list[tuple[Case, pd.DataFrame]]:
    """The runs of each line of the figure, in the order of the table."""
    fails = table[table["probability"] > 0]
    keys = ["agent", "kind", "at", "votes"]
    cases = [Case(*key) for key in fails[keys].drop_duplicates().itertuples(index=False, name=None)]
    found = []
    for case in cases:
        same = table[keys].eq(list(case)).all(axis=1)
        baseline = (table["agent"] == case.agent) & (table["probability"] == 0)
        found.append((case, table[same | (baseline & (table["votes"] == 1))]))
    return found
