"""Tables in the terminal: their width, plain ASCII, and names that look like markup."""

import io

import numpy as np
import pytest
from rich.console import Console
from run_files import BASE, write_run

from ia_gym.agents.evaluation.evaluator import format_count
from ia_gym.experiments.reports.finished_runs import group_by_agent, read_runs, summarize_agent
from ia_gym.experiments.reports.formatting import format_number, format_percent
from ia_gym.experiments.reports.terminal_tables import (
    build_score_table,
    print_agent_summaries,
    print_table,
)


def print_all(folder, encoding, width=80):
    """What `compare` prints about the runs in a folder, on a terminal of that encoding."""
    raw = io.BytesIO()
    console = Console(file=io.TextIOWrapper(raw, encoding), width=width)
    runs = read_runs(folder)
    references = {"know-nothing": {"accuracy": 0.5, "accuracy_depth_1": 1, "accuracy_depth_2": 0}}
    table = build_score_table([run.result for run in runs], references)
    print_table(table, BASE, 64, console)
    print_agent_summaries([summarize_agent(group) for group in group_by_agent(runs)], console)
    console.file.flush()
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_tables_are_whole_in_eighty_columns_of_any_encoding(encoding, tmp_path):
    write_run(tmp_path, "an-agent-with-a-long-name", queries=12_345_678)
    write_run(tmp_path, "[red]a[/b] [lr=3e-4]", accuracies=(0.1, 0.2))
    text = print_all(tmp_path, encoding)
    assert max(map(len, text.splitlines())) <= 80
    assert "[red]a[/b] [lr=3e-4] 0" in text
    assert "an-agent-with-a-long-name 0" in text
    assert "…" not in text
    assert text.isascii() == (encoding == "ascii")
    for number in ("97.0", "20.0", "12.3M", "24.7M", "[20.0, 20.0]", " - "):
        assert number in text


def test_a_result_with_nulls_is_printed(tmp_path):
    """JSON has no NaN; null stands in its place."""
    final = {
        "timesteps": 9,
        "eval/accuracy": 0.5,
        "eval/accuracy_depth_1": 0.5,
        "eval/accuracy_depth_2": None,
    }
    write_run(tmp_path, "ppo", final={**final, "overseer/approval": None})
    assert "50.0" in print_all(tmp_path, "utf-8")


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0"), (940, "940"), (12_345, "12.3k"), (2e6, "2.0M"), (3e9, "3.0G")]
)
def test_counts_are_short(number, text):
    assert format_count(number) == text


def test_numbers_have_no_negative_zero_and_nan_is_a_dash():
    assert format_number(-0.001, 1) == "0.0"
    assert format_number(-0.06, 1) == "-0.1"
    assert format_percent(0.12345) == "12.3"
    assert format_percent(np.nan) == "–"
