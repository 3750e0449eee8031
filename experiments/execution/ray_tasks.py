"""An executor on a Ray cluster: every run is a task, which another worker takes over if it dies."""

from __future__ import annotations

import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import ray

from ia_gym.agents.ray.session import check_nodes, connect
from ia_gym.experiments.execution.executor import Row, train_in_worker
from ia_gym.experiments.run import Run
from ia_gym.experiments.run_folder import CURVE, ERROR, RESULT, read_curve
from ia_gym.validation import check_range

RESTARTS = 100
"""How often a run is started again whose worker process or node has died."""
CLOSE_SECONDS = 60.0
"""Longest time for runs to write their checkpoints when they are stopped."""


class RayTasks:
    """Trains runs as tasks of a Ray cluster, one core each.

    See :class:`~ia_gym.experiments.execution.executor.Executor`. All nodes write into the same
    folders, so that they need a file system in common; the files are those of a run on one machine.
    A run whose worker dies is started again on another one: the suite's own learners continue from
    their last checkpoint there, and end with the same numbers. If the head or this process dies,
    the command's ``--resume`` continues.

    Args:
        folder: holds the folders of the runs.
        jobs: runs at a time, 1..1000; None for one a core that the cluster has now.
        address: of the cluster, see :func:`~ia_gym.agents.ray.session.connect`.

    Raises:
        ValueError: for a number out of range, or a cluster that cannot be used.
    """

    def __init__(self, folder: Path, jobs: int | None = None, address: str | None = None) -> None:
        self._open = ExitStack()
        self._open.enter_context(connect(address))
        try:
            check_nodes(folder)
            cores = int(ray.cluster_resources().get("CPU", 1))
            self.jobs = check_range("jobs", cores if jobs is None else jobs, 1, 1000)
        except BaseException:
            self._open.close()
            raise
        self._train = ray.remote(num_cpus=1, max_retries=RESTARTS)(train_as_task)
        self._tasks: dict[Any, Run] = {}
        self._stopped: set[str] = set()
        self._n_rows: dict[str, int] = {}
        self._seen: dict[str, int] = {}

    def has_room(self) -> bool:
        """See :class:`~ia_gym.experiments.execution.executor.Executor`, as for all methods."""
        return len(self._tasks) < self.jobs

    def start(self, run: Run) -> None:
        """Submit a task."""
        self._tasks[self._train.remote(run, sys.argv)] = run
        self._n_rows[run.folder.name] = self._seen[run.folder.name] = 0

    def stop(self, name: str) -> None:
        """Cancel the run's task: it gets SIGINT."""
        for task, run in self._tasks.items():
            if run.folder.name == name and name not in self._stopped:
                self._stopped.add(name)
                ray.cancel(task)

    def wait(self, seconds: float) -> tuple[list[tuple[str, Row]], list[str]]:
        """Wait for the end of a task, and read the curves in the folders."""
        done = self._find_done()
        if not done:
            time.sleep(seconds)  # and not in `ray.wait`, which takes signals for errors of its own
            done = self._find_done()
        rows = [(run.folder.name, row) for run in self._tasks.values() for row in self._read(run)]
        ended = []
        for task in done:
            run = self._tasks.pop(task)
            self._note_failure(task, run)
            ended.append(run.folder.name)
        return rows, ended

    def _find_done(self) -> list[Any]:
        """The tasks that have ended."""
        try:
            return list(ray.wait(list(self._tasks), num_returns=len(self._tasks), timeout=0)[0])
        except SystemError as error:  # a handler of ours has raised in it
            raise error.__cause__ or error.__context__ or error from None

    def _read(self, run: Run) -> list[Row]:
        """The evaluations in the run's curve that have not been read yet."""
        path, name = run.folder / CURVE, run.folder.name
        try:
            changed = path.stat().st_mtime_ns
        except FileNotFoundError:
            return []
        if changed == self._seen[name]:
            return []
        self._seen[name] = changed
        rows: list[Any] = read_curve(path).to_dict("records")
        known = self._n_rows[name]
        self._n_rows[name] = max(known, len(rows))  # an agent that starts over writes fewer
        return rows[known:]

    def _note_failure(self, task: Any, run: Run) -> None:
        """Write into the folder why a run has neither finished nor failed by itself."""
        try:
            ray.get(task)
        except ray.exceptions.RayError as error:
            quiet = run.folder.name in self._stopped or (run.folder / RESULT).exists()
            if not quiet and not (run.folder / ERROR).exists():
                (run.folder / ERROR).write_text(f"{error}\n", encoding="utf-8")

    def close(self) -> None:
        """Cancel all tasks, wait for their end, and leave the cluster."""
        deadline = time.monotonic() + CLOSE_SECONDS
        for run in self._tasks.values():
            self.stop(run.folder.name)
        if self._tasks:
            tasks = list(self._tasks)
            ray.wait(tasks, num_returns=len(tasks), timeout=deadline - time.monotonic())
        self._tasks = {}
        self._open.close()


def train_as_task(run: Run, command: list[str]) -> bool:
    """What a worker of the cluster does: train; being cancelled, it gets SIGINT.

    Returns:
        Whether the run is finished.
    """
    return train_in_worker(run, command, lambda row: None, (signal.SIGINT,))
