"""Pictures of assignments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ia_gym.domains.assignment import Assignment
from ia_gym.domains.domain import Contexts

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_assignment(domain: Assignment, context: Contexts, axes: Axes) -> None:
    """Draw the assignments as code, and the known entries of f."""
    lines = domain.list_assignments(context)
    per_column = max(12, -(-len(lines) // 5))
    for column in range(0, len(lines), per_column):
        axes.text(
            0.02 + 0.196 * (column // per_column),
            0.98,
            "\n".join(lines[column : column + per_column]),
            va="top",
            family="monospace",
            fontsize=11 if len(lines) <= 36 else 6.5,
            transform=axes.transAxes,
        )
    axes.axis("off")
