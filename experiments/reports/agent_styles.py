"""One colour and dash an agent, the same in every figure of a report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

COLOURS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9",
    "#8A4FC9", "#8C564B", "#B5322F", "#8F9B2F",
)  # fmt: skip
"""Okabe and Ito's palette, which the colour-blind can tell apart, and four more for larger sets.
All of them show on white and on black."""

DASHES = ("solid", "dash", "dot")
"""Names of plotly; they change after every six agents, so that no two agents look the same."""

BASELINE = "supervised"
"""The agent that learns from the truth, drawn in grey."""

RELATIONAL = "-relational"
"""Follows the name of an agent whose network has relational attention."""

GREY = "#808080"


@dataclass(frozen=True)
class AgentStyle:
    """How an agent is drawn.

    Attributes:
        colour: as ``#RRGGBB``.
        dash: one of :data:`DASHES`.
    """

    colour: str
    dash: str


def style_agents(agents: Iterable[str]) -> dict[str, AgentStyle]:
    """A style for each of ``agents``, which may come with repetitions, in the order they come."""
    names = dict.fromkeys(agents)
    greys = {BASELINE: AgentStyle(GREY, "solid"), BASELINE + RELATIONAL: AgentStyle(GREY, "dash")}
    others = [name for name in names if name not in greys]
    styles = {
        name: AgentStyle(COLOURS[i % len(COLOURS)], DASHES[i // 6 % len(DASHES)])
        for i, name in enumerate(others)
    }
    return {name: {**greys, **styles}[name] for name in names}


def find_baseline(agent: str) -> str:
    """The supervised baseline with the same kind of network as ``agent``."""
    return BASELINE + RELATIONAL if RELATIONAL in agent else BASELINE
