"""How the commands report what went wrong: in one line, with an exit status, without a traceback.

===== ==============================================================================
  2   bad input: an argument, a file, a folder, a package that is missing
  1   a file could not be written, as on a full disk
 130  Ctrl-C; 128 plus the signal's number for other signals
===== ==============================================================================
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import Any

import typer

INPUT_ERRORS = (
    ValueError,
    ImportError,
    FileNotFoundError,
    FileExistsError,
    IsADirectoryError,
    NotADirectoryError,
    PermissionError,
)


def report_errors(name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A decorator for the command ``name``.

    Bugs, such as a ``TypeError``, keep their traceback. A ``ModuleNotFoundError`` is left to
    :func:`ia_gym.experiments.__main__.main`.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def run(*args: Any, **kwargs: Any) -> None:
            try:
                command(*args, **kwargs)
            except ModuleNotFoundError:
                raise
            except KeyboardInterrupt:
                fail(name, "interrupted", 130)
            except INPUT_ERRORS as error:
                fail(name, describe_error(error), 2)
            except BrokenPipeError:
                discard_output()  # the reader has gone, as in `ia-gym envs | head -1`
            except OSError as error:
                fail(name, describe_error(error), 1)

        return run

    return decorate


def discard_output() -> None:
    """Send what this process prints from now on to nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def describe_error(error: BaseException) -> str:
    """The error and its notes in one line."""
    notes = getattr(error, "__notes__", [])
    return "; ".join([" ".join(str(error).split()), *notes])


def fail(name: str, message: str, status: int) -> None:
    """Print a message of the command ``name`` on standard error, and exit with ``status``."""
    print(f"ia-gym {name}: {message}", file=sys.stderr)
    raise typer.Exit(status) from None
