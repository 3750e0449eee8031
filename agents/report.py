"""A report on finished runs: figures as in the paper, one panel a domain, and tables."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ia_gym.agents.evaluation import HeldOut
from ia_gym.agents.finished import Seeds, by_agent, interquartile_mean, read_runs
from ia_gym.agents.plots import COLOURS
from ia_gym.agents.table import short, split_tag

LEVELS = (0.90, 0.95, 0.99)
"""Accuracies whose first passing is told."""
END = "<!-- /report -->"
"""Between ``<!-- report FOLDER -->`` and this the overview stands in a Markdown file."""
STEPS = ("timesteps", "questions trained on (millions)", 1e6)
TRUTH = ("eval/accuracy", "held-out questions answered truly (%)")
FIGURES = {
    "accuracy_by_step": (STEPS, TRUTH),
    "accuracy_by_interaction": (
        ("overseer/human_interactions", "questions put to H (thousands)", 1e3),
        TRUTH,
    ),
    "accuracy_by_minute": (("time", "minutes of one core", 1.0), TRUTH),
    "overapproval_by_step": (
        STEPS,
        ("overseer/overapproval", "approved of by the overseer, less true (%)"),
    ),
}
"""Figures, each with its x-axis (column, name, unit) and its y-axis (column, name)."""


def plot(
    groups: Sequence[Seeds], x: tuple[str, str, float], y: tuple[str, str], path: Path
) -> None:
    """One panel an environment, one curve an agent: the median of its seeds, and their range.

    Args:
        groups: what to draw.
        x: column of the curves, name of the axis, and what the column is divided by.
        y: column of the curves, and name of the axis; drawn in per cent.
        path: the PNG to write.
    """
    env_ids = list(dict.fromkeys(group.env_id for group in groups))
    agents = list(dict.fromkeys(group.agent for group in groups))
    figure = Figure(figsize=(2.9 * len(env_ids) + 0.4, 3.9), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(env_ids), sharey=True, squeeze=False)[0]
    for panel, env_id in zip(panels, env_ids, strict=True):
        for group in (group for group in groups if group.env_id == env_id):
            place = agents.index(group.agent)
            colour = COLOURS[place % len(COLOURS)]
            style = "-" if place < len(COLOURS) else "--"
            grid, curves = common_grid(group, x, y[0])
            if grid.max() > 0:
                middle = np.median(curves, axis=0)
                panel.plot(grid, middle, color=colour, linestyle=style, label=group.agent)
                panel.fill_between(
                    grid, curves.min(axis=0), curves.max(axis=0), color=colour, alpha=0.15, lw=0
                )
        panel.set_title(re.sub(r"^IA-|-v\d+$", "", env_id), fontsize=10)
        panel.set_xlim(left=0)
        if y == TRUTH:
            panel.set_ylim(0, 102)
        panel.grid(alpha=0.3)
    panels[0].set_ylabel(y[1])
    figure.supxlabel(x[1], fontsize=10)
    lines = {line.get_label(): line for panel in panels for line in panel.get_lines()}
    columns = min(len(agents), 3 * len(env_ids))
    figure.legend(
        lines.values(), [str(name) for name in lines], loc="outside upper center", ncols=columns
    )
    figure.savefig(path)


def common_grid(
    group: Seeds, x: tuple[str, str, float], column: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The seeds' curves, in per cent, at the same 200 places: ``(200,)`` and ``(seeds, 200)``."""
    place = group.clock if x[0] == "time" else x[0]
    grid = np.linspace(0, min(run.curve[place].max() for run in group.runs), 200)
    curves = [np.interp(grid, run.curve[place], 100 * run.curve[column]) for run in group.runs]
    return grid / x[2], np.stack(curves)


def main_table(groups: Sequence[Seeds]) -> str:
    """One row an agent, as Markdown: how far it came, and at what cost.

    All figures but the interval are medians of the seeds.
    """
    shared = {(group.env_id, group.agent): group for group in groups}
    rows = []
    for group in groups:
        curve = group.runs[0].curve
        several = len(group.runs) > 1
        mean, low, high = interquartile_mean(group.last("eval/accuracy"))
        kinds = {
            split_tag(tag)[0]: group.median(f"eval/{tag}")
            for tag in accuracies(curve)
            if split_tag(tag)[0] and not split_tag(tag)[1]
        }
        twin = shared.get((group.env_id, "supervised"))
        ratio = float("nan")
        if twin is not None and twin is not group:
            ratio = group.first(0.9, "timesteps") / twin.first(0.9, "timesteps")
        rows.append(
            {
                "domain": domain_name(group.env_id),
                "agent": group.agent,
                "seeds": str(len(group.runs)) if several else "",
                "X, %": percent(group.median("eval/accuracy")),
                "IQM [95 % interval]": (
                    f"{percent(mean)} [{percent(low)}, {percent(high)}]" if several else ""
                ),
                "by kind": ", ".join(f"{kind} {percent(value)}" for kind, value in kinds.items()),
                "approval less truth, %": plain(100 * group.median("overseer/overapproval"), 1),
                "put to H": f"{group.median('overseer/human_interactions'):,.0f}",
                "minutes": plain(group.median(group.clock), 1),
                **{
                    f"min to {percent(level, 0)} %": plain(group.first(level, group.clock), 1)
                    for level in LEVELS
                },
                "questions to 95 %": known(group.first(0.95, "timesteps"), short),
                "steps to 90 %, against supervised": plain(ratio, 2),
                "teraflop": known(group.median("work/teraflop"), lambda work: f"{work:.0f}"),
                "asked of X": short(group.median("overseer/assistant_answers")),
            }
        )
    return markdown(pd.DataFrame(rows))


