"""The executor that an engine's name stands for."""

from __future__ import annotations

from pathlib import Path

from ia_gym.agents.ray.session import check_ray_is_installed
from ia_gym.experiments.execution.executor import Executor
from ia_gym.experiments.execution.local_processes import LocalProcesses
from ia_gym.validation import check_range

ENGINES = ("processes", "ray")
"""Processes of this machine, or tasks of a Ray cluster."""


def check_engine(engine: str, jobs: int | None, address: str | None) -> None:
    """Refuse arguments of :func:`make_executor` that are wrong, before any work is done.

    Raises:
        ValueError: for an unknown engine, a number out of range, an address without effect, or Ray
            where it is not installed.
    """
    if engine not in ENGINES:
        raise ValueError(f"engine must be one of {list(ENGINES)}, got {engine!r}")
    if jobs is not None:
        check_range("jobs", jobs, 1, 1000)
    if engine != "ray" and address is not None:
        raise ValueError(f"address is for the engine ray, got {address!r} for {engine}")
    if engine == "ray":
        check_ray_is_installed()


def make_executor(engine: str, jobs: int | None, address: str | None, folder: Path) -> Executor:
    """Make what trains the runs.

    Args:
        engine: one of ``ENGINES``.
        jobs: runs at a time; None for one a core, of the cluster with Ray.
        address: of a Ray cluster; None for a new one on this machine alone.
        folder: holds the folders of the runs.

    Raises:
        ValueError: see :func:`check_engine`; also for a cluster that cannot be used.
    """
    check_engine(engine, jobs, address)
    if engine == "ray":
        from ia_gym.experiments.execution.ray_tasks import RayTasks

        return RayTasks(folder, jobs, address)
    return LocalProcesses(jobs)
