"""From a sketch of a context to the numbers of an SVG picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ia_gym.domains.drawing.sketch import Sketch

UNIT = 72.0
"""Pixels from a vertex to its neighbour."""
RADIUS = 17.0
MARGIN = 44.0
BEND = 0.12
"""How far an arrow bows out, as a share of its length: arrows both ways stay apart."""


@dataclass(frozen=True)
class Picture:
    """A graph as an SVG draws it, in pixels.

    Attributes:
        width: of the picture.
        height: of the picture.
        vertices: x, y, symbol, text and note of each.
        paths: the edges, as the ``d`` of an SVG path.
        radius: of a vertex.
    """

    width: int
    height: int
    vertices: list[tuple[float, float, int, str, str]]
    paths: list[str]
    radius: float = RADIUS


def make_picture(sketch: Sketch) -> Picture:
    """Lay out a sketch that has vertices."""
    places = np.array([(vertex.x, vertex.y) for vertex in sketch.vertices]) * UNIT
    places -= places.min(axis=0) - MARGIN
    width, height = (int(np.ceil(side)) for side in places.max(axis=0) + MARGIN)
    rounded = np.round(places, 1).tolist()
    vertices = [
        (x, y, vertex.symbol, vertex.text, vertex.note)
        for (x, y), vertex in zip(rounded, sketch.vertices, strict=True)
    ]
    bend = BEND if sketch.directed else 0.0
    paths = [draw_edge(places[start], places[end], bend) for start, end in sketch.edges]
    return Picture(width, height, vertices, paths)


def draw_edge(start: np.ndarray, end: np.ndarray, bend: float) -> str:
    """An edge from the border of one vertex to that of another; a loop if they are the same."""
    along = end - start
    length = float(np.hypot(*along))
    if length < 1e-6:
        x, y = start
        left, right, up = x - 0.6 * RADIUS, x + 0.6 * RADIUS, y - 0.8 * RADIUS
        return f"M{left:.1f} {up:.1f}C{x - 28:.1f} {y - 46:.1f} {x + 28:.1f} {y - 46:.1f} " + (
            f"{right:.1f} {up:.1f}"
        )
    across = np.array([-along[1], along[0]])
    middle = (start + end) / 2 + bend * across
    first = start + RADIUS * (middle - start) / np.hypot(*(middle - start))
    last = end + (RADIUS + (3 if bend else 0)) * (middle - end) / np.hypot(*(middle - end))
    return f"M{first[0]:.1f} {first[1]:.1f}Q{middle[0]:.1f} {middle[1]:.1f} " + (
        f"{last[0]:.1f} {last[1]:.1f}"
    )
