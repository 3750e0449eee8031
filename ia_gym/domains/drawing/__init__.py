"""Pictures of contexts, one file a domain; the two graph domains share ``graphs.py``.

``sketch.py`` has all of them as data instead, for the page on which a person decomposes.

Only :meth:`ia_gym.domains.Domain.draw` imports this, when it is called: it takes matplotlib.
"""

from __future__ import annotations

from functools import singledispatch
from textwrap import fill
from typing import TYPE_CHECKING

from ia_gym.domains.assignment import Assignment
from ia_gym.domains.domain import Contexts, Domain
from ia_gym.domains.drawing.assignment import draw_assignment
from ia_gym.domains.drawing.graphs import draw_shortest_path, draw_union_find
from ia_gym.domains.drawing.permutation import draw_permutation
from ia_gym.domains.drawing.wildcard import draw_wildcard
from ia_gym.domains.permutation import Permutation
from ia_gym.domains.shortest_path import ShortestPath
from ia_gym.domains.union_find import UnionFind
from ia_gym.domains.wildcard import Wildcard

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@singledispatch
def draw_context(domain: Domain, context: Contexts, axes: Axes) -> None:
    """Draw one context (shape ``()``) on matplotlib ``axes``; by default its text."""
    axes.text(0, 1, fill(domain.context_text(context), 76), va="top", family="monospace")
    axes.axis("off")


draw_context.register(Assignment, draw_assignment)
draw_context.register(Permutation, draw_permutation)
draw_context.register(ShortestPath, draw_shortest_path)
draw_context.register(UnionFind, draw_union_find)
draw_context.register(Wildcard, draw_wildcard)
