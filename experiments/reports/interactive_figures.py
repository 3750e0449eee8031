"""The curves of the HTML page, as figures of plotly.

Why plotly: its Python package holds the whole JavaScript library in one file (4.8 MB in 7.1), its
figures carry arrays in binary, and one call draws a figure, so that plain HTML controls can choose
what is shown. Bokeh 3.9's file is smaller (1.3 MB without widgets), but its controls come with a
document model of their own. Altair 6.3 needs ``vl-convert-python``, a wheel of 33 MB, to put its
library into a page.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.colors import hex_to_rgb

from ia_gym.experiments.reports.agent_styles import AgentStyle, style_agents
from ia_gym.experiments.reports.curves import (
    CLOCK,
    CurvePlot,
    interpolate_curves,
    list_curve_plots,
    read_points,
)
from ia_gym.experiments.reports.finished_runs import AgentRuns
from ia_gym.experiments.reports.tables import name_environments


def build_views(groups: Sequence[AgentRuns]) -> list[dict[str, Any]]:
    """Build the views that the page offers: each is a plot, with a panel per environment.

    Returns:
        Each with ``name``, ``title`` and ``panels``; a panel has ``env_id``, ``name`` and a
        ``figure`` of plotly.
    """
    names = name_environments((group.env_id for group in groups), with_size=True)
    views: dict[str, dict[str, Any]] = {}
    for env_id, name in names.items():
        of_env = [group for group in groups if group.env_id == env_id]
        for plot in list_curve_plots(of_env):
            view = views.setdefault(plot.title, {"name": plot.name, "title": plot.title})
            figure = build_figure(of_env, plot, style_agents(group.agent for group in groups))
            panel = {"env_id": env_id, "name": name, "figure": figure.to_plotly_json()}
            view.setdefault("panels", []).append(panel)
    return list(views.values())


def build_figure(
    groups: Sequence[AgentRuns], plot: CurvePlot, styles: dict[str, AgentStyle]
) -> go.Figure:
    """Build a plot for one environment.

    Every trace names its agent in ``legendgroup`` and in ``meta`` what it is: the "median" of the
    seeds, their "range", or one "seed".

    Args:
        groups: the runs of its agents.
        plot: what to show.
        styles: by agent.
    """
    figure = go.Figure()
    for group in groups:
        figure.add_traces(list(build_traces(group, plot, styles[group.agent])))
    figure.update_xaxes(title_text=plot.x.label, type="log" if plot.x.log else "linear")
    figure.update_yaxes(title_text=plot.y.label)
    if plot.x.column != CLOCK:
        figure.update_xaxes(tickformat="~s")
    if not plot.x.log:
        figure.update_xaxes(rangemode="tozero")
    if plot.is_score:
        figure.update_yaxes(range=[0, 102])
    return figure


def build_traces(group: AgentRuns, plot: CurvePlot, style: AgentStyle) -> Iterator[go.Scatter]:
    """An agent's traces: range and seeds where there are several, and the median on top."""
    curves = interpolate_curves(group, plot)
    if curves is None:
        return
    line = {"color": style.colour, "dash": style.dash, "width": 2}
    unit = "min" if plot.x.column == CLOCK else plot.x.label.split(" (")[0]
    place = f"%{{x:{'.3~g' if plot.x.column == CLOCK else '.4~s'}}} {unit}"
    shared = {"legendgroup": group.agent, "mode": "lines", "showlegend": False}
    low, high = curves.y.min(axis=0), curves.y.max(axis=0)
    points = read_points(group, plot)
    several = len(points) > 1
    if several:
        yield go.Scatter(
            x=to_float32(np.concatenate([curves.x, curves.x[::-1]])),
            y=to_float32(np.concatenate([high, low[::-1]])),
            meta="range",
            fill="toself",
            fillcolor="rgba({}, {}, {}, 0.15)".format(*hex_to_rgb(style.colour)),
            line={"width": 0},
            hoverinfo="skip",
            **shared,
        )
        for run, (x, y) in zip(group.runs, points, strict=False):
            name = f"{group.agent}, seed {run.result['seed']}"
            yield go.Scatter(
                x=to_float32(x),
                y=to_float32(y),
                meta="seed",
                name=name,
                line={**line, "width": 1},
                hovertemplate=f"<b>{name}</b><br>{place}<br>%{{y:.1f}}<extra></extra>",
                **shared,
            )
    spread = "<br>seeds %{customdata[0]:.1f} to %{customdata[1]:.1f}" if several else ""
    yield go.Scatter(
        x=to_float32(curves.x),
        y=to_float32(curves.median),
        customdata=to_float32(np.stack([low, high], axis=1)) if several else None,
        meta="median",
        name=group.agent,
        line=line,
        hovertemplate=f"<b>{group.agent}</b><br>{place}<br>%{{y:.1f}}{spread}<extra></extra>",
        **shared,
    )


def to_float32(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Convert to float32: half the size in the page, and precise enough for a screen."""
    return values.astype(np.float32)
