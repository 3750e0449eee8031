"""The folder of a run: what lies in it, who may write to it, and reading it back."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock, Timeout

from ia_gym.agents.assistants.action_assistant import ASSISTANT
from ia_gym.experiments.checkpoints import CHECKPOINT, PREVIOUS
from ia_gym.experiments.settings import Settings

RUN, RESULT, CURVE, ERROR = "run.json", "result.json", "curve.csv", "error.txt"
"""What to train; the result; one row an evaluation; the traceback of a failure."""
HUMAN = "human.safetensors"
"""The human predictor, if there is one; an environment can take it for its overseer."""
INTERACTIONS, OVERSEER = "interactions.safetensors", "overseer.safetensors"
"""Recorded interactions to train on; the human predictor that learned from these alone."""
MODELS = ("model.safetensors", "model.zip")
"""The trained agent: a learner of the suite's, or SB3's."""
OWN_FILES = (
    RUN,
    RESULT,
    CURVE,
    ERROR,
    HUMAN,
    INTERACTIONS,
    OVERSEER,
    *MODELS,
    ASSISTANT,
    CHECKPOINT,
    PREVIOUS,
)
"""All files of a run but TensorBoard's."""
EVENTS = "events.out.tfevents"
"""How the names of TensorBoard's files begin."""
LOCK = ".lock"
"""Locked while a process writes to the folder."""
STOPPING_RULES = ("target_accuracy", "patience")
"""Settings that decide when a run ends, and nothing else."""


def prepare_folder(path: str | os.PathLike[str], name: str = "log_dir") -> Path:
    """Make a folder, if need be, and check that it can be written to.

    Args:
        path: the folder.
        name: of the argument, for the message.

    Raises:
        ValueError: if it is not a folder and cannot be made one, or cannot be written to; or if it
            is empty, which would be the working directory.
    """
    if not os.fspath(path):
        raise ValueError(f"{name} must be a folder that can be written, got ''")
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".probe"
        probe.touch()
        probe.unlink()
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        raise ValueError(
            f"{name} must be a folder that can be written, got {path}: {error}"
        ) from error
    return folder


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Keep other processes out of ``folder``. The lock of a process that was killed is free.

    Raises:
        ValueError: if another process holds it.
    """
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise ValueError(f"log_dir is in use by another process, got {folder}") from None
    try:
        yield
    finally:
        lock.release()


def clear_folder(folder: Path) -> None:
    """Make ``folder``, and remove the files of an earlier run from it, and no others."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.iterdir():
        if file.name.removesuffix(".part") in OWN_FILES or file.name.startswith(EVENTS):
            file.unlink()


def is_resumable(folder: Path, description: Mapping[str, Any]) -> bool:
    """Whether ``folder`` holds an earlier run of the same description, finished or not.

    The rules by which an unfinished run stops may have changed: no number of it depends on them.

    Args:
        folder: the run's folder.
        description: what to train, as :meth:`~ia_gym.experiments.run.Run.describe` gives it.

    Raises:
        ValueError: if its ``run.json`` cannot be read.
    """
    if not (folder / RUN).exists():
        return False
    earlier = read_run(folder / RUN)
    now = {**description, "settings": dict(description["settings"])}
    if not (folder / RESULT).exists():
        now["settings"] |= {rule: earlier["settings"].get(rule) for rule in STOPPING_RULES}
    return earlier == now


def read_run(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a ``run.json``: ``env_id``, ``agent``, ``seed``, ``settings``, ``n_eval_questions``.

    Raises:
        ValueError: if it is not one; the message names the file.
    """
    try:
        content = _read_json(path)
        Settings(**content["settings"])
        if not isinstance(content["agent"], str) or not isinstance(content["env_id"], str):
            raise TypeError("agent and env_id must be names")
        known = {key: content[key] for key in ("env_id", "agent", "seed", "settings")}
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path} must be the run.json of a run: {explain(error)}") from error
    return {**known, "n_eval_questions": content.get("n_eval_questions")}


def read_result(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a ``result.json``, see :func:`~ia_gym.experiments.run.run_training`.

    Raises:
        ValueError: if it is not one; the message names the file.
    """
    try:
        content = _read_json(path)
        content["final"] = {  # JSON has no NaN
            tag: math.nan if value is None else value for tag, value in content["final"].items()
        }
        if not {"env_id", "agent", "seed", "settings"} <= content.keys():
            raise KeyError("env_id, agent, seed and settings")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{path} must be the result.json of a run: {explain(error)}") from error
    return content


def read_curve(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a ``curve.csv``: one row an evaluation.

    Raises:
        ValueError: if it is not one; the message names the file.
    """
    try:
        curve = pd.read_csv(path)
        if curve.empty or "timesteps" not in curve:
            raise KeyError("timesteps")
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{path} must be the curve.csv of a run: {explain(error)}") from error
    return curve


def explain(error: Exception) -> str:
    """What is wrong with a file, for a message."""
    return f"it lacks {error}" if isinstance(error, KeyError) else str(error)


def _read_json(path: str | os.PathLike[str]) -> dict[str, Any]:
    """A JSON file that holds an object; its keys as they are named since version 0.2."""
    try:
        content = json.loads(Path(path).read_text("utf-8"))
    except (OSError, RecursionError) as error:
        raise ValueError(str(error)) from error
    if not isinstance(content, dict):
        raise TypeError("it holds no object")
    if "n_questions" in content:
        content["n_eval_questions"] = content.pop("n_questions")
    return content
