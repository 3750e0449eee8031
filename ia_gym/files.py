"""Writing files atomically: a file is complete, or it is what it was before."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file under a temporary name, and rename it once it is on the disk.

    Whatever interrupts the process, ``path`` holds the complete new file or what it held before.
    The new file has the permissions that the user's umask gives, whatever ``write`` gave it.
    A link is followed, and what is no regular file, such as ``/dev/null``, is written to directly.

    Args:
        path: the file.
        write: called with the temporary path, in the same folder; writes the content there.

    Raises:
        OSError: if the file cannot be written, as on a full disk; it names the file.
    """
    try:
        if path.exists() and not path.is_file():
            write(path)
        else:
            _write_and_rename(Path(os.path.realpath(path)), write)
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def _write_and_rename(path: Path, write: Callable[[Path], object]) -> None:
    """Write a regular file under a temporary name, and rename it."""
    temporary = path.with_name(f"{path.name}.part")
    try:
        temporary.unlink(missing_ok=True)
        temporary.touch()
        mode = temporary.stat().st_mode
        write(temporary)
        temporary.chmod(mode)  # safetensors, for one, makes files that nobody else may read
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` in UTF-8, see :func:`write_atomically`."""
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_json(path: Path, content: Any) -> None:
    """Write ``content`` as JSON, see :func:`write_atomically`.

    JSON knows no NaN and no infinity: ``null`` is written in their place. NumPy's numbers and
    arrays become numbers and lists, and what JSON cannot hold becomes its ``str``.
    """
    text = json.dumps(_make_serializable(content), indent=2, default=str, allow_nan=False)
    write_text(path, text + "\n")


def _make_serializable(content: Any) -> Any:
    """``content`` with lists and Python's numbers for NumPy's, and None for what is not finite."""
    if isinstance(content, np.ndarray | np.generic):
        content = content.tolist()
    if isinstance(content, dict):
        return {key: _make_serializable(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_make_serializable(value) for value in content]
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content
