"""`ia-gym train`: results, stopping rules, signals, checkpoints and resuming."""

import json
import multiprocessing as mp
import os
import shutil
import signal
import threading

import pandas as pd
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny_runs import BASE, STEPS, TINY_LEARNER, TINY_PPO, write_run_file
from typer.testing import CliRunner

from ia_gym.agents import QuestionEvaluator, Supervised
from ia_gym.agents.sb3.amplification_callback import AmplificationCallback
from ia_gym.agents.sb3.evaluation_callback import CLOCKS, EvaluationCallback
from ia_gym.experiments import train as train_module
from ia_gym.experiments.checkpoints import CHECKPOINT
from ia_gym.experiments.cli import app
from ia_gym.experiments.run_folder import clear_folder, lock_folder, prepare_folder
from ia_gym.experiments.saved_agents import load_agent
from ia_gym.experiments.train import train_agent

TINY = {"n_eval_questions": 64, "n_timesteps": STEPS, "model": TINY_LEARNER}
FROZEN = {**TINY_LEARNER, "learning_rate": 1e-12}


def without_clocks(final):
    return {**final, **dict.fromkeys(CLOCKS)}


def read_curve(folder):
    return pd.read_csv(folder / "curve.csv").drop(columns=list(CLOCKS))


def logged_steps(folder):
    """The steps of the evaluations that TensorBoard shows."""
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    return [event.step for event in events.Scalars("eval/accuracy")]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run and its result."""
    folder = tmp_path_factory.mktemp("runs") / "finished"
    return folder, train_agent("supervised", BASE, log_dir=folder, seed=3, **TINY)


def test_the_budget_ends_a_run(finished):
    folder, result = finished
    assert result["stopped_by"] == "budget"
    assert result["final"]["timesteps"] == STEPS
    assert result["seed"] == 3
    assert json.loads((folder / "result.json").read_text()) == json.loads(json.dumps(result))
    curve = pd.read_csv(folder / "curve.csv")
    assert curve["work/teraflop"].is_monotonic_increasing
    assert curve["work/teraflop"].iloc[-1] > 0
    model = Supervised.load(folder / "model")
    scores = QuestionEvaluator(BASE, 64).evaluate(model)
    assert scores["eval/accuracy"] == result["final"]["eval/accuracy"]
    weights = sum(parameter.numel() for parameter in model.policy.network.parameters())
    assert (folder / "model.safetensors").stat().st_size < 4.1 * weights + 8192


def test_a_result_says_where_it_comes_from(finished):
    _, result = finished
    assert set(result["versions"]) >= {"ia-gym", "gymnasium", "torch"}
    assert result["hardware"]["device"] == "cpu"
    assert result["hardware"]["processor"]
    assert result["hardware"]["gpu"] is None
    assert result["n_eval_questions"] == 64


def test_a_result_names_the_commit_at_which_its_run_began(tmp_path, monkeypatch):
    from ia_gym.experiments import run as module

    commits, save = ["first"], module.save_model
    monkeypatch.setattr(module.provenance, "describe_commit", lambda: commits[-1])
    monkeypatch.setattr(module, "save_model", lambda *args: (commits.append("later"), save(*args)))
    result = train_agent("supervised", BASE, log_dir=tmp_path / "run", **TINY)
    assert result["commit"] == "first"


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (
            ["/usr/bin/ia-gym", "train", "ppo", "--log-dir", "x", "--seed", "1"],
            "train ppo --seed 1",
        ),
        (["/a b/__main__.py", "train", "ppo", "--log-dir=a b"], "train ppo"),
        (["ia-gym", "compare", "--agents", "ppo, a2c"], "compare --agents 'ppo, a2c'"),
    ],
)
def test_the_command_is_recorded_as_one_would_type_it(words, command, monkeypatch):
    from ia_gym.experiments.provenance import describe_command

    monkeypatch.setattr("sys.argv", words)
    assert describe_command() == f"ia-gym {command}"


def test_a_target_ends_a_run(tmp_path):
    result = train_agent("supervised", BASE, log_dir=tmp_path, target_accuracy=0.01, **TINY)
    assert result["stopped_by"] == "target_accuracy"
    assert result["final"]["timesteps"] < STEPS


def test_patience_ends_a_run(tmp_path):
    result = train_agent(
        "supervised", BASE, log_dir=tmp_path, patience=3, **{**TINY, "model": FROZEN}
    )
    assert result["stopped_by"] == "patience"
    assert len(pd.read_csv(tmp_path / "curve.csv")) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["chess"], "agent must be one of"),
        (["imitation", "--env", "Chess-v0"], "env_id must be one of"),
        (["imitation", "--env", "CartPole-v1"], "env_id must be one of"),
        (["imitation", "--timesteps", "0"], "n_timesteps must be in"),
        (["imitation", "--target-accuracy", "1.5"], "target_accuracy must be a number in"),
        (["imitation", "--patience", "0"], "patience must be in"),
        (["imitation", "--seed", "-1"], "seed must be in"),
        (["imitation", "--threads", "0"], "threads must be in"),
        (["imitation", "--size", "9"], "size must be in"),
        (["imitation", "--eval-questions", "0"], "n_eval_questions must be in"),
        (["imitation", "--max-depth", "9"], "max_depth must be in 1..2, got 9"),
        (["ppo", "--max-depth", "2"], "max_depth is for the suite's own learners"),
        (["imitation", "--resume"], "resume needs a run with the same settings"),
        (["imitation", "--device", "toaster"], "device must be"),
        (["imitation", "--device", "meta"], "device must be"),
        (["imitation", "--device", "cuda:99"], "device must be"),
    ],
)
def test_wrong_arguments_are_named(arguments, message, tmp_path):
    result = CliRunner().invoke(app, ["train", *arguments, "--log-dir", str(tmp_path / "run")])
    assert result.exit_code == 2
    assert message in result.output
    assert result.output.count("\n") == 1


def test_a_run_can_be_repeated_from_its_file_alone(finished, tmp_path):
    """The number of held-out questions too, under its older name, and the id with its package."""
    folder, first = finished
    run_file = json.loads((folder / "run.json").read_text())
    run_file |= {"env_id": f"ia_gym:{BASE}", "n_questions": run_file.pop("n_eval_questions")}
    (tmp_path / "run.json").write_text(json.dumps(run_file))
    again = train_agent(str(tmp_path / "run.json"), log_dir=tmp_path / "again")
    assert again["n_eval_questions"] == 64
    assert without_clocks(again["final"]) == without_clocks(first["final"])
    assert (again["seed"], again["env_id"]) == (3, BASE)


@pytest.mark.parametrize("content", ["", "[1, 2]", '{"agent": "ppo"}', None])
def test_what_is_not_the_file_of_a_run_is_refused(content, tmp_path):
    path = tmp_path / "run.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ValueError, match=r"agent must name a run\.json: .*run.json"):
        train_agent(str(path))


def test_tensorboard_lists_settings_and_shows_examples(finished):
    folder, _ = finished
    events = EventAccumulator(str(folder), size_guidance={"images": 0, "tensors": 0}).Reload()
    assert "_hparams_/session_start_info" in events.summary_metadata
    assert len(events.Images("examples/context")) >= 3
    assert events.Tensors("examples/trace/text_summary")


def test_a_finished_run_is_not_run_again(finished, monkeypatch):
    folder, first = finished
    monkeypatch.setattr(train_module, "run_training", None)
    again = train_agent("supervised", BASE, log_dir=folder, seed=3, resume=True, **TINY)
    assert again["final"] == first["final"]


def test_a_new_run_replaces_the_earlier_one_and_no_other_files(finished, tmp_path, capsys):
    """Its model too: it would be taken for that of the new run."""
    folder = tmp_path / "a [bold] run"
    shutil.copytree(finished[0], folder)
    kept = ["checkpoint_notes.txt", "run.json.bak", "model.safetensors.old"]
    for name in kept:
        (folder / name).write_text("mine")
    arguments = {**TINY, "model": TINY_PPO, "n_timesteps": 512}
    train_agent("ppo", BASE, log_dir=folder, **arguments)
    assert "replacing the run in" in capsys.readouterr().out
    assert type(load_agent(folder)).__name__ == "PPO"
    assert all((folder / name).read_text() == "mine" for name in kept)
    clear_folder(folder)
    assert sorted(path.name for path in folder.iterdir() if path.name != ".lock") == sorted(kept)


def raise_signal_at(row_number, signum, monkeypatch):
    """Let a signal arrive in the middle of the evaluation of this number."""
    run_training, rows = train_module.run_training, []

    def run(each, show, stop_on):
        def on_evaluation(row):
            rows.append(row)
            show(row)
            if len(rows) == row_number:
                signal.raise_signal(signum)

        return run_training(each, on_evaluation, stop_on)

    monkeypatch.setattr(train_module, "run_training", run)


@pytest.mark.parametrize(
    "signum", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM]
)
def test_a_signal_leaves_a_checkpoint_that_ends_with_the_same_numbers(
    signum, tmp_path, monkeypatch
):
    run_file = str(write_run_file(tmp_path / "run.json", "imitation", n_timesteps=640))
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    train_agent(run_file, log_dir=whole)
    earlier = signal.signal(signum, signal.default_int_handler)
    try:
        with monkeypatch.context() as patch:
            raise_signal_at(7, signum, patch)
            result = CliRunner().invoke(app, ["train", run_file, "--log-dir", str(stopped)])
        assert signal.getsignal(signum) is signal.default_int_handler
    finally:
        signal.signal(signum, earlier)
    assert result.exit_code == 128 + signum
    assert f"stopped by {signal.Signals(signum).name}" in result.output
    assert "--resume continues from the last checkpoint" in result.output
    assert not (stopped / "result.json").exists()
    result = CliRunner().invoke(app, ["train", run_file, "--log-dir", str(stopped), "--resume"])
    assert result.exit_code == 0
    pd.testing.assert_frame_equal(read_curve(whole), read_curve(stopped), check_exact=True)
    for name in ("model.safetensors", "human.safetensors"):
        assert (whole / name).read_bytes() == (stopped / name).read_bytes()


def test_agents_without_checkpoints_say_that_they_start_over(tmp_path, monkeypatch):
    run_file = str(write_run_file(tmp_path / "run.json", "ppo", n_timesteps=1024))
    words = ["train", run_file, "--log-dir", str(tmp_path / "run")]
    with monkeypatch.context() as patch:
        raise_signal_at(2, signal.SIGTERM, patch)
        result = CliRunner().invoke(app, words)
    assert result.exit_code == 128 + signal.SIGTERM
    assert "ppo writes no checkpoints: --resume starts over" in result.output
    result = CliRunner().invoke(app, [*words, "--resume"])
    assert result.exit_code == 0
    assert "ppo writes no checkpoints: it starts over" in result.output
    steps = logged_steps(tmp_path / "run")
    assert steps == sorted(set(steps))


def test_a_second_signal_stops_at_once(tmp_path, monkeypatch):
    run_file = str(write_run_file(tmp_path / "run.json", "supervised"))
    run_training = train_module.run_training

    def run(each, show, stop_on):
        def on_evaluation(_):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

        return run_training(each, on_evaluation, stop_on)

    monkeypatch.setattr(train_module, "run_training", run)
    result = CliRunner().invoke(app, ["train", run_file, "--log-dir", str(tmp_path / "run")])
    assert result.exit_code == 130
    assert "interrupted" in result.output


def test_training_runs_in_any_thread(finished, tmp_path):
    results = []

    def work():
        results.append(train_agent("supervised", BASE, log_dir=tmp_path, seed=3, **TINY))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert without_clocks(results[0]["final"]) == without_clocks(finished[1]["final"])


def hold_lock(folder, locked, release):
    with lock_folder(folder):
        locked.set()
        release.wait()


def test_a_folder_is_for_one_process_at_a_time(finished, tmp_path):
    """Resuming too; a process that was killed leaves no lock behind."""
    folder = tmp_path / "run"
    shutil.copytree(finished[0], folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    context = mp.get_context("spawn")
    locked, release = context.Event(), context.Event()
    other = context.Process(target=hold_lock, args=(folder, locked, release))
    other.start()
    try:
        assert locked.wait(60)
        for more in ([], ["--resume"]):
            words = ["train", str(folder / "run.json"), "--log-dir", str(folder), *more]
            result = CliRunner().invoke(app, words)
            assert result.exit_code == 2
            assert "log_dir is in use by another process" in result.output
        assert before == {path.name: path.read_bytes() for path in folder.iterdir()}
    finally:
        other.kill()
        other.join()
    again = train_agent(str(folder / "run.json"), log_dir=folder, resume=True)
    assert without_clocks(again["final"]) == without_clocks(finished[1]["final"])


def test_showing_examples_does_not_disturb_training(tmp_path, monkeypatch):
    arguments = {**TINY, "model": TINY_PPO, "n_timesteps": 1024}
    finals = []
    for name in ("with", "without"):
        finals.append(train_agent("ppo", BASE, log_dir=tmp_path / name, **arguments)["final"])
        monkeypatch.setattr("ia_gym.experiments.run.EXAMPLES", 0.1)  # the first alone
    assert without_clocks(finals[0]) == without_clocks(finals[1])


class CrashError(Exception):
    """An end that nobody expected."""


@pytest.fixture(scope="module")
def crashed(finished, tmp_path_factory):
    """A run like the finished one that crashed at its fifth evaluation."""
    folder = tmp_path_factory.mktemp("runs") / "crashed"
    evaluate, rows = EvaluationCallback._evaluate, []

    def crash(self):
        if len(rows) == 4:
            raise CrashError
        rows.append(evaluate(self))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EvaluationCallback, "_evaluate", crash)
        with pytest.raises(CrashError):
            train_agent("supervised", BASE, log_dir=folder, seed=3, **TINY)
    return folder


@pytest.fixture
def crashed_run(crashed, tmp_path):
    """A copy of the crashed run, to be changed, and a function that resumes it."""
    folder = tmp_path / "run"
    shutil.copytree(crashed, folder)

    def resume(**stopping):
        return train_agent(
            "supervised", BASE, log_dir=folder, seed=3, resume=True, **TINY, **stopping
        )

    return folder, resume


@pytest.mark.parametrize(
    "damage",
    [
        "none",
        "truncated",
        pytest.param("flipped", marks=pytest.mark.slow),
        pytest.param("header flipped", marks=pytest.mark.slow),
        pytest.param("gone", marks=pytest.mark.slow),
    ],
)
def test_a_damaged_checkpoint_costs_an_evaluation_and_no_more(finished, crashed_run, damage):
    folder, resume = crashed_run
    latest = folder / CHECKPOINT
    content = bytearray(latest.read_bytes())
    if damage == "truncated":
        latest.write_bytes(content[: len(content) // 2])
    elif "flipped" in damage:
        content[20 if "header" in damage else -1000] ^= 1
        latest.write_bytes(content)
    elif damage == "gone":
        latest.unlink()
    assert without_clocks(resume()["final"]) == without_clocks(finished[1]["final"])
    left = {path.name for path in folder.iterdir()}
    assert not any(name.startswith("checkpoint") or name.endswith(".part") for name in left)
    # And TensorBoard's curves have neither holes nor doubles.
    assert logged_steps(folder) == logged_steps(finished[0])
    pd.testing.assert_frame_equal(read_curve(folder), read_curve(finished[0]), check_exact=True)


@pytest.mark.parametrize("name", ["run.json", "curve.csv"])
@pytest.mark.parametrize("content", ["", "{\x00", "a,b\n1,2\n"])
def test_a_broken_file_of_a_run_to_be_resumed_is_named(crashed_run, name, content):
    folder, resume = crashed_run
    (folder / name).write_text(content)
    with pytest.raises(ValueError, match=f"{name} must be the {name} of a run"):
        resume()


@pytest.mark.parametrize("content", ["", "{}", '{"final": 1}'])
def test_a_broken_result_is_named(finished, tmp_path, content):
    folder = tmp_path / "run"
    shutil.copytree(finished[0], folder)
    (folder / "result.json").write_text(content)
    with pytest.raises(ValueError, match=r"result\.json must be the result\.json of a run"):
        train_agent("supervised", BASE, log_dir=folder, seed=3, resume=True, **TINY)


def test_a_resumed_run_may_stop_by_another_rule(finished, crashed_run):
    folder, resume = crashed_run
    result = resume(target_accuracy=0.01)
    assert result["stopped_by"] == "target_accuracy"
    whole, stopped = read_curve(finished[0]), read_curve(folder)
    assert len(stopped) == 4 < len(whole)
    pd.testing.assert_frame_equal(whole[:4], stopped, check_exact=True)
    assert json.loads((folder / "run.json").read_text())["settings"]["target_accuracy"]
    with pytest.raises(ValueError, match="resume needs a run with the same settings"):
        resume()  # it is finished by now


@pytest.mark.parametrize("agent", ["supervised", "ppo"])
def test_a_run_that_starts_over_logs_nothing_twice(agent, tmp_path, monkeypatch):
    """It crashed before its first checkpoint; SB3's agents write none at all."""
    model = TINY_PPO if agent == "ppo" else TINY_LEARNER
    arguments = {"log_dir": tmp_path, "n_eval_questions": 16, "n_timesteps": 512, "model": model}

    def crash(*_):
        raise CrashError

    with monkeypatch.context() as patch:
        patch.setattr(AmplificationCallback, "_on_training_end", crash)  # PPO's, at its end
        patch.setattr("ia_gym.experiments.run.save_checkpoint", crash)
        with pytest.raises(CrashError):
            train_agent(agent, BASE, **arguments)
    first = logged_steps(tmp_path)
    assert first[0] == 0
    assert (len(first) == 1) == (agent == "supervised")
    train_agent(agent, BASE, resume=True, **arguments)
    steps = logged_steps(tmp_path)
    assert steps == sorted(set(steps))
    assert steps == pd.read_csv(tmp_path / "curve.csv")["timesteps"].tolist()


