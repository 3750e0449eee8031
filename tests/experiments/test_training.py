"""`ia-gym train`: stopping rules, signals, and going on."""

import json
import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from typer.testing import CliRunner

from ia_gym.agents import QuestionEvaluator, Supervised
from ia_gym.agents.sb3.amplification_callback import AmplificationCallback
from ia_gym.agents.sb3.evaluation_callback import CLOCKS, EvaluationCallback
from ia_gym.experiments.checkpoints import CHECKPOINT
from ia_gym.experiments.cli import app
from ia_gym.experiments.inspection.example_callback import ExampleCallback
from ia_gym.experiments.training import train_once
from ia_gym.files import write_atomically, write_text

BASE = "IA-Permutation-v0"


def test_the_budget_ends_a_run(tmp_path):
    result = train_once(
        "supervised", BASE, log_dir=tmp_path, n_questions=64, n_timesteps=8192, seed=3
    )
    assert result["stopped_by"] == "budget"
    assert result["final"]["timesteps"] == 8192
    assert result["seed"] == 3
    assert json.loads((tmp_path / "result.json").read_text()) == json.loads(json.dumps(result))
    curve = pd.read_csv(tmp_path / "curve.csv")
    assert curve["work/teraflop"].is_monotonic_increasing
    assert curve["work/teraflop"].iloc[-1] > 0
    model = Supervised.load(tmp_path / "model")
    scores = QuestionEvaluator(BASE, 64).evaluate(model)
    assert scores["eval/accuracy"] == result["final"]["eval/accuracy"]
    weights = sum(parameter.numel() for parameter in model.policy.network.parameters())
    assert (tmp_path / "model.safetensors").stat().st_size < 4.1 * weights


def test_a_target_ends_a_run(tmp_path):
    result = train_once(
        "supervised",
        BASE,
        log_dir=tmp_path,
        n_questions=64,
        n_timesteps=163_840,
        target_accuracy=0.05,
    )
    assert result["stopped_by"] == "target_accuracy"
    assert result["final"]["eval/accuracy"] >= 0.05
    assert result["final"]["timesteps"] < result["settings"]["n_timesteps"]


def test_patience_ends_a_run(tmp_path):
    frozen = {"learning_rate": 1e-12}
    result = train_once(
        "supervised",
        BASE,
        log_dir=tmp_path,
        n_questions=64,
        n_timesteps=40_960,
        patience=3,
        model=frozen,
    )
    assert result["stopped_by"] == "patience"
    assert len(pd.read_csv(tmp_path / "curve.csv")) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["chess"], "agent must be one of"),
        (["imitation", "--env", "Chess-v0"], "env_id must be one of"),
        (["imitation", "--timesteps", "0"], "n_timesteps must be in"),
        (["imitation", "--target-accuracy", "1.5"], "target_accuracy must be a number in"),
        (["imitation", "--patience", "0"], "patience must be in"),
        (["imitation", "--seed", "-1"], "seed must be in"),
        (["imitation", "--threads", "0"], "threads must be in"),
        (["imitation", "--size", "9"], "size must be in"),
        (["imitation", "--max-depth", "9"], "max_depth must be in 1..2, got 9"),
        (["ppo", "--max-depth", "2"], "max_depth is for learners that are taught answers"),
        (["imitation", "--resume"], "resume needs a run with the same settings"),
    ],
)
def test_wrong_arguments_are_named(arguments, message, tmp_path):
    result = CliRunner().invoke(app, ["train", *arguments, "--log-dir", str(tmp_path / "run")])
    assert result.exit_code == 2
    assert message in result.output


