"""Finished runs read from their folders, grouped by agent, and statistics over seeds."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import bootstrap, trim_mean

from ia_gym.agents.evaluation.evaluator import Labels
from ia_gym.agents.evaluation.make_evaluator import find_evaluator_class
from ia_gym.amplification.work import WORK
from ia_gym.experiments.reports.agent_styles import RELATIONAL
from ia_gym.experiments.run_folder import CURVE, RESULT, read_curve, read_result

COMPARISON = "comparison.json"
"""Beside the folders of a comparison's runs: which runs these are, and their results."""

ALL_WORK = "overseer/work"
"""Column of a curve: the overseer's lookups, combinations and verdicts so far, together."""

CLOCKS = ("time/cpu_minutes", "time/minutes")
"""Columns of minutes, the first one that a curve has counts: of a core at work, or on the wall."""


@dataclass(frozen=True)
class FinishedRun:
    """A finished run.

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
        """The agent; with the people whose interactions a human predictor learned from, if any."""
        people = self.result.get("interactions", {})
        taught = [f"{count:,} of {name}" for name, count in people.items()]
        return ", ".join([str(self.result["agent"]), *taught])

    @property
    def labels(self) -> Labels:
        """What its evaluation measures."""
        return find_evaluator_class(self.env_id).labels

    def find_first(self, level: float, column: str) -> float:
        """``column`` at the first evaluation with at least this score; else infinity."""
        passed = self.curve[self.curve[self.labels.score] >= level]
        return float(passed[column].iloc[0]) if len(passed) else np.inf


def read_runs(folder: str | os.PathLike[str]) -> list[FinishedRun]:
    """Read all finished runs under ``folder``, sorted by environment, agent and seed.

    Raises:
        ValueError: if there are none, or if a file of a run is broken.
    """
    root = Path(folder)
    if root.exists() and not root.is_dir():
        raise ValueError(f"folder must be a folder, got the file {folder}")
    places = (path.parent for path in root.rglob(RESULT))
    runs = [
        read_finished_run(place)
        for place in places
        if place == root or is_part_of_comparison(place)
    ]
    if not runs:
        raise ValueError(f"folder must hold finished runs ({RESULT}, {CURVE}), got {folder}")
    return sorted(runs, key=lambda run: (run.env_id, *order_run(run)))


def order_run(run: FinishedRun) -> tuple[bool, str, list[tuple[str, int]], int]:
    """Key to sort the runs of an environment by: those of relational networks come last."""
    agent, people = run.result["agent"], run.result.get("interactions", {})
    return RELATIONAL in agent, agent, sorted(people.items()), run.result["seed"]


def read_finished_run(folder: Path) -> FinishedRun:
    """The finished run in a folder.

    Raises:
        ValueError: if one of its files is missing, broken, empty or of something else.
    """
    result = read_result(folder / RESULT)
    for key, kind in {"env_id": str, "agent": str, "seed": int}.items():
        if not isinstance(result[key], kind):
            raise ValueError(
                f"{folder / RESULT} must be the result.json of a run: {key} is {result[key]!r}"
            )
    evaluator, path = find_evaluator_class(result["env_id"]), folder / CURVE
    curve = evaluator.read_curve(result["env_id"], read_curve(path))
    missing = [] if evaluator.labels.score in curve else [evaluator.labels.score]
    if not any(clock in curve for clock in CLOCKS):
        missing.append(CLOCKS[-1])
    if missing:
        raise ValueError(f"{path} must be the curve.csv of a run: it lacks {', '.join(missing)}")
    work = [f"overseer/{each}" for each in WORK if f"overseer/{each}" in curve]
    try:
        curve = curve.astype(float)
        if work:
            curve[ALL_WORK] = curve[work].sum(axis=1)
        return FinishedRun(result, curve)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} must be the curve.csv of a run: {error}") from None


def is_part_of_comparison(folder: Path) -> bool:
    """Whether a run's folder belongs to the comparison around it; true if there is none.

    A comparison leaves alone the folders of earlier ones that it does not replace.
    """
    try:
        runs = json.loads((folder.parent / COMPARISON).read_text("utf-8"))["runs"]
    except (OSError, ValueError, KeyError, TypeError):
        return True
    return folder.name in runs


@dataclass(frozen=True)
class AgentRuns:
    """All runs of one agent on one environment.

    Attributes:
        runs: at least one, one a seed.
    """

    runs: Sequence[FinishedRun]

    @property
    def env_id(self) -> str:
        """The environment."""
        return self.runs[0].env_id

    @property
    def agent(self) -> str:
        """The agent."""
        return self.runs[0].agent

    @property
    def labels(self) -> Labels:
        """What the evaluations measure."""
        return self.runs[0].labels

    @property
    def clock(self) -> str:
        """The column of minutes: of a core at work, if the runs have logged them."""
        return next(tag for tag in CLOCKS if tag in self.runs[0].curve)

    def list_last(self, column: str) -> NDArray[np.float64]:
        """``column`` at each run's last evaluation ``(seeds,)``, NaN where it has none."""
        return np.array([run.curve[column].iloc[-1] if column in run.curve else np.nan
                         for run in self.runs], dtype=float)  # fmt: skip

    def list_accuracies(self) -> list[str]:
        """Tags of the accuracies that were logged, without "eval/"."""
        names = (str(name).removeprefix("eval/") for name in self.runs[0].curve.columns)
        return [name for name in names if name.startswith("accuracy")]

    def compute_median(self, column: str) -> float:
        """Median over the seeds of ``column`` at the last evaluation."""
        return float(np.median(self.list_last(column)))

    def find_first(self, level: float, column: str) -> float:
        """Median over the seeds of :meth:`FinishedRun.find_first`; NaN if half never pass."""
        median = float(np.median([run.find_first(level, column) for run in self.runs]))
        return median if np.isfinite(median) else np.nan


