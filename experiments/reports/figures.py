"""The report's figures as PNG files, one panel an environment as in the paper."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import Literal

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, NullFormatter
from PIL import Image

from ia_gym.experiments.reports.agent_styles import style_agents
from ia_gym.experiments.reports.curves import (
    CLOCK,
    SAMPLES,
    Axis,
    CurvePlot,
    SeedCurves,
    interpolate_curves,
)
from ia_gym.experiments.reports.finished_runs import AgentRuns, split_tag
from ia_gym.experiments.reports.tables import collect_depths, name_environments
from ia_gym.files import write_atomically

LINES: dict[str, tuple[float, Sequence[float]] | Literal["-"]] = {
    "solid": "-",
    "dash": (0, (5, 2)),
    "dot": (0, (1.5, 1.5)),
}
"""Line styles of matplotlib, by their name in ``agent_styles``."""

IMITATION = "imitation"
"""The settings file of agents that learn the overseer's own answers begins with this."""
COLUMNS = 3
"""Panels side by side."""
LABEL_LENGTH = 40
"""Characters in a line of a label below a panel, which is about as wide."""


def draw_curves(groups: Sequence[AgentRuns], plot: CurvePlot) -> Figure:
    """Draw a panel per environment, a line per agent: the median of its seeds, and their range.

    Environments none of whose runs has anything to show have no panel.
    """
    styles = style_agents(group.agent for group in groups)
    drawable = [
        (group, curves)
        for group in groups
        if (curves := interpolate_curves(group, plot)) is not None
    ]
    names = name_environments((group.env_id for group, _ in drawable), with_size=True)
    columns = min(COLUMNS, len(names))
    rows = -(-len(names) // columns)
    legend = 0.7 + 0.075 * max(map(len, styles))  # inches: a line and the longest name
    figure = Figure(figsize=(3.1 * columns + legend, 2.7 * rows + 0.5), layout="constrained")
    FigureCanvasAgg(figure)
    alike = plot.y.factor == 100  # shares; returns of other environments are on other scales
    axes = figure.subplots(rows, columns, sharey=alike, squeeze=False).ravel()
    for panel in axes[len(names) :]:
        panel.axis("off")
    lines = {}
    for panel, (env_id, name) in zip(axes, names.items(), strict=False):
        for group, curves in drawable:
            if group.env_id != env_id:
                continue
            style = styles[group.agent]
            (lines[group.agent],) = panel.plot(
                curves.x, curves.median, color=style.colour, linestyle=LINES[style.dash]
            )
            low, high = curves.y.min(axis=0), curves.y.max(axis=0)
            panel.fill_between(curves.x, low, high, color=style.colour, alpha=0.15, lw=0)
        panel.set_title(name, fontsize=10)
        if plot.x.log:
            panel.set_xscale("log")
            left, right = np.log10(panel.get_xlim())
            if np.floor(right) - np.ceil(left) < 1:  # two decades at least have a label
                panel.set_xlim(10 ** np.floor(left), 10 ** np.ceil(right))
            panel.xaxis.set_minor_formatter(NullFormatter())
        else:
            panel.set_xlim(left=0)
        if plot.x.column != CLOCK:
            panel.xaxis.set_major_formatter(EngFormatter(sep=""))
        if plot.is_score:
            panel.set_ylim(0, 102)
        else:
            panel.axhline(0, color="0.5", linewidth=0.8)
        panel.tick_params(labelsize=8, labelleft=True)
        panel.grid(alpha=0.3)
    for panel in axes[: len(names)][-columns:]:  # the lowest of each column
        panel.set_xlabel(fill(plot.x.label, LABEL_LENGTH), fontsize=9)
    for panel in axes[::columns]:
        panel.set_ylabel(plot.y.label, fontsize=9)
    drawn = [name for name in styles if name in lines]
    figure.legend(
        [lines[name] for name in drawn],
        drawn,
        loc="outside right upper",
        fontsize=9,
        frameon=False,
        handlelength=2.6,
    )
    return figure


def draw_depths(groups: Sequence[AgentRuns]) -> Figure:
    """Draw accuracy by depth as a heat map: one panel a domain and kind, one row an agent.

    Medians of the seeds, in per cent. The colour is the square root of the share of wrong answers,
    so that the few that good agents get wrong can be seen.
    """
    panels = collect_depths(groups)
    columns = min(COLUMNS, len(panels))
    lines = -(-len(panels) // columns)
    sizes = [len(rows) for rows in panels.values()]
    heights = [max(sizes[columns * i : columns * (i + 1)]) for i in range(lines)]
    figure = Figure(
        figsize=(3.6 * columns + 0.4, sum(0.25 * height + 0.75 for height in heights) + 0.3),
        layout="constrained",
    )
    FigureCanvasAgg(figure)
    axes = figure.subplots(
        lines, columns, squeeze=False, gridspec_kw={"height_ratios": heights}
    ).ravel()
    for axis in axes[len(panels) :]:
        axis.axis("off")
    for axis, (title, rows) in zip(axes, panels.items(), strict=False):
        depths = list(dict.fromkeys(depth for row in rows.values() for depth in row))
        values = np.array([[row.get(depth, np.nan) for depth in depths] for row in rows.values()])
        axis.imshow(np.sqrt(1 - values), cmap="Oranges", vmin=0, vmax=1.2, aspect="auto")
        axis.set_title(title, fontsize=10)
        axis.tick_params(length=0)
        axis.set_xticks(range(len(depths)), depths, fontsize=8)
        axis.set_yticks(range(len(rows)), list(rows), fontsize=8)
        for (row, column), value in np.ndenumerate(values):
            if np.isfinite(value):
                shade = "black" if value > 0.4 else "white"
                text = f"{100 * value:.0f}"
                axis.text(column, row, text, ha="center", va="center", color=shade, fontsize=7)
    figure.suptitle("accuracy (%) by depth; darker: more wrong answers", fontsize=10)
    return figure


def draw_amplification(groups: Sequence[AgentRuns]) -> Figure | None:
    """Draw how far the amplified agent is ahead of the agent, by depth and over training.

    After a figure of Christiano et al. (2018), for agents that learn by imitation: one panel an
    environment, agent and kind. Medians of the seeds.

    Returns:
        None where no such agent has been measured so.
    """
    names = name_environments((group.env_id for group in groups), with_size=True)
    panels: dict[str, list[tuple[str, SeedCurves, SeedCurves]]] = {}
    for group in groups:
        if group.agent.split("-")[0] != IMITATION:
            continue
        for tag in group.list_accuracies():
            kind, depth = split_tag(tag)
            if not depth:
                continue
            agent, amplified = (
                interpolate_curves(
                    group, CurvePlot(tag, tag, SAMPLES, Axis(column, tag, 100), True)
                )
                for column in (f"eval/{tag}", f"overseer/target_{tag}")
            )
            if agent is not None and amplified is not None:
                title = f"{names[group.env_id]} {kind}".strip()
                panels.setdefault(f"{title}, {group.agent}", []).append((depth, agent, amplified))
    if not panels:
        return None
    columns = min(COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(3.6 * columns, 2.8 * rows + 0.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for panel in axes[len(panels) :]:
        panel.axis("off")
    for panel, (title, lines) in zip(axes, panels.items(), strict=False):
        colours = colormaps["viridis"](np.linspace(0, 0.9, len(lines)))
        for (depth, agent, amplified), colour in zip(lines, colours, strict=True):
            panel.plot(agent.x, agent.median, color=colour, label=depth)
            panel.plot(amplified.x, amplified.median, color=colour, linestyle=LINES["dash"])
        panel.set_title(title, fontsize=10)
        panel.set_xlim(left=0)
        panel.set_ylim(0, 102)
        panel.xaxis.set_major_formatter(EngFormatter(sep=""))
        panel.tick_params(labelsize=8, labelleft=True)
        panel.grid(alpha=0.3)
        panel.legend(title="depth", fontsize=7, title_fontsize=7, loc="lower right")
        panel.set_xlabel(SAMPLES.label, fontsize=9)
    for panel in axes[::columns]:
        panel.set_ylabel("accuracy (%)", fontsize=9)
    figure.suptitle("the agent (solid) and the overseer with its help (dashed)", fontsize=10)
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as a PNG of few colours, a third of the size it would have with all.

    Raises:
        OSError: if it cannot be written; an earlier file stays whole.
    """
    whole = io.BytesIO()
    figure.savefig(whole, format="png", dpi=120)
    # By octree: the median cut replaces the colours of thin or hidden lines by those of others.
    picture = Image.open(whole).convert("RGB").quantize(128, Image.Quantize.FASTOCTREE)
    write_atomically(path, lambda file: picture.save(file, format="PNG", optimize=True))
