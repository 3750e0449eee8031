"""The picture of a comparison's learning curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter

from ia_gym.experiments.reports.agent_styles import style_agents
from ia_gym.experiments.reports.figures import LINES, save_figure
from ia_gym.experiments.reports.finished_runs import AgentRuns

CLOSE = 5
"""Reference scores closer than this, in percent, share a label."""
X_AXES = (("timesteps", "samples"), ("time/minutes", "minutes"))


def draw_learning_curves(
    groups: Sequence[AgentRuns], references: Mapping[str, Mapping[str, float]], path: Path
) -> None:
    """Draw the score of every run over samples and over minutes, into a PNG.

    Where the overseer's approval is on the scale of the score, it is drawn too, as a thin line.

    Args:
        groups: the runs of each agent on one environment, at least one.
        references: by name, scores as ``Evaluator.references`` gives them.
        path: the file to write.

    Raises:
        OSError: if it cannot be written.
    """
    labels = groups[0].labels
    styles = style_agents(group.agent for group in groups)
    figure = Figure(figsize=(10.5, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 2, sharey=True)
    for axis, (column, label) in zip(axes, X_AXES, strict=True):
        for group in groups:
            style = styles[group.agent]
            line = {"color": style.colour, "linestyle": LINES[style.dash]}
            for run in group.runs:
                x = run.curve[column]
                axis.plot(x, 100 * run.curve[labels.score], **line)
                if labels.approval_is_share:
                    approval = 100 * run.curve["overseer/approval"]
                    axis.plot(x, approval, **line, linewidth=0.7, alpha=0.6)
        axis.set_xlabel(label)
        axis.set_xlim(left=0)
        axis.set_ylim(0, 102)
        axis.grid(alpha=0.3)
        draw_references(
            axis, {name: 100 * references[name][labels.score_name] for name in labels.references}
        )
    axes[0].xaxis.set_major_formatter(EngFormatter(sep=""))
    axes[0].set_ylabel(f"{labels.score_label} (%)")
    handles = [
        Line2D([], [], color=style.colour, linestyle=LINES[style.dash], label=agent)
        for agent, style in styles.items()
    ]
    if labels.approval_is_share:
        handles.append(
            Line2D([], [], color="0.3", linewidth=0.7, alpha=0.6, label="overseer's approval")
        )
    figure.suptitle(groups[0].env_id, fontsize=11)
    figure.legend(handles=handles, loc="outside right upper", frameon=False, handlelength=2.6)
    save_figure(figure, path)


def draw_references(axis: Axes, levels: Mapping[str, float]) -> None:
    """Draw dotted lines at the reference scores, named; the lowest has its name below it.

    Lines too close for a name each have their names side by side, the lowest first.
    """
    groups: list[list[str]] = []
    for name in sorted(levels, key=levels.__getitem__):
        axis.axhline(levels[name], color="0.5", linewidth=1, linestyle=":")
        if groups and levels[name] - levels[groups[-1][-1]] < CLOSE:
            groups[-1].append(name)
        else:
            groups.append([name])
    for i, names in enumerate(groups):
        is_lower = i == 0 and levels[names[0]] > 6
        level = levels[names[0]] - 1 if is_lower else levels[names[-1]] + 1
        axis.annotate(
            ", ".join(names),
            (0.995, level),
            xycoords=("axes fraction", "data"),
            ha="right",
            va="top" if is_lower else "bottom",
            color="0.35",
            fontsize=9,
        )
