"""Checkpoints of a run: the last two, so that one that is damaged costs an evaluation, no more."""

from __future__ import annotations

import shutil
from pathlib import Path

from stable_baselines3.common.vec_env import VecEnv

from ia_gym.agents.learners.answer_learner import AnswerLearner
from ia_gym.files import write_atomically

CHECKPOINT = "checkpoint.safetensors"
PREVIOUS = "checkpoint.previous.safetensors"


def keep(model: AnswerLearner, folder: Path) -> None:
    """Write a checkpoint, and keep the one before it."""
    latest = folder / CHECKPOINT
    if latest.exists():
        write_atomically(folder / PREVIOUS, lambda aside: shutil.copyfile(latest, aside))
    model.save(latest)


def restore(cls: type[AnswerLearner], folder: Path, env: VecEnv) -> AnswerLearner | None:
    """The learner as the last checkpoint has it, or the one before; None if there is none.

    Raises:
        ValueError: if there are some, and none can be read.
    """
    found = [folder / name for name in (CHECKPOINT, PREVIOUS) if (folder / name).exists()]
    for path in found:
        try:
            return cls.load(path, env=env)
        except ValueError:
            if path is found[-1]:
                raise
    return None


def drop(folder: Path) -> None:
    """Remove the checkpoints of a run that is finished."""
    for name in (CHECKPOINT, PREVIOUS):
        (folder / name).unlink(missing_ok=True)
