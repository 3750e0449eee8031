"""Contexts as vertices and arrows, lines of text, or a table: for a page on which names are chosen.

Unlike the pictures, a sketch keeps which symbol a name stands for, and leaves colours and sizes to
whoever shows it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch
from itertools import pairwise
from math import pi

import numpy as np

from ia_gym.domains.assignment import Assignment
from ia_gym.domains.domain import Contexts, Domain
from ia_gym.domains.drawing.graphs import list_vertices, place_apart, place_trees
from ia_gym.domains.drawing.wildcard import make_table
from ia_gym.domains.permutation import Permutation
from ia_gym.domains.shortest_path import ShortestPath
from ia_gym.domains.transcript import IDK
from ia_gym.domains.union_find import UnionFind
from ia_gym.domains.wildcard import Wildcard

ROW_WIDTH = 9.0
"""Where a row of cycles ends, in distances from vertex to vertex."""


@dataclass(frozen=True)
class SketchVertex:
    """A name in the plane.

    Attributes:
        symbol: which it stands for.
        text: the name as text.
        x: to the right; neighbouring vertices are about 1 apart.
        y: downwards.
        note: what the vertex carries; empty for nothing.
    """

    symbol: int
    text: str
    x: float
    y: float
    note: str = ""


@dataclass(frozen=True)
class Sketch:
    """A context as a person understands it.

    Attributes:
        vertices: the names, of a graph.
        edges: pairs of indices into ``vertices``.
        directed: whether the edges are arrows.
        lines: text, line by line.
        columns: heads of the columns of a table.
        rows: of the table: the head of each row and its cells.
    """

    vertices: tuple[SketchVertex, ...] = ()
    edges: tuple[tuple[int, int], ...] = ()
    directed: bool = False
    lines: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, tuple[str, ...]], ...] = ()


@singledispatch
def sketch_context(domain: Domain, context: Contexts) -> Sketch:
    """The sketch of one context (shape ``()``); by default its text."""
    return Sketch(lines=tuple(domain.context_text(context).splitlines()))


@sketch_context.register
def sketch_assignment(domain: Assignment, context: Contexts) -> Sketch:
    """The assignments as code, and the known entries of f."""
    return Sketch(lines=tuple(domain.list_assignments(context)))


@sketch_context.register
def sketch_wildcard(domain: Wildcard, context: Contexts) -> Sketch:
    """A table of f: the first bits choose the row, the others the column."""
    table = make_table(domain, context)
    down, across = ((size - 1).bit_length() for size in table.shape)
    columns = tuple(f"{i:0{across}b}" for i in range(2**across))
    rows = tuple(
        (f"{i:0{down}b}" if down else "", tuple(f"{x:+.0f}" if x else "0" for x in row))
        for i, row in enumerate(table)
    )
    return Sketch(columns=columns, rows=rows)


@sketch_context.register
def sketch_permutation(domain: Permutation, context: Contexts) -> Sketch:
    """Each cycle as a ring of arrows."""
    vertices: list[SketchVertex] = []
    edges: list[tuple[int, int]] = []
    left, top, height = 0.0, 0.0, 0.0
    for cycle in domain.find_cycles(context):
        n, first = len(cycle), len(vertices)
        radius = 0.5 / np.sin(pi / n) if n > 1 else 0.0
        width = 2 * radius + 1.0
        if left and left + width > ROW_WIDTH:
            left, top, height = 0.0, top + height + 0.4, 0.0
        angles = 2 * pi * np.arange(n) / n
        for name, angle in zip(cycle, angles, strict=True):
            x = left + width / 2 + radius * np.sin(angle)
            y = top + width / 2 - radius * np.cos(angle)
            vertices.append(SketchVertex(name, str(name), float(x), float(y)))
        edges += pairwise([*range(first, first + n), first])
        left, height = left + width + 0.4, max(height, width)
    return Sketch(tuple(vertices), tuple(edges), directed=True)


@sketch_context.register
def sketch_shortest_path(domain: ShortestPath, context: Contexts) -> Sketch:
    """The graph, neighbours near one another."""
    names = list_vertices(context)
    places = place_apart(context)
    index = {name: i for i, name in enumerate(names)}
    points = np.array([places[name] for name in names])
    apart = np.linalg.norm(points[:, None] - points, axis=-1)
    np.fill_diagonal(apart, np.inf)
    points /= max(float(np.median(apart.min(axis=1))), 1e-6)
    facts = context["facts"]
    edges = sorted({(index[x], index[y]) for x, y in facts[facts[:, 0] != IDK].tolist()})
    vertices = tuple(
        SketchVertex(name, str(name), float(x), float(y))
        for name, (x, y) in zip(names, points, strict=True)
    )
    return Sketch(vertices, tuple(edges), directed=True)


@sketch_context.register
def sketch_union_find(domain: UnionFind, context: Contexts) -> Sketch:
    """The trees, each below the vertex that carries its label."""
    names, places = list_vertices(context), place_trees(context)
    index = {name: i for i, name in enumerate(names)}
    parent = context["parent"]
    vertices = tuple(
        SketchVertex(
            name,
            str(name),
            places[name][0],
            -places[name][1],
            domain.symbol_text(int(context["label"][name])) if parent[name] == name else "",
        )
        for name in names
    )
    edges = tuple((index[name], index[int(parent[name])]) for name in names if parent[name] != name)
    return Sketch(vertices, edges)
