"""Pictures of graphs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ia_gym.domains.domain import Contexts
from ia_gym.domains.shortest_path import ShortestPath
from ia_gym.domains.transcript import IDK
from ia_gym.domains.union_find import UnionFind

if TYPE_CHECKING:
    import networkx as nx
    from matplotlib.axes import Axes

STYLE: dict[str, Any] = {"edgecolors": "0.4", "edge_color": "0.4"}
PLAIN, LABELLED = "#dbe9f6", "#f6d9b8"
"""Colours of vertices."""


def draw_shortest_path(domain: ShortestPath, context: Contexts, axes: Axes) -> None:
    """Draw the graph with arrows for its edges, neighbours near one another."""
    import networkx as nx

    graph = make_graph(context)
    crowded = len(graph) > 16
    places = place_apart(context)
    nx.draw_networkx(
        graph,
        places,
        ax=axes,
        node_size=160 if crowded else 500,
        font_size=7 if crowded else 13,
        width=0.7 if crowded else 1.2,
        arrowsize=7 if crowded else 14,
        node_color=PLAIN,
        connectionstyle="arc3,rad=0.08",
        **STYLE,
    )
    axes.axis("off")


def draw_union_find(domain: UnionFind, context: Contexts, axes: Axes) -> None:
    """Draw the trees, each below the vertex that carries its label."""
    import networkx as nx

    names, places = list_vertices(context), place_trees(context)
    parent = context["parent"]
    roots = [name for name in names if parent[name] == name]
    for root in roots:
        label = domain.symbol_text(int(context["label"][root]))
        axes.text(places[root][0], 0.45, label, ha="center", weight="bold", fontsize=13)
    crowded = len(names) > 20
    graph = nx.Graph([(name, int(parent[name])) for name in names if name not in roots])
    graph.add_nodes_from(names)
    nx.draw_networkx(
        graph,
        places,
        ax=axes,
        node_size=190 if crowded else 600,
        font_size=7 if crowded else 13,
        node_color=[LABELLED if name in roots else PLAIN for name in graph],
        **STYLE,
    )
    axes.set_ylim(top=0.9)
    axes.axis("off")


def make_graph(context: Contexts) -> nx.DiGraph[int]:
    """The directed graph of one context (shape ``()``) of ``ShortestPath``."""
    import networkx as nx

    facts = context["facts"]
    graph: nx.DiGraph[int] = nx.DiGraph()
    graph.add_nodes_from(list_vertices(context))
    graph.add_edges_from(facts[facts[:, 0] != IDK].tolist())
    return graph


def place_apart(context: Contexts) -> dict[int, Any]:
    """Place the vertices of a graph so that neighbours are near one another: x, y by vertex."""
    import networkx as nx

    graph = make_graph(context).to_undirected()
    places: dict[int, Any] = nx.spring_layout(graph, method="energy", iterations=500, seed=0)
    return places


def place_trees(context: Contexts) -> dict[int, tuple[float, float]]:
    """Place the vertices of labelled trees, each below its root at height 0: x, y by vertex."""
    names = list_vertices(context)
    below: dict[int, list[int]] = {name: [] for name in names}
    roots = [name for name in names if context["parent"][name] == name]
    for name in names:
        if context["parent"][name] != name:
            below[int(context["parent"][name])].append(name)
    places: dict[int, tuple[float, float]] = {}
    leaves = 0.0

    def place(name: int) -> float:
        """Put a vertex above the middle of the vertices below it, leaves side by side."""
        nonlocal leaves
        if below[name]:
            across = [place(child) for child in below[name]]
            middle = (across[0] + across[-1]) / 2
        else:
            middle = leaves
            leaves += 1
        places[name] = middle, 1.0 - context["depth"][name]
        return middle

    for root in roots:
        place(root)
        leaves += 0.5
    return places


def list_vertices(context: Contexts) -> list[int]:
    """The vertices of a context."""
    vertices: list[int] = context["vertices"][context["vertices"] != IDK].tolist()
    return vertices
