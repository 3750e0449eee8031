"""Agents side by side on one environment: every run in a process of its own, one evaluation.

``compare`` writes, under ``log_dir``: a folder a run (TensorBoard events, the trained model,
``curve.csv``, ``result.json``), and beside them ``table.csv``, ``comparison.json`` and
``curves.png``.
"""

from __future__ import annotations

import json
import multiprocessing as mp
import os
import queue
import shlex
import signal
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ia_gym.agents.evaluation.make_evaluator import evaluator_class, make_evaluator
from ia_gym.experiments.reports.finished_runs import group_by_agent, read_runs, summarize_agent
from ia_gym.experiments.reports.learning_curves import draw_learning_curves
from ia_gym.experiments.reports.terminal_tables import (
    build_score_table,
    print_agent_summaries,
    print_table,
)
from ia_gym.experiments.settings import load_settings
from ia_gym.experiments.training import (
    Interrupted,
    Run,
    check_env_id,
    clear,
    is_resumable,
    prepare_folder,
    train,
)
from ia_gym.files import write_json
from ia_gym.validation import check_range


def _work(run: Run, messages: Any) -> None:
    """A worker process: train, and report to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C means
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    try:
        train(run, lambda row: messages.put((run.name, row)), (signal.SIGTERM,))
    except Interrupted:
        raise SystemExit(1) from None
    except Exception:
        (run.folder / "error.txt").write_text(traceback.format_exc(), encoding="utf-8")
        raise SystemExit(1) from None


def _end_with_the_parent() -> None:
    """Leave no orphans at work when the parent is killed."""
    parent = mp.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def compare(
    env_id: str = "IA-Permutation-v0",
    agents: Sequence[str] = ("ppo", "imitation", "supervised"),
    seeds: int = 1,
    log_dir: str | os.PathLike[str] = "runs",
    n_questions: int | None = None,
    jobs: int | None = None,
    n_timesteps: int | None = None,
    resume: bool = False,
) -> pd.DataFrame:
    """Train agents on an environment, ``seeds`` times each, and lay them side by side.

    A run that fails leaves ``error.txt`` in its folder, and the others go on. Ctrl-C ends the
    runs at work; those that are finished stay, and are in the table.

    Args:
        env_id: a registered question environment.
        agents: names of settings files; see :func:`ia_gym.experiments.settings.agent_names`.
        seeds: runs an agent, with seeds 0, 1, ...
        log_dir: a folder for all results; runs of an earlier comparison there are replaced.
        n_questions: held-out questions of the evaluation; default the evaluator's.
        jobs: runs at a time, one core each; default one a core.
        n_timesteps: questions to train on, instead of each agent's own number.
        resume: keep the finished runs of an earlier, equal comparison in ``log_dir``, and go on
            with the others where their last evaluation left them.

    Returns:
        The table: one row a finished run, and the reference lines.

    Raises:
        ValueError: for an unknown id or agent, a number out of range, an unusable ``log_dir``.
    """
    check_env_id(env_id)
    check_range("seeds", seeds, 1, 1000)
    jobs = check_range("jobs", os.cpu_count() or 1 if jobs is None else jobs, 1, 1000)
    settings = {agent: load_settings(agent, env_id) for agent in agents}
    if n_timesteps is not None:
        settings = {agent: replace(one, n_timesteps=n_timesteps) for agent, one in settings.items()}
    folder = prepare_folder(log_dir)
    evaluator = make_evaluator(env_id, n_questions)
    runs = [
        Run(env_id, agent, seed, settings[agent], n_questions, folder / f"{agent}_seed{seed}")
        for seed in range(seeds)
        for agent in agents
    ]
    for run in runs:
        if not resume or not is_resumable(run):
            clear(run)
        (run.folder / "error.txt").unlink(missing_ok=True)
    started = time.monotonic()
    left = [run for run in runs if not (run.folder / "result.json").exists()]
    interrupted = _run_all(left, jobs)
    results = [
        json.loads((run.folder / "result.json").read_text("utf-8"))
        for run in runs
        if (run.folder / "result.json").exists()
    ]
    references = evaluator.references()
    groups = group_by_agent(read_runs(folder)) if results else []
    groups = [group for group in groups if group.agent in agents]
    table = build_score_table(results, references)
    table.to_csv(folder / "table.csv", index=False)
    write_json(
        folder / "comparison.json",
        {
            "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
            "env_id": env_id,
            "wall_minutes": (time.monotonic() - started) / 60,
            "unfinished": [run.name for run in runs if not (run.folder / "result.json").exists()],
            "results": results,
            "agents": [summarize_agent(group) for group in groups],
            "reference_lines": references,
        },
    )
    console = Console()
    print_table(table, env_id, evaluator.n_problems, console)
    if seeds > 1:
        print_agent_summaries([summarize_agent(group) for group in groups], console)
    if results:
        draw_learning_curves(groups, references, folder / "curves.png")
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
    labels = {run.name: evaluator_class(run.env_id).labels for run in runs}
    working: dict[str, Any] = {}
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TextColumn("{task.percentage:>3.0f}%  {task.fields[score]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    try:
        with progress:
            bars = {
                run.name: progress.add_task(
                    run.name, start=False, total=run.settings.n_timesteps, score="  -  "
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
                        score=f"{labels[name].score_label} {row[labels[name].score]:6.1%}",
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
