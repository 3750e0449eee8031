"""An executor on this machine: every run has a process of its own."""

from __future__ import annotations

import multiprocessing as mp
import os
import queue
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ia_gym.experiments.execution.executor import Row, train_in_worker
from ia_gym.experiments.run import Run
from ia_gym.validation import check_range


class LocalProcesses:
    """Trains runs in processes of this machine, one thread each.

    See :class:`~ia_gym.experiments.execution.executor.Executor`.

    Args:
        jobs: runs at a time, 1..1000; None for one a core.

    Raises:
        ValueError: for a number out of range.
    """

    def __init__(self, jobs: int | None = None) -> None:
        self.jobs = check_range("jobs", os.cpu_count() or 1 if jobs is None else jobs, 1, 1000)
        self._context = mp.get_context("spawn")
        self._messages = self._context.Queue()
        self._working: dict[str, Any] = {}

    def has_room(self) -> bool:
        """See :class:`~ia_gym.experiments.execution.executor.Executor`, as for all methods."""
        return len(self._working) < self.jobs

    def start(self, run: Run) -> None:
        """Start a process."""
        name = run.folder.name
        arguments = (run, sys.argv, self._messages)
        process = self._context.Process(target=_work, args=arguments, name=name)
        with block_ctrl_c():
            process.start()
        self._working[name] = process

    def stop(self, name: str) -> None:
        """Send SIGTERM to the run's process."""
        if name in self._working:
            self._working[name].terminate()

    def wait(self, seconds: float) -> tuple[list[tuple[str, Row]], list[str]]:
        """Wait for a message of a process."""
        ended = [name for name, process in self._working.items() if process.exitcode is not None]
        rows = []
        try:  # a process that has ended has sent all it had to send
            rows.append(self._messages.get(timeout=0 if ended else seconds))
            while True:
                rows.append(self._messages.get_nowait())
        except queue.Empty:
            pass
        for name in ended:
            del self._working[name]
        return rows, ended

    def close(self) -> None:
        """Send SIGTERM to all processes, and wait for their end."""
        for process in self._working.values():
            process.terminate()
        for process in self._working.values():
            process.join()
        self._working = {}


@contextmanager
def block_ctrl_c() -> Iterator[None]:
    """Keep Ctrl-C from the processes started meanwhile; this one receives it afterwards."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _work(run: Run, command: list[str], messages: Any) -> None:
    """A worker process: train, and report to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C means
    threading.Thread(target=_end_with_parent, daemon=True).start()
    finished = train_in_worker(
        run, command, lambda row: messages.put((run.folder.name, row)), (signal.SIGTERM,)
    )
    if not finished:
        raise SystemExit(1)


def _end_with_parent() -> None:
    """End this process when the parent is killed."""
    parent = mp.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
