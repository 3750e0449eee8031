"""Forms in which a person asks: sentences with menus, which make well-formed questions only.

A domain lists its forms, one for each kind of question:
:meth:`ia_gym.domains.Domain.question_forms`. The same forms put a question into words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ia_gym.domains.transcript import Symbols


@dataclass(frozen=True)
class Menu:
    """A place of a question that is filled from a list.

    Attributes:
        label: what is chosen, such as "vertex".
        start: index of the first symbol of the question that it fills.
        texts: the choices, as a person reads them.
        symbols: int64 ``(n, width)``, the symbols that each choice puts from ``start`` on.
        clickable: whether the choices are names that the picture of the context shows.
    """

    label: str
    start: int
    texts: Sequence[str]
    symbols: Symbols = field(repr=False)
    clickable: bool = False

    @property
    def places(self) -> slice:
        """The symbols of a question that it fills."""
        return slice(self.start, self.start + self.symbols.shape[1])


@dataclass(frozen=True)
class QuestionForm:
    """A kind of question as a sentence with menus.

    Attributes:
        words: the sentence, with ``{0}``, ``{1}``, ... in the places of the menus.
        row: int64 ``(Lq,)``, a question of this kind, whatever stands where the menus do.
        menus: in the order of the sentence.
    """

    words: str
    row: Symbols = field(repr=False)
    menus: tuple[Menu, ...]

    def fill(self, chosen: Sequence[int]) -> Symbols:
        """The question that the choices make, int64 ``(Lq,)``.

        Args:
            chosen: for each menu the index of a choice.

        Raises:
            ValueError: for another number of choices than menus, or an index out of range.
        """
        if len(chosen) != len(self.menus):
            raise ValueError(f"chosen must hold {len(self.menus)} choices, got {len(chosen)}")
        row = self.row.copy()
        for menu, choice in zip(self.menus, chosen, strict=True):
            if not 0 <= choice < len(menu.texts):
                raise ValueError(
                    f"{menu.label} must be a choice in 0..{len(menu.texts) - 1}, got {choice}"
                )
            row[menu.places] = menu.symbols[choice]
        return row

    def read(self, question: Symbols) -> list[int] | None:
        """The choices that make ``question (Lq,)``; None if it is of another kind or name."""
        chosen = []
        for menu in self.menus:
            found = np.flatnonzero((menu.symbols == question[menu.places]).all(axis=1))
            if not len(found):
                return None
            chosen.append(int(found[0]))
        return chosen if np.array_equal(self.fill(chosen), question) else None

    def describe(self, chosen: Sequence[int]) -> str:
        """The sentence with the choices in it."""
        texts = [menu.texts[choice] for menu, choice in zip(self.menus, chosen, strict=True)]
        return self.words.format(*texts)


def make_names_menu(label: str, start: int, texts: Sequence[str], names: Symbols) -> Menu:
    """A menu of symbols that the picture of the context shows, one symbol a choice.

    Args:
        label: what is chosen.
        start: index of the symbol that it fills.
        texts: the names as text.
        names: ``(n,)``, their symbols.
    """
    return Menu(label, start, texts, np.asarray(names, np.int64)[:, None], clickable=True)


def find_form(forms: Sequence[QuestionForm], question: Symbols) -> tuple[int, list[int]] | None:
    """The form, by its index, and the choices that make ``question (Lq,)``; None if none does."""
    for index, form in enumerate(forms):
        chosen = form.read(question)
        if chosen is not None:
            return index, chosen
    return None
