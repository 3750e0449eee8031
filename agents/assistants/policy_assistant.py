"""Agents that predict as SB3's do, as the overseer's assistant."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.type_aliases import PolicyPredictor

from ia_gym.agents.assistants.observation_encoder import (
    ObservationEncoder,
    find_question_encoder,
)
from ia_gym.domains import Contexts, Domain
from ia_gym.domains.transcript import Symbols

ENCODED_ROWS = 1024
"""Rows that are encoded at a time: encodings such as one-hot vectors can be large."""


class PolicyAssistant:
    """Anything that predicts as SB3's models and policies do, answering sub-questions.

    Args:
        policy: the model or policy, or a copy of it.
        deterministic: take its best answers instead of sampling them.
        domain: tells a policy that takes action masks, as MaskablePPO's does, which answers are of
            the kind asked for; None to allow all. Needed for a policy that sees other observations
            than tokens, unless the encoder is given.
        encoder: shows questions to the policy as its environments and their wrappers do; default
            the one that fits the policy, or without a domain tokens.

    Raises:
        ValueError: if the policy sees none of the domain's observations, or other observations
            than tokens without a domain or an encoder.
    """

    def __init__(
        self,
        policy: PolicyPredictor,
        deterministic: bool = False,
        domain: Domain | None = None,
        encoder: ObservationEncoder | None = None,
    ) -> None:
        self.policy = policy
        self.deterministic = deterministic
        takes_masks = "action_masks" in inspect.signature(policy.predict).parameters
        self.domain = domain if takes_masks else None
        if encoder is None and domain is not None:
            encoder = find_question_encoder(policy, domain)
        elif encoder is None:
            shown = getattr(policy, "observation_space", None)
            if not isinstance(shown, spaces.Dict | None):
                raise ValueError(f"domain must be given for a policy that sees {shown}")
        self.encoder = encoder or ObservationEncoder()

    def answer(self, contexts: Contexts, questions: Symbols) -> Symbols:
        """See :class:`ia_gym.amplification.assistants.Assistant`."""
        answers = np.zeros(questions.shape[:2], np.int64)
        asked = np.nonzero(questions[..., 0])
        n = len(asked[0])
        if not n:
            return answers
        facts = contexts["facts"].reshape(len(contexts), -1)
        rows = ENCODED_ROWS if self.encoder.is_costly else n
        answers[asked] = np.concatenate(
            [
                self._predict(facts[asked[0][i : i + rows]], questions[asked][i : i + rows])
                for i in range(0, n, rows)
            ]
        )
        return answers

    def _predict(self, facts: Symbols, questions: Symbols) -> NDArray[Any]:
        """Answers ``(n,)`` to ``questions (n, Lq)`` about ``facts (n, F*L)``."""
        masks: dict[str, Any] = {}
        if self.domain is not None:
            masks["action_masks"] = self.domain.answer_mask(questions)
        observations = self.encoder({"facts": facts, "question": questions})
        return self.policy.predict(observations, deterministic=self.deterministic, **masks)[0]
