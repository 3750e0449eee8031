"""What ``ia-gym compare`` does: several agents on one environment, each run in its own process.

Under ``log_dir``, every run has a folder, see :mod:`ia_gym.experiments.run_folder`. Beside them lie
a table, a plot of the learning curves, and a JSON file that says which runs are compared.
"""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ia_gym.agents.evaluation.evaluator import Evaluator
from ia_gym.agents.evaluation.make_evaluator import find_evaluator_class, make_evaluator
from ia_gym.experiments import provenance
from ia_gym.experiments.execution.executor import Executor, Row, execute
from ia_gym.experiments.execution.make_executor import check_engine, make_executor
from ia_gym.experiments.inputs import check_distinct, check_env_id
from ia_gym.experiments.reports.finished_runs import (
    COMPARISON,
    group_by_agent,
    order_run,
    read_finished_run,
    summarize_agent,
)
from ia_gym.experiments.reports.learning_curves import draw_learning_curves
from ia_gym.experiments.reports.terminal_tables import (
    build_score_table,
    print_agent_summaries,
    print_table,
)
from ia_gym.experiments.run import Run
from ia_gym.experiments.run_folder import (
    ERROR,
    RESULT,
    RUN,
    clear_folder,
    is_resumable,
    lock_folder,
    prepare_folder,
)
from ia_gym.experiments.settings import load_settings
from ia_gym.experiments.signals import Interrupted, raise_on_sigterm
from ia_gym.experiments.terminal import TerminalConsole
from ia_gym.experiments.train import describe_restart
from ia_gym.files import write_json
from ia_gym.validation import check_range

TABLE, CURVES = "table.csv", "curves.png"
"""Files of a comparison, beside the folders of its runs and ``COMPARISON``."""


def compare(
    env_id: str = "IA-Permutation-v0",
    agents: Sequence[str] = ("ppo", "imitation", "supervised"),
    seeds: int = 1,
    log_dir: str | os.PathLike[str] = "runs",
    n_eval_questions: int | None = None,
    jobs: int | None = None,
    n_timesteps: int | None = None,
    resume: bool = False,
    engine: str = "processes",
    address: str | None = None,
) -> pd.DataFrame:
    """Train agents on an environment, ``seeds`` times each, and compare them.

    A run that fails leaves ``error.txt`` in its folder, and the others continue. Ctrl-C or SIGTERM
    stops the unfinished runs; the finished ones stay, and are in the table.

    Args:
        env_id: an environment of the suite.
        agents: names out of :func:`~ia_gym.experiments.settings.list_agents`, each once.
        seeds: runs of each agent, with seeds 0, 1, ...
        log_dir: a folder for all results. Runs of this comparison's agents and seeds that lie there
            are replaced; other runs there are left alone, and do not count.
        n_eval_questions: held-out questions of the evaluation; default 4096. None where actions
            are approved of: agents there are evaluated on whole episodes.
        jobs: runs at a time, one core each; default one a core, of the cluster with Ray.
        n_timesteps: questions to train on, instead of each agent's own number.
        resume: keep the finished runs in ``log_dir``, and continue the others from their last
            checkpoint, instead of replacing them.
        engine: what trains the runs: "processes" of this machine, or "ray", see
            :class:`~ia_gym.experiments.execution.ray_tasks.RayTasks`.
        address: of a Ray cluster, such as "auto" for the one this machine belongs to; default a
            new one on this machine alone.

    Returns:
        The table: one row a finished run, and the baselines.

    Raises:
        ValueError: for an unknown id or agent, an agent named twice, a number out of range, a
            ``log_dir`` that cannot be used or is in use, a run to be resumed that has other
            settings, or a Ray cluster that cannot be used.
        KeyboardInterrupt: after Ctrl-C, once the table of the finished runs is written.
        Interrupted: after SIGTERM, likewise.
    """
    env_id = check_env_id(env_id)
    check_distinct("agents", agents)
    check_range("seeds", seeds, 1, 1000)
    if n_eval_questions is not None:
        check_range("n_eval_questions", n_eval_questions, 1, 10**6)
    check_engine(engine, jobs, address)
    settings = {agent: load_settings(agent, env_id) for agent in agents}
    if n_timesteps is not None:
        settings = {agent: replace(one, n_timesteps=n_timesteps) for agent, one in settings.items()}
    folder = prepare_folder(log_dir)
    evaluator = make_evaluator(env_id, n_eval_questions)
    runs = [
        Run(env_id, agent, seed, settings[agent], n_eval_questions, folder / f"{agent}_seed{seed}")
        for seed in range(seeds)
        for agent in agents
    ]
    console = TerminalConsole()
    with lock_folder(folder), raise_on_sigterm():
        executor = make_executor(engine, jobs, address, folder)
        prepare_runs(runs, resume, console)
        started = time.monotonic()
        stopped_by = run_all([run for run in runs if not is_finished(run)], executor, console)
        table = write_results(runs, evaluator, started, console)
    if stopped_by is not None:
        raise stopped_by
    return table


def is_finished(run: Run) -> bool:
    """Whether the run's result is there."""
    return (run.folder / RESULT).exists()


