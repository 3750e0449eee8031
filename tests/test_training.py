"""`ia-gym train`: stopping rules, signals, and going on."""

import json
import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
from typer.testing import CliRunner

from ia_gym.agents import HeldOut, Supervised
from ia_gym.agents.callbacks import CLOCKS
from ia_gym.agents.cli import app
from ia_gym.agents.training import train_once

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
    scores = HeldOut(BASE, 64).evaluate(model)
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
        (["imitation", "--target-accuracy", "1.5"], "target_accuracy must be in"),
        (["imitation", "--patience", "0"], "patience must be in"),
        (["imitation", "--seed", "-1"], "seed must be in"),
        (["imitation", "--threads", "0"], "threads must be in"),
        (["imitation", "--size", "9"], "size must be in"),
        (["imitation", "--max-depth", "9"], "end_depth must be in"),
        (["imitation", "--resume"], "resume needs a run with the same settings"),
    ],
)
def test_wrong_arguments_are_named(arguments, message, tmp_path):
    result = CliRunner().invoke(app, ["train", *arguments, "--log-dir", str(tmp_path / "run")])
    assert result.exit_code == 2
    assert message in result.output


@pytest.mark.parametrize("ended_by", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_a_checkpoint_that_ends_with_the_same_numbers(ended_by, tmp_path):
    command = [sys.executable, "-m", "ia_gym.agents.cli", "train", "imitation", "--env", BASE]
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
