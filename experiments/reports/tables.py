"""The tables of a report, with numbers already written as text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import gymnasium as gym
import numpy as np
import pandas as pd

from ia_gym.agents.evaluation.evaluator import format_count
from ia_gym.agents.evaluation.make_evaluator import compute_reference_scores
from ia_gym.amplification.work import WORK
from ia_gym.experiments.reports.agent_styles import find_baseline
from ia_gym.experiments.reports.finished_runs import (
    AgentRuns,
    estimate_interquartile_mean,
    split_tag,
)
from ia_gym.experiments.reports.formatting import (
    DASH,
    format_known,
    format_measurement,
    format_number,
    format_percent,
)

LEVELS = (0.90, 0.95, 0.99)
"""Scores for which the table of agents says after how many minutes they were first reached."""

QUERIES = "overseer/human_interactions"


def build_overview(groups: Sequence[AgentRuns]) -> pd.DataFrame:
    """Build the overview: one row an agent, one column an environment; medians over the seeds.

    A cell holds the last score and, where it reached 95 %, the samples and minutes that took.
    """
    names = name_environments(group.env_id for group in groups)
    if len(names) == 1:
        return build_environment_overview(groups)
    labels = {group.labels.score_label for group in groups}
    score = labels.pop() if len(labels) == 1 else "score"
    first = f"{score}, % (samples, minutes to 95 %)"
    cells: dict[str, dict[str, str]] = {}
    for group in groups:
        cell = format_percent(group.compute_median(group.labels.score))
        samples = group.find_first(0.95, "timesteps")
        if np.isfinite(samples):
            minutes = group.find_first(0.95, group.clock)
            cell += f" ({format_count(samples)}, {minutes:.1f} min)"
        cells.setdefault(group.agent, {first: group.agent})[names[group.env_id]] = cell
    for env_id, name in names.items():
        for reference, share in measure_references(env_id).items():
            row = cells.setdefault(f"reference: {reference}", {first: f"reference: {reference}"})
            row[name] = format_percent(share)
    table = pd.DataFrame(list(cells.values()), columns=[first, *sorted(names.values())])
    return drop_empty_columns(table)


def build_environment_overview(groups: Sequence[AgentRuns]) -> pd.DataFrame:
    """Build the overview of one environment: one row an agent, with scores and approval."""
    labels = groups[0].labels
    score = f"{labels.score_label}, %"
    rows = [
        {
            "agent": group.agent,
            score: format_percent(group.compute_median(labels.score)),
            "by seed": " ".join(format_percent(value) for value in group.list_last(labels.score)),
            **{
                column.heading: format_measurement(group.compute_median(column.tag), column.form)
                for column in labels.columns
                if column.tag == "overseer/approval"
            },
            "certainty, %": format_percent(group.compute_median("eval/certainty")),
            "collapsed": count_collapsed(group),
            "samples to 95 %": format_known(group.find_first(0.95, "timesteps"), format_count),
            "minutes to 95 %": format_number(group.find_first(0.95, group.clock), 1),
        }
        for group in groups
    ]
    for name, value in measure_references(groups[0].env_id).items():
        rows.append({"agent": f"reference: {name}", score: format_percent(value)})
    return drop_empty_columns(pd.DataFrame(rows))


def measure_references(env_id: str) -> dict[str, float]:
    """Scores to compare with, by name; none where the environment is not registered here."""
    if env_id not in gym.registry:
        return {}
    return compute_reference_scores(env_id)


def count_collapsed(group: AgentRuns) -> str:
    """How many seeds have settled on wrong answers that the overseer approves of."""
    collapsed = float(group.list_last("overseer/collapsed").sum())
    return format_known(collapsed, lambda count: f"{count:.0f} of {len(group.runs)}")


def build_agent_table(groups: Sequence[AgentRuns]) -> pd.DataFrame:
    """Build the table of agents: scores and costs, one row an agent and environment.

    All numbers but the interval are medians of the seeds.
    """
    names = name_environments(group.env_id for group in groups)
    by_name = {(group.env_id, group.agent): group for group in groups}
    rows = []
    for group in groups:
        labels = group.labels
        baseline = by_name.get((group.env_id, find_baseline(group.agent)))
        several = len(group.runs) > 1
        mean, low, high = map(
            format_percent, estimate_interquartile_mean(group.list_last(labels.score))
        )
        kinds = [tag for tag in group.list_accuracies() if covers_all_depths(tag)]
        gap = labels.overapproval
        rows.append(
            {
                "environment": names[group.env_id],
                "agent": group.agent,
                "seeds": str(len(group.runs)) if several else "",
                f"{labels.score_label}, %": format_percent(group.compute_median(labels.score)),
                "IQM, % [95 % interval]": f"{mean} [{low}, {high}]" if several else "",
                "by kind, %": ", ".join(
                    f"{split_tag(tag)[0]} {format_percent(group.compute_median(f'eval/{tag}'))}"
                    for tag in kinds
                ),
                "return": format_number(group.compute_median("eval/return"), 2),
                gap.heading: format_measurement(group.compute_median(gap.tag), gap.form),
                "overseer queries": f"{group.compute_median(QUERIES):,.0f}",
                "minutes": format_number(group.compute_median(group.clock), 1),
                **{
                    f"minutes to {level:.0%}".replace("%", " %"): format_number(
                        group.find_first(level, group.clock), 1
                    )
                    for level in LEVELS
                },
                "samples to 95 %": format_known(group.find_first(0.95, "timesteps"), format_count),
                "samples to 90 %, relative to supervised": format_number(
                    compare_samples(group, baseline), 2
                ),
                "teraFLOP": format_number(group.compute_median("work/teraflop"), 0),
                "assistant answers": format_count(
                    group.compute_median("overseer/assistant_answers")
                ),
            }
        )
    return drop_empty_columns(pd.DataFrame(rows))


def covers_all_depths(tag: str) -> bool:
    """Whether an accuracy is that of one kind of questions, of all depths."""
    kind, depth = split_tag(tag)
    return bool(kind) and not depth


def compare_samples(group: AgentRuns, baseline: AgentRuns | None) -> float:
    """Samples to 90 %, as a multiple of the baseline's; NaN where one of them has none."""
    if baseline is None or baseline is group:
        return float("nan")
    samples = baseline.find_first(0.9, "timesteps")
    return group.find_first(0.9, "timesteps") / samples if samples else float("nan")


