"""Questions in words, the same for people and language models."""

from __future__ import annotations

import string
from collections.abc import Callable
from operator import add
from typing import Any

import numpy as np
from gymnasium import spaces

from ia_gym.domains import Domain
from ia_gym.domains.transcript import Symbols
from ia_gym.envs.questions.spaces import find_token_dtype

TEXT_MODES = ("text", "prompt")
"""Encodings of observations that are texts."""

ANSWER_FORMAT = (
    "Write the answer as <answer>...</answer>, or <answer>idk</answer> if you do not know it."
)
"""The last line of a prompt. What is accepted: :mod:`ia_gym.domains.answer_parser`."""


MAX_REMEMBERED = 1 << 16
"""Rows whose texts are remembered."""


class RowTexts(dict[bytes, str]):
    """Rows of symbols in words, each written once: there are few rows, and many questions.

    Args:
        write: the text of a row ``(L,)``.
        n_symbols: symbols of the vocabulary.
    """

    def __init__(self, write: Callable[[Symbols], str], n_symbols: int) -> None:
        super().__init__()
        self.write = write
        self.dtype = np.dtype(find_token_dtype(n_symbols - 1))

    def __missing__(self, row: bytes) -> str:
        """Write a row that has not been asked for yet."""
        if len(self) >= MAX_REMEMBERED:
            self.clear()
        text = self[row] = self.write(np.frombuffer(row, self.dtype).astype(np.int64))
        return text

    def make_keys(self, rows: Symbols) -> Any:
        """The keys of rows ``(..., L)``, in nested lists."""
        symbols = np.ascontiguousarray(rows, self.dtype)
        width = symbols.shape[-1] * self.dtype.itemsize
        return symbols.view(f"V{width}")[..., 0].tolist()


class Describer:
    """Puts the questions of a domain in words.

    The facts of a context stand in one line, padding left out, and the question in the next. The
    other texts of a context (``context_text``) may say more than its facts do: the cycles of a
    permutation give its powers away.

    Args:
        domain: of the questions.
        mode: "text", or "prompt" with the rules before and how to write the answer behind.
    """

    def __init__(self, domain: Domain, mode: str) -> None:
        rules = domain.rules_text() if mode == "prompt" else ""
        self._before = f"{rules}\n" if rules else ""
        after = f"\n{ANSWER_FORMAT}" if mode == "prompt" else ""

        def write_fact(fact: Symbols) -> str:
            text = domain.fact_text(fact)
            return f"; {text}" if text else ""

        self._facts = RowTexts(write_fact, domain.n_symbols)
        self._questions = RowTexts(
            lambda question: f"{domain.question_text(question)} = ?{after}", domain.n_symbols
        )

    def describe(self, facts: Symbols, questions: Symbols) -> tuple[str, ...]:
        """The texts of questions about contexts.

        Args:
            facts: ``(B, F, L)``.
            questions: ``(Q * B, Lq)``: one about each context, then another about each, and so on.
        """
        get, before = self._facts.__getitem__, self._before
        contexts = [
            f"{before}{''.join(map(get, keys))[2:]}\n" for keys in self._facts.make_keys(facts)
        ]
        asked = map(self._questions.__getitem__, self._questions.make_keys(questions))
        return tuple(map(add, contexts * (len(questions) // len(facts)), asked))

    def make_space(self, domain: Domain) -> spaces.Text:
        """The space of all texts: as long as the longest, of the characters in them.

        Raises:
            ValueError: for a domain with texts of its own that does not say how long they get.
        """
        cls = type(domain)
        for text, longest in (
            ("fact_text", "longest_facts"),
            ("question_text", "longest_questions"),
        ):
            overridden = getattr(cls, text) is not getattr(Domain, text)
            if overridden and getattr(cls, longest) is getattr(Domain, longest):
                raise ValueError(
                    f'observation must not be "text" for {cls.name}: it has a {text}() of its own '
                    f"and needs {longest}() beside it, which says how long its texts get"
                )
        questions = domain.longest_questions()
        facts = np.repeat(domain.longest_facts()[None], len(questions), axis=0)
        texts = self.describe(facts, questions)
        symbols = map(domain.symbol_text, range(1, domain.n_symbols))
        characters = set().union(string.digits, *texts, *symbols)
        return spaces.Text(max(map(len, texts)), charset="".join(sorted(characters)))
