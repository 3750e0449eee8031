"""Observation and action spaces of question environments."""

from __future__ import annotations

import numpy as np
from gymnasium import spaces
from gymnasium.vector.utils import batch_differing_spaces

from ia_gym.validation import check_range

MAX_COUNT = 10**7
"""Largest number of symbols, and of tokens in an observation."""


def find_token_dtype(top: int) -> type[np.uint8 | np.int16 | np.int32]:
    """The smallest integer type for symbols up to ``top``, among those that torch computes with."""
    if top <= np.iinfo(np.uint8).max:
        return np.uint8
    return np.int16 if top <= np.iinfo(np.int16).max else np.int32


class FactsBox(spaces.Box):
    """A flat ``Box`` of ``rows * row_length`` symbols that stores the length of a row.

    Symbols are of the smallest integer type that holds them (:func:`find_token_dtype`).

    Networks that treat facts as a set reshape the flat observation:
    ``facts.reshape(-1, rows, row_length)``. A row that starts with 0 is padding. Two such spaces
    are equal only if their rows are; a plain ``Box`` is not equal to any.

    Args:
        top: the largest symbol.
        rows: number of facts, padding included.
        row_length: symbols per fact.
    """

    def __init__(self, top: int, rows: int, row_length: int) -> None:
        super().__init__(0, top, (rows * row_length,), find_token_dtype(top))
        self.rows = rows
        self.row_length = row_length

    def __repr__(self) -> str:
        return f"FactsBox({self.high.flat[0]}, rows={self.rows}, row_length={self.row_length})"

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, FactsBox)
            and (self.rows, self.row_length) == (other.rows, other.row_length)
            and super().__eq__(other)
        )


class OneHotBox(spaces.Box):
    """A flat ``Box`` of one-hot tokens, facts first, that stores what they are the tokens of.

    Its ``((rows * row_length + question_length) * n_symbols,)`` numbers are n_symbols for each
    token, of which one is 1.

    Args:
        n_symbols: symbols in the vocabulary.
        rows: number of facts, padding included.
        row_length: symbols per fact.
        question_length: symbols per question.
    """

    def __init__(self, n_symbols: int, rows: int, row_length: int, question_length: int) -> None:
        n_tokens = rows * row_length + question_length
        super().__init__(0, 1, (n_tokens * n_symbols,), np.float32)
        self.n_symbols = n_symbols
        self.rows = rows
        self.row_length = row_length
        self.question_length = question_length


# gymnasium looks for the class itself, not for what it inherits from. SyncVectorEnv needs it for
# observation_mode="different".
for _cls in (FactsBox, OneHotBox):
    batch_differing_spaces.register(_cls, batch_differing_spaces.dispatch(spaces.Box))


def make_spaces(
    n_symbols: int, rows: int, row_length: int, question_length: int, n_answers: int
) -> tuple[spaces.Dict, spaces.Discrete]:
    """Observation and action space of a question environment.

    Args:
        n_symbols: symbols in the vocabulary.
        rows: facts per context, padding included.
        row_length: symbols per fact.
        question_length: symbols per question.
        n_answers: symbols that can be answers.

    Raises:
        ValueError: for a number out of range.
    """
    check_range("n_symbols", n_symbols, 1, MAX_COUNT)
    check_range("rows * row_length", rows * row_length, 1, MAX_COUNT)
    check_range("question_length", question_length, 1, MAX_COUNT)
    check_range("n_answers", n_answers, 1, MAX_COUNT)
    top = n_symbols - 1
    question = spaces.Box(0, top, (question_length,), find_token_dtype(top))
    facts = FactsBox(top, rows, row_length)
    return spaces.Dict({"facts": facts, "question": question}), spaces.Discrete(n_answers)
