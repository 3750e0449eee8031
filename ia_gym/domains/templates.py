"""Templates: the moves of a decomposition, with places for arguments.

A template is a sub-question or a final answer in which symbols are left open. They are filled with
symbols copied from the question and from the answers so far, so that the moves are few, and the
same whatever the names in a context are.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Template:
    """A sub-question or an answer with places for arguments.

    Attributes:
        text: in words, with "{}" in the place of each argument; of the root question too, where it
            matters (k is the root question's power).
        is_answer: whether it ends the decomposition; else it is a sub-question.
    """

    text: str
    is_answer: bool = False

    @property
    def n_arguments(self) -> int:
        """How many symbols have to be filled in."""
        return self.text.count("{}")
