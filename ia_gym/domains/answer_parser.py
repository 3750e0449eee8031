"""From text back to answers: what a person or a language model writes is read as a symbol.

The grammar, in extended Backus-Naur form. A text in which it finds no answer is *unparsed*::

    text    = { any character } "<answer>" answer [ "</answer>" { any character } ]
            | answer
    answer  = idk | inf | number [ "step" | "steps" ] | name
    idk     = "idk" | [ "I" ] "don't know" | [ "I" ] "do not know"
    inf     = "inf" | "infinity" | "∞"
    number  = [ "+" | "-" | "−" ] digit { digit }
    name    = any other text of an answer, see Domain.answer_text

Of several tags the last one counts. Upper and lower case are the same, so are any number of spaces;
spaces and full stops around an answer are ignored. Digits are those of ASCII. A number without a
unit is of the kind that the question asks for: the answer "3" to a question for a distance means 3
steps.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ia_gym.domains.domain import Domain
from ia_gym.domains.transcript import IDK, Symbols

TAG = re.compile(r"<answer>(.*?)</answer>", re.DOTALL | re.IGNORECASE)
OPENED = re.compile(r".*<answer>", re.DOTALL | re.IGNORECASE)
NUMBER = re.compile(r"([+-]?)0*(\d{1,9}?) ?(steps?)?", re.ASCII)
IDK_TEXTS = frozenset(
    ("idk", "i don't know", "don't know", "i dont know", "i do not know", "do not know")
)
INF_TEXTS = frozenset(("infinity", "∞"))
SIMPLER = str.maketrans({"’": "'", "−": "-"})

MAX_REMEMBERED = 1 << 16
"""Texts whose reading is remembered."""


class ParsedAnswers(NamedTuple):
    """What was read.

    Attributes:
        answers: ``(n,)``, symbols; ``IDK`` where a text is unparsed.
        parsed: bool ``(n,)``, whether the text holds an answer.
    """

    answers: Symbols
    parsed: NDArray[np.bool_]


class AnswerParser:
    """Reads the answers to a domain's questions from texts, by the grammar of this module.

    Args:
        domain: of the questions.

    Raises:
        ValueError: for a domain in which two answers have the same text.
    """

    def __init__(self, domain: Domain) -> None:
        self.domain = domain
        self._symbols: dict[str, int] = {}
        for symbol in range(domain.n_answers):
            text = simplify(domain.answer_text(symbol))
            other = self._symbols.setdefault(text, symbol)
            if other != symbol:
                raise ValueError(
                    f"answer_text() of {domain.name} must tell all answers apart, "
                    f"gives {text!r} for {other} and {symbol}"
                )
        self._remembered: dict[str, tuple[int, ...]] = {}

    def parse(self, texts: Sequence[str], questions: Symbols) -> ParsedAnswers:
        """Read the answers in texts.

        Args:
            texts: ``n`` of them.
            questions: ``(n, Lq)``, what they answer.

        Raises:
            ValueError: if there are not as many texts as questions, or one is no string.
        """
        if len(texts) != len(questions):
            raise ValueError(
                f"texts must be one for each of the {len(questions)} questions, got {len(texts)}"
            )
        answers = np.full(len(texts), IDK, np.int64)
        parsed = np.zeros(len(texts), bool)
        for i, text in enumerate(texts):
            readings = self._remembered.get(text) if isinstance(text, str) else None
            if readings is None:
                readings = self._read(text)
            if readings:
                parsed[i] = True
                answers[i] = readings[0]
            if len(readings) > 1:
                allowed = self.domain.answer_mask(questions[i : i + 1])[0]
                answers[i] = next((each for each in readings if allowed[each]), readings[0])
        return ParsedAnswers(answers, parsed)

    def _read(self, text: str) -> tuple[int, ...]:
        """The symbols that a text may stand for, the plainest first; none if it is unparsed."""
        if not isinstance(text, str):
            raise ValueError(f"an answer must be a text, got {text!r}")
        readings = self._read_answer(simplify(find_answer_text(text)))
        if len(self._remembered) >= MAX_REMEMBERED:
            self._remembered.clear()
        self._remembered[text] = readings
        return readings

    def _read_answer(self, text: str) -> tuple[int, ...]:
        if text in self._symbols:
            texts = [text]
        elif text in IDK_TEXTS:
            return (IDK,)
        else:
            texts = ["inf"] if text in INF_TEXTS else []
        if number := NUMBER.fullmatch(text):
            sign, digits, unit = number.groups()
            plain = f"-{digits}" if sign == "-" and digits != "0" else digits
            texts = [plain] if not unit else []
            texts += [f"{plain} step", f"{plain} steps"]
        return tuple(self._symbols[each] for each in texts if each in self._symbols)


def find_answer_text(text: str) -> str:
    """What stands in the last ``<answer>`` tag, which may be left open; all without a tag."""
    if tags := TAG.findall(text):
        return str(tags[-1])
    return OPENED.sub("", text)


def simplify(text: str) -> str:
    """The text in lower case, with single spaces, and with none and no full stop around it."""
    return " ".join(text.translate(SIMPLER).casefold().split()).strip(" .")
