"""Agents side by side on one environment: every run in a process of its own, one evaluation.

``compare`` writes, under ``log_dir``: a folder a run (TensorBoard events, the trained model,
``curve.csv``, ``result.json``), and beside them ``table.csv``, ``comparison.json`` and
``curves.png``.
"""

from __future__ import annotations

import json
import multiprocessing as mp
import os
import platform
import queue
import shlex
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gymnasium as gym
import pandas as pd
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from stable_baselines3.common.logger import configure
from torch.utils.tensorboard import SummaryWriter

from ia_gym.agents.callbacks import AmplificationCallback, CurriculumCallback, EvaluationCallback
from ia_gym.agents.evaluation import HeldOut, accuracy_tag, class_names
from ia_gym.agents.learner import AnswerLearner
from ia_gym.agents.plots import plot_curves
from ia_gym.agents.sb3_bridge import make_sb3_vec_env
from ia_gym.agents.settings import CLASSES, Settings, load_settings, resolve
from ia_gym.agents.table import print_table, summary_table
from ia_gym.curriculum import Curriculum
from ia_gym.tasks.domain import check_range

PACKAGES = ("ia-gym", "gymnasium", "stable-baselines3", "torch", "numpy")
CHECKPOINT = "checkpoint.safetensors"
LEFT_BEHIND = (
    *("events.out.tfevents", "curve.csv", "result.json", "error.txt", "run.json"),
    CHECKPOINT,
)
"""What a run leaves in its folder, beside the model."""
EVALUATIONS = 40
"""Evaluations in a run, evenly spaced."""


@dataclass(frozen=True)
class Run:
    """One agent trained once.

    Attributes:
        env_id: the environment.
        agent: a name in ``agent_names()``.
        seed: of the agent and its environment.
        settings: how it is trained.
        n_questions: held-out questions it is evaluated on.
        folder: where all it leaves goes.
    """

    env_id: str
    agent: str
    seed: int
    settings: Settings
    n_questions: int
    folder: Path

    @property
    def name(self) -> str:
        """Agent and seed."""
        return f"{self.agent}_seed{self.seed}"


