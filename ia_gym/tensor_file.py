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

from ia_gym.files import write_whole

SETTINGS, FINGERPRINT = "ia_gym", "sha256"
"""What a file's header holds."""


def write_tensors(path: Path, tensors: Mapping[str, Tensor], settings: Mapping[str, Any]) -> None:
    """Write a file that is whole, or leave what was there.

    Raises:
        OSError: if it cannot be written, as on a full disk.
    """
    stored = {key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}
    text = json.dumps(settings)
    header = {SETTINGS: text, FINGERPRINT: fingerprint(stored, text)}

    def write(aside: Path) -> None:
        try:
            save_file(stored, aside, header)
        except SafetensorError as error:  # says "I/O error: File too large (os error 27)"
            raise OSError(f"{aside} cannot be written: {error}") from error

    write_whole(path, write)


def read_tensors(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Settings and tensors of a file. Nothing in it is executed.

    Raises:
        ValueError: if it is no such file, or not what was written.
    """
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        settings = json.loads(header[SETTINGS])
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no file of tensors and settings: {error!r}") from error
    if header.get(FINGERPRINT) not in (None, fingerprint(tensors, header[SETTINGS])):
        raise ValueError(f"{path} is damaged")
    if not isinstance(settings, dict):
        raise ValueError(f"{path} must hold settings, got {settings!r}")
    return settings, tensors


def fingerprint(tensors: Mapping[str, Tensor], text: str) -> str:
    """What tells whether a file holds what was written to it: SHA-256 of tensors and text."""
    digest = hashlib.sha256(text.encode())
    for key in sorted(tensors):
        digest.update(key.encode())
        digest.update(tensors[key].numpy().tobytes())
    return digest.hexdigest()
