"""What the learners that are rewarded with approval share: answers, and the overseer's verdicts.

The two updates of the post on RL-based Iterated Amplification are in ``reinforce.py`` and
``answer_search.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.type_aliases import GymEnv, Schedule
from torch import Tensor

from ia_gym.agents.learners.amplified_learner import AmplifiedLearner
from ia_gym.agents.policies.answer_policy import BaseAnswerPolicy
from ia_gym.amplification.batches import Batch
from ia_gym.domains.transcript import IDK
from ia_gym.validation import check_range


class ApprovalLearner(AmplifiedLearner):
    """Base class of the agents that learn from the amplified overseer's approval of answers.

    This is M2("how good is answer a?") of the post on RL-based Iterated Amplification. The overseer
    decomposes each question once; the transcript serves to judge any number of answers. Arguments
    that are not listed here are those of
    :class:`~ia_gym.agents.learners.amplified_learner.AmplifiedLearner`.

    Args:
        n_samples: answers to each question that are judged, 1..1000; None to judge all of them, so
            that nothing is left to chance where answers are few.
    """

    judges_answers = True

    def __init__(
        self,
        policy: str | type[BaseAnswerPolicy] = "MultiInputPolicy",
        env: GymEnv | str | None = None,
        learning_rate: float | Schedule = 3e-3,
        *,
        n_contexts: int = 64,
        n_questions: int = 32,
        n_samples: int | None = 4,
        interaction_rate: float | None = None,
        predictor_batch_size: int = 64,
        predictor_kwargs: dict[str, Any] | None = None,
        assistant_temperature: float = 1.0,
        assistant_min_probability: float = 0.0,
        levels: int = 1,
        max_grad_norm: float = 1.0,
        curriculum: dict[str, Any] | None = None,
        policy_kwargs: dict[str, Any] | None = None,
        tensorboard_log: str | None = None,
        verbose: int = 0,
        seed: int | None = None,
        device: torch.device | str = "auto",
        _init_setup_model: bool = True,
    ) -> None:
        self.n_samples = None if n_samples is None else check_range("n_samples", n_samples, 1, 1000)
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
            max_grad_norm=max_grad_norm,
            curriculum=curriculum,
            policy_kwargs=policy_kwargs,
            tensorboard_log=tensorboard_log,
            verbose=verbose,
            seed=seed,
            device=device,
            _init_setup_model=_init_setup_model,
        )

    def judge_answers(self, batch: Batch, answers: NDArray[np.int64]) -> Tensor:
        """Approval of ``answers (B, Q, S)``: float32 in [0, 1], of the same shape.

        A human predictor approves of the answer it gives itself.
        """
        if self.predictor_trainer is not None:
            approvals = (answers == batch.targets[..., None]) & (answers != IDK)
        else:
            case = batch.contexts, batch.questions, batch.transcript
            columns = np.moveaxis(answers, -1, 0)
            approvals = np.stack([self.overseer.judge(*case, each) for each in columns], axis=-1)
        self.logger.record("train/approval", approvals.mean())
        return torch.as_tensor(approvals, dtype=torch.float32, device=self.device)

    def list_answers(self, batch: Batch) -> NDArray[np.int64]:
        """Every answer but "I don't know", to every question: ``(B, Q, n_answers - 1)``."""
        every = np.arange(IDK + 1, self.domain.n_answers)
        return np.tile(every, (*batch.depths.shape, 1))
