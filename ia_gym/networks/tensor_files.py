"""Files of tensors in the safetensors format, with settings as JSON and a fingerprint of both."""

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

SETTINGS = "ia_gym.settings"
"""Name of the settings among a file's metadata."""
FINGERPRINT = "sha256"
"""Name of the fingerprint among the settings."""


def write_tensors(path: Path, tensors: Mapping[str, Tensor], settings: Mapping[str, Any]) -> None:
    """Write a file of tensors, see :func:`ia_gym.files.write_atomically`.

    Args:
        path: the file.
        tensors: by name; copied to the CPU if they are elsewhere.
        settings: what JSON can hold. Equal tensors and settings give equal bytes.

    Raises:
        OSError: if it cannot be written, as on a full disk.
        ValueError: if a setting is NaN or infinite, which JSON cannot hold.
    """
    stored = {key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}
    fingerprint = compute_fingerprint(stored, _to_json(settings))
    # In one entry, since safetensors writes several in any order: equal contents are equal bytes.
    header = {SETTINGS: _to_json({**settings, FINGERPRINT: fingerprint})}

    def write(temporary: Path) -> None:
        try:
            save_file(stored, temporary, header)
        except SafetensorError as error:  # says "I/O error: File too large (os error 27)"
            raise OSError(f"{temporary} cannot be written: {error}") from error

    write_atomically(path, write)


def read_tensors(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read what :func:`write_tensors` wrote. Nothing in the file is executed.

    Returns:
        Settings, and tensors by name.

    Raises:
        ValueError: if it is not such a file, or its content has changed since.
    """
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        settings = json.loads(header[SETTINGS])
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no file of tensors and settings: {error!r}") from error
    if not isinstance(settings, dict):
        raise ValueError(f"{path} must hold settings, got {settings!r}")
    fingerprint = settings.pop(FINGERPRINT, None)
    if fingerprint != compute_fingerprint(tensors, json.dumps(settings)):
        raise ValueError(f"{path} is damaged")
    return settings, tensors


def compute_fingerprint(tensors: Mapping[str, Tensor], text: str) -> str:
    """SHA-256 of tensors and text: it tells whether a file holds what was written to it."""
    digest = hashlib.sha256(text.encode())
    for key in sorted(tensors):
        digest.update(key.encode())
        digest.update(tensors[key].numpy().tobytes())
    return digest.hexdigest()


def _to_json(settings: Mapping[str, Any]) -> str:
    try:
        return json.dumps(settings, allow_nan=False)
    except ValueError as error:
        raise ValueError(
            f"settings must hold finite numbers for JSON to hold them, got {dict(settings)}"
        ) from error
