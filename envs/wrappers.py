"""Wrappers around question environments."""

from __future__ import annotations

from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorWrapper
from numpy.typing import NDArray

from ia_gym.amplification.curriculum import Curriculum


class OneHot(gym.ObservationWrapper[Any, Any, Any]):
    """Shows every token as a one-hot vector, for networks without embeddings.

    ``Dict(facts (F·L,), question (Lq,))`` of symbols becomes one flat ``Box(0, 1, ((F·L + Lq) ·
    n_symbols,), float32)``. Without it a plain MLP takes token numbers for magnitudes, and learns
    little.

    Args:
        env: a question environment.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        space: Any = env.observation_space
        if not (isinstance(space, spaces.Dict) and {"facts", "question"} <= set(space.spaces)):
            raise ValueError(f"env must show facts and a question, got {space}")
        boxes: list[Any] = [space["facts"], space["question"]]
        self.n_symbols = max(int(box.high.max()) for box in boxes) + 1
        n_tokens = sum(int(box.shape[0]) for box in boxes)
        self.observation_space = spaces.Box(0, 1, (n_tokens * self.n_symbols,), np.float32)

    def observation(self, observation: dict[str, NDArray[np.int64]]) -> NDArray[np.float32]:
        """The one-hot vector of ``observation``."""
        tokens = np.concatenate([observation["facts"], observation["question"]])
        rows: NDArray[np.float32] = np.eye(self.n_symbols, dtype=np.float32)[tokens]
        return rows.ravel()


class CurriculumWrapper(gym.Wrapper[Any, Any, Any, Any]):
    """Keeps an environment at the difficulty of a curriculum, and the curriculum informed.

    Args:
        env: a question environment.
        curriculum: shared by all environments of a run (in one process).
    """

    def __init__(self, env: gym.Env[Any, Any], curriculum: Curriculum) -> None:
        super().__init__(env)
        self.curriculum = curriculum
        self.set_difficulty = env.get_wrapper_attr("set_difficulty")
        self.set_difficulty(curriculum.max_depth, curriculum.size)

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        """Reset, at the curriculum's present difficulty."""
        self.set_difficulty(self.curriculum.max_depth, self.curriculum.size)
        return self.env.reset(**kwargs)

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Step, and tell the curriculum what a root answer earned."""
        result = self.env.step(action)
        info = result[-1]
        if info["is_root"]:
            self.curriculum.record(np.array([info["class"]]), np.array([info["approval"]]))
        return result


class CurriculumVectorWrapper(VectorWrapper):
    """The same around a vector environment, in any autoreset mode.

    Args:
        env: a vector question environment.
        curriculum: shared by all environments of a run (in one process).
    """

    def __init__(self, env: Any, curriculum: Curriculum) -> None:
        super().__init__(env)
        self.curriculum = curriculum
        self.same_step = env.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP
        env.unwrapped.set_difficulty(curriculum.max_depth, curriculum.size)

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Step, tell the curriculum what the root answers earned, and follow it if it rises."""
        result = self.env.step(actions)
        _, _, terminated, _, infos = result
        answered = infos["final_info"] if self.same_step else infos
        root = terminated & (answered["is_root"])
        if self.curriculum.record(answered["class"][root], answered["approval"][root]):
            self.env.unwrapped.set_difficulty(  # type: ignore[attr-defined]
                self.curriculum.max_depth, self.curriculum.size
            )
        return result
