"""`ia-gym compare`: its table, failures, interruption and resuming."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny_runs import BASE, load_tiny_settings
from typer.testing import CliRunner

from ia_gym.agents.sb3.evaluation_callback import CLOCKS
from ia_gym.experiments import compare as compare_module
from ia_gym.experiments.cli import app
from ia_gym.experiments.compare import compare
from ia_gym.experiments.reports.finished_runs import read_runs
from ia_gym.experiments.run import run_training
from ia_gym.experiments.run_folder import lock_folder

FEW = {"n_eval_questions": 64}


def load_settings_of_a_comparison(agent, env_id):
    """PPO trains, the supervised baseline too; answer search fails."""
    settings = load_tiny_settings(agent, env_id, n_timesteps=1024)
    return replace(settings, model={"colour": "red"}) if agent == "search" else settings


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """A comparison of three agents, one of which fails, each in a process of its own."""
    folder = tmp_path_factory.mktemp("a comparison") / "of [three] agents"
    words = ["compare", "--agents", "ppo, supervised, search", "--log-dir", str(folder)]
    words += ["--env", f"ia_gym:{BASE}", "--eval-questions", "64", "--jobs", "2"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compare_module, "load_settings", load_settings_of_a_comparison)
        result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    return folder, result.output


def test_a_comparison_leaves_everything_behind(compared):
    folder, output = compared
    table = pd.read_csv(folder / "table.csv")
    assert table["agent"].tolist() == [
        "ppo", "supervised", "random", "majority", "copy", "know-nothing", "oracle"
    ]  # fmt: skip
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    whole = json.loads((folder / "comparison.json").read_text())
    assert whole["runs"] == ["ppo_seed0", "supervised_seed0", "search_seed0"]
    assert whole["unfinished"] == ["search_seed0"]
    assert f"tensorboard --logdir '{folder}'" in output  # as a shell takes it
    assert f"curves: {folder / 'curves.png'}" in output
    tags = []
    for run in ("ppo_seed0", "supervised_seed0"):
        result = json.loads((folder / run / "result.json").read_text())
        assert result["versions"]["torch"]
        assert result["env_id"] == BASE
        curve = pd.read_csv(folder / run / "curve.csv")
        assert curve["timesteps"].iloc[-1] == result["final"]["timesteps"] == 1024
        events = EventAccumulator(str(folder / run)).Reload()
        assert "custom_scalars__config__" in events.Tags()["tensors"]
        scalars = {tag for tag in events.Tags()["scalars"] if tag.startswith(("eval", "overs"))}
        tags.append(scalars)
        steps = [event.step for event in events.Scalars("eval/accuracy")]
        assert steps == curve["timesteps"].tolist()
    assert tags[0] == tags[1]
    assert "overseer/human_interactions" in tags[0]


def test_a_run_that_fails_leaves_the_others(compared):
    folder, output = compared
    assert "colour" in (folder / "search_seed0" / "error.txt").read_text()
    assert f"search_seed0 failed: see {folder / 'search_seed0' / 'error.txt'}" in output


@pytest.fixture
def in_process(monkeypatch):
    """Comparisons of tiny agents, one run after the other in this process."""

    def run_all(runs, jobs, console):
        for run in runs:
            run_training(run)

    monkeypatch.setattr(compare_module, "run_all", run_all)
    monkeypatch.setattr(compare_module, "load_settings", load_tiny_settings)


@pytest.mark.usefixtures("in_process")
def test_only_runs_of_this_comparison_count(tmp_path, capsys):
    """Three seeds, then two with another budget; then another environment."""
    agents = ["supervised", "reinforce"]
    compare(BASE, agents, seeds=3, log_dir=tmp_path, n_timesteps=64, **FEW)
    capsys.readouterr()
    table = compare(BASE, agents[:1], seeds=2, log_dir=tmp_path, n_timesteps=128, **FEW)
    output = capsys.readouterr().out
    assert "replacing 2 runs" in output
    left_alone = ["reinforce_seed0", "reinforce_seed1", "reinforce_seed2", "supervised_seed2"]
    assert f"not part of this comparison: {', '.join(left_alone)}" in output
    assert table["seed"].dropna().tolist() == [0, 1]
    whole = json.loads((tmp_path / "comparison.json").read_text())
    assert [(each["agent"], each["seeds"]) for each in whole["agents"]] == [("supervised", 2)]
    assert [result["final"]["timesteps"] for result in whole["results"]] == [128, 128]
    # Neither do the others count in a report.
    assert [(run.agent, run.result["seed"]) for run in read_runs(tmp_path)] == [
        ("supervised", 0),
        ("supervised", 1),
    ]
    for run in left_alone:
        assert (tmp_path / run / "model.safetensors").exists()
        assert len(read_runs(tmp_path / run)) == 1  # unless one asks for it
    table = compare("IA-Wildcard-v0", agents[:1], log_dir=tmp_path, n_timesteps=64, **FEW)
    whole = json.loads((tmp_path / "comparison.json").read_text())
    assert {result["env_id"] for result in whole["results"]} == {"IA-Wildcard-v0"}
    assert [each["seeds"] for each in whole["agents"]] == [1]


def final_figures(folder):
    """The last evaluation of a run, but for the time it took."""
    final = json.loads((folder / "result.json").read_text())["final"]
    return {tag: value for tag, value in final.items() if not tag.startswith("time/")}


@pytest.mark.usefixtures("in_process")
def test_an_interrupted_comparison_is_resumed(tmp_path, monkeypatch):
    agents, few = ["supervised", "search"], {**FEW, "n_timesteps": 640}
    compare(BASE, agents, log_dir=tmp_path / "whole", **few)

    def interrupt(runs, jobs, console):
        """Finish the first run; stop the second after a quarter."""
        run_training(runs[0])

        def stop(row):
            if row["timesteps"] > 300:
                raise InterruptedError

        with pytest.raises(InterruptedError):
            run_training(runs[1], stop)

    folder = tmp_path / "interrupted"
    with monkeypatch.context() as patch:
        patch.setattr(compare_module, "run_all", interrupt)
        compare(BASE, agents, log_dir=folder, **few)
    done = folder / "supervised_seed0" / "result.json"
    assert (folder / "search_seed0" / "checkpoint.safetensors").exists()
    finished = done.stat().st_mtime_ns
    # With other settings, there is nothing to be resumed; nothing is lost either.
    with pytest.raises(ValueError, match="resume needs runs with the same settings in log_dir"):
        compare(BASE, agents, log_dir=folder, resume=True, **FEW)
    table = compare(BASE, [*agents, "reinforce"], log_dir=folder, resume=True, **few)
    assert {"supervised", "search", "reinforce"} < set(table["agent"])
    assert done.stat().st_mtime_ns == finished
    for run in ("supervised_seed0", "search_seed0"):
        whole, resumed = (tmp_path / name / run for name in ("whole", "interrupted"))
        assert final_figures(whole) == final_figures(resumed)
        curves = [pd.read_csv(each / "curve.csv") for each in (whole, resumed)]
        timed = [curve.drop(columns=list(CLOCKS)) for curve in curves]
        pd.testing.assert_frame_equal(*timed)
        assert curves[1]["time/minutes"].is_monotonic_increasing
        assert not (resumed / "checkpoint.safetensors").exists()
    # Without --resume, everything starts again.
    compare(BASE, agents[:1], log_dir=folder, **few)
    assert done.stat().st_mtime_ns != finished


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("name", ["result.json", "curve.csv", "run.json"])
def test_a_broken_file_is_named_before_anything_is_trained(compared, tmp_path, name, monkeypatch):
    monkeypatch.setattr(compare_module, "load_settings", load_settings_of_a_comparison)
    monkeypatch.setattr(compare_module, "run_all", None)
    folder = tmp_path / "copy"
    shutil.copytree(compared[0], folder)
    (folder / "supervised_seed0" / name).write_text("")
    with pytest.raises(ValueError, match=name.replace(".", r"\.")):
        compare(BASE, ["supervised"], log_dir=folder, resume=True, **FEW)


@pytest.mark.parametrize("name", [".", "supervised_seed0"])
def test_a_comparison_needs_its_folders_for_itself(compared, name):
    """The whole, and the folder of each of its runs."""
    folder, _ = compared
    before = (folder / "comparison.json").read_bytes()
    words = ["compare", "--agents", "supervised", "--log-dir", str(folder)]
    with lock_folder(folder / name):
        for more in ([], ["--resume"]):
            result = CliRunner().invoke(app, [*words, *more])
            assert result.exit_code == 2
            if name == "." or not more:
                assert "log_dir is in use by another process" in result.output
    assert (folder / "comparison.json").read_bytes() == before
    assert (folder / "supervised_seed0" / "result.json").exists()


@pytest.fixture
def half_done(compared, tmp_path):
    """A comparison in a process group of its own: one run finished, one that never ends."""
    folder = tmp_path / "runs"
    shutil.copytree(compared[0] / "supervised_seed0", folder / "supervised_seed0")
    script = f"""
