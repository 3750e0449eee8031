"""The training loop of the suite's learners, with SB3's interface."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections import deque
from typing import Self

import numpy as np
import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.type_aliases import MaybeCallback
from stable_baselines3.common.utils import configure_logger
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from ia_gym.agents.learners.progress_bar import make_progress_bar
from ia_gym.agents.learners.saved_learner import SavedLearner
from ia_gym.validation import check_range

MAX_TIMESTEPS = 10**15
"""Most timesteps of a call of ``learn``; more is taken for a mistake."""
FLOP_COUNT_PERIOD = 50
"""Training steps from one count of their floating-point operations to the next."""


class TrainingLoop(SavedLearner):
    """A learner that trains in steps: callbacks, logger, and the counts of steps and operations.

    Attributes:
        steps: training steps so far.
        flops: floating-point operations of all networks in training steps so far; counted in every
            ``FLOP_COUNT_PERIOD``-th step, and taken to be the same in between.
    """

    steps: int = 0
    flops: float = 0.0
    step_flops: float = 0.0

    @abstractmethod
    def train_step(self) -> None:
        """Take one training step."""

    @property
    @abstractmethod
    def timesteps_per_step(self) -> int:
        """Timesteps that the last training step has taken."""

    def _follow_environment(self) -> None:
        """Read what may have changed in the environment; called whenever training begins."""

    def set_random_seed(self, seed: int | None = None) -> None:
        """Seed all random numbers, as in SB3; None leaves them as they are."""
        super().set_random_seed(seed)
        if seed is not None:  # in place, for it is shared with the human predictor's trainer
            self.rng.bit_generator.state = np.random.default_rng(seed).bit_generator.state

    def learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int | None = 50,
        tb_log_name: str | None = None,
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> Self:
        """Train for ``total_timesteps``, rounded up to whole training steps.

        Args:
            total_timesteps: questions to train on, or steps of the environment; at least 0.
            callback: as in SB3; called once a training step.
            log_interval: training steps from one log entry to the next; None to log nothing.
            tb_log_name: name of the run in TensorBoard; default the class's.
            reset_num_timesteps: count timesteps from 0; False to resume the count.
            progress_bar: show a progress bar; needs tqdm and rich.

        Raises:
            ValueError: for a number out of range, or if there is no environment.
            ImportError: if ``progress_bar`` is set and tqdm or rich is not installed.
        """
        total_timesteps = check_range("total_timesteps", total_timesteps, 0, MAX_TIMESTEPS)
        if log_interval is not None:
            check_range("log_interval", log_interval, 1, MAX_TIMESTEPS)
        if self.env is None:
            raise ValueError("env must be given to learn: call set_env(env), or load(path, env)")
        if self._schedule_is_lost:
            raise ValueError(
                "learning_rate must be given to load(path, learning_rate=...) to resume training: "
                "the model was saved with a schedule of the caller's own, which a file cannot hold"
            )
        bar = make_progress_bar() if progress_bar else None
        self._follow_environment()
        total_timesteps, callback = self._setup_learn(
            total_timesteps, callback, reset_num_timesteps, tb_log_name or type(self).__name__
        )
        if bar is not None:
            bar.init_callback(self)
            callback = self._init_callback([callback, bar])
        callback.on_training_start(locals(), globals())
        if self.num_timesteps < total_timesteps:
            self._update_current_progress_remaining(self.num_timesteps, total_timesteps)
        while self.num_timesteps < total_timesteps:
            callback.on_rollout_start()
            self._update_learning_rate(self.policy.optimizer)
            self.policy.set_training_mode(True)  # predictions turn it off
            if self.steps % FLOP_COUNT_PERIOD == 0:
                with FlopCounterMode(display=False) as counter:
                    self.train_step()
                self.step_flops = float(counter.get_total_flops())
            else:
                self.train_step()
            self.flops += self.step_flops
            self.steps += 1
            self.num_timesteps += self.timesteps_per_step
            self._update_current_progress_remaining(self.num_timesteps, total_timesteps)
            callback.update_locals(locals())
            if not callback.on_step():
                break
            callback.on_rollout_end()
            if log_interval is not None and self.steps % log_interval == 0:
                elapsed = max((time.time_ns() - self.start_time) / 1e9, 1e-9)
                done = self.num_timesteps - self._num_timesteps_at_start
                self.logger.record("time/fps", int(done / elapsed))
                self.logger.record("time/total_timesteps", self.num_timesteps)
                self.logger.dump(step=self.num_timesteps)
        callback.on_training_end()
        return self

    def _setup_learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        reset_num_timesteps: bool = True,
        tb_log_name: str = "run",
        progress_bar: bool = False,
    ) -> tuple[int, BaseCallback]:
        """As SB3's, without resetting the environment: nothing uses what its overseer would say."""
        self.start_time = time.time_ns()
        if self.ep_info_buffer is None:  # it stays empty; callbacks may read it
            self.ep_info_buffer, self.ep_success_buffer = deque(), deque()
        if reset_num_timesteps:
            self.num_timesteps = 0
        total_timesteps += self.num_timesteps
        self._total_timesteps = total_timesteps
        self._num_timesteps_at_start = self.num_timesteps
        if not self._custom_logger:
            self._logger = configure_logger(
                self.verbose, self.tensorboard_log, tb_log_name, reset_num_timesteps
            )
        return total_timesteps, self._init_callback(callback, progress_bar)

    # ------------------------------------------------------------ save and load

    def _collect_training_state(self) -> dict[str, Tensor]:
        """What training has changed besides the policy and ``rng``."""
        state = {
            "random/torch": torch.get_rng_state(),
            "flops": torch.tensor([self.steps, self.flops, self.step_flops], dtype=torch.float64),
        }
        if self.device.type == "cuda":
            state["random/cuda"] = torch.cuda.get_rng_state(self.device)
        return state

    def _restore_training_state(self, state: dict[str, Tensor]) -> None:
        """Restore what :meth:`_collect_training_state` gave, as far as it is in ``state``."""
        if "random/torch" in state:
            torch.set_rng_state(state["random/torch"])
        if "random/cuda" in state and self.device.type == "cuda":
            torch.cuda.set_rng_state(state["random/cuda"], self.device)
        steps, self.flops, self.step_flops = state["flops"].tolist()
        self.steps = int(steps)
