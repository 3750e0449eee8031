"""Files that are whole, or what they were before: whatever ends the process, and when."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` make the file under another name, and give it its name once it is on the disk.

    Raises:
        OSError: if it cannot be written, as on a full disk; the file is what it was before.
    """
    aside = path.with_name(f"{path.name}.part")
    try:
        write(aside)
        with aside.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text``, see :func:`write_atomically`."""
    write_atomically(path, lambda aside: aside.write_text(text, encoding="utf-8"))


def write_json(path: Path, content: Any) -> None:
    """Write ``content`` as JSON, see :func:`write_atomically`."""
    write_text(path, json.dumps(content, indent=2, default=str) + "\n")
