"""A trace as one self-contained HTML page: folds, and filters for wrong answers; no network."""

from __future__ import annotations

from html import escape

from ia_gym.amplification.trace import TraceNode

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem;
       color: #222; background: #fff; }
pre { white-space: pre-wrap; background: #f4f4f4; padding: .6rem; border-radius: 4px; }
details, .leaf { margin-left: 1.2rem; content-visibility: auto;
                 contain-intrinsic-size: auto 1.5em; }
.leaf { padding-left: 1rem; }
summary { cursor: pointer; }
.right > summary > b, .leaf.right > b { color: #00694a; font-weight: 500; }
.wrong > summary > b, .leaf.wrong > b { color: #b03a00; font-weight: 600; }
.note { color: #666; }
.origin { background: #ffe3d3; border-radius: 3px; padding: 0 .3rem; }
body.only .quiet { display: none; }
button, label { font: inherit; margin-right: 1rem; }
"""
SCRIPT = """
const all = open => document.querySelectorAll('details').forEach(d => d.open = open);
document.getElementById('unfold').onclick = () => all(true);
document.getElementById('fold').onclick = () => all(false);
document.getElementById('only').onchange =
  event => document.body.classList.toggle('only', event.target.checked);
"""


def page(root: TraceNode, title: str, context: str) -> str:
    """The page's text.

    Args:
        root: the trace.
        title: of the page.
        context: what the question is about, in words.
    """
    nodes = list(root.walk())
    wrong = sum(not node.right for node in nodes)
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)}</title>"
        f"<style>{STYLE}</style><h1>{escape(title)}</h1><pre>{escape(context)}</pre>"
        f"<p>{len(nodes)} questions, {wrong} answered wrongly; where an error comes in is "
        "<span class=origin>marked</span>. X answers; H looks up what it can see.</p>"
        "<p><button id=unfold>unfold all</button><button id=fold>fold all</button>"
        "<label><input type=checkbox id=only> only wrong answers</label></p>"
        f"{branch(root)}<script>{SCRIPT}</script></html>\n"
    )


def branch(root: TraceNode) -> str:
    """A node and all below it. What holds a wrong answer starts unfolded."""
    troubled: dict[int, bool] = {}
    for each in reversed(list(root.walk())):  # children come before their parents
        troubled[id(each)] = not each.right or any(troubled[id(one)] for one in each.children)
    parts: list[str] = []
    waiting: list[TraceNode | str] = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, str):  # closes what was opened
            parts.append(node)
            continue
        kind = "right" if node.right else "wrong"
        if not troubled[id(node)]:
            kind += " quiet"
        if not node.children:
            parts.append(f'<div class="leaf {kind}">{line(node)}</div>')
            continue
        unfolded = " open" if troubled[id(node)] or node is root else ""
        parts.append(f'<details class="{kind}"{unfolded}><summary>{line(node)}</summary>')
        waiting.append("</details>")
        waiting += reversed(node.children)
    return "".join(parts)


def line(node: TraceNode) -> str:
    """A node's own text."""
    text = f"<b>{escape(node.question)} = {escape(node.answer)}</b> <span class=note>"
    text += "looked up" if node.looked_up else "X"
    if not node.right:
        text += f"; truth {escape(node.truth)}"
    if node.target is not None and node.target != node.answer:
        text += f"; H finds {escape(node.target)}{'' if node.target_right else ' (wrong)'}"
    text += "</span>"
    return text + (" <span class=origin>an error comes in</span>" if node.is_origin else "")
