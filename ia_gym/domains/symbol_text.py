"""Labels and distances as text that cannot be mistaken for the number of a vertex."""

from __future__ import annotations


def format_letters(number: int) -> str:
    """Count in letters: 1 is A, 26 is Z, 27 is AA."""
    text = ""
    while number:
        number, letter = divmod(number - 1, 26)
        text = chr(ord("A") + letter) + text
    return text


def format_steps(distance: int) -> str:
    """A distance in words, to tell it from the number of a vertex."""
    return "1 step" if distance == 1 else f"{distance} steps"
