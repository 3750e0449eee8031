"""What the pages refuse, with the HTTP status that says why."""

from __future__ import annotations


class RefusedError(Exception):
    """A request that cannot be carried out; the records are as they were.

    Args:
        status: of the HTTP response.
        message: for the person, in a sentence.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def refuse_unknown(what: str, number: int) -> RefusedError:
    """The error for an id that is not in the records."""
    return RefusedError(404, f"There is no {what} {number}.")


def refuse_outdated() -> RefusedError:
    """The error for a form that was sent twice, or from a page that is no longer current."""
    return RefusedError(
        409, "This page is out of date: the question has gone on since. Nothing was changed."
    )