def group_by_agent(runs: Sequence[FinishedRun]) -> list[AgentRuns]:
    """Group the runs that differ only in their seed, in order."""
    groups: dict[tuple[str, str], list[FinishedRun]] = {}
    for run in runs:
        groups.setdefault((run.env_id, run.agent), []).append(run)
    return [AgentRuns(group) for group in groups.values()]


def split_tag(tag: str) -> tuple[str, str]:
    """Kind and depth that an accuracy is about, each "" for all: "accuracy_D_depth_3" is D, 3."""
    kind, _, depth = tag.removeprefix("accuracy").partition("depth_")
    return kind.strip("_"), depth


def estimate_interquartile_mean(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """The mean of the middle half of ``values (n,)``, and its 95 % bootstrap interval.

    Agarwal et al. (2021), "Deep Reinforcement Learning at the Edge of the Statistical Precipice",
    recommend it for comparisons by a few seeds. With fewer than four values nothing is trimmed.
    """
    mean = float(trim_mean(values, 0.25))
    if len(values) == 1:
        return mean, mean, mean
    interval = bootstrap(
        (values,),
        lambda sample, axis: trim_mean(sample, 0.25, axis=axis),
        method="percentile",
        n_resamples=2000,
        rng=np.random.default_rng(0),
    ).confidence_interval
    return mean, float(interval.low), float(interval.high)


def summarize_agent(group: AgentRuns) -> dict[str, Any]:
    """Summarize the seeds of an agent: scores as shares, costs as medians, NaN for not reached."""
    mean, low, high = estimate_interquartile_mean(group.list_last(group.labels.score))
    return {
        "agent": group.agent,
        "seeds": len(group.runs),
        "median": group.compute_median(group.labels.score),
        "interquartile_mean": mean,
        "low": low,
        "high": high,
        "samples_to_95": group.find_first(0.95, "timesteps"),
        "minutes_to_95": group.find_first(0.95, group.clock),
        "overseer_queries_to_95": group.find_first(0.95, "overseer/human_interactions"),
    }
