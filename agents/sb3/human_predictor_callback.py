"""Puts a human predictor in the overseer's place, and trains it alongside the agent."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.type_aliases import PolicyPredictor

from ia_gym.agents.assistants.policy_assistant import PolicyAssistant
from ia_gym.agents.learners.human_predictor_trainer import HumanPredictorTrainer
from ia_gym.amplification.batches import sample_batch
from ia_gym.amplification.overseers import ScriptedOverseer


class HumanPredictorCallback(BaseCallback):
    """Puts H', a model of H, in H's place as the overseer, and teaches it alongside the agent.

    Before each rollout H' takes questions apart with the agent as its assistant, H is asked a few
    of them, and H' learns from what H did: see :class:`~ia_gym.agents.learners.human_predictor_trainer.HumanPredictorTrainer`. The
    environments then count the questions put to H. H' judges strictly.

    Args:
        n_contexts: contexts H' takes questions from, before each rollout.
        n_questions: questions a context.
        seed: of what is asked.
        verbose: as in SB3.
        **kwargs: ``interaction_rate`` (questions put to H before a rollout, at first) and the
            other arguments of ``HumanPredictorTrainer``.

    Attributes:
        predictor_trainer: H'.
    """

    def __init__(
        self,
        n_contexts: int = 8,
        n_questions: int = 16,
        seed: int | None = None,
        verbose: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(verbose)
        self.sizes = n_contexts, n_questions
        self.seed = seed
        self.kwargs = kwargs

    def _on_training_start(self) -> None:
        domain = self.training_env.get_attr("domain")[0]
        self.rng = np.random.default_rng(self.seed)
        human = ScriptedOverseer(domain)
        self.predictor_trainer = HumanPredictorTrainer(
            human, self.rng, self.model.device, **self.kwargs
        )
        self.assistant = PolicyAssistant(cast("PolicyPredictor", self.model.policy), domain=domain)
        self.training_env.env_method("set_overseer", self.predictor_trainer.overseer)

    def _on_rollout_start(self) -> None:
        overseer = self.predictor_trainer.overseer
        batch = sample_batch(overseer, self.assistant, self.rng, *self.sizes)
        self.predictor_trainer.learn(batch, self.assistant)
        self.logger.record("human/error", self.predictor_trainer.error)
        self.logger.record("human/loss", self.predictor_trainer.loss)

    def _on_step(self) -> bool:
        return True
