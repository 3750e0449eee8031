"""SB3 agents as the overseer's assistant."""

from __future__ import annotations

import numpy as np
import torch
from stable_baselines3.common.policies import BasePolicy

from ia_gym.tasks import Contexts
from ia_gym.transcript import Symbols


class PolicyAssistant:
    """An SB3 policy that answers sub-questions.

    Args:
        policy: the policy (``model.policy``, or a copy of it).
        deterministic: take the policy's best answer instead of sampling one.
    """

    def __init__(self, policy: BasePolicy, deterministic: bool = False) -> None:
        self.policy = policy
        self.deterministic = deterministic

    @torch.no_grad()
    def answer(self, contexts: Contexts, questions: Symbols) -> Symbols:
        """See :class:`ia_gym.assistants.Assistant`."""
        answers = np.zeros(questions.shape[:2], np.int64)
        asked = np.nonzero(questions[..., 0])
        if len(asked[0]):
            facts = contexts["facts"].reshape(len(contexts), -1)
            observation = {"facts": facts[asked[0]], "question": questions[asked]}
            tensors, _ = self.policy.obs_to_tensor(observation)
            answers[asked] = self.policy._predict(tensors, self.deterministic).cpu().numpy()
        return answers
