"""Questions in words, the same for people and language models."""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from gymnasium import spaces

from ia_gym.domains import Domain
from ia_gym.domains.transcript import Symbols

TEXT_MODES = ("text", "prompt")
"""Encodings of observations that are texts."""

ANSWER_FORMAT = (
    "Write the answer as <answer>...</answer>, or <answer>idk</answer> if you do not know it."
)
"""The last line of a prompt. What is accepted: :mod:`ia_gym.domains.answer_parser`."""


MAX_REMEMBERED = 1 << 16
"""Rows whose texts are remembered."""


@dataclass(frozen=True)
class Frame:
    """What stands before the facts and after the question."""

    before: str = ""
    after: str = ""

    def enclose(self, facts: str, question: str) -> str:
        """The whole text."""
        return f"{self.before}{facts}\n{question}{self.after}"


def make_frame(domain: Domain, mode: str) -> Frame:
    """The frame of ``observation="text"``, which is empty, or "prompt"."""
    if mode == "text":
        return Frame()
    rules = domain.rules_text()
    return Frame(f"{rules}\n" if rules else "", f"\n{ANSWER_FORMAT}")


class RowTexts(dict[tuple[int, ...], str]):
    """Rows of symbols in words, each written once: there are few rows, and many questions.

    Args:
        write: the text of a row ``(L,)``.
    """

    def __init__(self, write: Callable[[Symbols], str]) -> None:
        super().__init__()
        self.write = write

    def __missing__(self, row: tuple[int, ...]) -> str:
        """Write a row that has not been asked for yet."""
        if len(self) >= MAX_REMEMBERED:
            self.clear()
        text = self[row] = self.write(np.array(row, np.int64))
        return text


class Describer:
    """Puts the questions of a domain in words.

    The facts of a context stand in one line, padding left out, and the question in the next. The
    other texts of a context (``context_text``) may say more than its facts do: the cycles of a
    permutation give its powers away.

    Args:
        domain: of the questions.
        mode: "text", or "prompt" with a frame around.
    """

    def __init__(self, domain: Domain, mode: str) -> None:
        self.frame = make_frame(domain, mode)
        self._facts = RowTexts(domain.fact_text)
        self._questions = RowTexts(domain.question_text)

    def describe(self, facts: Symbols, questions: Symbols) -> tuple[str, ...]:
        """The texts of questions ``(n, Lq)`` about facts ``(n, F, L)``."""
        known: dict[bytes, str] = {}
        texts = []
        for rows, question in zip(facts, questions.tolist(), strict=True):
            key = rows.tobytes()
            about = known.get(key)
            if about is None:
                about = known[key] = self.describe_facts(rows)
            texts.append(self.frame.enclose(about, self.describe_question(question)))
        return tuple(texts)

    def describe_facts(self, facts: Symbols) -> str:
        """The facts ``(F, L)`` of a context in one line."""
        return "; ".join(filter(None, map(self._facts.__getitem__, map(tuple, facts.tolist()))))

    def describe_question(self, question: Sequence[int]) -> str:
        """A question ``(Lq,)`` in words."""
        return f"{self._questions[tuple(question)]} = ?"

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
