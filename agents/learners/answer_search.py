"""The second update of the post: search for the answer most approved of, and imitate it."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from ia_gym.agents.learners.approval_learner import ApprovalLearner


class AnswerSearch(ApprovalLearner):
    """The agent learns to give the best of its own answer and of others drawn at random.

    The second update of the post on RL-based Iterated Amplification: the agent's own answer is the
    target until another one earns more approval. Where no answer is approved of there is nothing to
    learn.

    Args: those of :class:`~ia_gym.agents.learners.approval_learner.ApprovalLearner`; ``n_samples``
        counts the answers besides the agent's own. They are of the kind that the question asks for.
    """

    def train_step(self) -> None:
        """Find the best answer to each question, and train on it."""
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
        approvals = self.judge_answers(batch, answers)
        best = approvals.cpu().numpy().argmax(axis=-1)[..., None]  # the first of equals: its own
        found = torch.as_tensor(np.take_along_axis(answers, best, -1), device=self.device)
        losses = F.cross_entropy(logits.flatten(0, 1), found.flatten(), reduction="none")
        self.minimize((losses * approvals.amax(dim=-1).flatten()).mean())
        successes = approvals[..., 0].cpu().numpy()
        self.update_curriculum(batch.contexts, batch.questions, successes.astype(float))
