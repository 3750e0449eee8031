"""Tuned settings for one's own code: the environment, model and callbacks of a training."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.type_aliases import PolicyPredictor

from ia_gym.agents.evaluation.evaluator import Evaluator
from ia_gym.agents.evaluation.make_evaluator import make_evaluator
from ia_gym.agents.learners.saved_learner import SavedLearner
from ia_gym.agents.sb3.amplification_callback import AmplificationCallback
from ia_gym.agents.sb3.approval_callback import ApprovalCallback
from ia_gym.agents.sb3.bridge import GymnasiumVecEnv, make_sb3_vec_env
from ia_gym.agents.sb3.collapse_monitor import CollapseMonitor
from ia_gym.agents.sb3.curriculum_callback import CurriculumCallback
from ia_gym.agents.sb3.evaluation_callback import EvaluationCallback
from ia_gym.experiments.inputs import check_env_id
from ia_gym.experiments.settings import Settings, load_settings
from ia_gym.experiments.settings.classes import CLASSES, resolve

EVALUATIONS = 40
"""Evaluations in a training, evenly spaced."""


@dataclass(frozen=True)
class TrainingRecipe:
    """How an agent is trained on an environment: what its settings say, as objects.

    :func:`tuned` gives that of an agent's tuned settings. ``ia-gym train`` trains by the same
    object, so that a training by hand ends with the same parameters, given the same seed and the
    same number of torch's threads (``ia-gym train`` uses one).

    Args:
        env_id: the environment.
        settings: how the agent is trained, see :class:`~ia_gym.experiments.settings.Settings`.
    """

    env_id: str
    settings: Settings

    @property
    def model_class(self) -> type[BaseAlgorithm]:
        """The agent's class, such as SB3's ``PPO``."""
        return CLASSES[self.settings.algorithm]

    @property
    def model_kwargs(self) -> dict[str, Any]:
        """Arguments of ``model_class``, all but the environment and the seed; a new dict each time.

        Classes and schedules that the settings name are resolved.
        """
        return {"policy": "MultiInputPolicy", **resolve(self.settings.model)}

    @property
    def n_timesteps(self) -> int:
        """Questions to train on, or steps where actions are approved of."""
        return self.settings.n_timesteps

    @property
    def eval_freq(self) -> int:
        """Questions or steps from one evaluation to the next: 40 in a training."""
        return max(self.n_timesteps // EVALUATIONS, 1)

    @property
    def n_envs(self) -> int:
        """Environments side by side."""
        return self.settings.n_envs

    @property
    def env_kwargs(self) -> dict[str, Any]:
        """Arguments of the environment; a new dict each time."""
        return dict(self.settings.env_kwargs)

    @property
    def _rewards_truth(self) -> bool:
        return bool(self.settings.env_kwargs.get("reward") == "truth")

    def make_env(self) -> GymnasiumVecEnv:
        """Make the environments, batched, for ``model_class``."""
        return make_sb3_vec_env(self.env_id, self.n_envs, **self.env_kwargs)

    def make_callbacks(
        self, assistant_path: str | os.PathLike[str] | None = None
    ) -> list[BaseCallback]:
        """Make the callbacks of the training: curriculum, slow copy, log of approval, monitor.

        The suite's own learners need none.

        Args:
            assistant_path: keeps the slow copy, see
                :class:`~ia_gym.agents.sb3.amplification_callback.AmplificationCallback`.
        """
        settings = self.settings
        callbacks: list[BaseCallback] = []
        if settings.curriculum is not None:
            callbacks.append(CurriculumCallback(**settings.curriculum))
        if settings.amplification is not None:
            callbacks.append(AmplificationCallback(path=assistant_path, **settings.amplification))
        elif not issubclass(self.model_class, SavedLearner) and not self._rewards_truth:
            callbacks.append(ApprovalCallback())  # the agent is its own assistant
        if settings.monitor is not None:
            callbacks.append(CollapseMonitor(**{"check_freq": self.eval_freq, **settings.monitor}))
        return callbacks

    def make_evaluator(self, n_eval_questions: int | None = None) -> Evaluator:
        """Make the evaluator of the environment.

        Args:
            n_eval_questions: held-out questions; default 4096. Environments whose actions are
                approved of have none.

        Raises:
            ValueError: see :func:`~ia_gym.agents.evaluation.make_evaluator.make_evaluator`.
        """
        return make_evaluator(self.env_id, n_eval_questions, **self.env_kwargs)

    def make_evaluation_callback(
        self,
        evaluator: Evaluator | None = None,
        on_evaluation: Callable[[dict[str, float]], None] | None = None,
        history: Sequence[dict[str, float]] = (),
    ) -> EvaluationCallback:
        """Make a callback that evaluates during the training; it changes nothing that is learned.

        It evaluates 40 times, evenly spaced, and stops the training by the ``target_accuracy`` and
        ``patience`` of the settings, if they have any.

        Args:
            evaluator: default that of :meth:`make_evaluator`.
            on_evaluation: see :class:`~ia_gym.agents.sb3.evaluation_callback.EvaluationCallback`.
            history: see there.
        """
        return EvaluationCallback(
            self.make_evaluator() if evaluator is None else evaluator,
            self.eval_freq,
            on_evaluation=on_evaluation,
            history=history,
            target_accuracy=self.settings.target_accuracy,
            patience=self.settings.patience,
        )

    def evaluate(self, model: PolicyPredictor, n_eval_questions: int | None = None) -> float:
        """Measure a model on the environment's held-out problems, which are always the same.

        Args:
            model: anything that predicts as SB3's models do.
            n_eval_questions: see :meth:`make_evaluator`.

        Returns:
            Accuracy, in [0, 1]; where actions are approved of, the share of the best return.
        """
        evaluator = self.make_evaluator(n_eval_questions)
        return evaluator.evaluate(model)[evaluator.labels.score]


def tuned(agent: str, env_id: str) -> TrainingRecipe:
    """The tuned settings of an agent, ready to train by: what ``ia-gym train`` uses.

    Args:
        agent: one of :func:`~ia_gym.experiments.settings.list_agents`, such as "ppo".
        env_id: an environment of the suite.

    Raises:
        ValueError: for an unknown agent or id, or one without settings for the other.
    """
    env_id = check_env_id(env_id)
    return TrainingRecipe(env_id, load_settings(agent, env_id))
