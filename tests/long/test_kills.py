"""Training is stopped at random moments and resumed, over and over; the results are the same."""

import contextlib
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
import zipfile

import pandas as pd
import pytest
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ia_gym.agents.sb3.evaluation_callback import CLOCKS
from ia_gym.experiments.checkpoints import CHECKPOINT, PREVIOUS
from ia_gym.networks.tensor_files import read_tensors

FULL = "full disk"
ENDS = [signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT, FULL]
EARLY = 1 / 8
"""Share of the runs that are stopped while they start, not while they train."""


def command(agent, folder, timesteps, *more):
    return [
        *(sys.executable, "-m", "ia_gym.experiments", "train", agent, "--seed", "3"),
        *("--eval-questions", "64", "--timesteps", str(timesteps), "--log-dir", str(folder), *more),
    ]


def listen():
    """Let a child receive Ctrl-C from the start: a shell's background jobs ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(agent, folder, timesteps):
    resume = ["--resume"] if (folder / "run.json").exists() else []
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    words = command(agent, folder, timesteps, *resume)
    return subprocess.Popen(words, preexec_fn=listen, **quiet)


def wait_for_training(process, folder):
    """Wait until this process has opened its own file for TensorBoard, or has ended."""
    began = time.time()
    while process.poll() is None:
        files = list(folder.glob("events.out.tfevents*"))
        if any(file.stat().st_mtime > began for file in files):
            return
        time.sleep(0.02)


def end(process, how, chance):
    if how != FULL:
        process.send_signal(how)
    elif process.poll() is None:
        # From now on no file of the process may grow beyond this: writing it fails half-way.
        most = chance.randrange(2_000_000)
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (most, most))
    return process.wait()


def check_whole(folder):
    """Every file in a run's folder under its own name can be read."""
    for name in (CHECKPOINT, PREVIOUS, "human.safetensors", "model.safetensors"):
        if (folder / name).exists():
            read_tensors(folder / name)
    for file in folder.glob("*.json"):
        json.loads(file.read_text())
    if (folder / "curve.csv").exists():
        assert not pd.read_csv(folder / "curve.csv").isna().any(axis=None)


def weights(folder):
    """Weights, by file."""
    found = {file.name: file.read_bytes() for file in folder.glob("*.safetensors")}
    if (folder / "model.zip").exists():
        found["policy"] = zipfile.ZipFile(folder / "model.zip").read("policy.pth")
        # Its header names tensors that share memory in any order.
        slow_copy = load_file(folder / "assistant.safetensors")
        found["assistant.safetensors"] = {key: t.tolist() for key, t in slow_copy.items()}
    return found


def outcome(folder):
    """Final numbers, the curve and weights, without times."""
    final = json.loads((folder / "result.json").read_text())["final"]
    curve = pd.read_csv(folder / "curve.csv").drop(columns=list(CLOCKS))
    return {**final, **dict.fromkeys(CLOCKS)}, curve, weights(folder)


@pytest.mark.parametrize(
    ("agent", "timesteps", "wanted"),
    [
        ("imitation", 122_880, 24),
        ("supervised", 122_880, 24),
        ("search", 122_880, 24),
        ("reinforce", 122_880, 24),
        ("debate", 122_880, 24),
        ("consultancy", 122_880, 24),
        ("mixed", 122_880, 24),
        ("reward-modelling", 81_920, 24),
        ("preferences", 81_920, 12),
        ("expert-iteration", 122_880, 24),
        ("ppo", 40_960, 5),  # starts over each time: the same numbers too
    ],
)
def test_a_run_stopped_at_any_moment_ends_with_the_same_numbers(agent, timesteps, wanted, tmp_path):
    assert start(agent, tmp_path / "whole", timesteps).wait() == 0
    final, curve, learned = outcome(tmp_path / "whole")
    minutes = json.loads((tmp_path / "whole" / "result.json").read_text())["final"]["time/minutes"]
    kills = {getattr(how, "name", how): 0 for how in ENDS}
    chance, runs = random.Random(agent), 0
    while sum(kills.values()) < wanted:
        folder, runs = tmp_path / f"killed{runs}", runs + 1
        while not (folder / "result.json").exists():
            process = start(agent, folder, timesteps)
            if sum(kills.values()) < wanted:
                if chance.random() < EARLY:
                    time.sleep(chance.uniform(0, 5))
                else:
                    wait_for_training(process, folder)
                    time.sleep(chance.uniform(0, 1.5 * 60 * minutes / wanted))
                how = chance.choice(ENDS)
                status = end(process, how, chance)
                # 1: a file could not be written.
                assert status in (0, -9, 128 + 2, 128 + 15, -2, -15, 1), status
                kills[getattr(how, "name", how)] += status != 0
            else:
                assert process.wait() == 0
            if folder.exists():
                check_whole(folder)
        again, curve_again, learned_again = outcome(folder)
        assert again == final
        pd.testing.assert_frame_equal(curve_again, curve, check_exact=True)
        assert learned_again == learned
        events = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
        steps = [event.step for event in events.Scalars("eval/accuracy")]
        assert steps == curve["timesteps"].tolist()
        assert not [name for name in os.listdir(folder) if name.endswith(".part")]
    print(f"{agent}: stopped {sum(kills.values())} times in {runs} runs: {kills}")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounts a small disk")
def test_a_run_survives_a_full_disk(tmp_path):
    """Its disk is too small at first, and grows a little after every failure."""
    agent, timesteps = "supervised", 40_960
    assert start(agent, tmp_path / "whole", timesteps).wait() == 0
    disk, kilobytes, failures = tmp_path / "disk", 100, 0
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False).returncode:
        pytest.skip("may not mount")
    try:
        while start(agent, disk / "run", timesteps).wait():
            check_whole(disk / "run")
            failures, kilobytes = failures + 1, kilobytes + 700
            assert kilobytes < 20_000
            grow = ["mount", "-o", f"remount,size={kilobytes}k", str(disk)]
            subprocess.run(grow, check=True)
        final, curve, learned = outcome(tmp_path / "whole")
        again, curve_again, learned_again = outcome(disk / "run")
        assert again == final
        pd.testing.assert_frame_equal(curve_again, curve, check_exact=True)
        assert learned_again == learned
        print(f"the disk was full {failures} times, last at {kilobytes - 700} kB")
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    assert failures >= 3
