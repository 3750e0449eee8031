"""Reports on finished runs: what is read, put together, written, and refused."""

import re

import numpy as np
import pandas as pd
import pytest
from run_files import BASE, write_run
from typer.testing import CliRunner

from ia_gym.experiments.cli import app
from ia_gym.experiments.reports.curves import interpolate_curves, list_curve_plots
from ia_gym.experiments.reports.finished_runs import (
    AgentRuns,
    FinishedRun,
    estimate_interquartile_mean,
    group_by_agent,
    read_runs,
)
from ia_gym.experiments.reports.report import write_report
from ia_gym.experiments.reports.tables import (
    build_agent_table,
    build_overview,
    build_protocol_table,
    format_markdown,
    name_environments,
)


def finished(agent, accuracies):
    curve = pd.DataFrame(
        {"timesteps": np.arange(len(accuracies)) * 100, "eval/accuracy": accuracies}
    )
    return FinishedRun({"env_id": BASE, "agent": agent, "seed": 0}, curve)


def test_levels_are_first_passed_where_the_curve_says():
    one = finished("imitation", [0.1, 0.92, 0.89, 0.96])
    assert one.find_first(0.9, "timesteps") == 100
    assert one.find_first(0.95, "timesteps") == 300
    assert one.find_first(0.99, "timesteps") == np.inf


def test_seeds_are_put_together():
    curves = [0.5, 0.96], [0.95, 0.9], [0.1, 0.2]
    seeds = AgentRuns([finished("ppo", curve) for curve in curves])
    assert seeds.compute_median("eval/accuracy") == 0.9
    assert seeds.find_first(0.95, "timesteps") == 100
    assert np.isnan(seeds.find_first(0.97, "timesteps"))
    assert np.isnan(seeds.compute_median("work/teraflop"))
    mean, low, high = estimate_interquartile_mean(np.array([0.0, 0.6, 0.8, 1.0]))
    assert mean == pytest.approx(0.7)  # of the middle two
    assert 0 <= low < mean < high <= 1
    assert estimate_interquartile_mean(np.array([0.3])) == pytest.approx((0.3, 0.3, 0.3))


def test_those_that_other_people_taught_are_other_agents(tmp_path):
    for seed, people in enumerate([{"anna": 3000}, {"anna": 300}, {"bob": 20, "eve": 5}, {}]):
        write_run(tmp_path, "imitation", seed, **({"interactions": people} if people else {}))
    write_run(tmp_path, "imitation", 4, interactions={"anna": 300})
    groups = group_by_agent(read_runs(tmp_path))
    assert [group.agent for group in groups] == [
        "imitation",
        "imitation, 300 of anna",
        "imitation, 3,000 of anna",
        "imitation, 20 of bob, 5 of eve",
    ]
    assert [len(group.runs) for group in groups] == [1, 2, 1, 1]


def test_protocols_are_tabled_by_judge_and_work(tmp_path):
    """Work a question; runs that have measured no judge are left out."""
    write_run(tmp_path, "supervised")
    path = write_run(tmp_path, "debate") / "curve.csv"
    curve = pd.read_csv(path)
    share = curve["timesteps"] / curve["timesteps"].iloc[-1]
    measured = {"judge/accuracy": 0.75, "judge/overapproval": 0.02, "judge/score_difference": 0.9}
    for tag, value in {**measured, "judge/max_overapproval": 0.125}.items():
        curve[tag] = value
    for work, total in {"lookups": 150_000, "combinations": 0, "verdicts": 200_000}.items():
        curve[f"overseer/{work}"] = total * share
    curve.to_csv(path, index=False)
    groups = group_by_agent(read_runs(tmp_path))
    table = build_protocol_table(groups)
    (row,) = table.to_dict("records")
    assert row["agent"] == "debate"
    assert row["right verdicts, %"] == "75.0"
    assert (row["over-approval, %"], row["largest, %"]) == ("2.0", "12.5")
    assert row["score difference, %"] == "90.0"
    assert row["lookups a question"] == "1.50"
    assert row["combinations a question"] == "0.00"
    assert row["verdicts a question"] == "2.00"
    assert row["agent answers a question"] == "0.02"
    plot = next(plot for plot in list_curve_plots(groups) if plot.name == "accuracy_by_work")
    debate, supervised = (next(g for g in groups if g.agent == name) for name in
                          ("debate", "supervised"))  # fmt: skip
    assert interpolate_curves(debate, plot).x[-1] == 350_000
    assert interpolate_curves(supervised, plot) is None
    assert build_protocol_table([supervised]).empty


def test_a_report_draws_and_writes_into_the_readme(tmp_path):
    write_run(tmp_path, "supervised", accuracies=(0.1, 0.613), queries=0)
    readme = tmp_path / "README.md"
    begin = f"<!-- report {tmp_path} -->"
    readme.write_text(f"before\n{begin}\nold\n<!-- /report -->\nafter\n")
    written = write_report(tmp_path, readme)
    assert {path.name for path in written} == {
        "accuracy_by_step.png",
        "accuracy_by_minute.png",  # none over queries: it makes none
        "overapproval_by_step.png",
        "accuracy_by_depth.png",
        "report.html",
        "report.md",
        "README.md",
    }
    assert (tmp_path / "accuracy_by_step.png").read_bytes().startswith(b"\x89PNG")
    text = readme.read_text()
    assert text.startswith(f"before\n{begin}\n| agent | accuracy, % |")
    assert text.endswith("<!-- /report -->\nafter\n")
    assert "old" not in text
    assert "| supervised | 61.3 |" in text
    assert "| reference: oracle | 100.0 |" in text
    whole = (tmp_path / "report.md").read_text()
    assert "| Permutation | supervised | 61.3 |" in whole