def train(
    run: Run, on_evaluation: Callable[[dict[str, float]], None] | None = None
) -> dict[str, Any]:
    """Train an agent, and write model, curve and result into the run's folder.

    At every evaluation the learners that are taught answers leave a checkpoint there; a run that
    finds one goes on from it, and ends as if it had never stopped. Agents of SB3 start over.

    Args:
        run: what to train.
        on_evaluation: called with each evaluation's row.

    Returns:
        The result, as in ``result.json``: the run, its last evaluation, versions, hardware.
    """
    settings = run.settings
    cls = CLASSES[settings.algorithm]
    env = make_sb3_vec_env(run.env_id, settings.n_envs, **settings.env_kwargs)
    checkpoint, curve = run.folder / CHECKPOINT, run.folder / "curve.csv"
    history: list[dict[str, float]] = []
    if issubclass(cls, AnswerLearner) and checkpoint.exists():
        model = cls.load(checkpoint, env=env)
        rows = pd.read_csv(curve, float_precision="round_trip")
        rows = rows[rows["timesteps"] <= model.num_timesteps]
        history = rows.to_dict("records")  # type: ignore[assignment]
    else:
        arguments = {"policy": "MultiInputPolicy", **resolve(settings.model)}
        model = cls(env=env, seed=run.seed, **arguments)
    model.set_logger(configure(str(run.folder), ["tensorboard"]))
    held_out = HeldOut(run.env_id, run.n_questions, **settings.env_kwargs)
    write_layout(run.folder, held_out)

    def keep(row: dict[str, float]) -> None:
        """Leave what a resumed run goes on from, and pass the evaluation on."""
        write_whole(curve, pd.DataFrame(evaluation.history).to_csv(index=False))
        if isinstance(model, AnswerLearner):
            model.save(checkpoint)
        if on_evaluation is not None:
            on_evaluation(row)

    every = settings.n_timesteps // EVALUATIONS
    evaluation = EvaluationCallback(held_out, every, on_evaluation=keep, history=history)
    callbacks: list[Any] = [evaluation]
    if settings.amplification is not None:
        callbacks.insert(0, AmplificationCallback(**settings.amplification))
    if settings.curriculum is not None:
        curriculum = Curriculum(held_out.domain, **settings.curriculum)
        callbacks.insert(0, CurriculumCallback(curriculum))
    remaining = settings.n_timesteps - model.num_timesteps
    model.learn(remaining, callback=callbacks, reset_num_timesteps=not history)
    model.save(run.folder / "model")
    checkpoint.unlink(missing_ok=True)
    env.close()
    result = {
        "env_id": run.env_id,
        "agent": run.agent,
        "seed": run.seed,
        "settings": asdict(settings),
        "n_questions": held_out.n_questions,
        "final": evaluation.history[-1],
        "versions": {name: version(name) for name in PACKAGES},
        "hardware": {
            "machine": platform.machine(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "python": platform.python_version(),
        },
    }
    write_json(run.folder / "result.json", result)
    return result


def write_whole(path: Path, text: str) -> None:
    """Write ``text`` so that the file is whole, or what it was before."""
    aside = path.with_name(path.name + ".part")
    aside.write_text(text, encoding="utf-8")
    os.replace(aside, path)


def write_json(path: Path, content: Any) -> None:
    """Write ``content`` as JSON, see :func:`write_whole`."""
    write_whole(path, json.dumps(content, indent=2, default=str) + "\n")


def write_layout(folder: Path, held_out: HeldOut) -> None:
    """Lay TensorBoard's custom-scalars page out: each chart holds the same curve of all runs."""
    domain = held_out.domain
    parts = [*(domain.kinds if len(domain.kinds) > 1 else ()), *class_names(domain).values()]
    layout = {
        "Truth": {
            "accuracy": ["Multiline", ["eval/accuracy$"]],
            **{part: ["Multiline", [f"eval/{accuracy_tag(part)}$"]] for part in parts},
        },
        "Overseer": {
            "approval": ["Multiline", ["overseer/approval$"]],
            "approval less accuracy": ["Multiline", ["overseer/overapproval$"]],
            "how often the target is true": ["Multiline", ["overseer/target_accuracy$"]],
            "questions put to H": ["Multiline", ["overseer/human_interactions$"]],
        },
    }
    with SummaryWriter(str(folder)) as writer:
        writer.add_custom_scalars(layout)


def _work(run: Run, messages: Any) -> None:
    """A worker process: train, and report to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C means
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    try:
        train(run, lambda row: messages.put((run.name, row)))
    except Exception:
        (run.folder / "error.txt").write_text(traceback.format_exc(), encoding="utf-8")
        raise SystemExit(1) from None


def _end_with_the_parent() -> None:
    """Leave no orphans at work when the parent is killed."""
    parent = mp.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def prepare_folder(log_dir: str | os.PathLike[str]) -> Path:
    """``log_dir`` as a folder that can be written.

    Raises:
        ValueError: if it is none and cannot be made one.
    """
    folder = Path(log_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ValueError(
            f"log_dir must be a folder that can be written, got {log_dir}: {error}"
        ) from error
    return folder


def compare(
    env_id: str = "IA-Permutation-v0",
    agents: Sequence[str] = ("ppo", "imitation", "supervised"),
    seeds: int = 1,
    log_dir: str | os.PathLike[str] = "runs",
    n_questions: int = 4096,
    jobs: int | None = None,
    n_timesteps: int | None = None,
    resume: bool = False,
) -> pd.DataFrame:
    """Train agents on an environment, ``seeds`` times each, and lay them side by side.

    A run that fails leaves ``error.txt`` in its folder, and the others go on. Ctrl-C ends the
    runs at work; those that are finished stay, and are in the table.

    Args:
        env_id: a registered question environment.
        agents: names of settings files; see :func:`ia_gym.agents.settings.agent_names`.
        seeds: runs an agent, with seeds 0, 1, ...
        log_dir: a folder for all results; runs of an earlier comparison there are replaced.
        n_questions: held-out questions of the evaluation.
        jobs: runs at a time, one core each; default one a core.
        n_timesteps: questions to train on, instead of each agent's own number.
        resume: keep the finished runs of an earlier, equal comparison in ``log_dir``, and go on
            with the others where their last evaluation left them.

    Returns:
        The table: one row a finished run, and the reference lines.

    Raises:
        ValueError: for an unknown id or agent, a number out of range, an unusable ``log_dir``.
    """
    if env_id not in gym.registry:
        known = sorted(name for name in gym.registry if name.startswith("IA-"))
        raise ValueError(f"env_id must be one of {known}, got {env_id!r}")
    check_range("seeds", seeds, 1, 1000)
    jobs = check_range("jobs", os.cpu_count() or 1 if jobs is None else jobs, 1, 1000)
    settings = {agent: load_settings(agent, env_id) for agent in agents}
    if n_timesteps is not None:
        check_range("n_timesteps", n_timesteps, 1, 10**12)
        settings = {agent: replace(one, n_timesteps=n_timesteps) for agent, one in settings.items()}
    folder = prepare_folder(log_dir)
    held_out = HeldOut(env_id, n_questions)
    runs = [
        Run(env_id, agent, seed, settings[agent], n_questions, folder / f"{agent}_seed{seed}")
        for seed in range(seeds)
        for agent in agents
    ]
    for run in runs:
        if not resume or not _resumable(run):
            _clear(run.folder)
            write_json(run.folder / "run.json", _as_json(run))
        (run.folder / "error.txt").unlink(missing_ok=True)
    started = time.monotonic()
    left = [run for run in runs if not (run.folder / "result.json").exists()]
    interrupted = _run_all(left, jobs)
    results = [
        json.loads((run.folder / "result.json").read_text("utf-8"))
        for run in runs
        if (run.folder / "result.json").exists()
    ]
    lines = held_out.reference_lines()
    table = summary_table(results, lines)
    table.to_csv(folder / "table.csv", index=False)
    write_json(
        folder / "comparison.json",
        {
            "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
            "env_id": env_id,
            "wall_minutes": (time.monotonic() - started) / 60,
            "unfinished": [run.name for run in runs if not (run.folder / "result.json").exists()],
            "results": results,
            "reference_lines": lines,
        },
    )
    console = Console()
    print_table(table, env_id, held_out.n_questions, console)
    if results:
        curves = {
            f"{result['agent']}_seed{result['seed']}": pd.read_csv(
                folder / f"{result['agent']}_seed{result['seed']}" / "curve.csv"
            )
            for result in results
        }
        plot_curves(curves, lines, env_id, folder / "curves.png")
        console.print(f"curves: {folder / 'curves.png'}", soft_wrap=True)
    for run in runs:
        if (run.folder / "error.txt").exists():
            console.print(f"{run.name} failed: see {run.folder / 'error.txt'}", soft_wrap=True)
        elif not (run.folder / "result.json").exists():
            console.print(f"{run.name} was not finished", soft_wrap=True)
    console.print(f"all curves: tensorboard --logdir {folder}", soft_wrap=True)
    if interrupted:
        raise KeyboardInterrupt
    return table


def _run_all(runs: Sequence[Run], jobs: int) -> bool:
    """Run everything, ``jobs`` at a time; true if Ctrl-C ended it."""
    context = mp.get_context("spawn")
    messages = context.Queue()
    waiting = list(runs)
    working: dict[str, Any] = {}
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TextColumn("{task.percentage:>3.0f}%  accuracy {task.fields[accuracy]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    try:
        with progress:
            bars = {
                run.name: progress.add_task(
                    run.name, start=False, total=run.settings.n_timesteps, accuracy="  -  "
                )
                for run in runs
            }
            while waiting or working:
                while waiting and len(working) < jobs:
                    run = waiting.pop(0)
                    process = context.Process(target=_work, args=(run, messages), name=run.name)
                    process.start()
                    working[run.name] = process
                    progress.start_task(bars[run.name])
                try:
                    name, row = messages.get(timeout=0.2)
                    progress.update(
                        bars[name],
                        completed=row["timesteps"],
                        accuracy=f"{row['eval/accuracy']:6.1%}",
                    )
                except queue.Empty:
                    pass
                for name, process in list(working.items()):
                    if process.exitcode is not None:
                        del working[name]
                        progress.stop_task(bars[name])
    except KeyboardInterrupt:
        return True
    finally:
        for process in working.values():
            process.terminate()
        for process in working.values():
            process.join()
    return False


def _resumable(run: Run) -> bool:
    """Whether the run's folder holds an earlier run with the same settings, finished or not."""
    path = run.folder / "run.json"
    return path.exists() and json.loads(path.read_text("utf-8")) == _as_json(run)


def _as_json(run: Run) -> dict[str, Any]:
    """All that decides how a run goes."""
    whole: dict[str, Any] = json.loads(json.dumps({**asdict(run), "folder": None}))
    return whole


def _clear(folder: Path) -> None:
    """Make ``folder`` empty of an earlier run's files, so that curves of two do not mix."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.iterdir():
        if file.name.startswith(LEFT_BEHIND):
            file.unlink()
