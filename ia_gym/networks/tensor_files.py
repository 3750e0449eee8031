"""Files of tensors in the safetensors format, with settings as JSON and a fingerprint of it all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ia_gym.files import write_atomically

SETTINGS, FINGERPRINT = "ia_gym.settings", "sha256"
"""Names in a file's header."""
OLDER = "ia_gym"
"""What settings were called when a fingerprint stood beside them, or in no place at all."""


def write_tensors(path: Path, tensors: Mapping[str, Tensor], settings: Mapping[str, Any]) -> None:
    """Write a file that is whole, or leave what was there.

    Raises:
        OSError: if it cannot be written, as on a full disk.
    """
    stored = {key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}
    told = compute_fingerprint(stored, json.dumps(settings))
    # In one entry, since safetensors writes several in any order: equal contents are equal bytes.
    header = {SETTINGS: json.dumps({**settings, FINGERPRINT: told})}

    def write(aside: Path) -> None:
        try:
            save_file(stored, aside, header)
        except SafetensorError as error:  # says "I/O error: File too large (os error 27)"
            raise OSError(f"{aside} cannot be written: {error}") from error

    write_atomically(path, write)


def read_tensors(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Settings and tensors of a file. Nothing in it is executed.

    Raises:
        ValueError: if it is no such file, or not what was written.
    """
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        settings = json.loads(header[OLDER if OLDER in header else SETTINGS])
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no file of tensors and settings: {error!r}") from error
    if not isinstance(settings, dict):
        raise ValueError(f"{path} must hold settings, got {settings!r}")
    told = header.get(FINGERPRINT) if OLDER in header else settings.pop(FINGERPRINT, "missing")
    if told not in (None, compute_fingerprint(tensors, json.dumps(settings))):
        raise ValueError(f"{path} is damaged")
    return settings, tensors


def compute_fingerprint(tensors: Mapping[str, Tensor], text: str) -> str:
    """What tells whether a file holds what was written to it: SHA-256 of tensors and text."""
    digest = hashlib.sha256(text.encode())
    for key in sorted(tensors):
        digest.update(key.encode())
        digest.update(tensors[key].numpy().tobytes())
    return digest.hexdigest()
