"""The report as one HTML page that needs no other file and no network.

The page is a template of Jinja2, ``report_page.html``, with its style and its script beside it.
Plotly draws the curves, see :mod:`ia_gym.experiments.reports.interactive_figures`. A content
security policy in the page forbids it to load anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from ia_gym.agents.evaluation.evaluator import format_count
from ia_gym.experiments.reports.agent_styles import RELATIONAL, find_baseline, style_agents
from ia_gym.experiments.reports.finished_runs import AgentRuns
from ia_gym.experiments.reports.formatting import format_percent
from ia_gym.experiments.reports.interactive_figures import build_views
from ia_gym.experiments.reports.tables import QUERIES, collect_depths, name_environments

FOLDER = Path(__file__).parent

TERMS = {
    "accuracy": "The share of held-out questions that the agent answers correctly.",
    "share of the best return": "The mean return of held-out episodes, relative to the best there "
    "is in the environment.",
    "samples": "Questions, or steps of an environment, that the agent was trained on.",
    "overseer queries": "Interactions with the overseer: what its time would cost.",
    "assistant answers": "Sub-questions that an assistant answered for the overseer.",
    "approval": "What the overseer, with the agent as its assistant, thinks of the agent's "
    "answers: the reward.",
    "approval less accuracy": "Above zero, the overseer approves of wrong answers.",
    "minutes": "Time of one CPU core.",
    "IQM": "Interquartile mean: the mean of the middle half of the seeds, with a bootstrap "
    "interval.",
    "supervised": "The baseline that is trained on the correct answers.",
    "expert-iteration": "Imitates a search that is judged by the correct answers; on games, a tree "
    "search. Truth is used.",
    "reference": "Random answers, the most frequent answer (majority), a name out of the question "
    "(copy), the overseer with an assistant that knows nothing (know-nothing) or everything "
    "(oracle), the best possible return (best).",
}
"""What the words in the tables mean."""


def render_page(
    title: str, command: str, groups: Sequence[AgentRuns], tables: Mapping[str, pd.DataFrame]
) -> str:
    """Render the page.

    Args:
        title: heading of the page.
        command: wrote the page.
        groups: all runs.
        tables: by heading; the one called "Runs" may have a column "command", which is shown apart.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    frames = {
        name: table.drop(columns="command", errors="ignore")
        for name, table in tables.items()
        if name != "By depth"  # heat maps show it
    }
    depths = collect_depths(groups)
    sections = {"summary": "Summary", "curves": "Learning curves"}
    for i, name in enumerate(frames):
        sections[to_id(name)] = name
        if i == 1 and depths:
            sections["depth"] = "Accuracy by depth"
    sections |= {"commands": "Commands", "words": "Terms"}
    return environment.get_template("report_page.html").render(
        title=title,
        command=command,
        lead=describe_runs(groups),
        sections=sections.items(),
        cards=[summarize_environment(groups, env_id) for env_id in list_compared_envs(groups)],
        views=build_views(groups),
        env_ids=list_compared_envs(groups),
        styles=style_agents(group.agent for group in groups),
        several_seeds=any(len(group.runs) > 1 for group in groups),
        tables=[(to_id(name), name, frame) for name, frame in frames.items()],
        depths=depths,
        commands=collect_commands(groups),
        terms=TERMS,
        style=read_part("report_page.css"),
        script=read_part("report_page.js"),
        plotly=Markup(get_plotlyjs()),
    )


def read_part(name: str) -> Markup:
    """Read a file of the page, to be inserted without escaping."""
    return Markup((FOLDER / name).read_text("utf-8"))


def to_id(name: str) -> str:
    """The id of the section with this heading."""
    return name.lower().replace(" ", "-")


def list_compared_envs(groups: Sequence[AgentRuns]) -> list[str]:
    """The environments, each once."""
    return list(dict.fromkeys(group.env_id for group in groups))


def describe_runs(groups: Sequence[AgentRuns]) -> str:
    """How many runs there are, of what, and how long they took."""
    hours = sum(group.list_last(group.clock).sum() for group in groups) / 60
    counts = {
        "environment": len(list_compared_envs(groups)),
        "agent": len({group.agent for group in groups}),
        "run": sum(len(group.runs) for group in groups),
    }
    parts = [f"{count} {word}{'s' * (count != 1)}" for word, count in counts.items()]
    return f"{', '.join(parts)}; {hours:.1f} hours on one CPU core."


def summarize_environment(groups: Sequence[AgentRuns], env_id: str) -> dict[str, Any]:
    """Summarize which agents did best on an environment.

    The supervised baseline stands apart, since it trains on the truth; relational networks, which
    have part of the answer built in, count only where there are no others.
    """
    of_env = [group for group in groups if group.env_id == env_id]
    of_env = [group for group in of_env if RELATIONAL not in group.agent] or of_env
    labels = of_env[0].labels
    agents = [group for group in of_env if group.agent != find_baseline(group.agent)]
    facts = {}
    if agents:
        scores = {group.agent: group.compute_median(labels.score) for group in agents}
        best = format_percent(max(scores.values()))
        winners = [agent for agent, score in scores.items() if format_percent(score) == best]
        facts[f"highest {labels.score_label}"] = f"{best} % ({join_names(winners)})"
    for what, column in (("samples", "timesteps"), ("overseer queries", QUERIES)):
        costs = {group.agent: group.find_first(0.95, column) for group in agents}
        known = {agent: cost for agent, cost in costs.items() if cost > 0}  # NaN: not reached
        if known:
            least = min(known, key=known.__getitem__)
            facts[f"fewest {what} to 95 %"] = f"{format_count(known[least])} ({least})"
    for group in of_env:
        if group.agent == find_baseline(group.agent):
            text = f"{format_percent(group.compute_median(labels.score))} %"
            samples = group.find_first(0.95, "timesteps")
            if np.isfinite(samples):
                text += f", 95 % after {format_count(samples)} samples"
            facts["supervised baseline"] = text
    name = name_environments(list_compared_envs(groups), with_size=True)[env_id]
    return {"environment": name, "facts": facts}


def join_names(names: Sequence[str]) -> str:
    """Up to three names, and how many more."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def collect_commands(groups: Sequence[AgentRuns]) -> list[dict[str, str]]:
    """List each command once, with the runs it made and the commit of the code."""
    made: dict[tuple[str, str], dict[tuple[str, str], list[str]]] = {}
    names = name_environments(list_compared_envs(groups), with_size=True)
    for group in groups:
        for run in group.runs:
            command, commit = (str(run.result.get(key) or "") for key in ("command", "commit"))
            if command:
                seeds = made.setdefault((command, commit), {})
                whose = names[group.env_id], group.agent
                seeds.setdefault(whose, []).append(str(run.result["seed"]))
    return [
        {
            "command": command,
            "commit": commit,
            "runs": "; ".join(
                f"{name}, {agent}, seed{'s' * (len(seeds) > 1)} {', '.join(seeds)}"
                for (name, agent), seeds in runs.items()
            ),
        }
        for (command, commit), runs in made.items()
    ]