def save_checkpoints_only(save):
    """A full disk once the final model is to be saved."""

    def save_some(self, path, *rest, resumable=True, **kwargs):
        if not resumable:
            raise OSError(28, "No space left on device")
        save(self, path, *rest, resumable=resumable, **kwargs)

    return save_some


def test_a_run_that_had_reached_its_end_trains_no_further(tmp_path, monkeypatch):
    """It had stopped by patience, and then the disk was full."""
    run_file = write_run_file(tmp_path / "run.json", "supervised")
    content = json.loads(run_file.read_text())
    content["settings"] |= {"patience": 1, "model": FROZEN}
    run_file.write_text(json.dumps(content))
    folder = tmp_path / "run"
    words = ["train", str(run_file), "--log-dir", str(folder)]
    with monkeypatch.context() as patch:
        patch.setattr(Supervised, "save", save_checkpoints_only(Supervised.save))
        result = CliRunner().invoke(app, words)
    assert result.exit_code == 1
    assert "No space left on device; --resume continues" in result.output
    evaluations = len(pd.read_csv(folder / "curve.csv"))
    result = train_agent(str(run_file), log_dir=folder, resume=True)
    assert result["stopped_by"] == "patience"
    assert len(pd.read_csv(folder / "curve.csv")) == evaluations == 2