def test_the_overview_holds_scores_and_what_95_percent_took(tmp_path):
    write_run(tmp_path, "ppo", accuracies=(0.1, 0.96, 0.981))
    write_run(tmp_path, "dqn", accuracies=(0.1, 0.94))
    write_run(tmp_path, "ppo", env_id="IA-Wildcard-v0", accuracies=(0.1, 0.5))
    table = build_overview(group_by_agent(read_runs(tmp_path))).set_index(
        "accuracy, % (samples, minutes to 95 %)"
    )
    assert table.loc["ppo"].to_dict() == {
        "Permutation": "98.1 (50.0k, 0.5 min)",
        "Wildcard": "50.0",
    }
    assert table.loc["dqn"].to_dict() == {"Permutation": "94.0", "Wildcard": ""}
    assert table.loc["reference: oracle", "Wildcard"] == "100.0"


def test_costs_are_compared_with_the_supervised_baseline(tmp_path):
    write_run(tmp_path, "supervised", accuracies=(0.1, 0.9, 0.9))
    write_run(tmp_path, "imitation", accuracies=(0.1, 0.5, 0.95))
    rows = build_agent_table(group_by_agent(read_runs(tmp_path))).set_index("agent")
    relative = rows["samples to 90 %, relative to supervised"]
    assert relative.to_dict() == {"imitation": "2.00", "supervised": "–"}
    assert rows.loc["imitation", "overseer queries"] == "1,000"
    assert rows.loc["imitation", "minutes to 90 %"] == "1.0"


def test_environments_keep_their_own_columns():
    """Two sizes of a domain went into one column."""
    ids = ["IA-Permutation-v0", "IA-Permutation-N64-v0"]
    assert name_environments(ids[1:]) == {ids[1]: "Permutation"}
    assert name_environments(ids) == {ids[0]: "Permutation", ids[1]: "Permutation-N64"}
    assert len({*name_environments([ids[0], "IA-Permutation-v1"]).values()}) == 2
    pools = ["IA-Permutation-N16of64-v0", "IA-Permutation-N16-v0"]
    assert name_environments(pools[:1]) == {pools[0]: "Permutation"}
    assert len({*name_environments(pools).values()}) == 2


def test_runs_of_environments_that_are_not_registered_have_a_report(tmp_path):
    """As those of a domain that another program registers; there are no references then."""
    write_run(tmp_path, "ppo", env_id="IA-Elsewhere-v3")
    text = format_markdown(build_overview(group_by_agent(read_runs(tmp_path))))
    assert "reference" not in text
    assert "| ppo | 97.0 |" in text


def test_markdown_cells_cannot_end_a_cell():
    assert format_markdown(pd.DataFrame({"a": ["x | y"]})) == "| a |\n| --- |\n| x \\| y |"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("result.json", ""),
        ("result.json", "{"),
        ("result.json", "[1]"),
        ("result.json", b"\xff"),
        ("result.json", '{"env_id": "IA-Permutation-v0"}'),
        ("curve.csv", ""),
        ("curve.csv", "timesteps,eval/accuracy,time/minutes\n"),
        ("curve.csv", "timesteps,time/minutes\n0,1\n"),
        ("curve.csv", "timesteps,eval/accuracy,time/minutes\n0,much,1\n"),
        ("curve.csv", b"\xff\xfe\x00"),
        ("curve.csv", None),
    ],
)
def test_broken_files_are_named(name, content, tmp_path):
    path = write_run(tmp_path, "ppo") / name
    path.unlink()
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=f"{re.escape(str(path))} must"):
        read_runs(tmp_path)
    result = CliRunner().invoke(app, ["report", str(tmp_path)])
    assert result.exit_code == 2
    assert result.output.count("\n") == 1
    assert not list(tmp_path.glob("*.png"))


def test_what_cannot_be_reported_is_refused_before_any_work(tmp_path, monkeypatch):
    folder = tmp_path / "runs"
    write_run(folder, "ppo")
    (tmp_path / "README.md").write_text("no marks")
    with pytest.raises(ValueError, match="readme must hold the marks"):
        write_report(folder, tmp_path / "README.md")
    with pytest.raises(FileNotFoundError):
        write_report(folder, tmp_path / "none.md")
    with pytest.raises(ValueError, match="folder must hold finished runs"):
        write_report(tmp_path / "none")
    with pytest.raises(ValueError, match="folder must be a folder"):
        write_report(tmp_path / "README.md")

    def refuse(**_):
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(PermissionError):
        write_report(folder)
    assert [path.name for path in folder.iterdir()] == [BASE]


def test_an_interrupted_report_leaves_what_was_there(tmp_path, monkeypatch):
    write_run(tmp_path, "ppo")
    write_report(tmp_path)
    before = (tmp_path / "report.html").read_bytes()

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_report(tmp_path)
    assert (tmp_path / "report.html").read_bytes() == before
    assert not list(tmp_path.glob("*.part"))
