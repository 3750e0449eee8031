"""Puts a human predictor in the overseer's place, and trains it alongside the agent."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import cast

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.type_aliases import PolicyPredictor

from ia_gym.agents.assistants.observation_encoder import find_encoder
from ia_gym.agents.assistants.policy_assistant import PolicyAssistant
from ia_gym.agents.learners.human_predictor_trainer import (
    INTERACTION_SHARES,
    HumanPredictorTrainer,
)
from ia_gym.agents.sb3.training_envs import check_training_env, is_in_processes
from ia_gym.amplification.batches import sample_batch
from ia_gym.amplification.overseers import ScriptedOverseer
from ia_gym.amplification.work import WORK
from ia_gym.validation import check_range


class HumanPredictorCallback(BaseCallback):
    """Lets a human predictor judge in the overseer's place, and trains it alongside the agent.

    Before each rollout the human predictor decomposes some questions with the agent as its
    assistant, the overseer is queried about a few of them, and the predictor learns from what the
    overseer did: see
    :class:`~ia_gym.agents.learners.human_predictor_trainer.HumanPredictorTrainer`. The
    environments then count these queries, once for all of them; a further call of ``learn``
    continues with the same predictor. It judges strictly.

    Args:
        n_contexts: contexts to take questions from, before each rollout.
        n_questions: questions a context.
        seed: of these questions and of the queries.
        interaction_rate: queries to the overseer before a rollout, at first.
        batch_size: recorded interactions in an update of the predictor.
        max_grad_norm: its gradients are clipped to this norm.
        width: of its network, see :class:`~ia_gym.networks.human_predictor.HumanPredictor`.
        heads: see there.
        layers: see there.
        first_interactions: see ``HumanPredictorTrainer``.
        interaction_shares: see there.
        verbose: as in SB3.

    Attributes:
        predictor_trainer: the predictor with its records; None before the first training.

    Raises:
        ValueError: for an argument out of range; when training starts, for environments that ask no
            questions or whose reward is not approval.
    """

    def __init__(
        self,
        n_contexts: int = 8,
        n_questions: int = 16,
        seed: int | None = None,
        interaction_rate: float = 10.0,
        batch_size: int = 64,
        max_grad_norm: float = 1.0,
        width: int = 64,
        heads: int = 4,
        layers: int = 2,
        first_interactions: int = 0,
        interaction_shares: Sequence[float] = INTERACTION_SHARES,
        verbose: int = 0,
    ) -> None:
        super().__init__(verbose)
        self.n_contexts = check_range("n_contexts", n_contexts, 1, 10**6)
        self.n_questions = check_range("n_questions", n_questions, 1, 10**6)
        self.interaction_rate = interaction_rate
        self.batch_size = batch_size
        self.max_grad_norm = max_grad_norm
        self.width = width
        self.heads = heads
        self.layers = layers
        self.first_interactions = first_interactions
        self.interaction_shares = interaction_shares
        self.rng = np.random.default_rng(seed)
        self.predictor_trainer: HumanPredictorTrainer | None = None

    def _on_training_start(self) -> None:
        check_training_env(self, ["domain", "reward_mode"])
        domain = self.training_env.get_attr("domain")[0]
        encoder = find_encoder(self.training_env)
        policy = cast("PolicyPredictor", self.model.policy)
        self.assistant = PolicyAssistant(policy, domain=domain, encoder=encoder)
        if self.predictor_trainer is None:
            self.predictor_trainer = HumanPredictorTrainer(
                ScriptedOverseer(domain),
                self.rng,
                self.model.device,
                self.interaction_rate,
                self.batch_size,
                self.max_grad_norm,
                self.width,
                self.heads,
                self.layers,
                self.first_interactions,
                self.interaction_shares,
            )
        self._attach()

    def _attach(self) -> None:
        """Let the predictor judge in all environments.

        Processes get copies of it. One copy has the counts so far and the others count from 0, so
        that their sum is right.
        """
        assert self.predictor_trainer is not None
        env, overseer = self.training_env, self.predictor_trainer.overseer
        if not is_in_processes(env):
            env.env_method("set_overseer", overseer)
            return
        for i in range(env.num_envs):
            copied = copy.copy(overseer)
            if i > 0:
                copied.human_interactions = copied.assistant_answers = 0
                vars(copied).update(dict.fromkeys(WORK, 0))
            env.env_method("set_overseer", copied, indices=[i])

    def _on_rollout_start(self) -> None:
        assert self.predictor_trainer is not None
        trainer, env = self.predictor_trainer, self.training_env
        if is_in_processes(env):
            trainer.overseer.assistant_answers = sum(env.get_attr("assistant_answers"))
        sizes = self.n_contexts, self.n_questions
        trainer.learn(
            sample_batch(trainer.overseer, self.assistant, self.rng, *sizes), self.assistant
        )
        if is_in_processes(env):
            self._attach()
        self.logger.record("human/error", trainer.error)
        self.logger.record("human/loss", trainer.loss)

    def _on_step(self) -> bool:
        return True
