"""The command `ia-gym`: help, wrong input in one line, terminals, signals and missing packages."""

import io
import json
import os
import subprocess
import sys

import pytest
from tiny_runs import BASE, write_run_file
from typer.testing import CliRunner

from ia_gym.domains import DOMAINS
from ia_gym.experiments.__main__ import main
from ia_gym.experiments.cli import app
from ia_gym.experiments.inputs import list_env_ids
from ia_gym.experiments.settings import list_agents

COMMANDS = [
    "train",
    "compare",
    "tune",
    "failures",
    "envs",
    "eval",
    "trace",
    "debate",
    "human",
    "amplify",
    "puzzle",
    "report",
    "bench",
]


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def run_python(code, *words, **kwargs):
    command = [sys.executable, "-c", code, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, **kwargs)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished run, in a folder whose name means something to rich and to a shell."""
    folder = tmp_path_factory.mktemp("runs")
    run_file = write_run_file(folder / "run.json", "supervised", n_timesteps=64)
    result = run("train", run_file, "--log-dir", folder / "a [lr=3e-4] b" / "[/b]")
    assert result.exit_code == 0, result.output
    return folder / "a [lr=3e-4] b" / "[/b]"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_a_terminal_and_has_an_example(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    result = run(command, "--help")
    assert result.exit_code == 0
    assert f"ia-gym {command}" in result.output
    assert "Example" in result.output
    assert result.output.isascii()
    examples = [line for line in result.output.splitlines() if line.strip().startswith("ia-gym")]
    assert all(len(line) <= 80 for line in result.output.splitlines() if line not in examples)
    assert examples  # each in a line of its own
    assert "\\b" not in result.output


def test_the_list_of_commands_is_not_cut_off(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    result = run("--help")
    assert all(f"  {command}  " in result.output for command in COMMANDS)
    assert "..." not in result.output.partition("Commands:")[2]


@pytest.mark.parametrize("command", ["train", "compare", "tune"])
def test_help_lists_agents_and_environments(command):
    listed = run(command, "--help").output.replace(",", " ").split()
    assert set(list_agents()) <= set(listed)
    assert set(list_env_ids()) <= set(listed)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["eval", "{run}", "--env", "CartPole-v1"], "env_id must be one of"),
        (["eval", "{run}", "--env", "IA-Wildcard-v0"], "model must fit IA-Wildcard-v0"),
        (["eval", "{run}", "--env", "IA-CartPole-v0"], "model must fit IA-CartPole-v0"),
        (["eval", "{run}/nothing", "--env", BASE], "model must name a trained agent"),
        (["eval", "{tmp}", "--env", BASE], "model must hold one of"),
        (["eval", "{tmp}/text", "--env", BASE], "model must name a saved learner"),
        (["eval", "{tmp}/lonely/model.zip", "--env", BASE], "model must lie beside the run.json"),
        (["eval", "{tmp}/broken", "--env", BASE], "run.json must be the run.json of a run"),
        (["eval", "{tmp}/empty", "--env", BASE], "wasn't a zip-file"),
        (["eval", "{run}", "--env", BASE, "--eval-questions", "0"], "questions must be in"),
        (["trace", "{run}", "--env", "Acrobot-v1"], "env_id must be one of"),
        (["trace", "{run}", "--env", BASE, "--number", "5000"], "must be in"),
        (["trace", "{run}", "--env", BASE, "--html", "{tmp}"], "html must be a file that can"),
        (["trace", "{run}", "--env", BASE, "--html", "{tmp}/x/y"], "html must be a file that can"),
        (["amplify", "{run}", "--env", BASE], "model must name a saved learner"),
        (["amplify", "{run}/model.safetensors", "--env", "CartPole-v1"], "env_id must be one of"),
        (["amplify", "{run}/model.safetensors", "--sizes", "a,b"], "sizes must be whole numbers"),
        (["amplify", "{run}/model.safetensors", "--out", "{tmp}"], "out must be a file that can"),
        (["report", "{tmp}/nothing"], "folder must"),
        (["report", "{run}", "--readme", "{tmp}"], "readme must be a file that can"),
        (["puzzle", "--out", "{tmp}/text"], "out must be a folder"),
        (["bench", "--sizes", "a,b"], "sizes must be whole numbers"),
        (["bench", "--sizes", "0", "--seconds", "0.01"], "size must be in"),
        (["bench", "--domains", "Sudoku"], "domains must be some of"),
        (["train", "ppo", "--log-dir", "{tmp}/text"], "log_dir must be a folder"),
        (["train", "ppo", "--log-dir", ""], "log_dir must be a folder"),
        (["train", "ppo", "--env", ""], "env_id must be one of"),
        (["compare", "--log-dir", ""], "log_dir must be a folder"),
        (["compare", "--agents", ","], "agents must be names with commas between"),
        (["compare", "--agents", "ppo,"], "agents must be names with commas between"),
        (["eval", "", "--env", BASE], "model must name a trained agent"),
        (["eval", "--env", BASE], "model must be given, or hf"),
        (["eval", "{run}", "--hf", "{tmp}", "--env", BASE], "model must be given, or hf"),
        (["eval", "{run}", "--env", BASE, "--levels", "1"], "levels has no effect without --hf"),
        (["eval", "--hf", "{tmp}/none", "--env", BASE], "hf must be a folder with a model"),
        (["eval", "--hf", "{tmp}", "--env", "Go-v0"], "env_id must be one of"),
        (["bench", "--prompts", "--domains", "Wildcard"], "domains has no effect with --prompts"),
        (["report", ""], "folder must hold finished runs"),
        (["puzzle", "--out", ""], "out must be a folder"),
        (["trace", "{run}", "--env", BASE, "--html", ""], "html must be a file that can"),
    ],
)
def test_wrong_input_is_named_in_one_line(words, message, trained, tmp_path):
    (tmp_path / "text").write_text("no model")
    for name, run_file in {"lonely": None, "broken": "", "empty": None}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.zip").write_bytes(b"")
        if run_file is not None:
            (tmp_path / name / "run.json").write_text(run_file)
    write_run_file(tmp_path / "empty" / "run.json", "ppo")
    result = run(*(word.format(run=trained, tmp=tmp_path) for word in words))
    assert result.exit_code == 2, result.output
    assert message in result.output
    assert result.output.count("\n") == 1
    assert result.output.startswith(f"ia-gym {words[0]}: ")


@pytest.mark.parametrize("words", [["train"], ["train", "ppo", "--sede", "1"], ["fly"]])
def test_misspelt_words_are_refused(words):
    result = run(*words)
    assert result.exit_code == 2
    assert "Error: " in result.output


def test_the_readme_of_a_report_is_checked_and_left_as_it_was(trained, tmp_path):
    readme = tmp_path / "readme.md"
    result = run("report", trained, "--readme", readme)
    assert result.exit_code == 2
    assert not readme.exists()
    readme.write_text("no marks")
    result = run("report", trained, "--readme", readme)
    assert result.exit_code == 2
    assert readme.read_text() == "no marks"


def test_paths_are_printed_as_they_are(trained, tmp_path):
    page = tmp_path / "[i] page.html"
    result = run("trace", trained, "--env", f"ia_gym:{BASE}", "--html", page)
    assert result.exit_code == 0, result.output
    assert f"page: {page}" in result.output.replace("\n", "")
    assert page.exists()
    result = run("train", trained / "run.json", "--log-dir", trained)
    assert f"replacing the run in {trained}" in result.output


def test_a_missing_emulator_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "ale_py", None)
    monkeypatch.setattr("ia_gym.envs.actions.games.find_spec", lambda name: None)
    monkeypatch.setenv("COLUMNS", "200")
    result = run("envs")
    assert result.exit_code == 0
    assert "ia-gym[atari]" in result.output


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["envs"],
        ["eval", "{run}", "--env", BASE, "--eval-questions", "16"],
        ["trace", "{run}", "--env", BASE],
        ["amplify", "{run}/model.safetensors", "--env", BASE, "--levels", "1"],
        pytest.param(
            ["bench", "--sizes", "4", "--seconds", "0.02", "--no-train"],
            marks=pytest.mark.slow,
            id="bench",
        ),
        ["report", "{run}"],
        ["train", "σ"],
    ],
    ids=lambda words: words[0],
)
def test_ascii_terminals_are_enough(words, trained, monkeypatch):
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    filled = [word.format(run=trained) for word in words]
    with monkeypatch.context() as patch:
        patch.setattr("sys.argv", ["ia-gym", *filled])
        patch.setattr("sys.stdout", terminal)
        patch.setattr("sys.stderr", terminal)
        with pytest.raises(SystemExit) as ended:
            main()
    assert ended.value.code == (2 if words[0] == "train" else 0)
    terminal.flush()
    text = terminal.buffer.getvalue().decode("ascii")
    assert text
    if words[0] == "bench":
        for word in (*DOMAINS, "generate", "truth", "decompose", "VectorEnv", "Env, inline"):
            assert word in text


def run_with_closed_pipe(*words):
    """The command, with a standard output that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "ia_gym.experiments", *map(str, words)]
    with os.fdopen(writing, "w") as out:
        return subprocess.run(command, stdout=out, stderr=subprocess.PIPE, text=True, check=False)


