"""Wrappers around question environments, which keep them at the difficulty of a curriculum."""

from __future__ import annotations

from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np
from gymnasium.utils import RecordConstructorArgs
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper

from ia_gym.amplification.curriculum import Curriculum
from ia_gym.domains import Domain
from ia_gym.envs.questions.question_env import QuestionEnv
from ia_gym.envs.questions.question_vector_env import QuestionVectorEnv


class CurriculumWrapper(gym.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Keeps an environment at the difficulty of a curriculum, and records approvals in it.

    An environment made from its spec shares the curriculum.

    Args:
        env: a question environment of ``reward="approval"``.
        curriculum: shared by all environments of a run (in one process).

    Raises:
        ValueError: for another environment, or a curriculum of another domain.
    """

    def __init__(self, env: gym.Env[Any, Any], curriculum: Curriculum) -> None:
        RecordConstructorArgs.__init__(self, _disable_deepcopy=True, curriculum=curriculum)
        gym.Wrapper.__init__(self, env)
        check_curriculum(env.unwrapped, curriculum)
        self.curriculum = curriculum
        self.set_difficulty = env.get_wrapper_attr("set_difficulty")
        self.set_difficulty(curriculum.max_depth, curriculum.size)

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        """Reset, at the curriculum's present difficulty."""
        self.set_difficulty(self.curriculum.max_depth, self.curriculum.size)
        return self.env.reset(**kwargs)

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Step, and record in the curriculum the approval of a root answer."""
        result = self.env.step(action)
        info = result[-1]
        if info["is_root"]:
            self.curriculum.record(np.array([info["class"]]), np.array([info["approval"]]))
        return result


class CurriculumVectorWrapper(VectorWrapper):
    """:class:`CurriculumWrapper` for native vector environments, in any autoreset mode.

    Args:
        env: a vector question environment of ``reward="approval"``.
        curriculum: shared by all environments of a run (in one process).

    Raises:
        ValueError: for another environment, or a curriculum of another domain.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], curriculum: Curriculum) -> None:
        super().__init__(env)
        check_curriculum(env.unwrapped, curriculum)
        self.curriculum = curriculum
        self.same_step = env.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP
        self._follow()

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Step, record the approval of the root answers, and follow the curriculum if it rises."""
        result = self.env.step(actions)
        _, _, terminated, _, infos = result
        answered = infos["final_info"] if self.same_step else infos
        root = terminated & answered["is_root"]
        self.curriculum.record(answered["class"][root], answered["approval"][root])
        if self._level != (self.curriculum.max_depth, self.curriculum.size):
            self._follow()
        return result

    def _follow(self) -> None:
        self._level = self.curriculum.max_depth, self.curriculum.size
        self.env.unwrapped.set_difficulty(*self._level)  # type: ignore[attr-defined]


def check_curriculum(env: Any, curriculum: Curriculum) -> None:
    """Refuse a curriculum that ``env`` (unwrapped) cannot follow or inform.

    Raises:
        ValueError: naming what is wrong.
    """
    if not isinstance(env, QuestionEnv | QuestionVectorEnv):
        raise ValueError(
            "env must be a question environment or a native vector of them, got "
            f"{type(env).__name__}"
        )
    if env.engine.overseer is None:
        raise ValueError(
            'env must be of reward="approval", by which a curriculum goes, got reward="truth"'
        )
    check_curriculum_domain(curriculum, env.domain)


def check_curriculum_domain(curriculum: Curriculum, domain: Domain) -> None:
    """Refuse a curriculum of another domain.

    Raises:
        ValueError: naming both.
    """
    own = curriculum.domain
    if type(own) is not type(domain) or (own.size, own.n_classes) != (
        domain.size,
        domain.n_classes,
    ):
        raise ValueError(f"curriculum must be for {domain!r}, got one for {own!r}")
