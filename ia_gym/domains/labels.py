"""Words for symbols that would otherwise read alike."""

from __future__ import annotations


def format_letters(number: int) -> str:
    """1 is A, 26 is Z, 27 is AA."""
    text = ""
    while number:
        number, letter = divmod(number - 1, 26)
        text = chr(ord("A") + letter) + text
    return text


def format_steps(distance: int) -> str:
    """A distance, to tell it from a vertex's number."""
    return "1 step" if distance == 1 else f"{distance} steps"
