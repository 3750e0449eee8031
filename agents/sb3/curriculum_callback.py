"""Keeps the training environments at the difficulty of a curriculum."""

from __future__ import annotations

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

from ia_gym.agents.sb3.training_envs import check_training_env
from ia_gym.amplification.curriculum import Curriculum
from ia_gym.envs.wrappers import check_curriculum_domain


class CurriculumCallback(BaseCallback):
    """Keeps the training environments at the difficulty of a curriculum.

    It reads the approval of answers to root questions, in any SB3 vector environment, worker
    processes included. A further call of ``learn`` continues at the difficulty reached.

    Args:
        threshold: see :class:`~ia_gym.amplification.curriculum.Curriculum`, as for all that follow
            but the last.
        window: see there.
        start_depth: see there.
        end_depth: see there.
        start_size: see there.
        growth: see there.
        by_class: see there.
        verbose: as in SB3.

    Attributes:
        curriculum: shared by all environments; None before the first training.

    Raises:
        ValueError: when training starts, for an argument out of range, or for environments that
            ask no questions, whose reward is not approval, or of another domain than before.
    """

    def __init__(
        self,
        threshold: float = 0.85,
        window: int = 1000,
        start_depth: int | None = 1,
        end_depth: int | None = None,
        start_size: int | None = None,
        growth: float = 1.0,
        by_class: bool = True,
        verbose: int = 0,
    ) -> None:
        super().__init__(verbose)
        self.threshold = threshold
        self.window = window
        self.start_depth = start_depth
        self.end_depth = end_depth
        self.start_size = start_size
        self.growth = growth
        self.by_class = by_class
        self.curriculum: Curriculum | None = None

    def _on_training_start(self) -> None:
        check_training_env(self, ["domain", "reward_mode"])
        domain = self.training_env.get_attr("domain")[0]
        if self.curriculum is None:
            self.curriculum = Curriculum(
                domain,
                self.threshold,
                self.window,
                self.start_depth,
                self.end_depth,
                self.start_size,
                self.growth,
                self.by_class,
            )
        check_curriculum_domain(self.curriculum, domain)
        self._set_difficulty(self.curriculum)

    def _set_difficulty(self, curriculum: Curriculum) -> None:
        self.training_env.env_method("set_difficulty", curriculum.max_depth, curriculum.size)
        self.logger.record("curriculum/max_depth", curriculum.max_depth)
        self.logger.record("curriculum/size", curriculum.size)

    def _on_step(self) -> bool:
        assert self.curriculum is not None
        answered = [info for info in self.locals["infos"] if info.get("is_root")]
        classes = np.array([info["class"] for info in answered], np.int64)
        approvals = np.array([info["approval"] for info in answered], np.float64)
        if self.curriculum.record(classes, approvals):
            self._set_difficulty(self.curriculum)
        return True
