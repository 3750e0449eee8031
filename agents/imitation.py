"""Iterated Amplification by imitation: the paper's method, with a scripted H."""

from __future__ import annotations

from ia_gym.agents.learner import AnswerLearner
from ia_gym.amplification import sample_batch


class ImitationIA(AnswerLearner):
    """X learns to give the answers that Amplify^H(X) gives (Christiano et al., 2018).

    X's slow copy answers the sub-questions, so that targets climb from questions H can answer by
    looking at the context up to those that rest on X's own answers. No truth is involved.

    Args: see :class:`~ia_gym.agents.learner.AnswerLearner`.
    """

    def train_step(self) -> None:
        """Answer questions with Amplify^H(X's slow copy), and train X on the answers."""
        batch = sample_batch(
            self.overseer,
            self.assistant,
            self.rng,
            self.n_contexts,
            self.n_questions,
            **self.difficulty(),
        )
        self.fit(batch.contexts, batch.questions, batch.targets)
