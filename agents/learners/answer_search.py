"""The post's second update: search for the answer H approves of most, and imitate it."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from ia_gym.agents.learners.approval_learner import ApprovalLearner


class AnswerSearch(ApprovalLearner):
    """X learns to give X*, the best of its own answer and of others drawn from all answers.

    As in the post, X* is X's own answer until another one is approved of more. Where H approves of
    none at all there is nothing to learn.

    Args: see :class:`~ia_gym.agents.learners.approval_learner.ApprovalLearner`. ``n_samples`` counts the
        answers beside X's own; they are of the kind that the question asks for.
    """

    def train_step(self) -> None:
        """Find the best answer to each question, and train X on it."""
        batch = self.amplify(judging=True)
        logits = self.compute_logits(batch.contexts["facts"], batch.questions)
        own = logits.argmax(dim=-1).cpu().numpy()
        if self.n_samples is None:
            others = self.list_answers(batch)
        else:
            allowed = self.domain.answer_mask(batch.questions)[..., 1:]
            draws = self.rng.random((self.n_samples, *allowed.shape)) * allowed
            others = np.moveaxis(1 + draws.argmax(axis=-1), 0, -1)
        answers = np.concatenate([own[..., None], others], axis=-1)
        approvals = self.approvals(batch, answers)
        best = approvals.cpu().numpy().argmax(axis=-1)[..., None]  # the first of equals, X's own
        found = torch.as_tensor(np.take_along_axis(answers, best, -1), device=self.device)
        losses = F.cross_entropy(logits.flatten(0, 1), found.flatten(), reduction="none")
        self.update((losses * approvals.amax(dim=-1).flatten()).mean())
        successes = approvals[..., 0].cpu().numpy()
        self.update_curriculum(batch.contexts, batch.questions, successes.astype(float))
