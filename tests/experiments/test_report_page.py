"""The report as an HTML page: whole, safe, self-contained, and drawing what the runs logged."""

import base64
import json
from html.parser import HTMLParser

import numpy as np
import pytest
from chromium import needs_chromium, run_in_page
from run_files import write_run

from ia_gym.experiments.reports.curves import interpolate_curves, list_curve_plots
from ia_gym.experiments.reports.finished_runs import group_by_agent, read_runs
from ia_gym.experiments.reports.report import write_report

VOID = {"meta", "input", "line", "br", "img", "link"}
EVIL = "</script><b>x"


class Page(HTMLParser):
    """Elements with their attributes, the text of each, and whether all of them are closed."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open = [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        element = {"tag": tag, "text": "", **dict(attrs)}
        element["inside"] = [each["tag"] for each in self.open]
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop()["tag"] == tag

    def handle_data(self, data):
        for element in self.open:
            element["text"] += data

    def find(self, tag, **attributes):
        return [
            element
            for element in self.elements
            if element["tag"] == tag
            and all(element.get(key) == value for key, value in attributes.items())
        ]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for env_id in ("IA-Permutation-v0", "IA-Wildcard-v0"):
        for seed in range(3):
            write_run(folder, "ppo", seed, env_id, accuracies=np.linspace(0.1, 0.9 + seed / 30, 7))
        write_run(folder, "imitation", 0, env_id, queries=500)
    write_run(folder, "supervised", 0, queries=0)
    write_run(folder, "a b", command=f"ia-gym train {EVIL} | tee 'log'")
    write_report(folder)
    return folder


@pytest.fixture(scope="module")
def page(runs):
    return Page((runs / "report.html").read_text("utf-8"))


def test_the_page_is_one_file_that_needs_no_network(runs, page):
    assert (runs / "report.html").stat().st_size < 6_000_000
    for element in page.elements:
        assert "src" not in element
        assert element.get("href", "#").startswith("#")
    policy = page.find("meta", **{"http-equiv": "Content-Security-Policy"})[0]["content"]
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy


def test_links_and_labels_lead_somewhere(page):
    ids = [element["id"] for element in page.elements if "id" in element]
    assert len(ids) == len({*ids})
    for link in page.find("a"):
        assert link["href"][1:] in ids
    assert {link["text"] for link in page.find("a")} >= {"Summary", "Agents", "Commands"}
    for element in page.find("input") + page.find("select"):
        assert "label" in element["inside"]


def test_tables_are_rectangular_and_hold_every_run(page):
    tables = {table["id"]: table for table in page.find("table") if "id" in table}
    assert tables.keys() == {"table-overview", "table-agents", "table-runs"}
    rows = page.find("tr")
    assert len(rows) > 20
    text = tables["table-runs"]["text"]
    assert text.count("ppo") == 6
    assert "96.7" in text  # the best seed of ppo


def test_names_and_commands_are_text(page):
    assert not [element for element in page.find("b") if element["text"].startswith("x")]
    assert any(EVIL in code["text"] for code in page.find("code"))


def decode(values):
    """An array of plotly's, which comes in base64 or as a list."""
    if isinstance(values, dict):
        return np.frombuffer(base64.b64decode(values["bdata"]), values["dtype"])
    return np.array(values)


def test_the_curves_are_those_of_the_runs(runs, page):
    views = json.loads(page.find("script", type="application/json")[0]["text"])
    groups = group_by_agent(read_runs(runs))
    plots = list_curve_plots(groups)
    assert [view["title"] for view in views] == [plot.title for plot in plots]
    seen = 0
    for view, plot in zip(views, plots):
        for panel in view["panels"]:
            traces = panel["figure"]["data"]
            for group in (group for group in groups if group.env_id == panel["env_id"]):
                mine = [trace for trace in traces if trace["legendgroup"] == group.agent]
                curves = interpolate_curves(group, plot)
                if curves is None:
                    assert not mine
                    continue
                (median,) = (trace for trace in mine if trace["meta"] == "median")
                np.testing.assert_allclose(decode(median["x"]), curves.x, rtol=1e-6)
                np.testing.assert_allclose(decode(median["y"]), curves.median, rtol=1e-6)
                seeds = [trace for trace in mine if trace["meta"] == "seed"]
                assert len(seeds) == (len(group.runs) if len(group.runs) > 1 else 0)
                for trace, run in zip(seeds, group.runs):
                    logged = run.curve[plot.y.column] * plot.y.factor
                    shown = decode(trace["y"])
                    np.testing.assert_allclose(shown, logged[-len(shown) :], rtol=1e-6)
                seen += 1
    assert seen > 15


def test_the_summary_names_the_best(page):
    cards = {card["text"].split("\n")[1].strip(): card["text"] for card in page.find("article")}
    assert cards.keys() == {"Permutation", "Wildcard"}
    assert "97.0 % (" in cards["Permutation"]
    assert "500 (imitation)" in cards["Wildcard"]
    assert "supervised baseline" in cards["Permutation"]
    assert "supervised baseline" not in cards["Wildcard"]


CLICKS = """
results.plots = document.querySelectorAll(".plot .main-svg").length;
find("environment").value = "IA-Wildcard-v0";
find("environment").dispatchEvent(new Event("change"));
results.chosen = document.querySelectorAll(".plot").length;
const countTraces = () => document.querySelectorAll(".plot .scatterlayer .trace").length;
find("none").click();
results.none = countTraces();
document.querySelector("#legend input[value=ppo]").click();
results.range = countTraces();
find("seeds").click();
results.seeds = countTraces();
const table = find("table-agents").closest("[data-table]");
const headings = [...table.querySelectorAll("th")];
const column = headings.findIndex((th) => th.textContent.startsWith("overseer"));
const button = headings[column].firstElementChild;
const read = () => {
  const rows = [...table.querySelectorAll("tbody tr:not([hidden])")];
  return rows.map((row) => row.cells[column].textContent);
};
button.click();
results.up = read();
button.click();
results.down = read();
table.querySelector("input").value = "IMITATION wild";
table.querySelector("input").dispatchEvent(new Event("input"));
results.found = read();
results.count = table.querySelector("output").textContent;
const page = document.documentElement;
results.sticksOut = page.scrollWidth - page.clientWidth;
const background = () => getComputedStyle(document.body).backgroundColor;
results.before = background();
find("theme").click();
results.after = background();
"""


@needs_chromium
@pytest.mark.parametrize("width", [500, 1280])
def test_a_browser_draws_sorts_and_filters(runs, tmp_path, width):
    page = (runs / "report.html").read_text("utf-8")
    results = run_in_page(page, CLICKS, tmp_path, width)
    assert results["errors"] == results["requests"] == []
    assert results["plots"] >= 2
    assert results["chosen"] == 1
    assert (results["none"], results["range"], results["seeds"]) == (0, 2, 5)
    numbers = [float(text.replace(",", "")) for text in results["up"]]
    assert numbers == sorted(numbers)
    assert [float(text.replace(",", "")) for text in results["down"]] == numbers[::-1]
    assert results["found"] == ["500"]
    assert results["count"] == "1 of 6 rows"
    assert results["sticksOut"] <= 0
    assert {results["before"], results["after"]} == {"rgb(246, 247, 249)", "rgb(18, 20, 24)"}
