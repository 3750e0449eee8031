"""A report on finished runs: the paper's figure, one panel a domain, and the table beside it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ia_gym.agents.plots import COLOURS
from ia_gym.agents.table import short, split_tag

LEVELS = (0.90, 0.95, 0.99)
"""Accuracies whose first passing is told."""
MARKS = ("<!-- report -->", "<!-- /report -->")
"""Between these the table stands in a Markdown file."""
AXES = {
    "accuracy_by_step": ("timesteps", "questions trained on (millions)", 1e6),
    "accuracy_by_interaction": (
        "overseer/human_interactions",
        "questions put to H (thousands)",
        1e3,
    ),
}
"""Figures, each with the column, the name and the unit of its x-axis."""


@dataclass(frozen=True)
class Finished:
    """A finished run, as its files tell it.

    Attributes:
        result: what ``result.json`` holds.
        curve: what ``curve.csv`` holds, one row an evaluation.
    """

    result: Mapping[str, Any]
    curve: pd.DataFrame

    @property
    def env_id(self) -> str:
        """The environment."""
        return str(self.result["env_id"])

    @property
    def agent(self) -> str:
        """The agent."""
        return str(self.result["agent"])

    def first(self, level: float, column: str) -> float:
        """``column`` at the first evaluation of at least this accuracy; NaN if there is none."""
        passed = self.curve[self.curve["eval/accuracy"] >= level]
        return float(passed[column].iloc[0]) if len(passed) else float("nan")


def read_runs(folder: str | os.PathLike[str]) -> list[Finished]:
    """All finished runs anywhere under ``folder``, by environment and agent.

    Raises:
        ValueError: if there are none.
    """
    runs = [
        Finished(
            json.loads(path.read_text("utf-8")),
            pd.read_csv(path.with_name("curve.csv")),
        )
        for path in Path(folder).rglob("result.json")
    ]
    if not runs:
        raise ValueError(f"folder must hold finished runs (result.json, curve.csv), got {folder}")
    return sorted(runs, key=lambda run: (run.env_id, run.agent, run.result["seed"]))


def plot(runs: Sequence[Finished], column: str, label: str, unit: float, path: Path) -> None:
    """Accuracy over ``column``, one panel an environment, one curve a run.

    Args:
        runs: what to draw.
        column: of the curves; what the x-axis shows.
        label: of the x-axis.
        unit: what ``column`` is divided by.
        path: the PNG to write.
    """
    env_ids = list(dict.fromkeys(run.env_id for run in runs))
    agents = list(dict.fromkeys(run.agent for run in runs))
    figure = Figure(figsize=(2.9 * len(env_ids) + 0.4, 3.6), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(env_ids), sharey=True, squeeze=False)[0]
    for panel, env_id in zip(panels, env_ids, strict=True):
        for run in (run for run in runs if run.env_id == env_id):
            x = run.curve[column] / unit
            if x.max() > 0:
                colour = COLOURS[agents.index(run.agent)]
                panel.plot(x, 100 * run.curve["eval/accuracy"], color=colour, label=run.agent)
        panel.set_title(re.sub(r"^IA-|-v\d+$", "", env_id), fontsize=10)
        panel.set_xlim(left=0)
        panel.set_ylim(0, 102)
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("held-out questions answered truly (%)")
    figure.supxlabel(label, fontsize=10)
    lines = {line.get_label(): line for panel in panels for line in panel.get_lines()}
    figure.legend(
        lines.values(), [str(name) for name in lines], loc="outside upper center", ncols=len(agents)
    )
    figure.savefig(path)


def main_table(runs: Sequence[Finished]) -> str:
    """One row a run, as Markdown: how far it came, and at what cost."""
    shared = {(run.env_id, run.agent): run for run in runs}
    rows = []
    for run in runs:
        final = run.curve.iloc[-1]
        kinds = {
            split_tag(tag)[0]: final[f"eval/{tag}"]
            for tag in accuracies(run.curve)
            if split_tag(tag)[0] and not split_tag(tag)[1]
        }
        twin = shared.get((run.env_id, "supervised"))
        ratio = float("nan")
        if twin is not None and twin is not run:
            ratio = run.first(0.9, "timesteps") / twin.first(0.9, "timesteps")
        rows.append(
            {
                "domain": re.sub(r"^IA-|-N\d+|-v\d+$", "", run.env_id),
                "agent": run.agent,
                "X, %": percent(final["eval/accuracy"]),
                "by kind": ", ".join(f"{kind} {percent(value)}" for kind, value in kinds.items()),
                "put to H": f"{final['overseer/human_interactions']:,.0f}",
                "minutes": f"{final['time/minutes']:.0f}",
                **{
                    f"min to {percent(level, 0)} %": plain(run.first(level, "time/minutes"), 0)
                    for level in LEVELS
                },
                "steps to 90 %, against supervised": plain(ratio, 2),
                "teraflop": f"{final['work/teraflop']:.0f}",
                "asked of X": short(final["overseer/assistant_answers"]),
            }
        )
    return markdown(pd.DataFrame(rows))


def depth_table(runs: Sequence[Finished]) -> str:
    """Last accuracies by kind and depth, one row an environment, agent and kind, as Markdown."""
    parts = []
    for run in runs:
        final = run.curve.iloc[-1]
        by_kind: dict[str, dict[str, str]] = {}
        for tag in accuracies(run.curve):
            kind, depth = split_tag(tag)
            if depth:
                by_kind.setdefault(kind, {})[depth] = percent(final[f"eval/{tag}"])
        for kind, depths in by_kind.items():
            name = re.sub(r"^IA-|-N\d+|-v\d+$", "", run.env_id)
            told = ", ".join(f"{depth}: {value}" for depth, value in depths.items())
            parts.append({"domain": f"{name} {kind}".strip(), "agent": run.agent, "by depth": told})
    return markdown(pd.DataFrame(parts))


def accuracies(curve: pd.DataFrame) -> list[str]:
    """Tags of the accuracies in a curve, without "eval/"."""
    prefix = "eval/"
    return [
        name.removeprefix(prefix)
        for name in map(str, curve.columns)
        if name.startswith(f"{prefix}accuracy")
    ]


def percent(share: float, digits: int = 1) -> str:
    """A share as a percentage, without its sign."""
    return f"{100 * share:.{digits}f}"


def plain(number: float, digits: int) -> str:
    """A number; a dash for NaN."""
    return "–" if np.isnan(number) else f"{number:.{digits}f}"


def markdown(table: pd.DataFrame) -> str:
    """A Markdown table; columns that are empty throughout are left out."""
    table = table.loc[:, (table != "").any()]
    lines = [list(table.columns), ["---"] * table.shape[1], *table.to_numpy().tolist()]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def report(
    folder: str | os.PathLike[str], readme: str | os.PathLike[str] | None = None
) -> list[Path]:
    """Draw figures and write tables of all finished runs under ``folder``, into that folder.

    Args:
        folder: where the runs are, each in a folder of its own.
        readme: a Markdown file, in which what stands between the marks ``<!-- report -->`` and
            ``<!-- /report -->`` is replaced by the tables; None for none.

    Returns:
        The files written.

    Raises:
        ValueError: if there are no finished runs, or the marks are missing.
    """
    runs = read_runs(folder)
    written = []
    for name, (column, label, unit) in AXES.items():
        path = Path(folder) / f"{name}.png"
        plot(runs, column, label, unit, path)
        written.append(path)
    text = f"{main_table(runs)}\n\n{depth_table(runs)}\n"
    written.append(Path(folder) / "report.md")
    written[-1].write_text(text, encoding="utf-8")
    if readme is not None:
        path = Path(readme)
        before, mark, rest = path.read_text("utf-8").partition(MARKS[0])
        _, end, after = rest.partition(MARKS[1])
        if not mark or not end:
            raise ValueError(f"readme must hold the marks {MARKS[0]} and {MARKS[1]}, got {readme}")
        path.write_text(f"{before}{mark}\n{text}{end}{after}", encoding="utf-8")
        written.append(path)
    return written
