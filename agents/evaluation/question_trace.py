"""The trace of a question as a tree, for the terminal and TensorBoard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ia_gym.amplification.trace import TraceNode

if TYPE_CHECKING:
    from rich.tree import Tree


def format_node(node: TraceNode) -> str:
    """A node in one line, with ``rich`` markup."""
    from rich.markup import escape

    colour = "green" if node.right else "red"
    text = f"[{colour}]{escape(node.question)} = {escape(node.answer)}[/]"
    text += " [dim](looked up)[/]" if node.looked_up else " [dim](agent)[/]"
    if not node.right:
        text += f" [dim]truth {escape(node.truth)}[/]"
    if node.target is not None and node.target != node.answer:
        shade = "green" if node.target_right else "red"
        text += f" [dim]overseer[/] [{shade}]{escape(node.target)}[/]"
    for mark in node.marks:
        text += f" [bold red]← {mark}[/]"
    return text


def to_tree(node: TraceNode, unfold: bool = False) -> Tree:
    """The trace as a tree that ``rich`` prints.

    Args:
        node: the root.
        unfold: show parts without an error too, which are summed up in a line otherwise.
    """
    from rich.tree import Tree

    tree = Tree(format_node(node))
    branches = [(node, tree)]
    while branches:
        parent, branch = branches.pop()
        for child in parent.children:
            below = list(child.walk())
            twig = branch.add(format_node(child))
            if unfold or not all(each.right for each in below):
                branches.append((child, twig))
            elif len(below) > 1:
                twig.add(f"[dim]{len(below) - 1} more, all right[/]")
    return tree