import signal, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
signal.signal(signal.SIGINT, signal.default_int_handler)  # shells may have it ignored
from tiny_runs import load_tiny_settings
from ia_gym.experiments import __main__, compare
def load(agent, env_id):
    return load_tiny_settings(agent, env_id, 1024 if agent == "supervised" else 10**9)
if __name__ == "__main__":
    compare.load_settings = load
    __main__.main()
"""
    (tmp_path / "script.py").write_text(script)
    words = ["compare", "--agents", "supervised,imitation", "--log-dir", str(folder), "--resume"]
    words += ["--env", BASE, "--eval-questions", "64", "--jobs", "2"]
    with (tmp_path / "out.txt").open("w") as out:
        process = subprocess.Popen(
            [sys.executable, str(tmp_path / "script.py"), *words],
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    deadline = time.monotonic() + 120
    while not list((folder / "imitation_seed0").glob("events*")):
        assert time.monotonic() < deadline
        assert process.poll() is None, (tmp_path / "out.txt").read_text()
        time.sleep(0.1)
    return process, folder


def test_ctrl_c_keeps_what_is_done(tmp_path, half_done):
    process, folder = half_done
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=60) == 130
    out = (tmp_path / "out.txt").read_text()
    assert "supervised 0" in out
    assert "imitation_seed0 was not finished; --resume continues from the last checkpoint" in out
    assert "Traceback" not in out
    whole = json.loads((folder / "comparison.json").read_text())
    assert whole["unfinished"] == ["imitation_seed0"]
    assert [result["agent"] for result in whole["results"]] == ["supervised"]


@pytest.mark.slow
def test_sigterm_stops_the_runs_as_ctrl_c_does(tmp_path, half_done):
    process, folder = half_done
    process.terminate()  # the parent alone, as a scheduler does
    assert process.wait(timeout=60) == 128 + signal.SIGTERM
    out = (tmp_path / "out.txt").read_text()
    assert out.endswith("ia-gym compare: stopped by SIGTERM\n")
    assert "imitation_seed0 was not finished; --resume continues from the last checkpoint" in out
    assert (folder / "imitation_seed0" / "checkpoint.safetensors").exists()
    assert json.loads((folder / "comparison.json").read_text())["unfinished"] == ["imitation_seed0"]


def alive(process_group):
    try:
        os.killpg(process_group, 0)
    except ProcessLookupError:
        return False
    return True


def test_no_worker_outlives_a_killed_comparison(half_done):
    process, _ = half_done
    process.kill()
    process.wait(timeout=60)
    deadline = time.monotonic() + 60
    while alive(process.pid):
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--env", "IA-Chess-v0"], "env_id must be one of"),
        (["--env", "CartPole-v1"], "env_id must be one of"),
        (["--agents", "ppo,chess"], "agent must be one of"),
        (["--agents", "ppo,"], "agents must be names with commas between"),
        (["--agents", "supervised,supervised"], "agents must be distinct, got twice: supervised"),
        (["--agents", "ppo, supervised,ppo "], "agents must be distinct, got twice: ppo"),
        (["--seeds", "0"], "seeds must be in"),
        (["--timesteps", "0"], "n_timesteps must be in"),
        (["--eval-questions", "0"], "n_eval_questions must be in"),
        (["--jobs", "-1"], "jobs must be in"),
        (["--jobs", "0"], "jobs must be in"),
        (["--log-dir", "/dev/null/x"], "log_dir must be a folder"),
    ],
)
def test_the_command_says_what_is_wrong_in_a_line(arguments, message, tmp_path):
    if "--log-dir" not in arguments:
        arguments = [*arguments, "--log-dir", str(tmp_path)]
    result = CliRunner().invoke(app, ["compare", *arguments])
    assert result.exit_code == 2
    assert message in result.output
    assert result.output.count("\n") == 1
