"""Executing runs: the loop that starts them, and the protocol of what trains them."""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Protocol

import torch

from ia_gym.experiments.run import Run, run_training
from ia_gym.experiments.run_folder import ERROR, lock_folder
from ia_gym.experiments.signals import Interrupted

Row = dict[str, float]
"""One evaluation, by tag, with ``timesteps``."""

POLL_SECONDS = 0.2
"""Longest wait for news of the runs."""


class Executor(Protocol):
    """Trains runs side by side, each in a process of its own.

    A run leaves its files in its folder, see :mod:`ia_gym.experiments.run_folder`; one whose folder
    holds a checkpoint continues from it. Runs are named by their folders (``run.folder.name``),
    which must differ.
    """

    def has_room(self) -> bool:
        """Whether another run can be started now."""
        ...

    def start(self, run: Run) -> None:
        """Begin to train ``run``."""
        ...

    def stop(self, name: str) -> None:
        """Have a run stop between two training steps; it has ended when it leaves ``wait``."""
        ...

    def wait(self, seconds: float) -> tuple[list[tuple[str, Row]], list[str]]:
        """Wait for news.

        Args:
            seconds: the longest time to wait.

        Returns:
            Evaluations, as pairs of a run's name and a row, in the order of each run; and the names
            of the runs that have ended, whose evaluations have all been returned.
        """
        ...

    def close(self) -> None:
        """Stop all runs, and wait until they have ended."""
        ...


class Watcher(Protocol):
    """What is done about the runs while they are executed."""

    def on_start(self, run: Run) -> None:
        """Called when a run begins."""
        ...

    def on_evaluation(self, name: str, row: Row) -> bool:
        """Called with each evaluation of a run; False stops the run."""
        ...

    def on_end(self, name: str) -> None:
        """Called when a run has ended: finished, failed or stopped, as its folder says."""
        ...


def execute(
    runs: Iterator[Run], executor: Executor, watcher: Watcher
) -> KeyboardInterrupt | Interrupted | None:
    """Train the runs of an iterator, as many at a time as ``executor`` has room for.

    Args:
        runs: the next one is taken as soon as there is room for it.
        executor: trains them; it is closed at the end.
        watcher: receives what happens.

    Returns:
        What stopped it, Ctrl-C or SIGTERM; None if nothing did.
    """
    n_training, exhausted = 0, False
    try:
        while n_training or not exhausted:
            while not exhausted and executor.has_room():
                run = next(runs, None)
                if run is None:
                    exhausted = True
                    break
                executor.start(run)
                watcher.on_start(run)
                n_training += 1
            rows, ended = executor.wait(POLL_SECONDS) if n_training else ([], [])
            for name, row in rows:
                if not watcher.on_evaluation(name, row):
                    executor.stop(name)
            for name in ended:
                n_training -= 1
                watcher.on_end(name)
    except (KeyboardInterrupt, Interrupted) as stop:
        return stop
    finally:
        executor.close()
    return None


def train_in_worker(
    run: Run, command: list[str], report: Callable[[Row], None], stop_on: tuple[signal.Signals, ...]
) -> bool:
    """Train a run in a worker process; a failure is written into the run's folder.

    Args:
        run: what to train.
        command: the command's words, which the result names.
        report: called with each evaluation.
        stop_on: signals that stop the training.

    Returns:
        Whether it is finished.
    """
    sys.argv = command
    torch.set_num_threads(1)
    try:
        with lock_folder(run.folder):
            run_training(run, report, stop_on)
    except Interrupted:
        return False
    except Exception:
        (run.folder / ERROR).write_text(traceback.format_exc(), encoding="utf-8")
        return False
    return True
