"""The held-out evaluation, the settings and the comparison."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from typer.testing import CliRunner

from ia_gym.agents import QuestionEvaluator
from ia_gym.agents.evaluation.evaluator import format_count
from ia_gym.agents.sb3.evaluation_callback import CLOCKS
from ia_gym.domains import DOMAINS
from ia_gym.experiments.cli import app
from ia_gym.experiments.comparison import compare
from ia_gym.experiments.reports.terminal_tables import build_score_table, print_table
from ia_gym.experiments.settings import (
    CLASSES,
    agent_names,
    known_env_ids,
    load_settings,
    merge,
    resolve,
)
from ia_gym.experiments.training import prepare_folder, train

BASE = "IA-Permutation-v0"


class Knows:
    """Predicts the truth, or the truth plus one."""

    def __init__(self, held_out, off_by=0):
        self.held_out, self.off_by = held_out, off_by

    def predict(self, observation, *, deterministic):
        domain = self.held_out.domain
        image = np.zeros((len(observation["facts"]), domain.n_answers), np.int64)
        facts = observation["facts"].reshape(len(image), -1, 2)
        np.put_along_axis(image, facts[..., 0], facts[..., 1], axis=1)
        truth, powers = domain.parse_questions(observation["question"])
        for step in range(domain.max_power):
            onward = np.take_along_axis(image, truth[:, None], axis=1)[:, 0]
            truth = np.where(step < powers, onward, truth)
        return (truth - 1 + self.off_by) % domain.max_size + 1, None


def test_the_evaluation_is_always_the_same_and_never_the_training_stream():
    first, second = QuestionEvaluator(BASE, 256), QuestionEvaluator(BASE, 256)
    for key, value in first.observations.items():
        np.testing.assert_array_equal(value, second.observations[key])
    for seed in range(20):  # what training with this seed would draw
        drawn = first.domain.sample_contexts(np.random.default_rng(seed), 16)
        assert not np.array_equal(drawn["facts"], first.contexts["facts"])
    assert first.n_problems == 256
    assert QuestionEvaluator(BASE, 250).n_problems == 256


def test_one_who_knows_and_one_who_is_consistently_wrong():
    held_out = QuestionEvaluator(BASE, 512)
    right = held_out.evaluate(Knows(held_out))
    assert right["eval/accuracy"] == right["overseer/approval"] == 1
    assert right["overseer/target_accuracy"] == 1
    assert right["overseer/overapproval"] == 0
    assert {"eval/accuracy_depth_1", "eval/accuracy_depth_2"} < set(right)
    wrong = held_out.evaluate(Knows(held_out, off_by=1))
    assert wrong["eval/accuracy"] == 0
    # Depth 1 rests on lookups alone: half the targets stay true.
    depths = held_out.domain.depth(held_out.contexts, held_out.questions)
    share = (depths == 1).mean()
    assert share <= wrong["overseer/target_accuracy"] < share + 0.15
    gap = wrong["overseer/approval"] - wrong["eval/accuracy"]
    assert wrong["overseer/overapproval"] == pytest.approx(gap)
    by_depth = [wrong[f"overseer/overapproval_depth_{depth}"] for depth in (1, 2)]
    assert gap == pytest.approx(share * by_depth[0] + (1 - share) * by_depth[1])


class Stays:
    """Says σ^k(x) = x to everything, which two sub-answers of its own confirm for even k."""

    def __init__(self, domain, sure):
        self.domain, self.sure = domain, sure

    def predict(self, observation, *, deterministic):
        names, _ = self.domain.parse_questions(observation["question"])
        if deterministic or self.sure:
            return names, None
        np.random.rand()  # noqa: NPY002  (as SB3's DQN does)
        return torch.randint(1, self.domain.n_answers, names.shape).numpy(), None


def test_a_collapse_is_told_from_doubt_and_from_truth():
    held_out = QuestionEvaluator(BASE, 512)
    states = np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    sure, unsure = (held_out.evaluate(Stays(held_out.domain, sure)) for sure in (True, False))
    np.testing.assert_equal(np.random.get_state(), states[0])  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), states[1])
    assert sure["overseer/overapproval"] > 0.1
    assert sure["eval/certainty"] == 1
    assert sure["overseer/collapsed"] == 1
    assert unsure["eval/certainty"] < 0.5
    assert unsure["overseer/collapsed"] == 0
    assert held_out.evaluate(Knows(held_out))["overseer/collapsed"] == 0


def test_reference_lines():
    held_out = QuestionEvaluator(BASE, 4096)
    lines = held_out.references()
    assert lines["oracle"]["accuracy"] == 1
    assert lines["know-nothing"]["accuracy_depth_1"] == 1
    assert lines["know-nothing"]["accuracy_depth_2"] == 0
    assert lines["random"]["accuracy"] == pytest.approx(1 / 8, abs=0.02)
    truths = held_out.domain.truth(held_out.contexts, held_out.questions)
    most = max(np.mean(truths == answer) for answer in range(1, 9))
    assert lines["majority"]["accuracy"] == pytest.approx(most)


def test_scores_are_told_by_kind_and_depth():
    held_out = QuestionEvaluator("IA-ShortestPath-v0", 4096)
    domain, lines = held_out.domain, held_out.references()
    assert set(lines["oracle"].values()) == {1.0}
    kinds, depths = held_out.kinds, domain.depth(held_out.contexts, held_out.questions)
    majority = lines["majority"]
    infinite = depths == domain.max_depth
    for kind, name in enumerate(domain.kinds):  # "inf" is the answer most often true to both
        of_kind = kinds == kind
        assert majority[f"accuracy_{name}"] == pytest.approx(infinite[of_kind].mean())
        assert majority[f"accuracy_{name}_depth_inf"] == 1
        assert majority[f"accuracy_{name}_depth_1"] == 0
        assert lines["know-nothing"][f"accuracy_{name}_depth_1"] == 1
    parts = [tag for tag in majority if tag.startswith("accuracy_D_depth")]
    assert parts[0] == "accuracy_D_depth_1"
    assert parts[-1] == "accuracy_D_depth_inf"
    assert any("-" in part for part in parts)  # rare depths together


def test_the_table_fits_eighty_columns():
    held_out = QuestionEvaluator("IA-UnionFind-N64-v0", 512)
    table = build_score_table([], held_out.references())
    console = Console(width=80, record=True, file=io.StringIO())
    print_table(table, "IA-UnionFind-N64-v0", held_out.n_problems, console)
    text = console.export_text()
    assert "…" not in text
    for word in ("V by depth", "P by depth", "D by depth", "majority", "100.0"):
        assert word in text


def test_settings_are_data():
    for agent in agent_names():
        known = next(name for name in known_env_ids(agent) if "-N" not in name)
        settings = load_settings(
            agent, known.replace("-v0", "-N32-v0")
        )  # larger sizes take its own
        assert settings == load_settings(agent, known)
        assert settings.algorithm in CLASSES
        resolve(settings.model)
    for agent in ("imitation", "supervised", "search", "reinforce", "mixed", "ppo", "dqn"):
        assert {load_settings(agent, f"IA-{name}-v0").n_envs for name in DOMAINS} <= {1, 64}


def test_settings_say_what_differs():
    ppo, inline = load_settings("ppo", BASE), load_settings("ppo-inline", BASE)
    assert ppo.amplification == {"polyak_tau": 0.25}
    assert replace(ppo, amplification=None) == inline
    masked = load_settings("maskableppo", BASE)  # like another file
    assert replace(ppo, algorithm="MaskablePPO") == masked
    whole = {"a": {"b": 1, "c": 2}, "d": {"e": 3}}
    assert merge(whole, {"a": {"b": 4}, "d": None}) == {"a": {"b": 4, "c": 2}, "d": None}


@pytest.mark.parametrize("name", DOMAINS)
def test_imitation_and_its_supervised_twin_have_all_else_in_common(name):
    """Network, batches, curriculum and steps at the paper's size; only imitation asks H."""
    twins = [load_settings(agent, f"IA-{name}-N64-v0") for agent in ("imitation", "supervised")]
    assistant = ["interaction_rate", "assistant_temperature", "assistant_min_probability", "levels"]
    models = [{**twin.model, **dict.fromkeys(assistant)} for twin in twins]
    assert models[0] == models[1]
    assert twins[0].n_timesteps == twins[1].n_timesteps
    assert [twin.algorithm for twin in twins] == ["IteratedAmplification", "Supervised"]


