"""The files that learners are saved in: tensors, and settings as JSON in their header."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from stable_baselines3.common.type_aliases import Schedule
from torch import Tensor

from ia_gym.agents.learners.schedules import SCHEDULES
from ia_gym.networks.tensor_files import read_tensors

SUFFIX = ".safetensors"
UNSAVED_ARGUMENTS = frozenset(
    ("policy", "env", "device", "tensorboard_log", "verbose", "_init_setup_model")
)
"""Arguments of a learner that whoever loads it chooses; a file that holds one is refused.

A file that could name an environment could make gymnasium import any module."""


class LearnerFile(NamedTuple):
    """What a learner's file holds.

    Attributes:
        settings: the learner's class, its spaces, arguments and counters.
        tensors: networks, optimizer and training state, by name.
    """

    settings: dict[str, Any]
    tensors: dict[str, Tensor]


def add_suffix(path: str | os.PathLike[str]) -> Path:
    """``path``, with ".safetensors" if it has no suffix."""
    path = Path(path)
    return path if path.suffix else path.with_suffix(SUFFIX)


def read_learner_file(path: Path, learner: str) -> LearnerFile:
    """Read a file that holds a learner of the class ``learner``. Nothing in it is executed.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it holds no learner, or one of another class.
    """
    if not path.is_file():
        raise FileNotFoundError(f"path must name a saved {learner}, found no file {path}")
    try:
        settings, tensors = read_tensors(path)
        name, arguments = settings["learner"], dict(settings["arguments"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"path must name a saved {learner}; {path}: {error}") from error
    if name != learner:
        raise ValueError(f"{path} holds a {name}, not a {learner}")
    if foreign := sorted(arguments.keys() & UNSAVED_ARGUMENTS):
        raise ValueError(f"path must name a saved {learner}; {path} holds {foreign}")
    return LearnerFile(settings, tensors)


def list_arguments(cls: type) -> list[str]:
    """Names of the arguments that a class takes, and of those it passes on by ``**kwargs``."""
    names: list[str] = []
    for each in cls.__mro__:
        if "__init__" not in vars(each):
            continue
        parameters = list(inspect.signature(vars(each)["__init__"]).parameters.values())[1:]
        kinds = {parameter.kind for parameter in parameters}
        variable = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
        names += [p.name for p in parameters if p.kind not in variable and p.name not in names]
        if inspect.Parameter.VAR_KEYWORD not in kinds:
            break
    return names


def to_json(value: Any) -> Any:
    """``value`` with NumPy's numbers as Python's, and the suite's schedules as dicts.

    Any other callable becomes None: it cannot be saved without executable code.
    """
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if type(value) in SCHEDULES.values():
        return {"schedule": type(value).__name__, **to_json(vars(value))}
    return None if callable(value) else value


def read_schedule(value: Any) -> float | Schedule:
    """The learning rate that :func:`to_json` wrote.

    Raises:
        LookupError: for a schedule of an unknown name.
    """
    if not isinstance(value, Mapping):
        rate: float = value
        return rate
    arguments = dict(value)
    return SCHEDULES[arguments.pop("schedule")](**arguments)


def select_prefix(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """The tensors whose keys begin with ``name/``, with that prefix removed."""
    prefix = f"{name}/"
    return {key.removeprefix(prefix): t for key, t in tensors.items() if key.startswith(prefix)}


def add_prefix(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """The tensors, with ``name/`` before their keys."""
    return {f"{name}/{key}": tensor for key, tensor in tensors.items()}
