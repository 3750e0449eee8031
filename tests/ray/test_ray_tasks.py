"""Comparisons and searches on Ray: the results of one machine, whatever is killed."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest
import ray
from tiny_runs import BASE, load_tiny_settings
from typer.testing import CliRunner

from ia_gym.agents.ray import session
from ia_gym.agents.ray.session import check_address, check_node, connect
from ia_gym.experiments import compare as compare_module
from ia_gym.experiments.cli import app
from ia_gym.experiments.compare import compare
from ia_gym.experiments.execution.executor import execute
from ia_gym.experiments.execution.ray_tasks import RayTasks
from ia_gym.experiments.run import Run, run_training
from ia_gym.experiments.tuning import tune as tune_module
from ia_gym.experiments.tuning.tune import tune

STEPS = 32 * 400
KILLS = int(os.environ.get("IA_GYM_KILLS", "3"))


def load_settings(agent, env_id):
    return load_tiny_settings(agent, env_id, STEPS)


@pytest.fixture(autouse=True)
def _tiny(monkeypatch):
    monkeypatch.setattr(compare_module, "load_settings", load_settings)


@pytest.fixture(scope="module", autouse=True)
def cluster():
    with connect(num_cpus=2):
        yield


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """What the run gives in this process, without Ray."""
    folder = tmp_path_factory.mktemp("here") / "supervised_seed0"
    folder.mkdir()
    run_training(Run(BASE, "supervised", 0, load_settings("supervised", BASE), 64, folder))
    return read_curve(folder)


def read_curve(folder):
    """A finished run's evaluations, but for the time they took."""
    final = json.loads((folder / "result.json").read_text())["final"]
    curve = pd.read_csv(folder / "curve.csv")
    assert final["timesteps"] == curve["timesteps"].iloc[-1] == STEPS
    assert not curve["timesteps"].duplicated().any()
    return curve.drop(columns=["time/minutes", "time/cpu_minutes"])


def find_workers():
    """The processes that train now."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if any("ray::train_as_task" in word for word in process.cmdline()):
                found.append(process)
        except psutil.NoSuchProcess:
            pass
    return found


def kill_workers(folder, times, done):
    """Kill the worker whenever the run has got further."""
    seen = None
    while times and not done.is_set():
        curve, workers = folder / "curve.csv", find_workers()
        now = curve.read_text() if curve.exists() else None
        if workers and now != seen:
            workers[0].kill()
            seen, times = now, times - 1
        time.sleep(0.1)
    folder.with_name("killed").write_text(str(times))


def test_a_run_whose_worker_is_killed_ends_with_the_same_numbers(tmp_path, uninterrupted):
    done, folder = threading.Event(), tmp_path / "supervised_seed0"
    killer = threading.Thread(target=kill_workers, args=(folder, KILLS, done))
    killer.start()
    try:
        table = compare(BASE, ["supervised"], log_dir=tmp_path, n_eval_questions=64, engine="ray")
    finally:
        done.set()
        killer.join()
    assert (tmp_path / "killed").read_text() == "0"  # all of them
    assert table["seed"].dropna().tolist() == [0]
    pd.testing.assert_frame_equal(read_curve(folder), uninterrupted)
    assert sorted(path.name for path in folder.glob("*") if "events" not in path.name) == [
        ".lock", "curve.csv", "model.safetensors", "result.json", "run.json"
    ]  # fmt: skip


def test_a_comparison_whose_head_is_killed_is_resumed(tmp_path, uninterrupted):
    script = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import conftest, test_ray_tasks
from ia_gym.experiments import __main__, compare
compare.load_settings = test_ray_tasks.load_settings
__main__.main()
"""
    (tmp_path / "script.py").write_text(script)
    runs = tmp_path / "runs"
    words = ["compare", "--agents", "supervised", "--log-dir", str(runs), "--engine", "ray"]
    words += ["--env", BASE, "--eval-questions", "64"]
    with (tmp_path / "out.txt").open("w") as out:
        process = subprocess.Popen(
            [sys.executable, str(tmp_path / "script.py"), *words], stdout=out, stderr=out
        )
    folder = runs / "supervised_seed0"
    while not (folder / "checkpoint.safetensors").exists():
        assert process.poll() is None, (tmp_path / "out.txt").read_text()
        time.sleep(0.1)
    family = psutil.Process(process.pid).children(recursive=True)
    head = [each for each in family if each.name() in ("gcs_server", "raylet")]
    assert len(head) == 2
    for each in [*head, process]:
        each.kill()
    process.wait()
    workers = [each for each in family if each.name().startswith(("ray::train", "ray::IDLE"))]
    _, alive = psutil.wait_procs(workers, timeout=60)
    assert not alive  # workers end with their head
    assert not (folder / "result.json").exists()
    compare(BASE, ["supervised"], log_dir=runs, n_eval_questions=64, engine="ray", resume=True)
    pd.testing.assert_frame_equal(read_curve(folder), uninterrupted)


class Stop:
    """Stops every run at its third evaluation, and keeps what it is told."""

    def __init__(self):
        self.rows, self.ended = [], []

    def on_start(self, run):
        pass

    def on_evaluation(self, name, row):
        self.rows.append(row["timesteps"])
        return len(self.rows) < 3

    def on_end(self, name):
        self.ended.append(name)


def make_run(folder, n_eval_questions=64):
    folder.mkdir()
    settings = load_settings("supervised", BASE)
    return Run(BASE, "supervised", 0, settings, n_eval_questions, folder)


