"""The project itself: one way of importing, a package as it stands, examples that run."""

import ast
import importlib
import re
import runpy
import subprocess
import sys
from contextlib import suppress
from functools import partialmethod
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from recursive_assistant import RecursiveAssistant
from stable_baselines3 import PPO

from ia_gym.amplification.amplify import amplify
from ia_gym.amplification.assistants import Oracle
from ia_gym.amplification.overseers import ScriptedOverseer

ROOT = Path(__file__).parents[2]
LAYERS = ["ia_gym", "ia_gym.envs", "ia_gym.agents", "ia_gym.experiments"]
LAYER_OF_FOLDER = {"ia_gym": 0, "envs": 1, "agents": 2, "experiments": 3, "examples": 3}


def imported_modules(file):
    """Every module a file imports, wherever: in functions and under TYPE_CHECKING too."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def find_layer(module):
    """The place in ``LAYERS`` of the innermost layer that holds ``module``; -1 for a library."""
    inside = [i for i, layer in enumerate(LAYERS) if f"{module}.".startswith(f"{layer}.")]
    return max(inside, default=-1)


@pytest.mark.parametrize("folder", LAYER_OF_FOLDER)
def test_imports_point_one_way(folder):
    allowed = LAYER_OF_FOLDER[folder]
    for file in (ROOT / folder).rglob("*.py"):
        if not file.resolve().is_relative_to(ROOT / folder):
            continue  # behind the links in ia_gym/
        for name in imported_modules(file):
            assert find_layer(name) <= allowed, f"{file} imports {name}"
            library = name.split(".")[0]
            if folder in ("ia_gym", "envs"):
                assert library != "stable_baselines3", file
            if folder == "envs":
                assert library != "torch", file
            if folder == "ia_gym" and file.parent != ROOT / "ia_gym":
                assert library != "gymnasium", file
                assert library != "torch" or file.parent.name == "networks", file


ROOMS = ["validation", "files", "domains", "amplification", "debate", "actions", "networks"]


def test_rooms_of_the_method_have_no_circle():
    """``domains`` imports ``validation`` alone; ``amplification`` and ``networks`` import it."""
    below = {
        "domains": {"validation"},
        "amplification": {"domains", "validation"},
        "debate": {"amplification", "domains", "validation"},
        "actions": {"validation"},
        "networks": {"domains", "files", "validation"},
    }
    for room, allowed in below.items():
        for file in (ROOT / "ia_gym" / room).glob("*.py"):
            for name in imported_modules(file):
                parts = name.split(".")
                if parts[0] == "ia_gym" and len(parts) > 1 and parts[1] in ROOMS:
                    assert parts[1] in {room, *allowed}, f"{file} imports {name}"


PACKAGES = [
    file
    for folder in ("ia_gym", "envs", "agents", "experiments")
    for file in (ROOT / folder).rglob("__init__.py")
    if file.resolve().is_relative_to(ROOT / folder)
    and file.parent.name
    not in ("drawing", "settings", "zoo")  # one file a domain, agent, algorithm
]


@pytest.mark.parametrize("file", PACKAGES, ids=[str(p.parent.relative_to(ROOT)) for p in PACKAGES])
def test_a_package_says_which_of_its_files_holds_what(file):
    text = ast.get_docstring(ast.parse(file.read_text("utf-8")))
    named = set(re.findall(r"``([\w.]+)``", text))
    files = {path.name for path in file.parent.glob("*.py")} - {"__init__.py", "__main__.py"}
    assert files <= named
    assert all((file.parent / name).exists() for name in named if name.endswith(".py"))


def test_make_and_step_import_no_torch():
    code = (
        "import sys, gymnasium as gym, ia_gym\n"
        "env = gym.make('IA-Permutation-v0')\n"
        "env.reset(seed=0)\n"
        "env.step(1)\n"
        "assert not {'torch', 'stable_baselines3', 'matplotlib', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_ids_are_found_without_an_import_too():
    code = "import gymnasium as g; print(g.make('ia_gym:IA-Permutation-v0').spec.id)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "IA-Permutation-v0"


def test_a_plain_checkout_is_a_package_as_it_stands(tmp_path):
    """Without an installation: what editors and static tools see."""
    code = (
        "import sys\n"
        "sys.meta_path = [f for f in sys.meta_path if 'editable' not in repr(f)]\n"
        f"sys.path[:] = [{str(ROOT)!r}] + [p for p in sys.path if not p.startswith({str(ROOT)!r})"
        " or 'site-packages' in p]\n"
        "import ia_gym.envs, ia_gym.agents, ia_gym.experiments\n"
        "print(ia_gym.experiments.__file__)"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert out.stdout.strip() == str(ROOT / "ia_gym" / "experiments" / "__init__.py")


@pytest.fixture
def examples(tmp_path, monkeypatch):
    """Their folder on the path; what they register and set is taken back afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(ROOT / "examples")
    monkeypatch.setattr(gym.envs.registration, "registry", dict(gym.registry))
    threads = torch.get_num_threads()
    yield ROOT / "examples"
    torch.set_num_threads(threads)
    for name in ("own_domain", "plan_workers"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("name", "arguments", "printed"),
    [
        ("plain_sb3", ["64"], "accuracy"),
        ("compare", ["--help"], "--seeds"),
        ("own_domain", ["--timesteps", "2048"], "0."),
        ("cleanrl_style", ["4096"], "accuracy"),
        ("vector_wrappers", ["25600"], "accuracy 9"),
        ("tuned_agent", ["--agent", "supervised", "--timesteps", "64"], "accuracy"),
        ("plan_workers", ["IA-Permutation-N4-v0", "imitation"], "times as many as without"),
    ],
)
def test_examples_run(name, arguments, printed, examples, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    if name == "plain_sb3":  # SB3's default rollouts are of 2048 steps
        short = {"n_steps": 4, "batch_size": 64, "n_epochs": 1}
        monkeypatch.setattr(PPO, "__init__", partialmethod(PPO.__init__, **short))
    with suppress(SystemExit):
        runpy.run_module(name, run_name="__main__", alter_sys=True)
    assert printed in capsys.readouterr().out


def run_queue(make, step, workers, cores, depth=2, tick=0.001, seconds=100):
    """Steps a second of a learner and its workers, by the clock: who has work shares the cores.

    Worker i makes every n-th batch, and has been asked for ``depth``; the learner takes them in
    order.
    """
    asked, taken, trained = depth * workers, 0, 0.0
    made = [0.0] * workers  # batches of each, with the part of the one at work
    for _ in range(int(seconds / tick)):
        orders = [(asked - i + workers - 1) // workers for i in range(workers)]
        if taken == trained and made[taken % workers] >= taken // workers + 1 - 1e-9:
            taken, asked = taken + 1, asked + 1
        busy = [i for i in range(workers) if made[i] < orders[i]]
        share = tick * min(1, cores / max(len(busy) + (trained < taken), 1))
        for i in busy:
            made[i] = min(made[i] + share / make, orders[i])
        if trained < taken:
            trained = min(trained + share / step, taken)
    return trained / seconds


@pytest.mark.parametrize("make", [0.05, 0.1, 0.3])
@pytest.mark.parametrize(("workers", "cores"), [(1, 1), (1, 2), (2, 2), (2, 3), (4, 2), (5, 6)])
def test_the_planned_speed_is_that_of_a_queue(make, workers, cores, examples):
    plan = importlib.import_module("plan_workers")
    costs = {"make": make - 0.01, "train": 0.08, "pack": 0.02}
    costs["broadcast"] = 0.01 * plan.BROADCAST_PERIOD
    expected = run_queue(make, 0.1, workers, cores)
    assert plan.plan_rate(costs, workers, cores) == pytest.approx(expected, rel=0.05)
    assert plan.plan_rate(costs, 0, cores) == pytest.approx(1 / (make + 0.07))


def test_the_package_runs_as_a_command():
    command = [sys.executable, "-m", "ia_gym.experiments", "--help"]
    subprocess.run(command, check=True, capture_output=True)


def test_the_example_of_a_domain_is_one(examples):
    """Short; right with the oracle and with itself as assistant; approved of as it is correct."""
    assert len((examples / "own_domain.py").read_text().splitlines()) < 120
    module = importlib.import_module("own_domain")
    domain, rng = module.Expression(31), np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 50)
    questions = domain.sample_questions(rng, contexts, 40)
    overseer = ScriptedOverseer(domain)
    for assistant in (Oracle(domain), RecursiveAssistant(overseer, rng)):
        transcript = amplify(overseer, assistant, rng, contexts, questions)
        answers = overseer.answer(contexts, questions, transcript)
        assert domain.is_correct(contexts, questions, answers).all()
    guesses = rng.integers(domain.n_answers, size=answers.shape)
    approval = overseer.judge(contexts, questions, transcript, guesses)
    np.testing.assert_array_equal(approval, domain.is_correct(contexts, questions, guesses))
    for env_id in ("IA-Expression-v0", "IA-Expression-N32-v0"):
        check_env(gym.make(env_id, render_mode="rgb_array").unwrapped)
    vec = gym.make_vec("IA-Expression-v0", num_envs=4, trust=None)
    _, infos = vec.reset(seed=0)
    for _ in range(100):
        _, rewards, *_, after = vec.step(infos["truth"])
        np.testing.assert_array_equal(rewards, infos["is_root"])
        infos = after
