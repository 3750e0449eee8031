"""`ia-gym failures`: its cases, its table and figure, and what it refuses."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from run_files import write_run

from ia_gym.experiments.failures import describe_failures, name_case, run_failures
from ia_gym.experiments.reports.failure_figure import (
    build_failure_table,
    draw_failures,
    format_failures,
    group_cases,
    write_failure_report,
)
from ia_gym.experiments.reports.finished_runs import read_runs

CASES = [(0, "random", 1), (0.3, "random", 1), (0.3, "hashed", 1), (0.3, "random", 3)]


@pytest.fixture
def folder(tmp_path):
    """Runs of one agent with two seeds, which get worse as its overseer fails."""
    for p, kind, votes in CASES:
        how = describe_failures(p, kind, "answer", votes)
        for seed in (0, 1):
            last = 1 - p + 0.02 * seed - 0.1 * (kind == "hashed")
            write_run(
                tmp_path,
                name_case("search", how),
                seed,
                accuracies=(0.1, last, last),
                settings={"env_kwargs": how},
            )
    return tmp_path


def test_cases_are_named_by_what_differs_from_the_defaults():
    how = describe_failures(0.1, "hashed", "approval", 3)
    assert how == {
        "overseer_failure": 0.1,
        "failure_kind": "hashed",
        "failure_at": "approval",
        "votes": 3,
    }
    assert name_case("ppo", how) == "ppo-p0.1-hashed-approval-votes3"
    assert describe_failures(0, "hashed", "approval", 1) == {}  # nothing fails
    assert name_case("imitation-paper", {}) == "imitation-paper-p0"


def test_the_table_says_how_the_overseer_failed_and_what_came_of_it(folder):
    table = build_failure_table(read_runs(folder))
    assert len(table) == 2 * len(CASES)
    assert set(table["agent"]) == {"search"}
    row = table[(table["kind"] == "hashed") & (table["seed"] == 1)].iloc[0]
    assert (row["probability"], row["votes"], row["at"]) == (0.3, 1, "answer")
    assert np.isclose(row["accuracy"], 0.62)
    assert np.isclose(row["accuracy_depth_2"], 0.31)
    lines = {case.label: rows for case, rows in group_cases(table)}
    assert set(lines) == {"search", "search, hashed", "search, 3 votes"}
    assert {len(rows) for rows in lines.values()} == {4}  # with the runs at 0


def test_figure_and_table_are_written(folder):
    figure, table, markdown = write_failure_report(folder)
    assert "| search | 0.3 | hashed | 1 | 61.0 | 30.5 | 2 |" in markdown.read_text()
    assert Image.open(figure).width > 500
    assert len(pd.read_csv(table)) == 2 * len(CASES)
    drawn = draw_failures(pd.read_csv(table))
    assert [axis.get_title() for axis in drawn.axes] == ["accuracy depth 1", "accuracy depth 2"]


def test_no_two_cases_look_alike():
    cases = [
        (agent, kind, at, votes)
        for agent in ("search", "ppo")
        for kind in ("random", "hashed")
        for at in ("answer", "approval", "subquestion")
        for votes in (1, 3)
    ]
    rows = [
        dict(zip(("agent", "kind", "at", "votes"), case), probability=p, accuracy=0.5, seed=0)
        for case in cases
        for p in (0.1, 0.3)
    ]
    (axis,) = draw_failures(pd.DataFrame(rows)).axes
    lines = [container.lines[0] for container in axis.containers]
    looks = {
        (each.get_color(), each.get_marker(), each.get_fillstyle(), repr(each._dash_pattern))
        for each in lines
    }
    assert len(looks) == len(lines) == len(cases)


def test_the_page_shows_the_tables_of_the_results():
    root = Path(__file__).parents[2]
    page = (root / "docs" / "failures.md").read_text("utf-8")
    folders = [path.parent for path in (root / "results").rglob("failures.csv")]
    assert folders
    for folder in folders:
        table = format_failures(build_failure_table(read_runs(folder)))
        assert f"\n\n{table}\n\n" in page, f"copy {folder}/failures.md into the page"


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"agents": ["nobody"]}, "agent must be one of"),
        ({"agents": ["search", "search"]}, "agents must be distinct"),
        ({"probabilities": [0.1, 0.1]}, "probabilities must be distinct"),
        ({"probabilities": [1.5]}, "overseer_failure must be a number"),
        ({"kinds": ["rare"]}, "failure_kind must be one of"),
        ({"at": "once"}, "failure_at must be one of"),
        ({"votes": [2]}, "votes must be odd"),
        ({"env_id": "IA-CartPole-v0"}, "env_id must be one of"),
        ({"seeds": 0}, "seeds must be in"),
    ],
    ids=str,
)
def test_bad_arguments_are_refused_before_anything_is_trained(kwargs, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        run_failures(**{"agents": ["search"], **kwargs}, log_dir=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_folder_with_other_settings_is_refused(folder):
    runs = folder / "runs"
    (runs / "search-p0_seed0").mkdir(parents=True)
    (runs / "search-p0_seed0" / "run.json").write_text(
        '{"env_id": "IA-Permutation-N4-v0", "agent": "search-p0", "seed": 0, "settings": '
        '{"algorithm": "AnswerSearch", "n_timesteps": 1}}'
    )
    with pytest.raises(ValueError, match="log_dir holds a run with other settings"):
        run_failures(agents=["search"], probabilities=[0], log_dir=runs)
