"""Iterated Amplification by imitation, the method of Christiano et al. (2018)."""

from __future__ import annotations

from typing import Any

import torch
from stable_baselines3.common.type_aliases import GymEnv, Schedule

from ia_gym.agents.learners.amplified_learner import AmplifiedLearner
from ia_gym.agents.policies.answer_policy import BaseAnswerPolicy


class ImitationIA(AmplifiedLearner):
    """The agent learns the answers that the amplified overseer gives.

    Christiano et al. (2018), section 2. The Polyak average of the agent's network answers the
    sub-questions, so that the answers it learns (the *targets*) climb from questions that the
    overseer can answer by looking at the context up to those that build on the agent's own answers.

    Args: those of :class:`~ia_gym.agents.learners.amplified_learner.AmplifiedLearner`.
    """

    def train_step(self) -> None:
        """Answer questions with the amplified overseer, and train on its answers."""
        batch = self.amplify()
        self.train_on_answers(batch.contexts, batch.questions, batch.targets)


class IteratedAmplification(ImitationIA):
    """The whole loop of Christiano et al. (2018), section 2.2: few queries to the overseer.

    1. The overseer answers a few questions, the averaged network answering its sub-questions; what
       the overseer did is recorded.
    2. The human predictor learns from the records to do as the overseer did.
    3. Questions are answered by the human predictor in the overseer's place.
    4. The agent learns to give these answers.

    It is :class:`ImitationIA` with an ``interaction_rate``.

    Args:
        interaction_rate: queries to the overseer in a training step, at first; None only if the
            environment's overseer is a human predictor already.
    """

    def __init__(
        self,
        policy: str | type[BaseAnswerPolicy] = "MultiInputPolicy",
        env: GymEnv | str | None = None,
        learning_rate: float | Schedule = 3e-3,
        *,
        n_contexts: int = 64,
        n_questions: int = 32,
        interaction_rate: float | None = 10.0,
        predictor_batch_size: int = 64,
        predictor_kwargs: dict[str, Any] | None = None,
        assistant_temperature: float = 1.0,
        assistant_min_probability: float = 0.0,
        levels: int = 1,
        workers: int = 0,
        broadcast_period: int | None = None,
        max_grad_norm: float = 1.0,
        curriculum: dict[str, Any] | None = None,
        policy_kwargs: dict[str, Any] | None = None,
        tensorboard_log: str | None = None,
        verbose: int = 0,
        seed: int | None = None,
        device: torch.device | str = "auto",
        _init_setup_model: bool = True,
    ) -> None:
        super().__init__(
            policy,
            env,
            learning_rate,
            n_contexts=n_contexts,
            n_questions=n_questions,
            interaction_rate=interaction_rate,
            predictor_batch_size=predictor_batch_size,
            predictor_kwargs=predictor_kwargs,
            assistant_temperature=assistant_temperature,
            assistant_min_probability=assistant_min_probability,
            levels=levels,
            workers=workers,
            broadcast_period=broadcast_period,
            max_grad_norm=max_grad_norm,
            curriculum=curriculum,
            policy_kwargs=policy_kwargs,
            tensorboard_log=tensorboard_log,
            verbose=verbose,
            seed=seed,
            device=device,
            _init_setup_model=_init_setup_model,
        )
