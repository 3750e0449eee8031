"""Runs of agents that decompose, and traces of several decompositions side by side."""

import json
from dataclasses import asdict, replace

import pytest
from rich.console import Console
from tiny_runs import TINY_NETWORK
from typer.testing import CliRunner

from ia_gym.domains import Wildcard
from ia_gym.experiments.cli import app
from ia_gym.experiments.inspection.traces import load_overseer, print_trace
from ia_gym.experiments.settings import load_settings

WILDCARD = "IA-Wildcard-N4-v0"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A learned decomposition of Wildcard, and a PPO that decomposes Permutation."""
    folder = tmp_path_factory.mktemp("runs")
    learned = load_settings("decompose-relational", "IA-Wildcard-v0")
    model = {
        **{"n_contexts": 4, "n_questions": 8, "n_demonstrations": 30, "pretraining_updates": 5},
        **{"n_rl_contexts": 2, "n_rl_questions": 2, "n_samples": 2, "judge_levels": 2},
        **{"predictor_kwargs": {"width": 16, "heads": 2, "layers": 1}},
        "policy_kwargs": TINY_NETWORK,
    }
    ppo = load_settings("decomposer", "IA-Decompose-Permutation-v0")
    small = {**ppo.model, "n_steps": 2, "batch_size": 64, "policy_kwargs": {"net_arch": [8]}}
    deep = {**ppo.env_kwargs, "max_power": 16, "max_depth": 1}
    shallow = replace(ppo, model=small, n_envs=32, env_kwargs=deep)
    for name, env_id, agent, settings in (
        ("learned", WILDCARD, "decompose-relational", replace(learned, model=model)),
        ("ppo", "IA-Decompose-Permutation-v0", "decomposer", replace(ppo, model=small, n_envs=32)),
        ("shallow", "IA-Decompose-Permutation-v0", "decomposer", shallow),
    ):
        settings = replace(settings, n_timesteps=128)
        run = {"env_id": env_id, "agent": agent, "seed": 0, "n_eval_questions": 32}
        path = folder / f"{name}.json"
        path.write_text(json.dumps({**run, "settings": asdict(settings)}))
        arguments = ["train", str(path), "--log-dir", str(folder / name)]
        done = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert done.exit_code == 0, done.output
    return folder


def test_training_leaves_the_measurements_of_decompositions(runs):
    final = json.loads((runs / "learned" / "result.json").read_text())["final"]
    assert final["human/tree_depth"] >= 1
    assert 0 <= final["human/questions"] <= 3
    assert 0 <= final["human/target_accuracy"] <= 1
    assert (runs / "learned" / "human.safetensors").exists()
    final = json.loads((runs / "ppo" / "result.json").read_text())["final"]
    assert final["eval/n_rounds"] >= final["eval/n_questions"] >= 0
    assert 0 <= final["eval/accuracy"] <= 1


def test_an_agent_is_shown_what_its_run_had(runs):
    """Powers up to 15, of which it has been trained on 2 and 3."""
    command = [str(runs / "shallow"), "--env", "IA-Decompose-Permutation-v0"]
    done = CliRunner().invoke(app, ["eval", *command, "--eval-questions", "64"])
    assert done.exit_code == 0, done.output
    row = next(line for line in done.output.splitlines() if line.split()[:1] == ["agent,"])
    assert row.split()[2:] == ["all", "1", "2", "3"]
    done = CliRunner().invoke(app, ["trace", *command, "--number", "0"])
    assert done.exit_code == 0, done.output


def test_decompositions_stand_side_by_side(runs):
    """The novice's three sub-questions, the script's two, and those of the saved predictor."""
    overseers = f"novice,scripted,{runs / 'learned' / 'human.safetensors'}"
    arguments = ["trace", str(runs / "learned"), "--env", WILDCARD, "--number", "0"]
    done = CliRunner().invoke(app, [*arguments, "--levels", "1", "--overseers", overseers])
    assert done.exit_code == 0, done.output
    assert "novice" in done.output
    assert "scripted" in done.output
    assert "sub-questions that the agent answers: novice" in done.output
    first = done.output.count("Σf(")
    assert first >= 3 + 3 + 2
    done = CliRunner().invoke(
        app, ["trace", str(runs / "ppo"), "--env", "IA-Decompose-Permutation-v0", "--number", "1"]
    )
    assert done.exit_code == 0, done.output
    assert "novice" in done.output
    assert "agent" in done.output
    assert "truth" in done.output


def test_overseers_are_found_by_name(runs):
    assert type(load_overseer("novice", WILDCARD).domain) is Wildcard.novice
    assert type(load_overseer("scripted", WILDCARD).domain) is Wildcard
    learned = load_overseer(str(runs / "learned" / "human.safetensors"), WILDCARD)
    assert type(learned.domain) is Wildcard.novice  # three sub-questions
    assert learned.human_interactions == 30
    small = load_overseer("novice", "IA-Permutation-N4-v0").domain
    assert (small.size, small.max_power) == (4, 8)


@pytest.mark.parametrize(
    ("overseers", "kwargs", "message"),
    [
        (["novice"], {"unfold": True}, "unfold has no effect with overseers"),
        (["novice"], {"html": "x.html"}, "html has no effect with overseers"),
        (["nobody"], {}, "found no file nobody"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(runs, overseers, kwargs, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        print_trace(runs / "learned", WILDCARD, overseers=overseers, **kwargs)
    with pytest.raises(ValueError, match="overseers is for environments that ask questions"):
        print_trace(
            runs / "ppo", "IA-Decompose-Permutation-v0", overseers=["novice"], console=Console()
        )
