"""Tuned settings of the agents, kept as data: one YAML file an agent, one entry an environment."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import stable_baselines3 as sb3
import yaml

from ia_gym.agents.answer_search import AnswerSearch
from ia_gym.agents.features import FactsExtractor
from ia_gym.agents.imitation import ImitationIA, IteratedAmplification
from ia_gym.agents.mixed import Mixed
from ia_gym.agents.reinforce import Reinforce
from ia_gym.agents.schedules import HoldLinear
from ia_gym.agents.supervised import Supervised
from ia_gym.optimizers import MuonAdamW

CLASSES: dict[str, type] = {
    cls.__name__: cls
    for cls in (
        *(sb3.PPO, sb3.A2C, sb3.DQN),
        *(ImitationIA, IteratedAmplification, Supervised),
        *(Reinforce, AnswerSearch, Mixed),
        *(FactsExtractor, MuonAdamW),
    )
}
"""What a settings file may name."""


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


def agent_names() -> list[str]:
    """Agents that have a settings file."""
    return sorted(
        entry.name.removesuffix(".yaml")
        for entry in files(__name__).iterdir()
        if entry.name.endswith(".yaml")
    )


def load_settings(agent: str, env_id: str) -> Settings:
    """The tuned settings of ``agent`` for ``env_id``.

    Args:
        agent: one of :func:`agent_names`.
        env_id: an environment; the larger sizes of a domain, where they have no entry of their
            own, take that of the domain's base id.

    Raises:
        ValueError: for an unknown agent, or an environment without settings.
    """
    if agent not in agent_names():
        raise ValueError(f"agent must be one of {agent_names()}, got {agent!r}")
    entries = yaml.safe_load(files(__name__).joinpath(f"{agent}.yaml").read_text("utf-8"))
    base = re.sub(r"-N\d+-", "-", env_id)
    if env_id not in entries and base not in entries:
        raise ValueError(f"env_id must be one of {sorted(entries)} for {agent}, got {env_id!r}")
    return Settings(**entries.get(env_id, entries.get(base)))


def resolve(value: Any) -> Any:
    """``value`` with names of classes and schedules replaced by what they name."""
    if isinstance(value, dict):
        return {key: resolve(item) for key, item in value.items()}
    if isinstance(value, str) and value in CLASSES:
        return CLASSES[value]
    if isinstance(value, str) and value.startswith("hold_"):
        return HoldLinear(float(value.removeprefix("hold_")))
    return value
