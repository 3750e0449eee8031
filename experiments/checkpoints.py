"""Checkpoints of a run: the last two, so that a damaged one costs one evaluation and no more."""

from __future__ import annotations

import shutil
from pathlib import Path

from stable_baselines3.common.vec_env import VecEnv

from ia_gym.agents.learners.saved_learner import SavedLearner
from ia_gym.files import write_atomically

CHECKPOINT, PREVIOUS = "checkpoint.safetensors", "checkpoint.previous.safetensors"
"""The last checkpoint in a run's folder, and the one before it."""


def can_resume(cls: type) -> bool:
    """Whether agents of this class write checkpoints; SB3's agents do not, and start over."""
    return issubclass(cls, SavedLearner)


def save_checkpoint(model: SavedLearner, folder: Path) -> None:
    """Write a checkpoint, and keep the one before it."""
    latest = folder / CHECKPOINT
    if latest.exists():
        write_atomically(folder / PREVIOUS, lambda aside: shutil.copyfile(latest, aside))
    model.save(latest)


def load_checkpoint(
    cls: type[SavedLearner], folder: Path, env: VecEnv, device: str = "auto"
) -> SavedLearner | None:
    """The learner of the last checkpoint, or of the one before; None if there is none.

    Raises:
        ValueError: if there are checkpoints, and none can be read.
    """
    found = [folder / name for name in (CHECKPOINT, PREVIOUS) if (folder / name).exists()]
    for path in found:
        try:
            return cls.load(path, env=env, device=device)
        except ValueError:
            if path is found[-1]:
                raise
    return None


def remove_checkpoints(folder: Path) -> None:
    """Remove the checkpoints of a finished run."""
    for name in (CHECKPOINT, PREVIOUS):
        (folder / name).unlink(missing_ok=True)