def test_a_run_that_is_stopped_leaves_a_checkpoint_and_one_that_fails_its_error(tmp_path):
    runs, stop = [make_run(tmp_path / "long"), make_run(tmp_path / "broken", -1)], Stop()
    assert execute(iter(runs), RayTasks(tmp_path, jobs=2), stop) is None
    assert sorted(stop.ended) == ["broken", "long"]
    assert stop.rows == sorted(set(stop.rows))
    assert (tmp_path / "long" / "checkpoint.safetensors").exists()
    assert not (tmp_path / "long" / "result.json").exists()
    assert not (tmp_path / "long" / "error.txt").exists()
    assert "n_questions must be in" in (tmp_path / "broken" / "error.txt").read_text()


def test_sigterm_is_left_to_the_command(monkeypatch):
    """Ray has a handler of its own, which would end the command without its table."""
    earlier = signal.getsignal(signal.SIGTERM)
    init = []
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "shutdown", lambda: None)

    def take_over(**_):
        init.append(signal.signal(signal.SIGTERM, lambda *_: sys.exit(15)))

    monkeypatch.setattr(ray, "init", take_over)
    with connect():
        assert signal.getsignal(signal.SIGTERM) == earlier
    assert init == [earlier]


def test_a_search_runs_on_ray(tmp_path, monkeypatch):
    monkeypatch.setattr(
        tune_module, "load_settings", lambda *_: load_tiny_settings("supervised", BASE, 640)
    )
    (tmp_path / "space.yaml").write_text("model.learning_rate: {low: 1e-4, high: 1e-2, log: true}")
    space = tmp_path / "space.yaml"
    kwargs = {"n_eval_questions": 64, "jobs": 2, "engine": "ray", "pruner": "none"}
    table = tune("supervised", BASE, space, 2, tmp_path / "t", **kwargs)
    assert table["state"].tolist() == ["complete"] * 2
    for row in table.to_dict("records"):
        folder = tmp_path / "t" / f"trial{row['trial']:04d}"
        result = json.loads((folder / "result.json").read_text())
        assert result["final"]["eval/accuracy"] == row["accuracy"]
        assert result["settings"]["model"]["learning_rate"] == row["model.learning_rate"]


def test_a_cluster_of_ones_own_is_on_loopback_and_has_no_dashboard():
    listening = []
    for process in psutil.Process().children(recursive=True):
        for connection in process.net_connections(kind="inet"):
            if connection.status == psutil.CONN_LISTEN:
                listening.append((process.name(), *connection.laddr))
    assert listening
    loopback = {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
    assert {ip for _, ip, _ in listening} <= loopback, listening
    assert 8265 not in {port for *_, port in listening}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--address", "nowhere"], 'address must be "auto" or HOST:PORT'),
        (["--address", "127.0.0.1:1"], "nobody answers at 127.0.0.1:1"),
        (["--jobs", "0"], "jobs must be in"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(words, message, tmp_path, monkeypatch):
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    first = ["compare", "--agents", "supervised", "--engine", "ray", "--log-dir", str(tmp_path)]
    result = CliRunner().invoke(app, [*first, *words])
    assert result.exit_code == 2, result.output
    assert message in result.output
    assert result.output.count("\n") == 1


def test_a_missing_ray_is_named_with_its_extra(tmp_path, monkeypatch):
    monkeypatch.setattr(session, "find_spec", lambda name: None)
    first = ["compare", "--agents", "supervised", "--engine", "ray", "--log-dir", str(tmp_path)]
    result = CliRunner().invoke(app, first)
    assert result.exit_code == 2
    assert result.output == ('ia-gym compare: Ray is not installed: pip install "ia-gym[ray]"\n')


def test_nodes_without_the_package_or_the_folder_are_named():
    with pytest.raises(ValueError, match=r"needs ia_gym 0\.\d+\.\d+, node \(1\.2\) has none"):
        check_node("node (1.2)", None, None)
    with pytest.raises(ValueError, match=r"node has 0\.0\.1"):
        check_node("node", "0.0.1", None)
    with pytest.raises(ValueError, match="node does not see /runs"):
        check_node("node", session.ia_gym.__version__, "/runs")


def test_a_node_says_what_it_has():
    probe = session.make_probe()
    assert ray.get(ray.remote(probe).remote("/no/such")) == (session.ia_gym.__version__, False)
    code = (
        "import pickle, sys; sys.modules['ia_gym'] = None\n"
        "print(pickle.load(sys.stdin.buffer)('/'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=ray.cloudpickle.dumps(probe), capture_output=True
    )
    assert done.stdout == b"(None, True)\n", done.stderr


def test_an_address_is_checked_before_ray_waits_for_it():
    with socket.create_server(("127.0.0.1", 0)) as server:
        check_address(f"127.0.0.1:{server.getsockname()[1]}")
    for wrong in ("", ":1", "host:0", "host:99999", "ray://host:10001", "host:x"):
        with pytest.raises(ValueError, match="address must be"):
            check_address(wrong)


def test_a_signal_reaches_the_training(tmp_path):
    """`ray.cancel` is SIGINT in a task, which a training takes for a request to stop."""

    @ray.remote(num_cpus=0)
    def wait_for_signal():
        received = []
        signal.signal(signal.SIGINT, lambda number, _: received.append(number))
        deadline = time.monotonic() + 60
        while not received and time.monotonic() < deadline:
            time.sleep(0.05)
        (tmp_path / "received").write_text(str(received))

    task = wait_for_signal.remote()
    time.sleep(2)
    ray.cancel(task)
    ray.wait([task], timeout=60)
    assert (tmp_path / "received").read_text() == str([int(signal.SIGINT)])
