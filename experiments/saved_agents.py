"""Loading trained agents from the folders of ``ia-gym train`` and ``ia-gym compare``."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import gymnasium as gym
from stable_baselines3.common.base_class import BaseAlgorithm

from ia_gym.agents.assistants.action_assistant import ASSISTANT
from ia_gym.agents.evaluation.evaluator import Evaluator
from ia_gym.agents.learners.saved_learner import SavedLearner
from ia_gym.agents.policies.facts_extractor import read_spaces
from ia_gym.envs.questions.observations import ObservationEncoding, find_encoding
from ia_gym.experiments.checkpoints import CHECKPOINT, PREVIOUS
from ia_gym.experiments.run_folder import MODELS, RUN, read_run
from ia_gym.experiments.settings.classes import CLASSES
from ia_gym.networks.tensor_files import read_tensors

CANDIDATES = (MODELS[0], CHECKPOINT, PREVIOUS, MODELS[1])
"""Files of a run that hold an agent, the best first."""


def load_agent(path: str | os.PathLike[str]) -> BaseAlgorithm:
    """Load a trained agent.

    Args:
        path: a run's folder; or a safetensors file of one of the suite's learners; or a zip file of
            SB3's in a run's folder. SB3 unpickles code from zip files: load only your own.

    Raises:
        FileNotFoundError: if there is no such file or folder.
        ValueError: if it holds no agent, or one of an unknown class.
    """
    if not os.fspath(path):
        raise ValueError("model must name a trained agent, got ''")
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"model must name a trained agent, found nothing at {path}")
    if path.is_dir():
        found = [path / name for name in CANDIDATES if (path / name).exists()]
        if not found:
            raise ValueError(f"model must hold one of {list(CANDIDATES)}, got the folder {path}")
        path = found[0]
    if path.suffix != ".zip":
        return load_learner(path)
    settings = read_run_settings(path)
    if settings is None:
        raise ValueError(f"model must lie beside the run.json of its run, got {path}")
    try:
        model: BaseAlgorithm = CLASSES[settings["algorithm"]].load(path)  # type: ignore[attr-defined]
    except (LookupError, AssertionError, RuntimeError, EOFError, pickle.PickleError) as error:
        raise ValueError(f"model must be saved by SB3, got {path}: {error!r}") from error
    return model


def load_learner(path: str | os.PathLike[str]) -> SavedLearner:
    """Load one of the suite's learners, of the class that wrote the file.

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
    learners = {key: cls for key, cls in CLASSES.items() if issubclass(cls, SavedLearner)}
    if not isinstance(name, str) or name not in learners:
        raise ValueError(f"model must hold one of {sorted(learners)}, got {name}")
    return learners[name].load(path)


def find_run_folder(path: str | os.PathLike[str]) -> Path:
    """The run's folder, given itself or a model in it."""
    return Path(path) if Path(path).is_dir() else Path(path).parent


def read_run_settings(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """The settings of a run; None if there is no ``run.json``.

    Args:
        path: the run's folder, or a model in it.

    Raises:
        ValueError: if the ``run.json`` is broken.
    """
    file = find_run_folder(path) / RUN
    return dict(read_run(file)["settings"]) if file.exists() else None


def load_assistant(
    path: str | os.PathLike[str], model: BaseAlgorithm, evaluator: Evaluator
) -> Any | None:
    """Load the assistant that an agent was trained with, to evaluate it with.

    Args:
        path: the run's folder, or the model in it.
        model: the agent that was trained, see :func:`load_agent`.
        evaluator: of the environment it was trained on.

    Returns:
        None if the run has saved none, or where the agent is its own assistant.

    Raises:
        ValueError: if the file does not fit the agent.
    """
    amplification = (read_run_settings(path) or {}).get("amplification") or {}
    file = find_run_folder(path) / ASSISTANT
    return evaluator.load_assistant(file, model, amplification.get("answering"))


def check_fit(model: BaseAlgorithm, env_id: str, **env_kwargs: Any) -> None:
    """Refuse an agent whose observations or actions are not those of the environment.

    Questions are shown to an agent in the encoding that it was trained on.

    Args:
        model: the agent.
        env_id: the environment.
        **env_kwargs: its arguments.

    Raises:
        ValueError: naming both.
    """
    try:
        env = gym.make(env_id, **env_kwargs)
    except TypeError as error:  # an argument of another kind of environment
        raise ValueError(f"model must fit {env_id}, got one trained elsewhere: {error}") from error
    wanted: tuple[gym.Space[Any], gym.Space[Any]] = env.observation_space, env.action_space
    shown = model.observation_space
    encoding: ObservationEncoding | None = getattr(env.unwrapped, "encoding", None)
    if encoding is not None:
        wanted = encoding.token_space, env.action_space
        if find_encoding(encoding.domain, shown) is not None:
            shown = encoding.token_space
    env.close()
    if (shown, model.action_space) != wanted:
        given = describe_spaces(model.observation_space, model.action_space)
        raise ValueError(
            f"model must fit {env_id} ({describe_spaces(*wanted)}), got one for {given}"
        )


def describe_spaces(observation_space: gym.Space[Any], action_space: gym.Space[Any]) -> str:
    """The shapes of an environment's spaces, in words."""
    if not isinstance(observation_space, gym.spaces.Dict):
        return f"{observation_space}, {action_space}"
    facts, question = read_spaces(observation_space)
    return (
        f"facts {facts.rows} x {facts.row_length}, question {question.shape[0]}, "
        f"symbols {int(facts.high.max()) + 1}, answers {int(action_space.n)}"  # type: ignore[attr-defined]
    )
