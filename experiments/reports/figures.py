"""Figures over finished runs, one panel a domain as in the paper."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ia_gym.experiments.reports.comparison_tables import split_tag
from ia_gym.experiments.reports.finished_runs import AgentRuns
from ia_gym.experiments.reports.learning_curves import COLOURS
from ia_gym.experiments.reports.tables import domain_name

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
RETURN = ("eval/share_of_best_return", "return (% of the best there is)")
EPISODE_FIGURES = {
    "accuracy_by_step": (("timesteps", "steps trained on (millions)", 1e6), RETURN),
    "accuracy_by_minute": (("time", "minutes of one core", 1.0), RETURN),
}
"""Those where actions are approved of."""


def plot(
    groups: Sequence[AgentRuns], x: tuple[str, str, float], y: tuple[str, str], path: Path
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
        if y in (TRUTH, RETURN):
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
    group: AgentRuns, x: tuple[str, str, float], column: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The seeds' curves, in per cent, at the same 200 places: ``(200,)`` and ``(seeds, 200)``."""
    place = group.clock if x[0] == "time" else x[0]
    grid = np.linspace(0, min(run.curve[place].max() for run in group.runs), 200)
    curves = [np.interp(grid, run.curve[place], 100 * run.curve[column]) for run in group.runs]
    return grid / x[2], np.stack(curves)


def plot_depths(groups: Sequence[AgentRuns], path: Path) -> None:
    """Accuracy by depth as a heat map: one panel a domain and kind, one row an agent.

    Args:
        groups: what to draw; medians of the seeds.
        path: the PNG to write.
    """
    panels: dict[str, dict[str, dict[str, float]]] = {}
    for group in groups:
        for tag in group.accuracies():
            kind, depth = split_tag(tag)
            if depth:
                rows = panels.setdefault(f"{domain_name(group.env_id)} {kind}".strip(), {})
                rows.setdefault(group.agent, {})[depth] = group.median(f"eval/{tag}")
    columns = min(3, len(panels))
    lines = -(-len(panels) // columns)
    tallest = max(len(rows) for rows in panels.values())
    size = 4.6 * columns, (0.34 * tallest + 1.0) * lines
    figure = Figure(figsize=size, dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    for axis in axes[len(panels) :]:
        axis.axis("off")
    for axis, (title, rows) in zip(axes, panels.items(), strict=False):
        depths = list(dict.fromkeys(depth for row in rows.values() for depth in row))
        values = np.array([[row.get(depth, np.nan) for depth in depths] for row in rows.values()])
        axis.imshow(100 * values, cmap="viridis", vmin=0, vmax=100, aspect="auto")
        axis.set_title(title, fontsize=10)
        axis.set_xticks(range(len(depths)), depths, fontsize=8)
        axis.set_yticks(range(len(rows)), list(rows), fontsize=8)
        for (row, column), value in np.ndenumerate(values):
            shade = "black" if value > 0.6 else "white"
            text = f"{100 * value:.0f}"
            axis.text(column, row, text, ha="center", va="center", color=shade, fontsize=7)
    figure.suptitle("held-out questions answered truly (%), by depth", fontsize=11)
    figure.savefig(path)