def overview(groups: Sequence[Seeds]) -> str:
    """Agents down, domains across, as Markdown: medians over the seeds.

    A cell holds the accuracy in the end and, where it came to 95 %, after how many questions and
    minutes of a core.
    """
    cells: dict[str, dict[str, str]] = {}
    for group in groups:
        cell = percent(group.median("eval/accuracy"))
        questions = group.first(0.95, "timesteps")
        if np.isfinite(questions):
            cell += f" ({short(questions)}, {group.first(0.95, group.clock):.1f} min)"
        row = cells.setdefault(group.agent, {"X, % (to 95 %)": group.agent})
        row[domain_name(group.env_id)] = cell
    for env_id in dict.fromkeys(group.env_id for group in groups):
        for name, scores in HeldOut(env_id, 2048).reference_lines().items():
            row = cells.setdefault(f"*{name}*", {"X, % (to 95 %)": f"*{name}*"})
            row[domain_name(env_id)] = percent(scores["accuracy"])
    return markdown(pd.DataFrame(list(cells.values())).fillna(""))


def depth_table(groups: Sequence[Seeds]) -> str:
    """Last accuracies by kind and depth, one row an environment, agent and kind, as Markdown."""
    parts = []
    for group in groups:
        by_kind: dict[str, dict[str, str]] = {}
        for tag in accuracies(group.runs[0].curve):
            kind, depth = split_tag(tag)
            if depth:
                by_kind.setdefault(kind, {})[depth] = percent(group.median(f"eval/{tag}"))
        for kind, depths in by_kind.items():
            told = ", ".join(f"{depth}: {value}" for depth, value in depths.items())
            domain = f"{domain_name(group.env_id)} {kind}".strip()
            parts.append({"domain": domain, "agent": group.agent, "by depth": told})
    return markdown(pd.DataFrame(parts))


def domain_name(env_id: str) -> str:
    """The domain's name in an environment's id."""
    return re.sub(r"^IA-|-N\d+|-v\d+$", "", env_id)


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


def known(number: float, write: Callable[[float], str]) -> str:
    """A number, written; a dash for NaN."""
    return "–" if np.isnan(number) else write(number)


def plain(number: float, digits: int) -> str:
    """A number with so many digits; a dash for NaN."""
    return known(number, lambda value: f"{value:.{digits}f}")


def markdown(table: pd.DataFrame) -> str:
    """A Markdown table; columns that are empty throughout are left out."""
    table = table.loc[:, (~table.isin(["", "–"])).any()]
    lines = [list(table.columns), ["---"] * table.shape[1], *table.to_numpy().tolist()]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def report(
    folder: str | os.PathLike[str], readme: str | os.PathLike[str] | None = None
) -> list[Path]:
    """Draw figures and write tables of all finished runs under ``folder``, into that folder.

    Args:
        folder: where the runs are, each in a folder of its own.
        readme: a Markdown file, in which what stands between the marks ``<!-- report FOLDER -->``
            and ``<!-- /report -->`` is replaced by the overview; None for none.

    Returns:
        The files written.

    Raises:
        ValueError: if there are no finished runs, or the marks are missing.
    """
    groups = by_agent(read_runs(folder))
    written = []
    for name, (x, y) in FIGURES.items():
        path = Path(folder) / f"{name}.png"
        plot(groups, x, y, path)
        written.append(path)
    short_text = f"{overview(groups)}\n"
    text = f"{short_text}\n{main_table(groups)}\n\n{depth_table(groups)}\n"
    written.append(Path(folder) / "report.md")
    written[-1].write_text(text, encoding="utf-8")
    if readme is not None:
        path = Path(readme)
        begin = f"<!-- report {Path(folder).as_posix()} -->"
        before, mark, rest = path.read_text("utf-8").partition(begin)
        _, end, after = rest.partition(END)
        if not mark or not end:
            raise ValueError(f"readme must hold the marks {begin} and {END}, got {readme}")
        path.write_text(f"{before}{mark}\n{short_text}{end}{after}", encoding="utf-8")
        written.append(path)
    return written
