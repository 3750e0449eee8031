"""Iterated Amplification by imitation, the paper's method."""

from __future__ import annotations

from typing import Any

from ia_gym.agents.learners.amplified_learner import AmplifiedLearner


class ImitationIA(AmplifiedLearner):
    """X learns to give the answers that Amplify^H(X) gives (Christiano et al., 2018).

    X's slow copy answers the sub-questions, so that targets climb from questions H can answer by
    looking at the context up to those that rest on X's own answers. No truth is involved.

    Args: see :class:`~ia_gym.agents.learners.amplified_learner.AmplifiedLearner`.
    """

    def train_step(self) -> None:
        """Answer questions with Amplify^H(X's slow copy), and train X on the answers."""
        batch = self.amplify()
        self.fit(batch.contexts, batch.questions, batch.targets)


class IteratedAmplification(ImitationIA):
    """The paper's loop whole: H is asked little, and a model of H does the rest.

    1. H answers a few questions with the help of X's slow copy; what H did is recorded.
    2. H', the human predictor, learns from the records to do as H did.
    3. Questions are answered with Amplify^H'(X's slow copy).
    4. X learns to give these answers.

    Args: see :class:`~ia_gym.agents.learners.amplified_learner.AmplifiedLearner`.
    """

    def __init__(
        self,
        policy: Any = "MultiInputPolicy",
        env: Any = None,
        interaction_rate: float = 10.0,
        **kw: Any,
    ) -> None:
        super().__init__(policy, env, interaction_rate=interaction_rate, **kw)