def test_training_goes_on_when_nobody_reads_its_output(tmp_path):
    run_file = write_run_file(tmp_path / "run.json", "supervised", n_timesteps=64)
    done = run_with_closed_pipe("train", run_file, "--log-dir", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "run" / "result.json").exists()


@pytest.mark.slow
def test_a_report_nobody_reads_is_written_without_a_traceback(trained):
    (trained / "report.html").unlink(missing_ok=True)
    done = run_with_closed_pipe("report", trained)
    assert (done.returncode, done.stderr) == (0, "")
    assert (trained / "report.html").exists()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
def test_help_that_cannot_be_printed_ends_in_one_line():
    command = [sys.executable, "-m", "ia_gym.experiments", "--help"]
    with open("/dev/full", "w") as out:
        done = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("ia-gym: ")
    assert done.stderr.count("\n") == 1


WORK = {
    "train": ("ia_gym.experiments.train.train_agent", ["ppo"]),
    "compare": ("ia_gym.experiments.compare.compare", []),
    "tune": ("ia_gym.experiments.tuning.tune.tune", ["ppo", "--space", "x"]),
    "envs": ("ia_gym.experiments.inspection.environments.print_environments", []),
    "eval": ("ia_gym.experiments.inspection.evaluation.print_evaluation", ["x", "--env", BASE]),
    "trace": ("ia_gym.experiments.inspection.traces.print_trace", ["x", "--env", BASE]),
    "bench": ("ia_gym.experiments.bench.bench", []),
}


