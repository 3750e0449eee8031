"""Trained agents, read back from what ``ia-gym train`` and ``ia-gym compare`` leave."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import gymnasium as gym
from stable_baselines3.common.base_class import BaseAlgorithm

from ia_gym.agents.assistants.action_assistant import ASSISTANT
from ia_gym.agents.evaluation.evaluator import Evaluator
from ia_gym.agents.learners.answer_learner import AnswerLearner
from ia_gym.agents.policies.facts_extractor import read_spaces
from ia_gym.experiments.checkpoints import CHECKPOINT, PREVIOUS
from ia_gym.experiments.settings.classes import CLASSES
from ia_gym.networks.tensor_files import read_tensors

RUN_FILES = ("result.json", "run.json")
"""What says how the agent in a run's folder was trained; the first is there once it is finished."""
MODELS = ("model.safetensors", CHECKPOINT, PREVIOUS, "model.zip")
"""Files that hold an agent, the best first."""


def load_agent(path: str | os.PathLike[str]) -> BaseAlgorithm:
    """A trained agent.

    Args:
        path: a run's folder; or a learner's file in the safetensors format, which says itself whose
            it is; or a zip file of SB3's inside a run's folder. SB3 unpickles code from zip files:
            read none that is not your own.

    Raises:
        FileNotFoundError: if there is no such file or folder.
        ValueError: if it holds no agent, or one of an unknown kind.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"model must name a trained agent, found nothing at {path}")
    if path.is_dir():
        found = [path / name for name in MODELS if (path / name).exists()]
        if not found:
            raise ValueError(f"model must hold one of {list(MODELS)}, got the folder {path}")
        path = found[0]
    if path.suffix != ".zip":
        return load_learner(path)
    told = [path.with_name(name) for name in RUN_FILES if path.with_name(name).exists()]
    if not told:
        raise ValueError(f"model must lie beside the result.json of its run, got {path}")
    name = json.loads(told[0].read_text("utf-8"))["settings"]["algorithm"]
    if name not in CLASSES:
        raise ValueError(f"model must be of one of {sorted(CLASSES)}, got {name}")
    model: BaseAlgorithm = CLASSES[name].load(path)  # type: ignore[attr-defined]
    return model


def load_learner(path: str | os.PathLike[str]) -> AnswerLearner:
    """A learner of whichever class wrote the file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not a learner's.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"model must name a saved learner, found no file {path}")
    try:
        name = read_tensors(Path(path))[0]["learner"]
    except (ValueError, KeyError) as error:
        raise ValueError(f"model must name a saved learner, got {path}: {error}") from error
    learners = {key: cls for key, cls in CLASSES.items() if issubclass(cls, AnswerLearner)}
    if not isinstance(name, str) or name not in learners:
        raise ValueError(f"model must hold one of {sorted(learners)}, got {name}")
    return learners[name].load(path)


def folder_of(path: str | os.PathLike[str]) -> Path:
    """The run's folder, given itself or a model in it."""
    return Path(path) if Path(path).is_dir() else Path(path).parent


def settings_of(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """The settings of the run in a folder, and its ``env_id``; None if it does not tell."""
    told = folder_of(path) / "run.json"
    if not told.exists():
        return None
    run: dict[str, Any] = json.loads(told.read_text("utf-8"))
    return {**run["settings"], "env_id": run["env_id"]}


def load_assistant(
    path: str | os.PathLike[str], model: BaseAlgorithm, evaluator: Evaluator
) -> Any | None:
    """The assistant that an agent was trained with, to evaluate it with.

    Args:
        path: the run's folder, or the model in it.
        model: the agent that was trained, see :func:`load_agent`.
        evaluator: of the environment it was trained on.

    Returns:
        None if the run has left none, or where the agent answers for itself.

    Raises:
        ValueError: if the file does not fit the agent.
    """
    amplification = (settings_of(path) or {}).get("amplification") or {}
    file = folder_of(path) / ASSISTANT
    return evaluator.load_assistant(file, model, amplification.get("answering"))


def check_fit(model: BaseAlgorithm, env_id: str) -> None:
    """Refuse an agent whose observations or actions are not those of the environment.

    Raises:
        ValueError: naming both.
    """
    env = gym.make(env_id, reward="truth")
    wanted = env.observation_space, env.action_space
    env.close()
    if (model.observation_space, model.action_space) != wanted:
        given = describe(model.observation_space, model.action_space)
        raise ValueError(f"model must fit {env_id} ({describe(*wanted)}), got one for {given}")


def describe(observation_space: gym.Space[Any], action_space: gym.Space[Any]) -> str:
    """The shapes of an environment's spaces, in words."""
    if not isinstance(observation_space, gym.spaces.Dict):
        return f"{observation_space}, {action_space}"
    facts, question = read_spaces(observation_space)
    return (
        f"facts {facts.rows} x {facts.row_length}, question {question.shape[0]}, "
        f"symbols {int(facts.high.max()) + 1}, answers {int(action_space.n)}"  # type: ignore[attr-defined]
    )
