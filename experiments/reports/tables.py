"""Tables over finished runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from ia_gym.agents.evaluation.evaluator import short_count
from ia_gym.agents.evaluation.make_evaluator import reference_scores
from ia_gym.experiments.reports.comparison_tables import cell, split_tag
from ia_gym.experiments.reports.finished_runs import AgentRuns, interquartile_mean

LEVELS = (0.90, 0.95, 0.99)
"""Accuracies whose first passing is told."""


def main_table(groups: Sequence[AgentRuns]) -> pd.DataFrame:
    """One row an agent: how far it came, and at what cost.

    All figures but the interval are medians of the seeds.
    """
    shared = {(group.env_id, group.agent): group for group in groups}
    rows = []
    for group in groups:
        several = len(group.runs) > 1
        mean, low, high = interquartile_mean(group.last(group.labels.score))
        kinds = {
            split_tag(tag)[0]: group.median(f"eval/{tag}")
            for tag in group.accuracies()
            if split_tag(tag)[0] and not split_tag(tag)[1]
        }
        twin = shared.get((group.env_id, "supervised"))
        ratio = float("nan")
        if twin is not None and twin is not group:
            ratio = group.first(0.9, "timesteps") / twin.first(0.9, "timesteps")
        rows.append(
            {
                "domain": domain_name(group.env_id),
                "agent": group.agent,
                "seeds": str(len(group.runs)) if several else "",
                "X, %": percent(group.median(group.labels.score)),
                "IQM [95 % interval]": (
                    f"{percent(mean)} [{percent(low)}, {percent(high)}]" if several else ""
                ),
                "by kind": ", ".join(f"{kind} {percent(value)}" for kind, value in kinds.items()),
                "return": plain(group.median("eval/return"), 2),
                **overapproval(group),
                "put to H": f"{group.median('overseer/human_interactions'):,.0f}",
                "minutes": plain(group.median(group.clock), 1),
                **{
                    f"min to {percent(level, 0)} %": plain(group.first(level, group.clock), 1)
                    for level in LEVELS
                },
                "questions to 95 %": known(group.first(0.95, "timesteps"), short_count),
                "steps to 90 %, against supervised": plain(ratio, 2),
                "teraflop": known(group.median("work/teraflop"), lambda work: f"{work:.0f}"),
                "asked of X": short_count(group.median("overseer/assistant_answers")),
            }
        )
    return filled(pd.DataFrame(rows))


def overapproval(group: AgentRuns) -> dict[str, str]:
    """How far approval stood above what it should equal, in the end."""
    column = group.labels.overapproval
    return {column.heading: cell(group.median(column.tag), column)}


def overview(groups: Sequence[AgentRuns]) -> pd.DataFrame:
    """Agents down, domains across, if there are several: medians over the seeds.

    A cell holds the accuracy in the end and, where it came to 95 %, after how many questions and
    minutes of a core.
    """
    env_ids = {group.env_id for group in groups}
    if len(env_ids) == 1 and groups[0].labels.approval_is_share:
        return one_environment(groups)
    cells: dict[str, dict[str, str]] = {}
    for group in groups:
        text = percent(group.median(group.labels.score))
        questions = group.first(0.95, "timesteps")
        if np.isfinite(questions):
            text += f" ({short_count(questions)}, {group.first(0.95, group.clock):.1f} min)"
        row = cells.setdefault(group.agent, {"X, % (to 95 %)": group.agent})
        row[domain_name(group.env_id)] = text
    for env_id in dict.fromkeys(group.env_id for group in groups):
        for name, score in reference_scores(env_id).items():
            row = cells.setdefault(name, {"X, % (to 95 %)": f"reference: {name}"})
            row[domain_name(env_id)] = percent(score)
    return filled(pd.DataFrame(list(cells.values())))


def one_environment(groups: Sequence[AgentRuns]) -> pd.DataFrame:
    """Agents down; across, how far they came and what the overseer made of it."""
    rows = [
        {
            "agent": group.agent,
            "X, %": percent(group.median(group.labels.score)),
            "by seed": " ".join(percent(value) for value in group.last(group.labels.score)),
            "approved of, %": percent(group.median("overseer/approval")),
            "certainty, %": percent(group.median("eval/certainty")),
            "collapsed": f"{int(group.last('overseer/collapsed').sum())} of {len(group.runs)}",
            "questions to 95 %": known(group.first(0.95, "timesteps"), short_count),
            "min to 95 %": plain(group.first(0.95, group.clock), 1),
        }
        for group in groups
    ]
    for name, score in reference_scores(groups[0].env_id).items():
        rows.append({"agent": f"reference: {name}", "X, %": percent(score)})
    return filled(pd.DataFrame(rows))


def depth_table(groups: Sequence[AgentRuns]) -> pd.DataFrame:
    """Last accuracies by kind and depth, one row an environment, agent and kind."""
    parts = []
    for group in groups:
        by_kind: dict[str, dict[str, str]] = {}
        for tag in group.accuracies():
            kind, depth = split_tag(tag)
            if depth:
                by_kind.setdefault(kind, {})[depth] = percent(group.median(f"eval/{tag}"))
        for kind, depths in by_kind.items():
            told = ", ".join(f"{depth}: {value}" for depth, value in depths.items())
            domain = f"{domain_name(group.env_id)} {kind}".strip()
            parts.append({"domain": domain, "agent": group.agent, "by depth": told})
    return filled(pd.DataFrame(parts))


def domain_name(env_id: str) -> str:
    """The domain's name in an environment's id."""
    return re.sub(r"^IA-|-N\d+|-v\d+$", "", env_id)


def percent(share: float, digits: int = 1) -> str:
    """A share as a percentage, without its sign."""
    return f"{100 * share:.{digits}f}"


def known(number: float, write: Callable[[float], str]) -> str:
    """A number, written; a dash for NaN."""
    return "–" if np.isnan(number) else write(number)


def plain(number: float, digits: int) -> str:
    """A number with so many digits; a dash for NaN."""
    return known(number, lambda value: f"{value:.{digits}f}")


def filled(table: pd.DataFrame) -> pd.DataFrame:
    """The table without gaps, and without columns that are empty throughout."""
    table = table.fillna("")
    return table.loc[:, (~table.isin(["", "–"])).any()]


def command_table(groups: Sequence[AgentRuns]) -> pd.DataFrame:
    """What made each run: its command, and the commit of the code."""
    rows = [
        {
            "domain": domain_name(group.env_id),
            "agent": group.agent,
            "seed": str(run.result["seed"]),
            "stopped by": str(run.result.get("stopped_by", "")),
            "commit": str(run.result.get("commit") or ""),
            "command": str(run.result.get("command", "")),
        }
        for group in groups
        for run in group.runs
    ]
    return filled(pd.DataFrame(rows))


def markdown(table: pd.DataFrame) -> str:
    """A table as Markdown."""
    lines = [list(table.columns), ["---"] * table.shape[1], *table.to_numpy().tolist()]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
