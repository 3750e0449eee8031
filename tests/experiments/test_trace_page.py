"""The page of a trace, opened in a real browser; skipped where there is none."""

from chromium import needs_chromium, run_in_page

from ia_gym.amplification.trace import TraceNode
from ia_gym.experiments.inspection.trace_page import render_page

CLICKS = """
const countOpen = () => document.querySelectorAll("details[open]").length;
results.first = countOpen();
document.getElementById("unfold").click();
results.unfolded = countOpen();
document.getElementById("fold").click();
results.folded = countOpen();
document.getElementById("unfold").click();
document.getElementById("only").click();
const summaries = [...document.querySelectorAll("summary")];
results.wrong = summaries.filter((each) => each.offsetParent).length;
"""


def make_tree(depth):
    """A tree of 3^depth leaves, all of them right."""
    node = TraceNode(f"q{depth}", "1", "1", right=True, looked_up=depth == 0)
    node.children = [make_tree(depth - 1) for _ in range(3)] if depth else []
    return node


@needs_chromium
def test_a_trace_of_thousands_of_questions_folds_and_filters(tmp_path):
    root = last = make_tree(8)
    while last.children:
        last.right = False
        last = last.children[1]
    assert sum(1 for _ in root.walk()) == 9841
    results = run_in_page(render_page(root, "deep", "context"), CLICKS, tmp_path)
    assert results["errors"] == results["requests"] == []
    assert results["first"] == 8  # the way to the error
    assert results["unfolded"] == (3**8 - 1) // 2
    assert results["folded"] == 0
    assert results["wrong"] == 8


LOOKS = """
results.schemes = getComputedStyle(document.documentElement).colorScheme;
results.viewport = document.querySelector("meta[name=viewport]").content;
"""


@needs_chromium
def test_the_page_has_a_dark_theme_and_fits_a_phone(tmp_path):
    results = run_in_page(render_page(make_tree(1), "small", "context"), LOOKS, tmp_path)
    assert results["schemes"] == "light dark"
    assert "width=device-width" in results["viewport"]