@pytest.mark.parametrize("place", ["file", "file/below", "/dev/null/x", "a\x00b"])
def test_an_unusable_folder_is_refused(place, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="log_dir must be a folder that can be written, got"):
        prepare_folder(tmp_path / place)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(ValueError, match="log_dir must be a folder that can be written, got"):
        prepare_folder(tmp_path)


def test_references_are_lines_through_tensorboards_chart(finished):
    events = EventAccumulator(str(finished[0])).Reload()
    references = QuestionEvaluator(BASE, 64).references()
    for name in ("know-nothing", "copy", "majority"):
        line = [(each.step, each.value) for each in events.Scalars(f"reference/{name}")]
        score = pytest.approx(references[name]["accuracy"])
        assert line == [(0, score), (STEPS, score)]


@pytest.mark.slow
def test_tensorboard_reads_a_run_of_a_process_that_has_written_many_files(tmp_path):
    """The tenth event file of a process comes before its ninth in the order of names."""
    for run in range(12):
        folder = tmp_path / str(run)
        arguments = {**TINY, "n_timesteps": 64}
        train_agent("supervised", BASE, log_dir=folder, **arguments)
        assert len(list(folder.glob("events.out.tfevents.*"))) == 1
        events = EventAccumulator(str(folder)).Reload()
        assert "custom_scalars__config__" in events.Tags()["tensors"]
        assert [event.step for event in events.Scalars("eval/accuracy")][-1] == 64
