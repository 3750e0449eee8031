"""What environments of questions share: how they are shown."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, TypeVar

import gymnasium as gym
import numpy as np
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray

from ia_gym.envs.batched_vector import BatchedVectorEnv
from ia_gym.envs.questions.rendering import Scene, draw_scene, format_scene

Shown = TypeVar("Shown")


class RenderedEnv(gym.Env[Shown, np.int64]):
    """A single environment that shows its question as a text or a picture."""

    metadata: dict[str, Any] = {  # noqa: RUF012 (declared so by gymnasium)
        "render_modes": ["ansi", "rgb_array", "human"],
        "render_fps": 1,
    }
    _ready: bool
    """Whether there has been a reset."""

    @abstractmethod
    def _describe_scene(self) -> Scene:
        """What there is to show now."""

    def render(self) -> str | NDArray[np.uint8] | None:
        """Show the question, its sub-questions, and the answer with its approval and reward.

        Returns:
            A text in mode "ansi"; uint8 ``(height, width, 3)`` in mode "rgb_array"; else None.

        Raises:
            gymnasium.error.ResetNeeded: before the first ``reset``.
        """
        if self.render_mode is None:
            gym.logger.warn("render() does nothing without a render_mode; see gym.make")
            return None
        if not self._ready:
            raise ResetNeeded("render() needs a question to show: call reset() first")
        if self.render_mode == "human":
            return None  # printed at each reset and step
        scene = self._describe_scene()
        return draw_scene(scene) if self.render_mode == "rgb_array" else format_scene(scene)

    def _print_if_human(self) -> None:
        """Print the scene in mode "human"; for the end of ``reset`` and ``step``."""
        if self.render_mode == "human":
            print(format_scene(self._describe_scene()), end="\n\n")


class RenderedVectorEnv(BatchedVectorEnv[Shown]):
    """A vector environment that shows its questions as texts or pictures."""

    _ready: bool
    """Whether there has been a reset."""

    @abstractmethod
    def _describe_scene(self, row: int) -> Scene:
        """What there is to show now of the environment of this number."""

    def render(self) -> tuple[Any, ...] | None:
        """Show each environment's question, as text or as a picture by the render mode.

        Raises:
            gymnasium.error.ResetNeeded: before the first ``reset``.
        """
        if self.render_mode is None:
            gym.logger.warn("render() does nothing without a render_mode; see gym.make_vec")
            return None
        if not self._ready:
            raise ResetNeeded("render() needs questions to show: call reset() first")
        show = draw_scene if self.render_mode == "rgb_array" else format_scene
        return tuple(show(self._describe_scene(row)) for row in range(self.num_envs))
