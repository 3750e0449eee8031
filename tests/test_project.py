"""The project itself: one way of importing, examples that run, a README that is true."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import pytest
from stable_baselines3 import PPO

ROOT = Path(__file__).parent.parent
ORDER = ["ia_gym", "ia_gym.envs", "ia_gym.agents"]
FOLDERS = {"ia_gym": "ia_gym", "envs": "ia_gym.envs", "agents": "ia_gym.agents"}


def imports(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


@pytest.mark.parametrize("folder", FOLDERS)
def test_imports_point_one_way(folder):
    allowed = ORDER.index(FOLDERS[folder])
    for file in (ROOT / folder).rglob("*.py"):
        for name in imports(file):
            layer = max((i for i, known in enumerate(ORDER) if f"{name}.".startswith(f"{known}.")),
                        default=0)  # fmt: skip
            assert layer <= allowed, f"{file} imports {name}"
            if folder == "ia_gym" and file.name != "__init__.py":
                assert name.split(".")[0] not in ("gymnasium", "stable_baselines3"), file
            if folder == "envs":
                assert name.split(".")[0] != "stable_baselines3", file


def test_ids_are_found_without_an_import_too():
    code = "import gymnasium as g; print(g.make('ia_gym:IA-Permutation-v0').spec.id)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "IA-Permutation-v0"


def test_a_source_folder_without_its_other_parts_says_so(tmp_path):
    """As when a wheel is installed and Python runs in the repository's root."""
    code = (
        "import sys\n"
        "sys.meta_path = [f for f in sys.meta_path if 'editable' not in repr(f)]\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        "import ia_gym"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert "lacks ia_gym.envs" in out.stderr
    assert "pip install -e ." in out.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["examples/plain_sb3.py", "--timesteps", "64", "--no-trust", "--log-dir", "{tmp}"],
        ["examples/compare.py", "--help"],
        ["-m", "ia_gym.agents.cli", "--help"],
    ],
    ids=lambda command: command[0],
)
def test_examples_run(command, tmp_path):
    filled = [word.replace("{tmp}", str(tmp_path)) for word in command]
    subprocess.run([sys.executable, *filled], cwd=ROOT, check=True, capture_output=True)


def test_the_readmes_code_runs(tmp_path, monkeypatch):
    """Every Python block, with the budgets and the rollouts cut down."""
    monkeypatch.chdir(tmp_path)
    learn, init = PPO.learn, PPO.__init__

    def short_init(self, *args, **kwargs):
        init(self, *args, **{"n_steps": 2, "batch_size": 2, "n_epochs": 1, **kwargs})

    monkeypatch.setattr(PPO, "__init__", short_init)
    monkeypatch.setattr(PPO, "learn", lambda self, _, **kw: learn(self, 4, **kw))
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert blocks
    namespace = {}
    for block in blocks:
        exec(block, namespace)
    assert isinstance(namespace["env"], gym.Env)
