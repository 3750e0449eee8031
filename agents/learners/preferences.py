"""Learning from human preferences: a reward model, and an overseer without help."""

from __future__ import annotations

from typing import Any

import torch
from stable_baselines3.common.type_aliases import GymEnv, Schedule

from ia_gym.agents.learners.reward_modelling import RewardModelling
from ia_gym.agents.policies.answer_policy import BaseAnswerPolicy


class Preferences(RewardModelling):
    """The agent is trained on a model of which of two answers an overseer without help prefers.

    Deep reinforcement learning from human preferences (Christiano et al., 2017). It is
    :class:`~ia_gym.agents.learners.reward_modelling.RewardModelling` by comparisons, on the first
    level alone: nobody answers the overseer's sub-questions, so it prefers an answer only where it
    can look up all that it needs: at depth 1, and in ShortestPath where no edge leaves the vertex.
    Of other questions it finds all answers alike.

    Args: those of :class:`~ia_gym.agents.learners.reward_modelling.RewardModelling`.
    """

    def __init__(
        self,
        policy: str | type[BaseAnswerPolicy] = "MultiInputPolicy",
        env: GymEnv | str | None = None,
        learning_rate: float | Schedule = 3e-3,
        *,
        n_contexts: int = 64,
        n_questions: int = 32,
        n_judgements: int = 5000,
        n_samples: int | None = None,
        policy_update: str = "gradient",
        ent_coef: float = 0.05,
        reward_updates: int = 20,
        reward_batch_size: int = 64,
        rename: bool = False,
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
            feedback="comparisons",
            n_judgements=n_judgements,
            n_samples=n_samples,
            n_levels=1,
            policy_update=policy_update,
            ent_coef=ent_coef,
            reward_updates=reward_updates,
            reward_batch_size=reward_batch_size,
            rename=rename,
            max_grad_norm=max_grad_norm,
            curriculum=curriculum,
            policy_kwargs=policy_kwargs,
            tensorboard_log=tensorboard_log,
            verbose=verbose,
            seed=seed,
            device=device,
            _init_setup_model=_init_setup_model,
        )