def prepare_runs(runs: Sequence[Run], resume: bool, console: Console) -> None:
    """Make the folders of the runs, empty unless they are to be resumed.

    Raises:
        ValueError: if a run to be resumed has other settings, or a folder is in use; nothing is
            changed then.
    """
    folder = runs[0].folder.parent
    earlier = [run for run in runs if (run.folder / RUN).exists()]
    if resume:
        other = [run.name for run in earlier if not is_resumable(run.folder, run.describe())]
        if other:
            raise ValueError(
                f"resume needs runs with the same settings in log_dir, got others in {folder}: "
                + ", ".join(other)
            )
        for run in earlier:
            if is_finished(run):  # before anything is trained
                read_finished_run(run.folder)
    elif earlier:
        console.print(
            f"replacing {len(earlier)} runs in {folder}: {', '.join(run.name for run in earlier)}",
            markup=False,
            soft_wrap=True,
        )
    for run in runs:  # before anything is removed
        with lock_folder(prepare_folder(run.folder)):
            pass
    names = {run.name for run in runs}
    left_alone = sorted(
        path.parent.name for path in folder.glob(f"*/{RUN}") if path.parent.name not in names
    )
    if left_alone:
        console.print(
            f"left alone in {folder}, not part of this comparison: {', '.join(left_alone)}",
            markup=False,
            soft_wrap=True,
        )
    for name in (TABLE, CURVES):
        (folder / name).unlink(missing_ok=True)
    write_json(folder / COMPARISON, describe_comparison(runs))
    for run in runs:
        if not resume or run not in earlier:
            clear_folder(run.folder)
        (run.folder / ERROR).unlink(missing_ok=True)


def write_results(
    runs: Sequence[Run], evaluator: Evaluator, started: float, console: Console
) -> pd.DataFrame:
    """Write and print the results of the finished runs, and name the unfinished ones.

    Args:
        runs: the runs of this comparison.
        evaluator: of their environment.
        started: when it began, by ``time.monotonic``.
        console: where to print.

    Returns:
        The table.
    """
    env_id, folder = runs[0].env_id, runs[0].folder.parent
    finished = {run.name: read_finished_run(run.folder) for run in runs if is_finished(run)}
    results = [each.result for each in finished.values()]
    references = evaluator.references()
    order = sorted(finished.values(), key=order_run)
    groups = group_by_agent(order)
    summaries = [summarize_agent(group) for group in groups]
    table = build_score_table(results, references)
    table.to_csv(folder / TABLE, index=False)
    write_json(
        folder / COMPARISON,
        {
            **describe_comparison(runs),
            "wall_minutes": (time.monotonic() - started) / 60,
            "unfinished": [run.name for run in runs if run.name not in finished],
            "results": results,
            "agents": summaries,
            "references": references,
        },
    )
    if results:
        draw_learning_curves(groups, references, folder / CURVES)
    print_table(table, env_id, evaluator.n_problems, console)
    if len(results) > len(summaries):
        print_agent_summaries(summaries, console)
    notes = []
    if results:
        notes.append(f"curves: {folder / CURVES}")
    for run in runs:
        if (run.folder / ERROR).exists():
            notes.append(f"{run.name} failed: see {run.folder / ERROR}")
        elif run.name not in finished:
            notes.append(f"{run.name} was not finished; {describe_restart(run)}")
    notes.append(f"all curves: {shlex.join(['tensorboard', '--logdir', str(folder)])}")
    for note in notes:
        console.print(note, markup=False, highlight=False, soft_wrap=True)
    return table


def describe_comparison(runs: Sequence[Run]) -> dict[str, Any]:
    """The content of ``comparison.json`` before any run: the command, and which runs count."""
    return {
        "command": provenance.describe_command(),
        "env_id": runs[0].env_id,
        "runs": [run.name for run in runs],
    }


class CompareProgress:
    """Bars that show how far each run is; see ``Watcher`` of ``execution/executor.py``.

    Args:
        runs: all runs to come.
        progress: where the bars are shown.
    """

    def __init__(self, runs: Sequence[Run], progress: Progress) -> None:
        self.progress = progress
        self.labels = {run.folder.name: find_evaluator_class(run.env_id).labels for run in runs}
        self.bars = {
            run.folder.name: progress.add_task(
                run.name, start=False, total=run.settings.n_timesteps, score="-"
            )
            for run in runs
        }

    def on_start(self, run: Run) -> None:
        """Start the clock of the run's bar."""
        self.progress.start_task(self.bars[run.folder.name])

    def on_evaluation(self, name: str, row: Row) -> bool:
        """Show the score."""
        labels = self.labels[name]
        score = f"{labels.score_label} {row[labels.score]:.1%}"
        self.progress.update(self.bars[name], completed=row["timesteps"], score=score)
        return True

    def on_end(self, name: str) -> None:
        """Stop the clock."""
        self.progress.stop_task(self.bars[name])


def run_all(
    runs: Sequence[Run], executor: Executor, console: Console
) -> KeyboardInterrupt | Interrupted | None:
    """Train everything, and show the progress.

    Returns:
        What stopped it, Ctrl-C or SIGTERM; None if nothing did.
    """
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=10),
        TextColumn("{task.percentage:>3.0f}%  {task.fields[score]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )
    with progress:
        return execute(iter(runs), executor, CompareProgress(runs, progress))