def test_settings_name_classes_and_schedules():
    arguments = resolve(load_settings("ppo", BASE).model)
    assert arguments["policy_kwargs"]["features_extractor_class"].__name__ == "FactsExtractor"
    assert arguments["learning_rate"](1 / 6) == pytest.approx(arguments["learning_rate"](1) / 2)


@pytest.mark.parametrize(("agent", "env_id"), [("chess", BASE), ("ppo", "CartPole-v1")])
def test_unknown_settings_are_refused(agent, env_id):
    with pytest.raises(ValueError, match="must be one of"):
        load_settings(agent, env_id)


def test_a_comparison_leaves_everything_behind(tmp_path, capsys):
    table = compare(BASE, ["ppo", "supervised"], log_dir=tmp_path, n_questions=64, n_timesteps=8192)
    assert table["agent"].tolist() == [
        "ppo", "supervised", "random", "majority", "know-nothing", "oracle"
    ]  # fmt: skip
    assert "tensorboard --logdir" in capsys.readouterr().out
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    written = pd.read_csv(tmp_path / "table.csv")
    pd.testing.assert_frame_equal(written, table, check_dtype=False)
    whole = json.loads((tmp_path / "comparison.json").read_text())
    assert whole["unfinished"] == []
    tags = []
    for run in ("ppo_seed0", "supervised_seed0"):
        result = json.loads((tmp_path / run / "result.json").read_text())
        assert result["versions"]["torch"]
        curve = pd.read_csv(tmp_path / run / "curve.csv")
        assert curve["timesteps"].iloc[-1] == result["final"]["timesteps"] == 8192
        events = EventAccumulator(str(tmp_path / run)).Reload()
        assert "custom_scalars__config__" in events.Tags()["tensors"]
        scalars = {tag for tag in events.Tags()["scalars"] if tag.startswith(("eval", "overs"))}
        tags.append(scalars)
        steps = [event.step for event in events.Scalars("eval/accuracy")]
        assert steps == curve["timesteps"].tolist()
    assert tags[0] == tags[1]
    assert "overseer/human_interactions" in tags[0]


