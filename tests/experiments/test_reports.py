"""Amplification at test time, other sizes than those trained on, and the report on runs."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from ia_gym.amplification.amplified_assistants import AmplifiedAssistant
from ia_gym.amplification.assistants import KnowNothing
from ia_gym.amplification.overseers import ScriptedOverseer
from ia_gym.domains import Permutation, Wildcard
from ia_gym.experiments.cli import app
from ia_gym.experiments.inspection.test_time_amplification import study
from ia_gym.experiments.reports.finished_runs import (
    AgentRuns,
    FinishedRun,
    interquartile_mean,
    read_runs,
)
from ia_gym.experiments.reports.report import report
from ia_gym.experiments.saved_agents import load_learner
from ia_gym.experiments.train import train_agent

BASE = "IA-Permutation-v0"


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
    arguments = ["study", model, "--env", BASE, "--sizes", "4,8", "--levels", "2"]
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
        study(tmp_path / "none.safetensors", BASE)
    with pytest.raises(ValueError, match="must have been trained on IA-Wildcard"):
        study(model, "IA-Wildcard-v0", n_questions=16)
    with pytest.raises(ValueError, match="size must be in"):
        study(model, BASE, sizes=[9], n_questions=16)
    with pytest.raises(ValueError, match="env_id must be one of"):
        study(model, "Chess-v0")
    with pytest.raises(ValueError, match="env_id must be of an environment that has a size"):
        study(model, "IA-CartPole-v0")
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
    assert one.first(0.9, "timesteps") == 100
    assert one.first(0.95, "timesteps") == 300
    assert one.first(0.99, "timesteps") == np.inf


def test_seeds_are_put_together():
    curves = [0.5, 0.96], [0.95, 0.9], [0.1, 0.2]
    seeds = AgentRuns([finished("ppo", curve) for curve in curves])
    assert seeds.median("eval/accuracy") == 0.9
    assert seeds.first(0.95, "timesteps") == 100
    assert np.isnan(seeds.first(0.97, "timesteps"))
    assert np.isnan(seeds.median("work/teraflop"))
    mean, low, high = interquartile_mean(np.array([0.0, 0.6, 0.8, 1.0]))
    assert mean == pytest.approx(0.7)  # of the middle two
    assert 0 <= low < mean < high <= 1
    assert interquartile_mean(np.array([0.3])) == pytest.approx((0.3, 0.3, 0.3))


def test_a_report_draws_and_writes_into_the_readme(run, tmp_path):
    shutil.copytree(run, tmp_path / "a" / "supervised")
    readme = tmp_path / "README.md"
    begin = f"<!-- report {tmp_path} -->"
    readme.write_text(f"before\n{begin}\nold\n<!-- /report -->\nafter\n")
    written = report(tmp_path, readme)
    assert {path.name for path in written} == {
        "accuracy_by_step.png",
        "accuracy_by_interaction.png",
        "accuracy_by_minute.png",
        "overapproval_by_step.png",
        "accuracy_by_depth.png",
        "report.html",
        "report.md",
        "README.md",
    }
    assert (tmp_path / "accuracy_by_step.png").read_bytes().startswith(b"\x89PNG")
    text = readme.read_text()
    assert text.startswith(f"before\n{begin}\n| agent | X, % |")
    assert text.endswith("<!-- /report -->\nafter\n")
    assert "old" not in text
    accuracy = read_runs(tmp_path)[0].curve["eval/accuracy"].iloc[-1]
    assert f"| supervised | {100 * accuracy:.1f}" in text
    assert "| reference: oracle | 100.0 |" in text
    whole = (tmp_path / "report.md").read_text()
    assert f"| Permutation | supervised | {100 * accuracy:.1f} |" in whole
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 5
    assert page.count("<table") == 4
    assert "http" not in page.replace("data:", "")[:5000]
    readme.write_text("no marks")
    with pytest.raises(ValueError, match="readme must hold the marks"):
        report(tmp_path, readme)
    with pytest.raises(ValueError, match="folder must hold finished runs"):
        report(tmp_path / "none")
