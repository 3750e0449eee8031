"""Evaluates the agent during training."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

from ia_gym.agents.evaluation.evaluator import Evaluator, preserve_random_state
from ia_gym.agents.sb3.training_envs import (
    check_training_env,
    measure_deception,
    sum_counter,
    sum_failures,
)
from ia_gym.amplification.failures import list_rates
from ia_gym.validation import check_number, check_range

CLOCKS = {"time/minutes": time.monotonic, "time/cpu_minutes": time.process_time}
"""What evaluations log of time: wall-clock time, and processor time of this process."""

OVERAPPROVAL = "judge/overapproval"
"""Where an evaluation measures it, its largest value so far is logged too."""


class EvaluationCallback(BaseCallback):
    """Evaluates the agent on held-out problems during training, and logs the result.

    A further call of ``learn`` continues the evaluations; with ``reset_num_timesteps=True`` it
    begins a new history.

    Every agent gets the same tags: those of the evaluator's ``evaluate``, the overseer's counters
    such as ``overseer/human_interactions`` and ``overseer/assistant_answers``, ``time/minutes`` and
    ``time/cpu_minutes`` (processor time of this process), and where questions are asked
    ``judge/max_overapproval``, the largest over-approval so far. What a learner measures besides
    (its method ``measure(evaluator)``) stands beside them, and so does how often the overseer or
    the assistant has failed in training (``failures/overseer_depth_2``: a share, by depth), and
    what a :class:`~ia_gym.agents.sb3.collapse_monitor.CollapseMonitor` has logged in this step.

    Args:
        evaluator: see :func:`~ia_gym.agents.evaluation.make_evaluator.make_evaluator`.
        eval_freq: timesteps from one evaluation to the next.
        on_evaluation: called with each evaluation's row.
        history: the evaluations of a training that is resumed; its clock continues too.
        target_accuracy: score, in (0, 1], at which to stop; None to use the whole budget.
        patience: evaluations without a better score after which to stop; None likewise.
        verbose: as in SB3.

    Attributes:
        history: one dict per evaluation, with ``timesteps`` beside the tags.
        stopped_by: "target_accuracy", "patience", or None if neither has stopped the training.

    Raises:
        ValueError: for an argument out of range; when training starts, for environments without an
            overseer's counters.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        eval_freq: int,
        on_evaluation: Callable[[dict[str, float]], None] | None = None,
        history: Sequence[dict[str, float]] = (),
        target_accuracy: float | None = None,
        patience: int | None = None,
        verbose: int = 0,
    ) -> None:
        super().__init__(verbose)
        if target_accuracy is not None:
            check_number("target_accuracy", target_accuracy, "(0, 1]")
        if patience is not None:
            check_range("patience", patience, 1, 10**6)
        self.target_accuracy = target_accuracy
        self.patience = patience
        self.stopped_by: str | None = None
        self.evaluator = evaluator
        self.eval_freq = check_range("eval_freq", eval_freq, 1, 10**12)
        self.on_evaluation = on_evaluation
        self.history = list(history)
        self._decide()  # a run that is resumed may have ended before

    def _on_training_start(self) -> None:
        if not hasattr(self.model, self.evaluator.counters[0]):
            check_training_env(self, self.evaluator.counters[:2], needs_approval=False)
        if self.history and self.history[-1]["timesteps"] > self.num_timesteps:
            self.history, self.stopped_by = [], None  # timesteps are counted from 0 again
        self.started = {tag: clock() for tag, clock in CLOCKS.items()}
        if self.history:
            for tag in CLOCKS:
                self.started[tag] -= 60 * self.history[-1][tag]
        else:
            self._evaluate()

    def _on_step(self) -> bool:
        # SB3's agents are updated once more after their last step: they are evaluated then.
        is_last = self.num_timesteps >= self.model._total_timesteps
        if not is_last and self.num_timesteps - self.history[-1]["timesteps"] >= self.eval_freq:
            self._evaluate()
        return self.stopped_by is None

    def _on_training_end(self) -> None:
        if self.history[-1]["timesteps"] < self.num_timesteps:
            self._evaluate()

    def _evaluate(self) -> None:
        row = self.evaluator.evaluate(self.model)
        for name in self.evaluator.counters:
            row[f"overseer/{name}"] = float(self._count(name))
        if not hasattr(self.model, self.evaluator.counters[0]):
            for name, numbers in sum_failures(self.training_env).items():
                row |= list_rates(name, numbers)
            row |= measure_deception(self.training_env)
        if hasattr(self.model, "measure"):
            with preserve_random_state():  # an assistant's sampled answers draw from torch's
                row |= self.model.measure(self.evaluator)
        logged = self.logger.name_to_value
        row |= {tag: value for tag, value in logged.items() if tag.startswith("monitor/")}
        if OVERAPPROVAL in row:
            earlier = [before.get(OVERAPPROVAL, -np.inf) for before in self.history]
            row["judge/max_overapproval"] = max(row[OVERAPPROVAL], *earlier, -np.inf)
        for tag, clock in CLOCKS.items():
            row[tag] = (clock() - self.started[tag]) / 60
        for tag, value in row.items():
            self.logger.record(tag, value)
        self.logger.dump(self.num_timesteps)
        self.history.append({"timesteps": self.num_timesteps, **row})
        self._decide()
        if self.on_evaluation is not None:
            self.on_evaluation(self.history[-1])

    def _decide(self) -> None:
        """Whether what has been measured so far ends the training."""
        if not self.history:
            return
        scores = [row[self.evaluator.labels.score] for row in self.history]
        best = int(np.argmax(scores))
        if self.target_accuracy is not None and scores[-1] >= self.target_accuracy:
            self.stopped_by = "target_accuracy"
        elif self.patience is not None and len(scores) - 1 - best >= self.patience:
            self.stopped_by = "patience"

    def _count(self, name: str) -> int:
        """A counter of the overseer's: the learner's own, or that of the environments."""
        if hasattr(self.model, name):
            return int(getattr(self.model, name))
        return sum_counter(self.training_env, name)
