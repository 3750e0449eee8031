"""How questions are shown to an agent: the encodings of observations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from ia_gym.domains import Domain
from ia_gym.domains.transcript import Symbols
from ia_gym.envs.questions.spaces import OneHotBox, find_token_dtype, make_spaces
from ia_gym.envs.questions.texts import TEXT_MODES, Describer

ObservationMode = Literal["tokens", "onehot", "multidiscrete", "flat", "text", "prompt"]
"""Names of the encodings, see :class:`ObservationEncoding`."""

Observation = dict[str, NDArray[Any]] | NDArray[Any] | str
"""What one environment shows."""
Observations = dict[str, NDArray[Any]] | NDArray[Any] | tuple[str, ...]
"""A batch of observations, as gymnasium batches them: a tuple of texts, or arrays with a first axis
for the batch."""


class ObservationEncoding:
    """Turns facts and questions of a domain into observations.

    With ``T = F * L + Lq`` tokens, the facts row by row and then the question, out of a vocabulary
    of ``V = n_symbols``, observations are

    - "tokens": ``Dict(facts=FactsBox (F*L,), question=Box (Lq,))``, of the smallest integer type
      that holds the vocabulary;
    - "flat": the same in one vector, ``Box(0, V - 1, (T,))``;
    - "onehot": ``OneHotBox``, a ``Box(0, 1, (T * V,), float32)`` of V numbers a token, of which one
      is 1;
    - "multidiscrete": ``MultiDiscrete([V] * T)``, of int32;
    - "text": ``Text``, the facts in one line and the question in the next;
    - "prompt": ``Text``, the same between the rules in plain words and how to write the answer.

    Args:
        domain: of the questions.
        mode: name of the encoding.

    Attributes:
        space: of one observation.
        token_space: of one observation of "tokens".

    Raises:
        ValueError: for an unknown name, or "text" or "prompt" for a domain that does not bound its
            texts.
    """

    def __init__(self, domain: Domain, mode: ObservationMode = "tokens") -> None:
        check_observation_mode(mode)
        self.domain = domain
        self.mode = mode
        self.token_space, _ = make_spaces(
            domain.n_symbols, *domain.fact_shape, domain.question_length, domain.n_answers
        )
        self.dtype = find_token_dtype(domain.n_symbols - 1)
        n_symbols = domain.n_symbols
        n_tokens = domain.fact_shape[0] * domain.fact_shape[1] + domain.question_length
        self.space: gym.Space[Any]
        if mode == "tokens":
            self.space = self.token_space
        elif mode == "flat":
            self.space = spaces.Box(0, n_symbols - 1, (n_tokens,), self.dtype)
        elif mode == "onehot":
            self.space = OneHotBox(n_symbols, *domain.fact_shape, domain.question_length)
            self.vectors = np.eye(n_symbols, dtype=np.float32)  # of each symbol
        elif mode == "multidiscrete":
            # Of int32, for SB3 adds the numbers up in their own type.
            self.space = spaces.MultiDiscrete(np.full(n_tokens, n_symbols), dtype=np.int32)
        else:
            self.describer = Describer(domain, mode)
            self.space = self.describer.make_space(domain)

    def encode(self, facts: Symbols, questions: Symbols) -> Observations:
        """Encode a batch, in fresh arrays.

        Args:
            facts: ``(n, F, L)`` or ``(n, F*L)``.
            questions: ``(n, Lq)``, row i about row i of ``facts``.
        """
        n = len(questions)
        if self.mode == "tokens":
            return {
                "facts": facts.astype(self.dtype).reshape(n, -1),
                "question": questions.astype(self.dtype),
            }
        if self.mode in TEXT_MODES:
            facts = facts.reshape(n, *self.domain.fact_shape)
            return self.describer.describe(facts, questions)
        tokens = np.concatenate([facts.reshape(n, -1), questions], axis=1)
        if self.mode == "onehot":
            return self.vectors.take(tokens, axis=0).reshape(n, -1)
        return tokens.astype(self.space.dtype)

    def __call__(self, tokens: dict[str, Symbols]) -> Observations:
        """Encode a batch of ``facts`` and ``question``, see :meth:`encode`."""
        return self.encode(tokens["facts"], tokens["question"])


def check_observation_mode(mode: str) -> None:
    """Refuse what is no name of an encoding.

    Raises:
        ValueError: naming those that are.
    """
    if mode not in get_args(ObservationMode):
        raise ValueError(
            f"observation must be one of {list(get_args(ObservationMode))}, got {mode!r}"
        )


def find_encoding(domain: Domain, space: gym.Space[Any]) -> ObservationEncoding | None:
    """The encoding of a domain's questions whose observations are of ``space``, if there is one."""
    is_text = isinstance(space, spaces.Text)
    modes = [mode for mode in get_args(ObservationMode) if (mode in TEXT_MODES) == is_text]
    encodings = (ObservationEncoding(domain, mode) for mode in modes)
    return next((encoding for encoding in encodings if encoding.space == space), None)


def split_observations(batch: Observations) -> Sequence[Observation]:
    """The observations of a batch, one by one."""
    if isinstance(batch, dict):
        rows = zip(batch["facts"], batch["question"], strict=True)
        return [{"facts": facts, "question": question} for facts, question in rows]
    return batch if isinstance(batch, tuple) else list(batch)
