"""Questions in words, the same for people and language models."""

from __future__ import annotations

import string
from dataclasses import dataclass

from gymnasium import spaces

from ia_gym.domains import Domain
from ia_gym.domains.transcript import Symbols

TEXT_MODES = ("text", "prompt")
"""Encodings of observations that are texts."""

ANSWER_FORMAT = (
    "Write the answer as <answer>...</answer>, or <answer>idk</answer> if you do not know it."
)
"""The last line of a prompt. What is accepted: :mod:`ia_gym.domains.answer_parser`."""


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


def describe_facts(domain: Domain, facts: Symbols) -> str:
    """The facts ``(F, L)`` of a context in one line, padding left out.

    The other texts of a context (``context_text``) may say more than its facts do: the cycles of a
    permutation give its powers away.
    """
    return "; ".join(text for text in map(domain.fact_text, facts) if text)


def describe_question(domain: Domain, question: Symbols) -> str:
    """A question ``(Lq,)`` in words."""
    return f"{domain.question_text(question)} = ?"


def make_text_space(domain: Domain, frame: Frame) -> spaces.Text:
    """The space of a domain's texts: as long as its longest, of the characters in them.

    Raises:
        ValueError: for a domain with texts of its own that does not say how long they get.
    """
    for text, longest in (("fact_text", "longest_facts"), ("question_text", "longest_questions")):
        cls = type(domain)
        overridden = getattr(cls, text) is not getattr(Domain, text)
        if overridden and getattr(cls, longest) is getattr(Domain, longest):
            raise ValueError(
                f'observation must not be "text" for {cls.name}: it has a {text}() of its own and '
                f"needs {longest}() beside it, which says how long its texts get"
            )
    facts = describe_facts(domain, domain.longest_facts())
    questions = [describe_question(domain, each) for each in domain.longest_questions()]
    symbols = map(domain.symbol_text, range(1, domain.n_symbols))
    texts = [frame.enclose(facts, question) for question in questions]
    characters = set().union(string.digits, *texts, *symbols)
    length = max(map(len, texts))
    return spaces.Text(length, charset="".join(sorted(characters)))