def test_a_run_that_fails_leaves_the_others(tmp_path, monkeypatch, capsys):
    bad = load_settings("supervised", BASE)
    broken = {"supervised": load_settings("supervised", BASE), "ppo": bad}
    broken["ppo"] = type(bad)(**{**vars(bad), "model": {"colour": "red"}, "n_timesteps": 4096})
    monkeypatch.setattr(
        "ia_gym.experiments.comparison.load_settings", lambda agent, env_id: broken[agent]
    )
    table = compare(BASE, ["ppo", "supervised"], log_dir=tmp_path, n_questions=32, n_timesteps=4096)
    assert "supervised" in table["agent"].tolist()
    assert "ppo" not in table["agent"].tolist()
    assert "colour" in (tmp_path / "ppo_seed0" / "error.txt").read_text()
    assert "ppo_seed0 failed" in capsys.readouterr().out


def final_figures(folder):
    """The last evaluation of a run, but for the time it took."""
    final = json.loads((folder / "result.json").read_text())["final"]
    return {tag: value for tag, value in final.items() if not tag.startswith("time/")}


def test_a_comparison_goes_on_where_it_was_broken_off(tmp_path, monkeypatch):
    arguments = {"n_questions": 32, "n_timesteps": 40_960, "jobs": 1}
    agents = ["supervised", "search"]
    compare(BASE, agents, log_dir=tmp_path / "whole", **arguments)

    def break_off(runs, jobs):
        """Finish the first run; stop the second after a quarter."""
        train(runs[0])

        def stop(row):
            if row["timesteps"] > 10_000:
                raise InterruptedError

        with pytest.raises(InterruptedError):
            train(runs[1], stop)
        return False

    with monkeypatch.context() as patch:
        patch.setattr("ia_gym.experiments.comparison._run_all", break_off)
        compare(BASE, agents, log_dir=tmp_path / "broken", **arguments)
    done = tmp_path / "broken" / "supervised_seed0" / "result.json"
    assert (tmp_path / "broken" / "search_seed0" / "checkpoint.safetensors").exists()
    finished = done.stat().st_mtime_ns
    table = compare(BASE, agents, log_dir=tmp_path / "broken", resume=True, **arguments)
    assert {"supervised", "search"} < set(table["agent"])
    assert done.stat().st_mtime_ns == finished
    for run in ("supervised_seed0", "search_seed0"):
        whole, resumed = (tmp_path / name / run for name in ("whole", "broken"))
        assert final_figures(whole) == final_figures(resumed)
        curves = [pd.read_csv(folder / "curve.csv") for folder in (whole, resumed)]
        timed = [curve.drop(columns=list(CLOCKS)) for curve in curves]
        pd.testing.assert_frame_equal(*timed)
        assert curves[1]["time/minutes"].is_monotonic_increasing
        assert not (resumed / "checkpoint.safetensors").exists()
    # Without --resume, or with other settings, all starts anew.
    compare(
        BASE, agents, log_dir=tmp_path / "broken", resume=True, **{**arguments, "n_timesteps": 4096}
    )
    assert done.stat().st_mtime_ns != finished


