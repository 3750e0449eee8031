"""Training is killed at random moments and resumed, over and over: the end is always the same."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ia_gym.agents.callbacks import CLOCKS

KILLS = 20  # of each learner
SIGNALS = [signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT]


def command(agent, folder, *more):
    return [
        *(sys.executable, "-m", "ia_gym.agents.cli", "train", agent, "--seed", "3"),
        *("--questions", "64", "--timesteps", "122880", "--log-dir", str(folder), *more),
    ]


def listen():
    """Let a child hear Ctrl-C from the start: a shell's background jobs ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("agent", ["imitation", "supervised", "search", "reinforce", "mixed"])
def test_killed_at_any_moment_a_run_ends_with_the_same_numbers(agent, tmp_path):
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(command(agent, tmp_path / "whole"), check=True, **quiet)
    folder, chance, kills = tmp_path / "killed", random.Random(agent), 0
    finished = folder / "result.json"
    while not finished.exists():
        resume = ["--resume"] if (folder / "run.json").exists() else []
        process = subprocess.Popen(command(agent, folder, *resume), preexec_fn=listen, **quiet)
        if kills < KILLS:
            # Most of the first seconds are imports; the aim is to hit evaluations and checkpoints.
            time.sleep(chance.uniform(3.5, 7.0))
            process.send_signal(chance.choice(SIGNALS))
        status = process.wait()
        kills += status != 0
        assert finished.exists() or status in (-9, 130, 143, -2, -15, 1), status
    print(f"{agent}: killed {kills} times")
    finals = [json.loads((tmp_path / name / "result.json").read_text())["final"]
              for name in ("whole", "killed")]  # fmt: skip
    curves = [pd.read_csv(tmp_path / name / "curve.csv").drop(columns=list(CLOCKS))
              for name in ("whole", "killed")]  # fmt: skip
    clocks = dict.fromkeys(CLOCKS)
    assert {**finals[0], **clocks} == {**finals[1], **clocks}
    pd.testing.assert_frame_equal(*curves)
    models = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "killed")]
    assert models[0] == models[1]
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    steps = [event.step for event in events.Scalars("eval/accuracy")]
    assert steps == curves[0]["timesteps"].tolist()
    assert kills >= 3
    assert not [name for name in os.listdir(folder) if name.endswith(".part")]
