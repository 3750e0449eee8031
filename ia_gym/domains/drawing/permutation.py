"""Pictures of permutations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ia_gym.domains.domain import Contexts
from ia_gym.domains.permutation import Permutation

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_permutation(domain: Permutation, context: Contexts, axes: Axes) -> None:
    """Draw each cycle as a chain of names that ends, pale, with the name that it began with."""
    columns = 8 if domain.size <= 24 else 17
    across, down = 0, 0
    for cycle in domain.find_cycles(context):
        if across and across + len(cycle) >= columns:
            across, down = 0, down + 1
        for step, name in enumerate([*cycle, cycle[0]]):
            if across == columns:
                across, down = 0, down + 1
            last = step == len(cycle)
            axes.text(
                across,
                -down,
                str(name),
                ha="center",
                va="center",
                color="0.55" if last else "black",
                fontsize=14 if columns == 8 else 9,
                bbox={
                    "boxstyle": "circle,pad=0.3",
                    "facecolor": "white" if last else "#dbe9f6",
                    "edgecolor": "0.75" if last else "0.4",
                },
            )
            if not last:
                arrow = {"arrowstyle": "->", "color": "0.4"}
                axes.annotate("", (across + 0.7, -down), (across + 0.3, -down), arrowprops=arrow)
            across += 1
    axes.set_xlim(-0.6, columns - 0.4)
    axes.set_ylim(-max(down, 3) - 0.6, 0.6)
    axes.axis("off")
