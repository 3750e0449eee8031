"""`ia-gym tune`: its trials, pruning, interruption and resuming, and what it refuses."""

import json
from dataclasses import replace

import numpy as np
import optuna
import pandas as pd
import pytest
from tiny_runs import BASE, TINY_LEARNER, load_tiny_settings
from typer.testing import CliRunner

from ia_gym.experiments.cli import app
from ia_gym.experiments.recipe import EVALUATIONS
from ia_gym.experiments.settings import load_settings
from ia_gym.experiments.tuning import tune as tune_module
from ia_gym.experiments.tuning.pruners import FIRST_RUNG, REDUCTION
from ia_gym.experiments.tuning.search_space import (
    apply_values,
    check_search_space,
    read_search_space,
)
from ia_gym.experiments.tuning.tune import tune

SPACE = """
model.learning_rate: {low: 1e-4, high: 1.0e-1, log: true}
model.n_contexts: [2, 4]
"""


@pytest.fixture
def space(tmp_path):
    path = tmp_path / "space.yaml"
    path.write_text(SPACE)
    return path


@pytest.fixture(autouse=True)
def _tiny(monkeypatch):
    monkeypatch.setattr(
        tune_module, "load_settings", lambda agent, env_id: load_tiny_settings(agent, env_id, 400)
    )


class ScriptedRuns:
    """An executor without training: a run's accuracy rises to a known height."""

    def __init__(self, interrupt_in=None):
        self.training, self.stopped, self.started = {}, [], []
        self.interrupt_in = interrupt_in

    @staticmethod
    def height(run):
        return 1 / (1 + abs(np.log10(run.settings.model["learning_rate"]) + 2))

    def has_room(self):
        return not self.training

    def start(self, run):
        (run.folder / "run.json").write_text(json.dumps(run.describe()))
        self.started.append(run.folder.name)
        self.training[run.folder.name] = [run, 0]

    def stop(self, name):
        self.stopped.append(name)
        self.training[name][1] = None

    def wait(self, seconds):
        ((name, (run, step)),) = self.training.items()
        if name == self.interrupt_in and step == 4:
            self.interrupt_in = None
            raise KeyboardInterrupt
        if step is not None and step <= EVALUATIONS:
            score = self.height(run) * step / EVALUATIONS
            self.training[name][1] += 4
            return [(name, {"timesteps": 10 * step, "eval/accuracy": score})], []
        del self.training[name]
        if step is not None:
            final = {"eval/accuracy": self.height(run), "timesteps": 400}
            whole = {**run.describe(), "final": final}
            (run.folder / "result.json").write_text(json.dumps(whole))
        return [], [name]

    def close(self):
        self.training = {}


@pytest.fixture
def scripted(monkeypatch):
    """The scripted runs in place of processes; the last executor made is in the list."""
    made = []

    def make(engine, jobs, address, folder, **kwargs):
        made.append(ScriptedRuns(**kwargs))
        return made[-1]

    monkeypatch.setattr(tune_module, "make_executor", make)
    return made


def test_trials_are_runs_and_the_best_comes_first(space, tmp_path, scripted, capsys):
    table = tune("supervised", BASE, space, 12, tmp_path / "t", pruner="none")
    heights = []
    for number in range(12):
        folder = tmp_path / "t" / f"trial{number:04d}"
        run = json.loads((folder / "run.json").read_text())
        row = table[table["trial"] == number].iloc[0]
        assert run["settings"]["model"]["learning_rate"] == row["model.learning_rate"]
        assert run["settings"]["model"]["n_contexts"] == row["model.n_contexts"]
        assert 1e-4 <= row["model.learning_rate"] <= 1e-1
        heights.append(1 / (1 + abs(np.log10(row["model.learning_rate"]) + 2)))
    assert table["accuracy"].iloc[0] == pytest.approx(max(heights))
    assert table["accuracy"].is_monotonic_decreasing
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "t" / "trials.csv"), table)
    assert f"{tmp_path / 't'}/trial{np.argmax(heights):04d}/run.json --seed 1" in (
        capsys.readouterr().out
    )
    study = optuna.load_study(
        study_name="ia-gym", storage=f"sqlite:///{tmp_path / 't' / 'study.db'}"
    )
    assert study.best_trial.number == np.argmax(heights)
    # Half of them were drawn by what the others gave: better than chance.
    assert np.mean(heights[10:]) > np.mean(heights[:10])


