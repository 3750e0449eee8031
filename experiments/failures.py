"""What ``ia-gym failures`` does: agents trained on an overseer that fails, case by case.

Each run has a folder of its own under ``log_dir``, named after its case: ``search-p0.3-hashed``.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import gymnasium as gym

from ia_gym.experiments.compare import is_finished, run_all
from ia_gym.experiments.execution.local_processes import LocalProcesses
from ia_gym.experiments.inputs import check_distinct, check_env_id
from ia_gym.experiments.reports.failure_figure import write_failure_report
from ia_gym.experiments.run import Run
from ia_gym.experiments.run_folder import (
    ERROR,
    RUN,
    clear_folder,
    is_resumable,
    lock_folder,
    prepare_folder,
)
from ia_gym.experiments.settings import Settings, load_settings
from ia_gym.experiments.signals import raise_on_sigterm
from ia_gym.experiments.terminal import TerminalConsole
from ia_gym.validation import check_range


def run_failures(
    env_id: str = "IA-Permutation-N4-v0",
    agents: Sequence[str] = ("imitation-scripted", "search", "ppo"),
    probabilities: Sequence[float] = (0, 0.1, 0.3),
    kinds: Sequence[str] = ("random",),
    at: str = "answer",
    votes: Sequence[int] = (1,),
    seeds: int = 1,
    log_dir: str | os.PathLike[str] = "runs/failures",
    n_eval_questions: int | None = None,
    jobs: int | None = None,
    n_timesteps: int | None = None,
) -> list[Path]:
    """Train agents on an overseer that fails in every way asked for, and draw their accuracy.

    Finished runs in ``log_dir`` are kept; the others begin, or continue from their checkpoints.

    Args:
        env_id: an environment of the suite that asks questions.
        agents: names out of :func:`~ia_gym.experiments.settings.list_agents`, each once.
        probabilities: values of ``overseer_failure``, each once.
        kinds: values of ``failure_kind``, each once.
        at: ``failure_at``.
        votes: values of ``votes``, each once.
        seeds: runs of each case, with seeds 0, 1, ...
        log_dir: a folder for all results. Of earlier runs there, all that are finished are drawn.
        n_eval_questions: held-out questions of the evaluation; default 4096.
        jobs: runs at a time, one core each; default one a core.
        n_timesteps: questions to train on, instead of each agent's own number.

    Returns:
        The files written: a figure, and a table as CSV and as Markdown.

    Raises:
        ValueError: for an unknown id or agent, a value that is not allowed, a ``log_dir`` that
            cannot be used or is in use, or a run in it that has other settings.
        KeyboardInterrupt: after Ctrl-C.
        Interrupted: after SIGTERM.
    """
    env_id = check_env_id(env_id)
    for name, values in (("agents", agents), ("kinds", kinds)):
        check_distinct(name, values)
    for name, numbers in (("probabilities", probabilities), ("votes", votes)):
        check_distinct(name, [f"{number:g}" for number in numbers])
    check_range("seeds", seeds, 1, 1000)
    jobs = check_range("jobs", os.cpu_count() or 1 if jobs is None else jobs, 1, 1000)
    cases: dict[str, Settings] = {}
    for agent, p, kind, k in product(agents, probabilities, kinds, votes):
        settings = load_settings(agent, env_id)
        if n_timesteps is not None:
            settings = replace(settings, n_timesteps=n_timesteps)
        how = describe_failures(p, kind, at, k)
        kwargs = {**settings.env_kwargs, **how}
        cases[name_case(agent, how)] = replace(settings, env_kwargs=kwargs)
    for settings in cases.values():  # refuse bad arguments now
        _try_environment(env_id, settings)
    folder = prepare_folder(log_dir)
    runs = [
        Run(env_id, case, seed, settings, n_eval_questions, folder / f"{case}_seed{seed}")
        for seed in range(seeds)
        for case, settings in cases.items()
    ]
    console = TerminalConsole()
    with lock_folder(folder), raise_on_sigterm():
        for run in runs:
            begun = (run.folder / RUN).exists()
            if begun and not is_resumable(run.folder, run.describe()):
                raise ValueError(f"log_dir holds a run with other settings: {run.folder}")
            with lock_folder(prepare_folder(run.folder)):
                pass
            if not begun:
                clear_folder(run.folder)
            (run.folder / ERROR).unlink(missing_ok=True)
        executor = LocalProcesses(jobs)
        started = time.monotonic()
        stopped_by = run_all([run for run in runs if not is_finished(run)], executor, console)
        minutes = (time.monotonic() - started) / 60
        console.print(f"{len(runs)} runs, {minutes:.1f} minutes", highlight=False)
        for run in runs:
            if (run.folder / ERROR).exists():
                console.print(f"{run.name} failed: see {run.folder / ERROR}", markup=False)
        if stopped_by is not None:
            raise stopped_by
        return write_failure_report(folder)


def describe_failures(p: float, kind: str, at: str, votes: int) -> dict[str, Any]:
    """Arguments of an environment whose overseer fails, without those that have no effect."""
    how: dict[str, Any] = {}
    if p:
        how = {"overseer_failure": p, "failure_kind": kind, "failure_at": at}
    if votes != 1:
        how["votes"] = votes
    return how


def name_case(agent: str, how: Mapping[str, Any]) -> str:
    """An agent's name with how its overseer fails, as in "search-p0.3-hashed-votes3"."""
    parts = [agent, f"p{how.get('overseer_failure', 0):g}"]
    if how.get("failure_kind", "random") != "random":
        parts.append(how["failure_kind"])
    if how.get("failure_at", "answer") != "answer":
        parts.append(how["failure_at"])
    if "votes" in how:
        parts.append(f"votes{how['votes']}")
    return "-".join(parts)


def _try_environment(env_id: str, settings: Settings) -> None:
    """Make the environment, so that bad arguments are refused before anything is trained."""
    gym.make(env_id, **settings.env_kwargs).close()
