"""The first update of the post: REINFORCE on approval."""

from __future__ import annotations

from typing import Any

import torch
from stable_baselines3.common.type_aliases import GymEnv, Schedule
from torch import Tensor

from ia_gym.agents.learners.approval_learner import ApprovalLearner
from ia_gym.agents.learners.policy_gradient import compute_gains, sample_answers
from ia_gym.agents.policies.answer_policy import BaseAnswerPolicy
from ia_gym.amplification.batches import Batch
from ia_gym.validation import check_number


class Reinforce(ApprovalLearner):
    """Policy gradient M2("how good is answer a?") · ∇ log p(a), where a is sampled from the policy.

    The first update of the post on RL-based Iterated Amplification. With several answers to a
    question, the baseline of each is the mean approval of the others (Kool et al., 2019): less
    variance, and no bias. With ``n_samples=None`` it is the gradient of the expected approval
    itself. Arguments that are not listed here are those of
    :class:`~ia_gym.agents.learners.approval_learner.ApprovalLearner`.

    Args:
        ent_coef: weight of the policy's entropy, which keeps it from settling too soon; at least 0.
    """

    def __init__(
        self,
        policy: str | type[BaseAnswerPolicy] = "MultiInputPolicy",
        env: GymEnv | str | None = None,
        learning_rate: float | Schedule = 3e-3,
        *,
        n_contexts: int = 64,
        n_questions: int = 32,
        n_samples: int | None = 4,
        ent_coef: float = 0.05,
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
        self.ent_coef = check_number("ent_coef", ent_coef, "[0, inf)")
        super().__init__(
            policy,
            env,
            learning_rate,
            n_contexts=n_contexts,
            n_questions=n_questions,
            n_samples=n_samples,
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

    def train_step(self) -> None:
        """Sample answers, let the overseer judge them, and make the approved ones likelier."""
        batch = self.amplify(judging=True)
        logits = self.compute_logits(batch.contexts["facts"], batch.questions)
        self.minimize(self.compute_policy_loss(batch, logits))

    def compute_policy_loss(self, batch: Batch, logits: Tensor) -> Tensor:
        """Minus the expected approval under ``logits (B, Q, n_answers)``, and minus the entropy."""
        log_p = logits.log_softmax(dim=-1)
        if self.n_samples is None:
            answers = torch.as_tensor(self.list_answers(batch), device=self.device)
        else:
            answers = sample_answers(log_p, self.n_samples)
        approvals = self.judge_answers(batch, answers.cpu().numpy())
        gains, approval = compute_gains(log_p, answers, approvals, self.n_samples is not None)
        gain = gains.mean()
        entropy = -(log_p.exp() * log_p).sum(dim=-1).mean()
        successes = approval.detach().cpu().numpy().astype(float)
        self.update_curriculum(batch.contexts, batch.questions, successes)
        self.logger.record("train/entropy", entropy.item())
        loss: Tensor = -gain - self.ent_coef * entropy
        return loss