def build_depth_table(groups: Sequence[AgentRuns]) -> pd.DataFrame:
    """Build the table of final accuracies by depth: one row an environment, kind and agent."""
    rows = [
        {
            "environment": title,
            "agent": agent,
            "accuracy by depth, %": ", ".join(
                f"{depth}: {format_percent(value)}" for depth, value in depths.items()
            ),
        }
        for title, agents in collect_depths(groups).items()
        for agent, depths in agents.items()
    ]
    return drop_empty_columns(pd.DataFrame(rows))


def collect_depths(groups: Sequence[AgentRuns]) -> dict[str, dict[str, dict[str, float]]]:
    """Medians of the last accuracies: by environment and kind, by agent, by depth."""
    names = name_environments(group.env_id for group in groups)
    found: dict[str, dict[str, dict[str, float]]] = {}
    for group in groups:
        for tag in group.list_accuracies():
            kind, depth = split_tag(tag)
            if depth:
                rows = found.setdefault(f"{names[group.env_id]} {kind}".strip(), {})
                rows.setdefault(group.agent, {})[depth] = group.compute_median(f"eval/{tag}")
    return found


def build_protocol_table(groups: Sequence[AgentRuns]) -> pd.DataFrame:
    """Build the table of protocols: how good the judge is, and what it costs the overseer.

    One row an agent and environment, medians of the seeds; runs that have measured no judge are
    left out.
    """
    names = name_environments(group.env_id for group in groups)
    rows = []
    for group in groups:
        if np.isnan(group.compute_median("judge/accuracy")):
            continue
        questions = max(group.compute_median("timesteps"), 1)
        rows.append(
            {
                "environment": names[group.env_id],
                "agent": group.agent,
                **{
                    heading: format_percent(group.compute_median(tag))
                    for heading, tag in {
                        f"{group.labels.score_label}, %": group.labels.score,
                        "right verdicts, %": "judge/accuracy",
                        "over-approval, %": "judge/overapproval",
                        "largest, %": "judge/max_overapproval",
                        "score difference, %": "judge/score_difference",
                    }.items()
                },
                **{
                    f"{work} a question": format_number(
                        group.compute_median(f"overseer/{work}") / questions, 2
                    )
                    for work in (*WORK, "assistant_answers")
                },
                "overseer queries": format_known(group.compute_median(QUERIES), format_count),
                "teraFLOP": format_number(group.compute_median("work/teraflop"), 1),
            }
        )
    return drop_empty_columns(pd.DataFrame(rows)).rename(
        columns={"assistant_answers a question": "agent answers a question"}
    )


def build_run_table(groups: Sequence[AgentRuns]) -> pd.DataFrame:
    """Build the table of runs: results, command and commit, one row a run."""
    names = name_environments(group.env_id for group in groups)
    rows = []
    for group in groups:
        scores = group.list_last(group.labels.score)
        columns = ("timesteps", QUERIES, group.clock)
        samples, queries, minutes = (group.list_last(column) for column in columns)
        for i, run in enumerate(group.runs):
            rows.append(
                {
                    "environment": names[group.env_id],
                    "agent": group.agent,
                    "seed": str(run.result["seed"]),
                    f"{group.labels.score_label}, %": format_percent(scores[i]),
                    "samples": format_count(samples[i]),
                    "overseer queries": format_known(queries[i], format_count),
                    "minutes": format_number(minutes[i], 1),
                    "stopped by": str(run.result.get("stopped_by") or ""),
                    "commit": str(run.result.get("commit") or ""),
                    "command": str(run.result.get("command") or ""),
                }
            )
    return drop_empty_columns(pd.DataFrame(rows))


def name_environments(env_ids: Iterable[str], with_size: bool = False) -> dict[str, str]:
    """A name for each id: the shortest form that keeps them apart.

    "IA-Permutation-N64-v0" is "Permutation", beside other sizes or ``with_size``
    "Permutation-N64", and beside other versions itself.
    """
    ids = list(dict.fromkeys(env_ids))
    for left_out in (r"^IA-|-N\d+(of\d+)?|-v\d+$", r"^IA-|-v\d+$")[with_size:]:
        names = [re.sub(left_out, "", env_id) for env_id in ids]
        if len({*names}) == len(ids):
            return dict(zip(ids, names, strict=True))
    return {env_id: env_id for env_id in ids}


def drop_empty_columns(table: pd.DataFrame) -> pd.DataFrame:
    """The table with gaps as "", and without columns that are empty throughout."""
    table = table.fillna("")
    return table.loc[:, (~table.isin(["", DASH])).any()]


def format_markdown(table: pd.DataFrame) -> str:
    """A table as Markdown."""
    cells = table.map(lambda cell: cell.replace("|", r"\|"))
    lines = [list(table.columns), ["---"] * table.shape[1], *cells.to_numpy().tolist()]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
