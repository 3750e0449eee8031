"""Pictures of functions of bits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ia_gym.domains.domain import Contexts
from ia_gym.domains.wildcard import Wildcard

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_wildcard(domain: Wildcard, context: Contexts, axes: Axes) -> None:
    """Draw a table of f: the first bits choose the row, the others the column."""
    table = make_table(domain, context)
    down, across = ((size - 1).bit_length() for size in table.shape)
    left, bottom, width, height = axes.get_position().bounds
    axes.set_position((left + 0.07, bottom, width - 0.07, height - 0.04))  # room for the bits
    axes.imshow(table, cmap="RdBu", vmin=-1.8, vmax=1.8, aspect="auto")
    size = 18 if domain.n_bits <= 4 else 11
    if domain.n_bits <= 8:
        for (row, column), value in np.ndenumerate(table):
            axes.text(
                column,
                row,
                f"{value:+.0f}" if value else "0",
                ha="center",
                va="center",
                fontsize=size,
                color="black" if value else "0.7",
            )
    axes.set_xticks(range(2**across), [f"{i:0{across}b}" for i in range(2**across)])
    axes.set_yticks(range(2**down), [f"{i:0{down}b}" if down else "" for i in range(2**down)])
    axes.tick_params(length=0, labelsize=min(size, 9))
    axes.xaxis.tick_top()
    axes.set_ylabel("first bits")


def make_table(domain: Wildcard, context: Contexts) -> NDArray[np.float64]:
    """The values of f of one context (shape ``()``); the first bits choose the row."""
    down = domain.n_bits // 2
    points = context["facts"][context["facts"][:, 0] != 0]
    numbers = (points[:, :-1] - domain.bit_symbol) @ (1 << np.arange(domain.n_bits)[::-1])
    f = np.zeros(2**domain.n_bits)
    f[numbers] = points[:, -1] - domain.zero_symbol
    return f.reshape(2**down, -1)
