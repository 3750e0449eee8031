"""Keeps the training environments at the difficulty of a curriculum."""

from __future__ import annotations

from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

from ia_gym.amplification.curriculum import Curriculum


class CurriculumCallback(BaseCallback):
    """Keeps the training environments at the difficulty of a curriculum.

    It reads the approval of root questions, in any SB3 vector environment, worker processes
    included.

    Args:
        verbose: as in SB3.
        **kwargs: of :class:`~ia_gym.amplification.curriculum.Curriculum`, but the domain.

    Attributes:
        curriculum: the curriculum, shared by all environments.
    """

    def __init__(self, verbose: int = 0, **kwargs: Any) -> None:
        super().__init__(verbose)
        self.kwargs = kwargs

    def _follow(self) -> None:
        curriculum = self.curriculum
        self.training_env.env_method("set_difficulty", curriculum.max_depth, curriculum.size)
        self.logger.record("curriculum/max_depth", curriculum.max_depth)
        self.logger.record("curriculum/size", curriculum.size)

    def _on_training_start(self) -> None:
        self.curriculum = Curriculum(self.training_env.get_attr("domain")[0], **self.kwargs)
        self._follow()

    def _on_step(self) -> bool:
        answered = [info for info in self.locals["infos"] if info.get("is_root")]
        classes = np.array([info["class"] for info in answered], np.int64)
        approvals = np.array([info["approval"] for info in answered], np.float64)
        if self.curriculum.record(classes, approvals):
            self._follow()
        return True
