"""A trace as one self-contained HTML page, with folding and a filter for wrong answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from jinja2 import Environment, FileSystemLoader

from ia_gym.amplification.trace import TraceNode

Part = tuple[Literal["leaf", "open", "close"], TraceNode, bool]
"""What the template writes: a node without children, or where one with children opens or closes;
the node; whether it or anything below it is wrong."""


def render_page(root: TraceNode, title: str, context: str) -> str:
    """The page's text; it needs no other file and no network.

    Args:
        root: the trace.
        title: of the page.
        context: what the question is about, in words.
    """
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    nodes = list(root.walk())
    return templates.get_template("trace_page.html").render(
        title=title,
        context=context,
        n_questions=len(nodes),
        n_wrong=sum(not node.right for node in nodes),
        root=root,
        parts=list_parts(root),
    )


def list_parts(root: TraceNode) -> Iterator[Part]:
    """A node and all below it in the order of the page, without recursion."""
    has_error: dict[int, bool] = {}
    for node in reversed(list(root.walk())):  # children before their parents
        has_error[id(node)] = not node.right or any(has_error[id(one)] for one in node.children)
    waiting: list[Part] = [("open", root, has_error[id(root)])]
    while waiting:
        kind, node, wrong = waiting.pop()
        if kind == "close":
            yield kind, node, wrong
        elif not node.children:
            yield "leaf", node, wrong
        else:
            yield "open", node, wrong
            waiting.append(("close", node, wrong))
            waiting += [("open", one, has_error[id(one)]) for one in reversed(node.children)]