@pytest.mark.parametrize("ended_by", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_a_checkpoint_that_ends_with_the_same_numbers(ended_by, tmp_path):
    command = [sys.executable, "-m", "ia_gym.experiments.cli", "train", "mixed", "--env", BASE]
    command += ["--timesteps", "40960", "--questions", "64", "--log-dir"]
    subprocess.run([*command, str(tmp_path / "whole")], check=True, capture_output=True)
    broken = tmp_path / "broken"
    process = subprocess.Popen([*command, str(broken)], stdout=subprocess.PIPE, text=True)
    for _ in range(4):  # a few evaluations, then in between two of them
        process.stdout.readline()
    process.send_signal(ended_by)
    assert process.wait(60) == 128 + ended_by
    assert not (broken / "result.json").exists()
    subprocess.run([*command, str(broken), "--resume"], check=True, capture_output=True)
    curves = [
        pd.read_csv(folder / "curve.csv").drop(columns=list(CLOCKS))
        for folder in (tmp_path / "whole", broken)
    ]
    pd.testing.assert_frame_equal(*curves, check_exact=True)
    assert (tmp_path / "whole/model.safetensors").stat().st_size == os.path.getsize(
        broken / "model.safetensors"
    )


def test_a_finished_run_is_not_run_again(tmp_path):
    arguments = {"log_dir": tmp_path, "n_questions": 64, "n_timesteps": 4096}
    first = train_once("supervised", BASE, **arguments)
    started = time.monotonic()
    again = train_once("supervised", BASE, resume=True, **arguments)
    assert again["final"] == first["final"]
    assert time.monotonic() - started < 30


def test_a_run_can_be_made_again_from_its_file_alone(tmp_path):
    first = train_once("search", BASE, seed=3, log_dir=tmp_path / "a", n_questions=64,
                       n_timesteps=4096)  # fmt: skip
    again = train_once(str(tmp_path / "a" / "run.json"), log_dir=tmp_path / "b", n_questions=64)
    clocks = dict.fromkeys(CLOCKS)
    assert {**again["final"], **clocks} == {**first["final"], **clocks}
    assert again["seed"] == 3
    (tmp_path / "junk.json").write_text("[1, 2]")
    for name in ("junk.json", "none.json"):
        with pytest.raises(ValueError, match=r"agent must name a run\.json"):
            train_once(str(tmp_path / name))


def test_tensorboard_lists_settings_and_shows_examples(tmp_path):
    train_once("supervised", BASE, log_dir=tmp_path, n_questions=64, n_timesteps=8192)
    events = EventAccumulator(str(tmp_path), size_guidance={"images": 0, "tensors": 0}).Reload()
    assert {"_hparams_/session_start_info"} <= set(events.summary_metadata)
    assert len(events.Images("examples/context")) >= 3
    text = events.Tensors("examples/trace/text_summary")[0].tensor_proto.string_val[0].decode()
    assert "an error comes in" in text


def test_showing_examples_does_not_disturb_training(tmp_path, monkeypatch):
    finals = []
    for name in ("with", "without"):
        finals.append(
            train_once("ppo", BASE, log_dir=tmp_path / name, n_questions=64, n_timesteps=8192)
        )
        monkeypatch.setattr(ExampleCallback, "_log_example", lambda self: None)
    clocks = dict.fromkeys(CLOCKS)
    assert {**finals[0]["final"], **clocks} == {**finals[1]["final"], **clocks}


@pytest.fixture
def broken_off(tmp_path, monkeypatch):
    """A run that crashed at its fifth evaluation, and the result of one that did not."""
    arguments = {"n_questions": 64, "n_timesteps": 40 * 1024}
    whole = train_once("supervised", BASE, log_dir=tmp_path / "whole", **arguments)
    evaluate, rows = EvaluationCallback._evaluate, []

    def crash(self):
        if len(rows) == 4:
            raise RuntimeError("a crash")
        rows.append(evaluate(self))

    monkeypatch.setattr(EvaluationCallback, "_evaluate", crash)
    with pytest.raises(RuntimeError, match="a crash"):
        train_once("supervised", BASE, log_dir=tmp_path / "broken", **arguments)
    monkeypatch.setattr(EvaluationCallback, "_evaluate", evaluate)

    def resume(**stopping):
        folder = tmp_path / "broken"
        return train_once("supervised", BASE, log_dir=folder, resume=True, **arguments, **stopping)

    return whole, tmp_path, resume


@pytest.mark.parametrize("damage", ["none", "truncated", "flipped", "header flipped", "gone"])
def test_a_damaged_checkpoint_costs_an_evaluation_and_no_more(broken_off, damage):
    whole, folder, resume = broken_off
    latest = folder / "broken" / CHECKPOINT
    content = bytearray(latest.read_bytes())
    if damage == "truncated":
        latest.write_bytes(content[: len(content) // 2])
    elif "flipped" in damage:
        content[20 if "header" in damage else -1000] ^= 1
        latest.write_bytes(content)
    elif damage == "gone":
        latest.unlink()
    final, clocks = resume()["final"], dict.fromkeys(CLOCKS)
    assert {**final, **clocks} == {**whole["final"], **clocks}
    left = {path.name for path in (folder / "broken").iterdir()}
    assert not any(name.startswith("checkpoint") or name.endswith(".part") for name in left)


def test_a_run_that_goes_on_may_stop_by_another_rule(broken_off):
    _, folder, resume = broken_off
    result = resume(target_accuracy=0.01)
    assert result["stopped_by"] == "target_accuracy"
    curves = [
        pd.read_csv(folder / name / "curve.csv").drop(columns=list(CLOCKS))
        for name in ("whole", "broken")
    ]
    assert len(curves[1]) == 4 < len(curves[0])
    pd.testing.assert_frame_equal(curves[0][:4], curves[1], check_exact=True)
    assert json.loads((folder / "broken/run.json").read_text())["settings"]["target_accuracy"]
    with pytest.raises(ValueError, match="resume needs a run with the same settings"):
        resume()  # it has ended by now


def test_tensorboards_curves_have_neither_holes_nor_doubles(broken_off):
    _, folder, resume = broken_off
    resume()
    steps = []
    for name in ("whole", "broken"):
        events = EventAccumulator(str(folder / name), size_guidance={"scalars": 0}).Reload()
        steps.append([event.step for event in events.Scalars("eval/accuracy")])
    assert steps[0] == steps[1]
    assert steps[0] == sorted(set(steps[0]))


def told_steps(folder):
    """The steps of the evaluations that TensorBoard shows."""
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    return [event.step for event in events.Scalars("eval/accuracy")]


@pytest.mark.parametrize("agent", ["supervised", "ppo"])
def test_a_run_that_starts_over_tells_tensorboard_nothing_twice(agent, tmp_path, monkeypatch):
    """Broken off before its first checkpoint; agents of SB3's leave none at all."""
    monkeypatch.setattr(ExampleCallback, "_log_example", lambda self: None)
    arguments = {"log_dir": tmp_path, "n_questions": 16, "n_timesteps": 4096}

    def crash(*_):
        raise RuntimeError("a crash")

    with monkeypatch.context() as patch:
        patch.setattr(AmplificationCallback, "_on_training_end", crash)  # PPO's, at its end
        patch.setattr("ia_gym.experiments.checkpoints.keep", crash)
        with pytest.raises(RuntimeError, match="a crash"):
            train_once(agent, BASE, **arguments)
    first = told_steps(tmp_path)
    assert first[0] == 0
    assert (len(first) == 1) == (agent == "supervised")
    train_once(agent, BASE, resume=True, **arguments)
    steps = told_steps(tmp_path)
    assert steps == sorted(set(steps))
    assert steps == pd.read_csv(tmp_path / "curve.csv")["timesteps"].tolist()


def test_a_run_that_had_come_to_its_end_trains_no_further(tmp_path, monkeypatch):
    """Broken off when it had met its target and not yet told so."""
    arguments = {"log_dir": tmp_path, "n_questions": 64, "n_timesteps": 40_960, "patience": 1}
    frozen = {"learning_rate": 1e-12, "n_contexts": 4, "n_questions": 8}
    frozen["policy_kwargs"] = {"width": 16, "heads": 2}

    def crash(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Supervised, "save", only_resumable(Supervised.save, crash))
        with pytest.raises(OSError, match="No space left"):
            train_once("supervised", BASE, model=frozen, **arguments)
    evaluations = len(pd.read_csv(tmp_path / "curve.csv"))
    result = train_once("supervised", BASE, model=frozen, resume=True, **arguments)
    assert result["stopped_by"] == "patience"
    assert len(pd.read_csv(tmp_path / "curve.csv")) == evaluations == 2
    assert result["final"]["timesteps"] == 1024


def only_resumable(save, crash):
    """Saves checkpoints, and no models."""

    def save_some(self, path, *rest, resumable=True, **kwargs):
        (save if resumable else crash)(self, path, *rest, **kwargs)

    return save_some


def test_a_full_disk_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    write_text(path, "old")

    def fill(aside):
        aside.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, fill)
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
