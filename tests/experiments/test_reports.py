"""Amplification at test time, other sizes than those trained on, and the report on runs."""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
from run_files import BASE, write_run
from typer.testing import CliRunner

from ia_gym.amplification.amplified_assistants import AmplifiedAssistant
from ia_gym.amplification.assistants import KnowNothing
from ia_gym.amplification.overseers import ScriptedOverseer
from ia_gym.domains import Permutation, Wildcard
from ia_gym.experiments.cli import app
from ia_gym.experiments.inspection.test_time_amplification import measure_amplification
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
    format_markdown,
    name_environments,
)
from ia_gym.experiments.saved_agents import load_learner
from ia_gym.experiments.train import train_agent


@pytest.mark.parametrize("domain", [Permutation(16), Wildcard(16)])
def test_each_level_of_amplification_adds_a_depth(domain):
    """With lookups alone at the bottom, H upon H answers just the questions of its height."""
    rng = np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 20)
    questions = domain.sample_questions(rng, contexts, 20)
    depths = domain.depth(contexts, questions)
    assistant = KnowNothing()
    for level in range(1, domain.max_depth + 1):
        assistant = AmplifiedAssistant(ScriptedOverseer(domain), assistant, rng)
        right = domain.is_correct(contexts, questions, assistant.answer(contexts, questions))
        np.testing.assert_array_equal(right, depths <= level)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "supervised"
    train_agent("supervised", BASE, log_dir=folder, n_eval_questions=64, n_timesteps=4096)
    return folder


def test_a_study_tells_sizes_and_levels(run, tmp_path):
    out = tmp_path / "study.json"
    model = str(run / "model.safetensors")
    arguments = ["amplify", model, "--env", BASE, "--sizes", "4,8", "--levels", "2"]
    arguments += ["--eval-questions", "64", "--out", str(out)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    scores = json.loads(out.read_text())["scores"]
    assert list(scores) == ["4", "8"]
    assert list(scores["8"]) == ["0", "1", "2"]
    # X knows nothing yet; H twice on top of it looks all up that the largest power needs.
    assert scores["8"]["1"]["accuracy_depth_1"] == 1
    assert scores["8"]["2"]["accuracy"] == 1
    assert scores["8"]["0"]["accuracy"] < 0.5


def test_a_study_refuses_what_does_not_fit(run, tmp_path):
    model = run / "model.safetensors"
    with pytest.raises(FileNotFoundError, match="found no file"):
        measure_amplification(tmp_path / "none.safetensors", BASE)
    with pytest.raises(ValueError, match="must have been trained on IA-Wildcard"):
        measure_amplification(model, "IA-Wildcard-v0", n_eval_questions=16)
    with pytest.raises(ValueError, match="size must be in"):
        measure_amplification(model, BASE, sizes=[9], n_eval_questions=16)
    with pytest.raises(ValueError, match="env_id must be one of"):
        measure_amplification(model, "Chess-v0")
    with pytest.raises(ValueError, match="env_id must be of an environment that has a size"):
        measure_amplification(model, "IA-CartPole-v0")
    (tmp_path / "text").write_text("no tensors")
    with pytest.raises(ValueError, match="must name a saved learner"):
        load_learner(tmp_path / "text")


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


def test_a_report_draws_and_writes_into_the_readme(run, tmp_path):
    shutil.copytree(run, tmp_path / "a" / "supervised")
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
    accuracy = read_runs(tmp_path)[0].curve["eval/accuracy"].iloc[-1]
    assert f"| supervised | {100 * accuracy:.1f}" in text
    assert "| reference: oracle | 100.0 |" in text
    whole = (tmp_path / "report.md").read_text()
    assert f"| Permutation | supervised | {100 * accuracy:.1f} |" in whole


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
