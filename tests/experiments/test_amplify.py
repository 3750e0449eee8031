"""Amplification at test time, and contexts of other sizes than those trained on."""

import json

import numpy as np
import pytest
from tiny_runs import TINY_LEARNER
from typer.testing import CliRunner

from ia_gym.amplification.amplified_assistants import AmplifiedAssistant
from ia_gym.amplification.assistants import KnowNothing
from ia_gym.amplification.overseers import ScriptedOverseer
from ia_gym.domains import Permutation, Wildcard
from ia_gym.experiments.cli import app
from ia_gym.experiments.inspection.amplification_levels import measure_amplification
from ia_gym.experiments.saved_agents import load_learner
from ia_gym.experiments.train import train_agent

BASE = "IA-Permutation-v0"


@pytest.mark.parametrize("domain", [Permutation(16), Wildcard(16)])
def test_each_level_of_amplification_adds_a_depth(domain):
    """With lookups alone at the bottom, each overseer on top adds the questions of its height."""
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
    train_agent(
        "supervised", BASE, log_dir=folder, n_eval_questions=64, n_timesteps=64, model=TINY_LEARNER
    )
    return folder


def test_amplification_is_measured_by_size_and_level(run, tmp_path):
    out = tmp_path / "study.json"
    model = str(run / "model.safetensors")
    arguments = ["amplify", model, "--env", BASE, "--sizes", "4,8", "--levels", "2"]
    arguments += ["--eval-questions", "64", "--out", str(out)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    scores = json.loads(out.read_text())["scores"]
    assert list(scores) == ["4", "8"]
    assert list(scores["8"]) == ["0", "1", "2"]
    # The agent knows nothing yet; the overseer twice on top of it looks up all that is needed.
    assert scores["8"]["1"]["accuracy_depth_1"] == 1
    assert scores["8"]["2"]["accuracy"] == 1
    assert scores["8"]["0"]["accuracy"] < 0.5


def test_models_and_sizes_that_do_not_fit_are_refused(run, tmp_path):
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