@pytest.mark.parametrize("command", WORK)
def test_ctrl_c_ends_every_command_in_one_line(command, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(WORK[command][0], interrupt)
    result = run(command, *WORK[command][1])
    assert result.exit_code == 130
    assert result.output == f"ia-gym {command}: interrupted\n"


@pytest.mark.parametrize("module", ["typer", "torch"])
def test_ctrl_c_during_imports(module):
    code = f"""
import signal, sys
from importlib.abc import MetaPathFinder
signal.signal(signal.SIGINT, signal.default_int_handler)  # shells may have it ignored
class Slow(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == {module!r}:
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Slow())
from ia_gym.experiments.__main__ import main
main()
"""
    done = run_python(code, "train", "ppo")
    assert done.returncode == 130
    assert "interrupted" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("missing", "words"),
    [("typer", ["--help"]), ("yaml", ["envs"]), ("pandas", ["compare"]), ("rich", ["envs"])],
)
def test_a_core_installation_says_which_extra_the_command_needs(missing, words):
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from ia_gym.experiments.__main__ import main; main()"
    )
    done = run_python(code, *words)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"{missing} is missing" in done.stderr
    assert 'pip install "ia-gym[experiments]"' in done.stderr


def test_files_of_a_run_are_json_and_have_the_same_mode(trained):
    for file in trained.glob("*.json"):
        json.loads(file.read_text(), parse_constant=pytest.fail)
    modes = {file.stat().st_mode for file in trained.iterdir() if file.name != ".lock"}
    assert len(modes) == 1
