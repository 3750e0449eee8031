"""The curves of a report: which ones, and interpolation of an agent's seeds to common x."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ia_gym.experiments.reports.finished_runs import ALL_WORK, AgentRuns

CLOCK = "clock"
"""Stands for the column of minutes, which :attr:`AgentRuns.clock` names."""


@dataclass(frozen=True)
class Axis:
    """One axis of a plot.

    Attributes:
        column: of a run's curve, or :data:`CLOCK`.
        label: what it measures, with its unit.
        factor: the column is multiplied by it: 100 for a share in per cent.
        log: whether the axis is logarithmic.
    """

    column: str
    label: str
    factor: float = 1.0
    log: bool = False


@dataclass(frozen=True)
class CurvePlot:
    """A plot of one measurement over another.

    Attributes:
        name: of the file, without its ending.
        title: what it shows.
        x: the horizontal axis.
        y: the vertical axis.
        is_score: whether ``y`` is the score of the evaluation, from 0 to 100 %.
    """

    name: str
    title: str
    x: Axis
    y: Axis
    is_score: bool


SAMPLES = Axis("timesteps", "samples")
QUERIES = Axis("overseer/human_interactions", "overseer queries (log scale)", log=True)
WORK_DONE = Axis(ALL_WORK, "overseer's lookups, combinations and verdicts (log scale)", log=True)
MINUTES = Axis(CLOCK, "minutes on one CPU core")


def list_curve_plots(groups: Sequence[AgentRuns]) -> list[CurvePlot]:
    """The plots for runs whose evaluations measure the same, see ``Labels``."""
    labels = groups[0].labels
    score = Axis(labels.score, f"{labels.score_label} (%)", 100)
    gap = labels.overapproval
    gap_axis = Axis(gap.tag, gap.heading, 100 if gap.form == "percent" else 1)
    name, title = labels.score_name, labels.score_label
    plots = [
        CurvePlot(f"{name}_by_step", f"{title} over samples", SAMPLES, score, True),
        CurvePlot(f"{name}_by_interaction", f"{title} over overseer queries", QUERIES, score, True),
        CurvePlot(f"{name}_by_work", f"{title} over the overseer's work", WORK_DONE, score, True),
        CurvePlot(f"{name}_by_minute", f"{title} over minutes", MINUTES, score, True),
        CurvePlot("overapproval_by_step", "over-approval over samples", SAMPLES, gap_axis, False),
    ]
    return [
        plot
        for plot in plots
        if any(interpolate_curves(group, plot) is not None for group in groups)
    ]


@dataclass(frozen=True)
class SeedCurves:
    """The curves of an agent's seeds at the same places.

    Attributes:
        x: ``(n,)``, increasing.
        y: ``(seeds, n)``.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]

    @property
    def median(self) -> NDArray[np.float64]:
        """The median over the seeds, ``(n,)``."""
        return np.median(self.y, axis=0)


def read_points(
    group: AgentRuns, plot: CurvePlot
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """The points ``(x, y)`` of each seed's curve, without x = 0 on a logarithmic axis."""
    column = group.clock if plot.x.column == CLOCK else plot.x.column
    points = []
    for run in group.runs:
        if column in run.curve and plot.y.column in run.curve:
            known = run.curve[[column, plot.y.column]].dropna().to_numpy(float)
            known = known[known[:, 0] > 0] if plot.x.log else known
            if len(known) and known[:, 0].max() > 0:
                points.append((known[:, 0] * plot.x.factor, known[:, 1] * plot.y.factor))
    return points


def interpolate_curves(group: AgentRuns, plot: CurvePlot) -> SeedCurves | None:
    """Interpolate the curves of an agent's seeds to the x of the first, over their common range.

    Between its own evaluations a seed's curve is linear. A single seed's curve is what it logged.

    Returns:
        None where the agent has nothing to show, as the supervised baseline over queries.
    """
    points = read_points(group, plot)
    if not points:
        return None
    first = max(x.min() for x, _ in points)
    last = min(x.max() for x, _ in points)
    places = np.unique([first, *points[0][0].clip(first, last), last])
    return SeedCurves(places, np.stack([np.interp(places, x, y) for x, y in points]))
