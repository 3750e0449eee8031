"""Tuned settings of the agents, kept as data: one YAML file an agent, one entry an environment."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from importlib.util import find_spec
from typing import Any

import stable_baselines3 as sb3
import yaml

from ia_gym.agents.learners.answer_search import AnswerSearch
from ia_gym.agents.learners.imitation import ImitationIA, IteratedAmplification
from ia_gym.agents.learners.reinforce import Reinforce
from ia_gym.agents.learners.reinforce_with_demonstrations import ReinforceWithDemonstrations
from ia_gym.agents.learners.schedules import HoldLinear
from ia_gym.agents.learners.supervised import Supervised
from ia_gym.agents.policies.facts_extractor import FactsExtractor
from ia_gym.networks.optimizers import MuonAdamW
from ia_gym.validation import check_number, check_range

CLASSES: dict[str, type] = {
    cls.__name__: cls
    for cls in (
        *(sb3.PPO, sb3.A2C, sb3.DQN),
        *(ImitationIA, IteratedAmplification, Supervised),
        *(Reinforce, AnswerSearch, ReinforceWithDemonstrations),
        *(FactsExtractor, MuonAdamW),
    )
}
"""What a settings file may name."""
if find_spec("sb3_contrib"):
    import sb3_contrib

    CLASSES |= {cls.__name__: cls for cls in (sb3_contrib.MaskablePPO, sb3_contrib.QRDQN)}


@dataclass(frozen=True)
class Settings:
    """How one agent is trained on one environment.

    Attributes:
        algorithm: name of the model's class, one of ``CLASSES``.
        n_timesteps: questions to train on.
        model: arguments of the model's class.
        n_envs: environments side by side, for agents that step them.
        env_kwargs: arguments of the environment.
        amplification: arguments of ``AmplificationCallback``; None to answer inline.
        curriculum: arguments of ``Curriculum``; None for no curriculum.
        target_accuracy: held-out accuracy at which to stop; None to go on.
        patience: evaluations without a better accuracy after which to stop; None to go on.

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
    target_accuracy: float | None = None
    patience: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.algorithm, str) or self.algorithm not in CLASSES:
            raise ValueError(f"algorithm must be one of {sorted(CLASSES)}, got {self.algorithm!r}")
        check_range("n_timesteps", self.n_timesteps, 1, 10**12)
        check_range("n_envs", self.n_envs, 1, 10**6)
        for name in ("model", "env_kwargs", "amplification", "curriculum"):
            value = getattr(self, name)
            left_out = value is None and name in ("amplification", "curriculum")
            if not isinstance(value, dict) and not left_out:
                raise ValueError(f"{name} must be a dict of arguments, got {value!r}")
        if self.target_accuracy is not None:
            check_number("target_accuracy", self.target_accuracy, "(0, 1]")
        if self.patience is not None:
            check_range("patience", self.patience, 1, 10**6)


def agent_names() -> list[str]:
    """Agents that have a settings file, and their variants (``file-variant``)."""
    names = []
    for entry in files(__name__).iterdir():
        if entry.name.endswith(".yaml"):
            name = entry.name.removesuffix(".yaml")
            names += [name, *(f"{name}-{variant}" for variant in _read(name).get("variants", ()))]
    return sorted(names)


def load_settings(agent: str, env_id: str) -> Settings:
    """The tuned settings of ``agent`` for ``env_id``.

    A file holds, by environment id, what differs from its ``default``, or all of it in an entry
    that has an ``algorithm`` of its own; with ``like`` it holds what differs from another agent;
    its ``variants`` hold what differs from itself.

    Args:
        agent: one of :func:`agent_names`.
        env_id: an environment; the larger sizes of a domain, where they have no entry of their
            own, take that of the domain's base id.

    Raises:
        ValueError: for an unknown agent, an environment without settings, or an agent of
            sb3-contrib where that is not installed.
    """
    if agent not in agent_names():
        raise ValueError(f"agent must be one of {agent_names()}, got {agent!r}")
    name, _, variant = agent.partition("-")
    entries, known = _read(name), known_env_ids(name)
    here = next((key for key in (env_id, re.sub(r"-N\d+-", "-", env_id)) if key in known), None)
    if here is None:
        raise ValueError(f"env_id must be one of {known} for {agent}, got {env_id!r}")
    default = {} if "algorithm" in entries[here] else entries.get("default")
    parts = [default, entries[here], entries.get("variants", {}).get(variant)]
    whole = asdict(load_settings(entries["like"], env_id)) if "like" in entries else {}
    for part in parts:
        whole = merge(whole, part or {})
    if whole["algorithm"] not in CLASSES:
        raise ValueError(f"{agent} needs sb3-contrib: pip install ia-gym[contrib]")
    return Settings(**whole)


def known_env_ids(agent: str) -> list[str]:
    """The environments that an agent's settings file has entries for."""
    entries = _read(agent.partition("-")[0])
    return sorted(key for key in entries if key.startswith("IA-"))


def _read(name: str) -> dict[str, Any]:
    """What a settings file holds."""
    content: dict[str, Any] = yaml.safe_load(
        files(__name__).joinpath(f"{name}.yaml").read_text("utf-8")
    )
    return content


def merge(whole: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """``whole`` with what ``part`` holds in its place; dicts within dicts are merged likewise."""
    merged = dict(whole)
    for key, value in part.items():
        both = isinstance(value, dict) and isinstance(whole.get(key), dict)
        merged[key] = merge(whole[key], value) if both else value
    return merged


def resolve(value: Any) -> Any:
    """``value`` with names of classes and schedules replaced by what they name."""
    if isinstance(value, dict):
        return {key: resolve(item) for key, item in value.items()}
    if isinstance(value, str) and value in CLASSES:
        return CLASSES[value]
    if isinstance(value, str) and value.startswith("hold_"):
        return HoldLinear(float(value.removeprefix("hold_")))
    return value
