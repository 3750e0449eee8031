"""Pictures of learning curves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ia_gym.agents.evaluation.make_evaluator import evaluator_class

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's palette, which the colour-blind can tell apart."""


def plot_curves(
    curves: Mapping[str, pd.DataFrame],
    references: Mapping[str, Mapping[str, float]],
    env_id: str,
    path: Path,
) -> None:
    """Accuracy over questions and over minutes, with the overseer's approval dashed.

    Args:
        curves: by run (``agent_seedK``), the evaluations of the run.
        references: by name, scores as ``Evaluator.references`` gives them.
        env_id: the environment, which is the title.
        path: the PNG to write.
    """
    figure = Figure(figsize=(11, 5), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 2, sharey=True)
    agents = list(dict.fromkeys(run.rsplit("_seed", 1)[0] for run in curves))
    labels = evaluator_class(env_id).labels
    for run, curve in curves.items():
        agent = run.rsplit("_seed", 1)[0]
        colour = COLOURS[agents.index(agent) % len(COLOURS)]
        first = run == next(name for name in curves if name.startswith(f"{agent}_seed"))
        for axis, x in zip(axes, (curve["timesteps"] / 1e6, curve["time/minutes"]), strict=True):
            axis.plot(x, 100 * curve[labels.score], color=colour, label=agent if first else None)
            if labels.approval_is_share:
                axis.plot(
                    x, 100 * curve["overseer/approval"], color=colour, linestyle="--", linewidth=1
                )
    trained_on = f"{labels.trained_on} trained on (millions)"
    for axis, label in zip(axes, (trained_on, "minutes"), strict=True):
        axis.set_xlabel(label)
        axis.set_xlim(left=0)
        axis.set_ylim(0, 102)
        axis.grid(alpha=0.3)
        levels = {name: 100 * references[name][labels.score_name] for name in labels.references}
        for name, level in levels.items():
            lower = level == min(levels.values())  # its name stands below its line
            axis.axhline(level, color="0.5", linewidth=1, linestyle=":")
            axis.annotate(
                name,
                (0.995, level - 1 if lower else level + 1),
                xycoords=("axes fraction", "data"),
                ha="right",
                va="top" if lower else "bottom",
                color="0.35",
                fontsize=9,
            )
    axes[0].set_ylabel(f"{labels.score_label} (%)")
    if labels.approval_is_share:
        axes[0].plot([], [], color="0.3", label=labels.score_label)
        axes[0].plot([], [], color="0.3", linestyle="--", lw=1, label="overseer's approval")
    figure.suptitle(env_id)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=6)
    figure.savefig(path)
