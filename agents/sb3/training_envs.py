"""What callbacks ask of the environments that an agent is trained on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import SubprocVecEnv, VecEnv

from ia_gym.agents.learners.answer_learner import AnswerLearner


def check_training_env(
    callback: BaseCallback, attributes: Sequence[str], needs_approval: bool = True
) -> None:
    """Refuse environments and agents with which a callback cannot work, before training.

    Args:
        callback: asks.
        attributes: what the environments must have, such as "domain" where questions are asked.
        needs_approval: whether their reward must be approval.

    Raises:
        ValueError: naming the callback and what is wrong.
    """
    env, name = callback.training_env, type(callback).__name__
    if isinstance(callback.model, AnswerLearner):
        learner = type(callback.model).__name__
        raise ValueError(f"{name} has no effect on {learner}, which never steps its environments")
    missing = [attribute for attribute in attributes if not env.has_attr(attribute)]
    if missing:
        kind = "question environments" if "domain" in attributes else "environments"
        raise ValueError(f"{name} needs {kind} of ia_gym, got environments without {missing}")
    if needs_approval and "truth" in env.get_attr("reward_mode"):
        raise ValueError(f'{name} needs environments of reward="approval", got reward="truth"')


def is_in_processes(env: VecEnv) -> bool:
    """Whether the environments live in processes of their own, to which objects are copied."""
    return isinstance(env.unwrapped, SubprocVecEnv)


def sum_counter(env: VecEnv, name: str) -> int:
    """Sum of a counter over the overseers of all environments, each object counted once.

    Several environments may share an overseer: copies of a batched environment always do. In
    processes of their own none is shared.

    Args:
        env: the environments.
        name: of the counter, such as "human_interactions".
    """
    if is_in_processes(env):
        return int(sum(env.get_attr(name)))
    overseers = {id(each): each for each in env.get_attr("overseer") if each is not None}
    return sum(int(getattr(each, name, 0)) for each in overseers.values())


def measure_deception(env: VecEnv) -> dict[str, float]:
    """How often false answers were approved of lately, averaged over the environments, by tag.

    See :meth:`ia_gym.amplification.deception.DeceptionRecord.measure`; empty unless the reward is
    "deception".
    """
    found = env.get_attr("deception") if env.has_attr("deception") else []
    tags = {tag for each in found for tag in each}
    return {
        tag: float(np.mean([each[tag] for each in found if tag in each])) for tag in sorted(tags)
    }


def sum_failures(env: VecEnv) -> dict[str, NDArray[np.int64]]:
    """How often overseers and assistants of all environments could have failed, and how often did.

    Args:
        env: the environments; nothing fails in those that ask no questions.

    Returns:
        ``(2, max_depth + 1)`` each, see :class:`~ia_gym.amplification.failures.FailureCounts`.
    """
    if not env.has_attr("failures"):
        return {}
    found = env.get_attr("failures")
    if not is_in_processes(env):  # copies of a batched environment are one and the same
        engines = env.get_attr("engine")
        found = list(
            {id(engine): each for engine, each in zip(engines, found, strict=True)}.values()
        )
    return {name: np.sum([each[name] for each in found], axis=0) for name in found[0]}