def test_asha_lets_the_best_third_of_each_rung_go_on(space, tmp_path, scripted):
    """By the rule as Li et al. state it, applied to the heights of the trials before."""
    table = tune("supervised", BASE, space, 12, tmp_path / "t").sort_values("trial")
    reached = {}
    rungs = [FIRST_RUNG * REDUCTION**i for i in range(4) if FIRST_RUNG * REDUCTION**i <= 40]
    for row in table.to_dict("records"):
        height = 1 / (1 + abs(np.log10(row["model.learning_rate"]) + 2))
        ended = EVALUATIONS
        for rung in rungs:
            scores = reached.setdefault(rung, [])
            scores.append(height)
            if height < sorted(scores)[-max(len(scores) // REDUCTION, 1)]:
                ended = rung
                break
        assert row["share_trained"] == ended / EVALUATIONS
        assert row["state"] == ("complete" if ended == EVALUATIONS else "pruned")
    assert {"complete", "pruned"} == set(table["state"])
    stopped = [f"trial{n:04d}" for n in table[table["state"] == "pruned"]["trial"]]
    assert scripted[-1].stopped == stopped


def test_an_interrupted_search_is_resumed_with_the_same_trials(
    space, tmp_path, scripted, monkeypatch
):
    whole = tune("supervised", BASE, space, 12, tmp_path / "whole")
    executors = [ScriptedRuns(interrupt_in="trial0005"), ScriptedRuns(), ScriptedRuns()]
    monkeypatch.setattr(tune_module, "make_executor", lambda *_: executors.pop(0))
    first = executors[0]
    with pytest.raises(KeyboardInterrupt):
        tune("supervised", BASE, space, 12, tmp_path / "t")
    left = pd.read_csv(tmp_path / "t" / "trials.csv")
    assert left[left["state"] == "running"]["trial"].tolist() == [5]
    with pytest.raises(ValueError, match="resume needs a search with the same"):
        tune("supervised", BASE, space, 12, tmp_path / "t", resume=True, seed=1)
    second = executors[0]
    resumed = tune("supervised", BASE, space, 12, tmp_path / "t", resume=True)
    pd.testing.assert_frame_equal(resumed, whole)
    assert second.started[0] == "trial0005"
    assert [*first.started, *second.started[1:]] == [f"trial{n:04d}" for n in range(12)]
    more = tune("supervised", BASE, space, 13, tmp_path / "t", resume=True)
    assert len(more) == 13


def test_the_command_searches_in_processes(space, tmp_path, monkeypatch):
    """One trial finishes, one fails: an agent that takes no questions about a third name."""
    words = ["tune", "supervised", "--space", space, "--env", BASE, "--trials", "2", "--jobs", "1"]
    words += ["--log-dir", tmp_path / "t", "--eval-questions", "64"]
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    table = pd.read_csv(tmp_path / "t" / "trials.csv")
    assert sorted(table["trial"]) == [0, 1]
    for row in table.to_dict("records"):
        folder = tmp_path / "t" / f"trial{row['trial']:04d}"
        curve = pd.read_csv(folder / "curve.csv")
        if row["state"] == "complete":
            final = json.loads((folder / "result.json").read_text())["final"]
            assert row["accuracy"] == final["eval/accuracy"] == curve["eval/accuracy"].iloc[-1]
            assert (folder / "model.safetensors").exists()
        else:
            assert row["state"] == "pruned"
            assert (folder / "checkpoint.safetensors").exists()
    assert "complete" in set(table["state"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model.colour: [1]", "colour"),
        ("model.policy_kwargs.colour: [1]", "colour"),
        ("env_kwargs.colour: [1]", "colour"),
        ("curriculum.colour: [1]", "colour"),
        ("colour: [1]", "space must name settings"),
        ("model: [1]", "space must name settings"),
        ("n_envs.x: [1]", "space must name settings"),
        ("algorithm: [PPO]", "space must name settings"),
        ("patience: [1, 2]", "space must name settings"),
        ("model..x: [1]", "space must name settings"),
        ("1: [1]", "space must name settings"),
        ("model.n_contexts: [0, 4]", "n_contexts = 0"),
        ("model.n_contexts: {low: 4, high: 10000000}", "n_contexts = 10000000"),
        ("n_timesteps: [0]", "n_timesteps"),
        ("model.n_contexts: [4, 4]", "distinct values"),
        ("model.n_contexts: []", "a list of values"),
        ("model.n_contexts: 4", "a list of values"),
        ("model.n_contexts: {low: 4}", "a list of values"),
        ("model.n_contexts: {low: 4, high: 2}", "a list of values"),
        ("model.n_contexts: {low: a, high: 2}", "a list of values"),
        ("model.n_contexts: {low: 4, high: 8, size: 2}", "a list of values"),
        ("model.learning_rate: {low: 0, high: 1.0, log: true}", "log needs low > 0"),
        ("model.n_contexts: {low: 1, high: 4, step: 0.5}", "step must be"),
        ("- 4", "space must map names"),
        ("", "space must map names"),
        ("a: [", "space must be a YAML file"),
        (None, "space must be a YAML file"),
    ],
)
def test_a_space_that_is_wrong_is_refused_in_one_line(text, message, tmp_path):
    path = tmp_path / "space.yaml"
    if text is not None:
        path.write_text(text)
    words = ["tune", "supervised", "--space", str(path), "--log-dir", str(tmp_path / "t")]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2, result.output
    assert message in result.output
    assert result.output.count("\n") == 1
    assert not (tmp_path / "t" / "study.db").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--trials", "0"], "n_trials must be in"),
        (["--pruner", "luck"], "pruner must be one of ['asha', 'median', 'none']"),
        (["--seed", "-1"], "seed must be in"),
        (["--jobs", "0"], "jobs must be in"),
        (["--engine", "steam"], "engine must be one of"),
        (["--address", "auto"], "address is for the engine ray"),
        (["--eval-questions", "0"], "n_questions must be in"),
        (["--env", "CartPole-v1"], "env_id must be one of"),
        (["--resume"], "resume needs a search"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(words, message, space, tmp_path):
    first = ["tune", "supervised", "--space", str(space), "--log-dir", str(tmp_path / "t")]
    result = CliRunner().invoke(app, [*first, *words])
    assert result.exit_code == 2, result.output
    assert message in result.output
    assert result.output.count("\n") == 1


def test_values_reach_their_place_and_nothing_else():
    settings = load_settings("ppo", BASE)
    name = "model.policy_kwargs.features_extractor_kwargs.fact_layers"
    changed = apply_values(settings, {name: 7, "n_envs": 3, "curriculum.depth_step": 2})
    assert changed.model["policy_kwargs"]["features_extractor_kwargs"].pop("fact_layers") == 7
    assert settings.model["policy_kwargs"]["features_extractor_kwargs"].pop("fact_layers") == 2
    assert changed.curriculum == {"depth_step": 2}
    assert replace(changed, n_envs=settings.n_envs, curriculum=None) == settings


def test_lists_and_classes_are_choices_too(tmp_path):
    path = tmp_path / "space.yaml"
    path.write_text("model.net: [[64], [64, 64]]\nmodel.rate: [hold_1e-3, 1e-3]\n")
    first, second = read_search_space(path)
    assert first.choices == ([64], [64, 64])
    assert second.choices == ("hold_1e-3", 1e-3)
    trial = optuna.create_study().ask()
    assert first.suggest(trial) in first.choices
    path.write_text("model.policy_kwargs.width: [16, 32]\nmodel.n_questions: {low: 1, high: 9}\n")
    settings = replace(load_tiny_settings("supervised"), model=TINY_LEARNER)
    check_search_space(BASE, settings, read_search_space(path))
