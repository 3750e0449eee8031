"""How a question and its transcript are shown: the encodings of observations."""

from __future__ import annotations

from typing import Any, Literal, get_args

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from ia_gym.domains import Domain
from ia_gym.domains.transcript import Symbols, Transcript
from ia_gym.envs.questions.spaces import find_token_dtype

ObservationMode = Literal["multidiscrete", "onehot", "flat"]
"""Names of the encodings, see :class:`TranscriptEncoding`."""


class TranscriptEncoding:
    """Turns questions and transcripts into observations.

    An observation is ``T = Lq + S * (Lq + 1)`` tokens out of a vocabulary of ``V = n_symbols``: the
    root question, then each sub-question with its answer; zeros where nothing has been asked. The
    facts are not shown: they are only known by asking.

    - "multidiscrete": ``MultiDiscrete([V] * T)``, of int32, which SB3 turns into one-hot vectors;
    - "onehot": ``Box(0, 1, (T * V,), float32)``, V numbers a token, of which one is 1;
    - "flat": ``Box(0, V - 1, (T,))``, of the smallest integer type that holds the vocabulary.

    Args:
        domain: of the questions.
        max_questions: ``S``, the most sub-questions about a question.
        mode: name of the encoding.

    Attributes:
        space: of one observation.

    Raises:
        ValueError: for an unknown name.
    """

    def __init__(self, domain: Domain, max_questions: int, mode: ObservationMode) -> None:
        if mode not in get_args(ObservationMode):
            raise ValueError(
                f"observation must be one of {list(get_args(ObservationMode))}, got {mode!r}"
            )
        self.mode = mode
        self.n_symbols = n_symbols = domain.n_symbols
        n_tokens = domain.question_length + max_questions * (domain.question_length + 1)
        self.space: gym.Space[NDArray[Any]]
        if mode == "multidiscrete":
            self.space = spaces.MultiDiscrete(np.full(n_tokens, n_symbols), dtype=np.int32)
        elif mode == "onehot":
            self.space = spaces.Box(0, 1, (n_tokens * n_symbols,), np.float32)
            self.vectors = np.eye(n_symbols, dtype=np.float32)  # of each symbol
        else:
            dtype = find_token_dtype(n_symbols - 1)
            self.space = spaces.Box(0, n_symbols - 1, (n_tokens,), dtype)

    def encode(self, questions: Symbols, transcript: Transcript) -> NDArray[Any]:
        """Encode a batch, in fresh arrays: ``(n, ...)``.

        Args:
            questions: ``(n, Lq)``.
            transcript: ``(n,)``.
        """
        n = len(questions)
        events = [transcript.questions, transcript.answers[..., None]]
        tokens = np.concatenate(events, axis=-1).reshape(n, -1)
        tokens = np.concatenate([questions, tokens], axis=1)
        if self.mode == "onehot":
            return self.vectors.take(tokens, axis=0).reshape(n, -1)
        return tokens.astype(self.space.dtype)
