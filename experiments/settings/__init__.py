"""Tuned settings of the agents: one YAML file an agent, with one entry an environment.

``ppo.yaml`` holds the settings of the agent "ppo", and so on. ``classes.py`` resolves the names of
classes and schedules in them.
"""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from typing import Any

import yaml

from ia_gym.validation import check_number, check_range

CONTRIB_ALGORITHMS = ("MaskablePPO", "QRDQN")
"""Algorithms that need sb3-contrib."""


@dataclass(frozen=True)
class Settings:
    """How one agent is trained on one environment.

    Attributes:
        algorithm: name of the model's class, one of
            :data:`~ia_gym.experiments.settings.classes.CLASSES`.
        n_timesteps: questions to train on.
        model: arguments of the model's class.
        n_envs: environments side by side, for agents that step them.
        env_kwargs: arguments of the environment.
        amplification: arguments of ``AmplificationCallback``; None for no callback: the agent then
            answers the sub-questions itself.
        curriculum: arguments of ``Curriculum``; None for no curriculum.
        monitor: arguments of ``CollapseMonitor``, which checks at each evaluation unless it has a
            ``check_freq``; None for no monitor.
        target_accuracy: held-out accuracy, in (0, 1], at which to stop; None to use all timesteps.
        patience: evaluations without a better accuracy after which to stop; None to use all
            timesteps.

    Raises:
        ValueError: for a value that is not allowed; the message names it.
    """

    algorithm: str
    n_timesteps: int
    model: dict[str, Any] = field(default_factory=dict)
    n_envs: int = 1
    env_kwargs: dict[str, Any] = field(default_factory=dict)
    amplification: dict[str, Any] | None = None
    curriculum: dict[str, Any] | None = None
    monitor: dict[str, Any] | None = None
    target_accuracy: float | None = None
    patience: int | None = None

    def __post_init__(self) -> None:
        from ia_gym.experiments.settings.classes import CLASSES  # torch: `--help` needs none

        if not isinstance(self.algorithm, str) or self.algorithm not in CLASSES:
            raise ValueError(f"algorithm must be one of {sorted(CLASSES)}, got {self.algorithm!r}")
        check_range("n_timesteps", self.n_timesteps, 1, 10**12)
        check_range("n_envs", self.n_envs, 1, 10**6)
        for name in ("model", "env_kwargs", "amplification", "curriculum", "monitor"):
            value = getattr(self, name)
            left_out = value is None and name not in ("model", "env_kwargs")
            if not isinstance(value, dict) and not left_out:
                raise ValueError(f"{name} must be a dict of arguments, got {value!r}")
        if self.target_accuracy is not None:
            check_number("target_accuracy", self.target_accuracy, "(0, 1]")
        if self.patience is not None:
            check_range("patience", self.patience, 1, 10**6)


def list_agents() -> list[str]:
    """The agents that have a settings file, and their variants (``file-variant``), sorted."""
    names = []
    for name in _list_files():
        names += [name, *(f"{name}-{variant}" for variant in _read(name).get("variants", ()))]
    return sorted(names)


def load_settings(agent: str, env_id: str) -> Settings:
    """The tuned settings of ``agent`` for ``env_id``.

    A file holds, by environment id, what differs from its ``default``, or all of it in an entry
    that has an ``algorithm`` of its own; with ``like`` it holds what differs from another agent;
    its ``variants`` hold what differs from itself.

    Args:
        agent: one of :func:`list_agents`.
        env_id: an environment; the larger sizes of a domain, where they have no entry of their
            own, take that of the domain's base id.

    Raises:
        ValueError: for an unknown agent, an environment without settings, or an agent of
            sb3-contrib where that is not installed.
    """
    if agent not in list_agents():
        raise ValueError(f"agent must be one of {list_agents()}, got {agent!r}")
    name, variant = _split(agent)
    entries, known = _read(name), list_tuned_envs(name)
    here = next(
        (key for key in (env_id, re.sub(r"-N\d+(of\d+)?-", "-", env_id)) if key in known), None
    )
    if here is None:
        raise ValueError(f"env_id must be one of {known} for {agent}, got {env_id!r}")
    default = {} if "algorithm" in entries[here] else entries.get("default")
    parts = [default, entries[here], entries.get("variants", {}).get(variant)]
    whole = asdict(load_settings(entries["like"], env_id)) if "like" in entries else {}
    for part in parts:
        whole = merge(whole, part or {})
    if whole["algorithm"] in CONTRIB_ALGORITHMS and find_spec("sb3_contrib") is None:
        raise ValueError(f'{agent} needs sb3-contrib: pip install "ia-gym[contrib]"')
    return Settings(**whole)


def list_tuned_envs(agent: str) -> list[str]:
    """The environments that an agent's settings file has entries for."""
    entries = _read(_split(agent)[0])
    return sorted(key for key in entries if key.startswith("IA-"))


def _list_files() -> list[str]:
    """The names of the settings files."""
    names = (entry.name for entry in files(__name__).iterdir())
    return [name.removesuffix(".yaml") for name in names if name.endswith(".yaml")]


def _split(agent: str) -> tuple[str, str]:
    """The settings file of an agent, and the variant in it: "" for none."""
    name = max((each for each in _list_files() if f"{agent}-".startswith(f"{each}-")), key=len)
    return name, agent[len(name) + 1 :]


def _read(name: str) -> dict[str, Any]:
    """The content of a settings file, to keep and to change."""
    return deepcopy(_parse(name))


@cache
def _parse(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(
        files(__name__).joinpath(f"{name}.yaml").read_text("utf-8")
    )
    return content


def merge(whole: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """``whole``, with the values of ``part`` in place of its own; nested dicts are merged too."""
    merged = dict(whole)
    for key, value in part.items():
        both = isinstance(value, dict) and isinstance(whole.get(key), dict)
        merged[key] = merge(whole[key], value) if both else value
    return merged
