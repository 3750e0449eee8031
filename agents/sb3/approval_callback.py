"""Logs the mean approval of the agent's answers."""

from __future__ import annotations

from collections import deque

from stable_baselines3.common.callbacks import BaseCallback

from ia_gym.agents.sb3.training_envs import check_training_env


class ApprovalCallback(BaseCallback):
    """Logs the mean approval of the agent's answers, in whatever vector environment it trains.

    ``rollout/approval`` is the mean over the last root questions, as many as SB3 averages over for
    ``rollout/success_rate`` (``stats_window_size``, 100 by default): over the same questions, so
    that the two can be compared. ``rollout/sub_questions`` is the share of the last answers that
    were answers to sub-questions. Where actions are approved of, all actions count.

    Raises:
        ValueError: when training starts, for environments that are not ia_gym's or whose reward is
            not approval.
    """

    def _on_training_start(self) -> None:
        check_training_env(self, ["reward_mode"])
        window = self.model._stats_window_size
        self._approvals: deque[float] = deque(maxlen=window)
        self._sub_questions: deque[bool] = deque(maxlen=window)

    def _on_step(self) -> bool:
        for info in self.locals["infos"]:
            is_root = info.get("is_root")
            if is_root is not None:
                self._sub_questions.append(not is_root)
            if is_root is not False and "approval" in info:  # not amid an episode of several steps
                self._approvals.append(info["approval"])
        for name, values in (
            ("approval", self._approvals),
            ("sub_questions", self._sub_questions),
        ):
            if values:
                self.logger.record(f"rollout/{name}", sum(values) / len(values))
        return True
