"""Agents with SB3's face as the overseer's assistant."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
from stable_baselines3.common.type_aliases import PolicyPredictor

from ia_gym.domains import Contexts, Domain
from ia_gym.domains.transcript import Symbols


class PolicyAssistant:
    """Anything that predicts as SB3's models and policies do, answering sub-questions.

    Args:
        policy: the model or policy, or a copy of it.
        deterministic: take its best answers instead of sampling them.
        domain: tells a policy that asks for masks, as MaskablePPO's does, which answers are of the
            kind asked for; None to allow it all.
    """

    def __init__(
        self, policy: PolicyPredictor, deterministic: bool = False, domain: Domain | None = None
    ) -> None:
        self.policy = policy
        self.deterministic = deterministic
        takes_masks = "action_masks" in inspect.signature(policy.predict).parameters
        self.domain = domain if takes_masks else None

    def answer(self, contexts: Contexts, questions: Symbols) -> Symbols:
        """See :class:`ia_gym.amplification.assistants.Assistant`."""
        answers = np.zeros(questions.shape[:2], np.int64)
        asked = np.nonzero(questions[..., 0])
        if len(asked[0]):
            facts = contexts["facts"].reshape(len(contexts), -1)
            observation = {"facts": facts[asked[0]], "question": questions[asked]}
            masks: dict[str, Any] = {}
            if self.domain is not None:
                masks["action_masks"] = self.domain.answer_mask(questions[asked])
            answers[asked], _ = self.policy.predict(
                observation, deterministic=self.deterministic, **masks
            )
        return answers
