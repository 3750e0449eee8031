"""Agents with SB3's face as the overseer's assistant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ia_gym.tasks import Contexts
from ia_gym.transcript import Symbols

if TYPE_CHECKING:
    from ia_gym.agents.evaluation import Predictor


class PolicyAssistant:
    """Anything that predicts as SB3's models and policies do, answering sub-questions.

    Args:
        policy: the model or policy, or a copy of it.
        deterministic: take its best answers instead of sampling them.
    """

    def __init__(self, policy: Predictor, deterministic: bool = False) -> None:
        self.policy = policy
        self.deterministic = deterministic

    def answer(self, contexts: Contexts, questions: Symbols) -> Symbols:
        """See :class:`ia_gym.assistants.Assistant`."""
        answers = np.zeros(questions.shape[:2], np.int64)
        asked = np.nonzero(questions[..., 0])
        if len(asked[0]):
            facts = contexts["facts"].reshape(len(contexts), -1)
            observation = {"facts": facts[asked[0]], "question": questions[asked]}
            answers[asked], _ = self.policy.predict(observation, deterministic=self.deterministic)
        return answers
