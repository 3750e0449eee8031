"""FinishedRun runs, as their files tell them, and what several seeds of an agent come to."""

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
from ia_gym.agents.evaluation.make_evaluator import evaluator_class


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
        """The agent."""
        return str(self.result["agent"])

    @property
    def labels(self) -> Labels:
        """What its evaluations measure."""
        return evaluator_class(self.env_id).labels

    def first(self, level: float, column: str) -> float:
        """``column`` at the first evaluation of at least this score; else infinity."""
        passed = self.curve[self.curve[self.labels.score] >= level]
        return float(passed[column].iloc[0]) if len(passed) else np.inf


def read_runs(folder: str | os.PathLike[str]) -> list[FinishedRun]:
    """All finished runs anywhere under ``folder``, by environment, agent and seed.

    Raises:
        ValueError: if there are none.
    """
    runs = []
    for path in Path(folder).rglob("result.json"):
        if not is_part_of_comparison(path.parent):
            continue
        result = json.loads(path.read_text("utf-8"))
        curve = pd.read_csv(path.with_name("curve.csv"))
        env_id = result["env_id"]
        runs.append(FinishedRun(result, evaluator_class(env_id).read_curve(env_id, curve)))
    if not runs:
        raise ValueError(f"folder must hold finished runs (result.json, curve.csv), got {folder}")
    return sorted(runs, key=lambda run: (run.env_id, run.agent, run.result["seed"]))


def is_part_of_comparison(folder: Path) -> bool:
    """Whether a run's folder belongs to the comparison around it; true if there is none.

    A comparison leaves alone the folders of earlier ones that it does not replace.
    """
    try:
        runs = json.loads((folder.parent / "comparison.json").read_text("utf-8"))["runs"]
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
        """What their evaluations measure."""
        return self.runs[0].labels

    @property
    def clock(self) -> str:
        """The column that tells minutes: of a core at work, if the runs have logged them."""
        curve = self.runs[0].curve
        return next(tag for tag in ("time/cpu_minutes", "time/minutes") if tag in curve)

    def last(self, column: str) -> NDArray[np.float64]:
        """``column`` at each run's last evaluation, NaN where it has none."""
        return np.array([run.curve[column].iloc[-1] if column in run.curve else np.nan
                         for run in self.runs], dtype=float)  # fmt: skip

    def accuracies(self) -> list[str]:
        """Tags of the accuracies that were logged, without "eval/"."""
        names = (str(name).removeprefix("eval/") for name in self.runs[0].curve.columns)
        return [name for name in names if name.startswith("accuracy")]

    def median(self, column: str) -> float:
        """Median over the seeds of ``column`` at the last evaluation."""
        return float(np.median(self.last(column)))

    def first(self, level: float, column: str) -> float:
        """Median over the seeds of :meth:`FinishedRun.first`; NaN if half of them do not get there."""
        median = float(np.median([run.first(level, column) for run in self.runs]))
        return median if np.isfinite(median) else np.nan


def by_agent(runs: Sequence[FinishedRun]) -> list[AgentRuns]:
    """Runs put together that differ only in their seed, in order."""
    groups: dict[tuple[str, str], list[FinishedRun]] = {}
    for run in runs:
        groups.setdefault((run.env_id, run.agent), []).append(run)
    return [AgentRuns(group) for group in groups.values()]


def interquartile_mean(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """The mean of the middle half of ``values (n,)``, and its 95 % bootstrap interval.

    As Agarwal et al. (2021) ask of those who compare agents by a few seeds. With fewer than four
    values there is nothing to trim.
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


def summary(group: AgentRuns) -> dict[str, Any]:
    """What the seeds of an agent come to: accuracies as shares, costs as medians."""
    mean, low, high = interquartile_mean(group.last(group.labels.score))
    return {
        "agent": group.agent,
        "seeds": len(group.runs),
        "median": group.median(group.labels.score),
        "interquartile_mean": mean,
        "low": low,
        "high": high,
        "questions_to_95": group.first(0.95, "timesteps"),
        "minutes_to_95": group.first(0.95, group.clock),
        "human_interactions_to_95": group.first(0.95, "overseer/human_interactions"),
    }
