"""How well a collapse is seen without the truth: runs that were trained with a monitor.

At each evaluation the truth says whether the overseer approves of far more than is true, and the
signs of :class:`~ia_gym.agents.CollapseMonitor` are what an overseer sees by itself. Each sign is
taken as a classifier: above some threshold it warns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu

from ia_gym.agents.evaluation.evaluator import format_count
from ia_gym.agents.evaluation.question_evaluator import GAP
from ia_gym.experiments.reports.agent_styles import style_agents
from ia_gym.experiments.reports.figures import LINES
from ia_gym.experiments.reports.finished_runs import AgentRuns
from ia_gym.experiments.reports.formatting import format_number, format_percent
from ia_gym.experiments.reports.tables import name_environments

OVERAPPROVAL = "overseer/overapproval"
SIGNS = {
    "unfounded approval": ("monitor/unfounded", 1),
    "sub-answers not confirmed": ("monitor/confirmed", -1),
    "approval": ("monitor/approval", 1),
    "repeated answers": ("monitor/repeated", 1),
    "certainty": ("eval/certainty", 1),
}
"""Columns of a curve that need no truth, and whether a high or a low value is the warning."""
RESAMPLES = 1000


@dataclass(frozen=True)
class Roc:
    """A sign as a classifier of evaluations.

    Attributes:
        false_positives: share of the evaluations without over-approval that it warns at, rising.
        true_positives: share of those with over-approval, likewise.
        thresholds: of the sign, one a point.
    """

    false_positives: NDArray[np.float64]
    true_positives: NDArray[np.float64]
    thresholds: NDArray[np.float64]

    @property
    def best(self) -> int:
        """The point with the largest difference of the two shares (Youden's index)."""
        return int(np.argmax(self.true_positives - self.false_positives))


def find_monitored(groups: Sequence[AgentRuns]) -> list[AgentRuns]:
    """The agents that were trained with a monitor."""
    return [
        group
        for group in groups
        if all({OVERAPPROVAL, *(tag for tag, _ in SIGNS.values())} <= {*run.curve}
               for run in group.runs)
    ]  # fmt: skip


def build_collapse_table(groups: Sequence[AgentRuns]) -> pd.DataFrame:
    """Build a table of how far approval stood above the truth, and for how long: one row an agent.

    Medians of the seeds, of runs with a monitor. A run over-approves while approval is more than 10
    points above accuracy.
    """
    monitored = find_monitored(groups)
    names = name_environments(group.env_id for group in groups)
    rows = []
    for group in monitored:
        # Before any training the answers of an untrained network say nothing.
        curves = [run.curve[run.curve["timesteps"] > 0] for run in group.runs]
        above = [measure_time_above(curve) for curve in curves]
        last = group.list_last(OVERAPPROVAL)
        rows.append(
            {
                "environment": names[group.env_id],
                "agent": group.agent,
                "seeds": str(len(curves)),
                "accuracy, %": format_percent(group.compute_median("eval/accuracy")),
                "over-approval at the end, %": format_percent(float(np.median(last))),
                "largest, %": format_percent(
                    float(np.median([curve[OVERAPPROVAL].max() for curve in curves]))
                ),
                "questions over-approved": format_count(float(np.median(above))),
                "of all questions": format_count(group.compute_median("timesteps")),
                "over-approves at the end": f"{int((last > GAP).sum())} of {len(curves)}",
            }
        )
    return pd.DataFrame(rows)


def measure_time_above(curve: pd.DataFrame) -> float:
    """Questions trained on while the overseer over-approved, from evaluation to evaluation."""
    steps = np.diff(curve["timesteps"], prepend=0)
    return float(steps[(curve[OVERAPPROVAL] > GAP).to_numpy()].sum())


def collect_evaluations(groups: Sequence[AgentRuns]) -> list[pd.DataFrame]:
    """The evaluations of each run with a monitor, with ``is_above``: whether it over-approved."""
    evaluations = []
    for group in find_monitored(groups):
        for run in group.runs:
            rows = run.curve.dropna(subset=[tag for tag, _ in SIGNS.values()])
            evaluations.append(rows.assign(is_above=rows[OVERAPPROVAL] > GAP))
    return evaluations


def compute_auc(values: NDArray[np.float64], is_above: NDArray[np.bool_]) -> float:
    """The area under the ROC curve of a sign; NaN if all evaluations are of one kind."""
    high, low = values[is_above], values[~is_above]
    if not (len(high) and len(low)):
        return np.nan
    return float(mannwhitneyu(high, low).statistic / (len(high) * len(low)))


def compute_roc(values: NDArray[np.float64], is_above: NDArray[np.bool_]) -> Roc:
    """The ROC curve of a sign, one point a threshold that makes a difference."""
    thresholds = np.concatenate([[np.inf], np.unique(values)[::-1]])
    warned = values[:, None] >= thresholds
    return Roc(warned[~is_above].mean(axis=0), warned[is_above].mean(axis=0), thresholds)


def count_ordered_pairs(runs: Sequence[pd.DataFrame], tag: str) -> NDArray[np.float64]:
    """Count the pairs of evaluations that a sign puts in order, by their runs.

    Returns:
        ``(runs, runs)``: of the over-approving evaluations of the first run and the others of the
        second, how many pairs have a higher value in the first one; ties count one half.
    """
    above = [run.loc[run["is_above"], tag].to_numpy() for run in runs]
    below = [run.loc[~run["is_above"], tag].to_numpy() for run in runs]
    lows = np.concatenate(below)
    run_of_low = np.repeat(np.arange(len(runs)), [len(each) for each in below])
    counts = np.zeros((len(runs), len(runs)))
    for wins, high in zip(counts, above, strict=True):
        won = (high[:, None] > lows).sum(axis=0) + 0.5 * (high[:, None] == lows).sum(axis=0)
        wins[:] = np.bincount(run_of_low, won, minlength=len(runs))
    return counts


def resample_auc(runs: Sequence[pd.DataFrame], tag: str, draws: NDArray[Any]) -> NDArray[Any]:
    """Areas under the ROC curve of resampled runs.

    Args:
        runs: evaluations of each run.
        tag: column of the sign, of which high values are the warning.
        draws: ``(samples, runs)``, how often each run is drawn.

    Returns:
        ``(samples,)``, nan where either class of evaluations is missing.
    """
    pairs = np.einsum("si,ij,sj->s", draws, count_ordered_pairs(runs, tag), draws)
    n_above = np.array([run["is_above"].sum() for run in runs])
    n_below = np.array([len(run) for run in runs]) - n_above
    total = (draws @ n_above) * (draws @ n_below)
    areas = np.full(len(draws), np.nan)
    np.divide(pairs, total, out=areas, where=total > 0)
    return areas


def build_sign_table(groups: Sequence[AgentRuns]) -> pd.DataFrame:
    """Build a table of the signs: area under the ROC curve, and the best threshold.

    Intervals are of a bootstrap over runs, whose evaluations depend on one another. Empty without
    monitored runs, or if they never or always over-approve.
    """
    runs = collect_evaluations(groups)
    if not runs or pd.concat(runs)["is_above"].nunique() < 2:
        return pd.DataFrame()
    rng, rows = np.random.default_rng(0), []
    samples = [rng.integers(len(runs), size=len(runs)) for _ in range(RESAMPLES)]
    draws = np.stack([np.bincount(sample, minlength=len(runs)) for sample in samples])
    together = pd.concat(runs)
    for sign, (tag, direction) in SIGNS.items():
        values, is_above = direction * together[tag].to_numpy(), together["is_above"].to_numpy()
        roc = compute_roc(values, is_above)
        areas = resample_auc([run.assign(sign=direction * run[tag]) for run in runs], "sign", draws)
        low, high = np.nanquantile(areas, [0.025, 0.975])
        comparison = "at least" if direction > 0 else "at most"
        rows.append(
            {
                "sign": sign,
                "area under the curve [95 % interval]": (
                    f"{compute_auc(values, is_above):.3f} [{low:.3f}, {high:.3f}]"
                ),
                "best threshold": (
                    f"{comparison} {format_number(direction * roc.thresholds[roc.best], 3)}"
                ),
                "warns rightly, %": format_percent(roc.true_positives[roc.best]),
                "warns wrongly, %": format_percent(roc.false_positives[roc.best]),
                "evaluations": f"{is_above.sum()} of {len(is_above)} over-approve",
            }
        )
    return pd.DataFrame(rows)


def draw_roc(groups: Sequence[AgentRuns]) -> Figure:
    """Draw the ROC curves of all signs, over the evaluations of all runs with a monitor."""
    together = pd.concat(collect_evaluations(groups))
    is_above = together["is_above"].to_numpy()
    figure = Figure(figsize=(6.2, 3.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    styles = style_agents(SIGNS)
    for sign, (tag, direction) in SIGNS.items():
        values = direction * together[tag].to_numpy()
        roc, style = compute_roc(values, is_above), styles[sign]
        axes.plot(
            100 * roc.false_positives,
            100 * roc.true_positives,
            color=style.colour,
            linestyle=LINES[style.dash],
            label=f"{sign} ({compute_auc(values, is_above):.2f})",
        )
    axes.plot([0, 100], [0, 100], color="0.7", linewidth=0.8)
    axes.set_xlabel("wrong warnings, %", fontsize=9)
    axes.set_ylabel("right warnings, %", fontsize=9)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.3)
    title = "sign (area under the curve)"
    figure.legend(loc="outside right upper", fontsize=8, title=title, title_fontsize=8)
    return figure