@pytest.fixture
def half_done(tmp_path):
    """A comparison in a process group of its own: one run finished, one that never ends."""
    script = (
        "import signal\n"
        "from ia_gym.experiments import comparison as c\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # shells may have it ignored
        "if __name__ == '__main__':\n"
        "    load = c.load_settings\n"
        "    def settings(agent, env_id):\n"
        "        steps = 4096 if agent == 'supervised' else 10**9\n"
        "        return type(load(agent, env_id))(**{**vars(load(agent, env_id)),"
        " 'n_timesteps': steps})\n"
        "    c.load_settings = settings\n"
        f"    c.compare('{BASE}', ['supervised', 'imitation'], log_dir={str(tmp_path)!r},"
        " n_questions=32, jobs=2)\n"
    )
    (tmp_path / "script.py").write_text(script)
    with (tmp_path / "out.txt").open("w") as out:
        process = subprocess.Popen(
            [sys.executable, str(tmp_path / "script.py")], stdout=out, start_new_session=True
        )
    finished = tmp_path / "supervised_seed0" / "result.json"
    begun = tmp_path / "imitation_seed0"
    deadline = time.monotonic() + 120
    while not (finished.exists() and list(begun.glob("events*"))):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.2)
    return process


def test_ctrl_c_keeps_what_is_done(tmp_path, half_done):
    os.killpg(half_done.pid, signal.SIGINT)
    assert half_done.wait(timeout=60) != 0
    out = (tmp_path / "out.txt").read_text()
    assert "supervised 0" in out
    assert "imitation_seed0 was not finished" in out
    whole = json.loads((tmp_path / "comparison.json").read_text())
    assert whole["unfinished"] == ["imitation_seed0"]
    assert [result["agent"] for result in whole["results"]] == ["supervised"]


def alive(process_group):
    try:
        os.killpg(process_group, 0)
    except ProcessLookupError:
        return False
    return True


def test_no_worker_outlives_a_killed_comparison(half_done):
    half_done.kill()
    half_done.wait(timeout=60)
    deadline = time.monotonic() + 60
    while alive(half_done.pid):
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_an_unusable_log_dir_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="log_dir must be a folder that can be written, got"):
        prepare_folder(tmp_path / "file")
    with pytest.raises(ValueError, match="log_dir must be"):
        compare(BASE, log_dir=tmp_path / "file" / "below")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--env", "IA-Chess-v0"], "env_id must be one of"),
        (["--agents", "ppo,chess"], "agent must be one of"),
        (["--seeds", "0"], "seeds must be in"),
        (["--timesteps", "0"], "n_timesteps must be in"),
        (["--questions", "0"], "n_questions must be in"),
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
    assert "Traceback" not in result.output


def test_bench_prints_the_table():
    arguments = ["bench", "--sizes", "4", "--seconds", "0.02", "--no-train"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0
    for word in (*DOMAINS, "generate", "truth", "decompose", "VectorEnv", "Env, inline"):
        assert word in result.output
    for wrong, message in (
        (["--sizes", "0"], "size must be in"),
        (["--domains", "Sudoku"], "domains must be some of"),
    ):
        bad = CliRunner().invoke(app, ["bench", *wrong])
        assert bad.exit_code == 2
        assert message in bad.output


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0"), (940, "940"), (12_345, "12.3k"), (2e6, "2.0M"), (3e9, "3.0G")]
)
def test_counts_are_short(number, text):
    assert format_count(number) == text
