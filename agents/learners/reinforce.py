"""The post's first update: REINFORCE on approval."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ia_gym.agents.learners.approval_learner import ApprovalLearner
from ia_gym.amplification.batches import Batch
from ia_gym.validation import check_number


class Reinforce(ApprovalLearner):
    """Policy gradient M2("how good is X to Y?") · ∇ log p(X), where X is sampled from the policy.

    With several answers to a question, each one's approval counts against the mean of the others'
    (Kool et al., 2019): still no bias, and less noise. With all answers judged it is the gradient
    of the expected approval itself.

    Args:
        policy: see :class:`~ia_gym.agents.learners.approval_learner.ApprovalLearner`, as for all that
            follow but these.
        env: see there.
        ent_coef: weight of the policy's entropy, which keeps it from settling too soon.
        **kwargs: see there.
    """

    def __init__(
        self,
        policy: Any = "MultiInputPolicy",
        env: Any = None,
        ent_coef: float = 0.05,
        **kwargs: Any,
    ) -> None:
        self.ent_coef = check_number("ent_coef", ent_coef, "[0, inf)")
        super().__init__(policy, env, **kwargs)

    def train_step(self) -> None:
        """Answer questions, let H judge the answers, and make the approved ones likelier."""
        batch = self.amplify(judging=True)
        loss = self.compute_policy_loss(
            batch, self.compute_logits(batch.contexts["facts"], batch.questions)
        )
        self.update(loss)

    def compute_policy_loss(self, batch: Batch, logits: Tensor) -> Tensor:
        """Minus the approval to be had by ``logits (B, Q, n_answers)``, and minus their entropy."""
        log_p = logits.log_softmax(dim=-1)
        if self.n_samples is None:
            answers = torch.as_tensor(self.list_answers(batch), device=self.device)
            approvals = self.approvals(batch, answers.cpu().numpy())
            approval = (log_p.gather(-1, answers).exp() * approvals).sum(dim=-1)
            gain = approval.mean()
        else:
            flat = log_p.detach().exp().flatten(0, 1)
            answers = flat.multinomial(self.n_samples, replacement=True)
            answers = answers.view(*logits.shape[:2], -1)
            approvals = self.approvals(batch, answers.cpu().numpy())
            approval = approvals.mean(dim=-1)
            advantages = approvals
            if self.n_samples > 1:
                others = (approval[..., None] * self.n_samples - approvals) / (self.n_samples - 1)
                advantages = approvals - others
            gain = (advantages * log_p.gather(-1, answers)).mean()
        entropy = -(log_p.exp() * log_p).sum(dim=-1).mean()
        successes = approval.detach().cpu().numpy().astype(float)
        self.update_curriculum(batch.contexts, batch.questions, successes)
        self.logger.record("train/entropy", entropy.item())
        loss: Tensor = -gain - self.ent_coef * entropy
        return loss

    def _arguments(self) -> dict[str, Any]:
        return {**super()._arguments(), "ent_coef": self.ent_coef}
