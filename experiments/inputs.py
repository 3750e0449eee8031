"""Checks of what the commands are given, made before any work is done."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import gymnasium as gym

import ia_gym  # noqa: F401  (registers the ids)

PREFIX = "ia_gym:"
"""Before an id, it makes gymnasium import the package; here it is allowed and of no effect."""


def list_env_ids() -> list[str]:
    """Ids of all registered environments of the suite, and of your own domains."""
    return sorted(
        env_id
        for env_id, spec in gym.registry.items()
        if isinstance(spec.entry_point, str) and spec.entry_point.startswith("ia_gym.envs:")
    )


def check_env_id(env_id: str) -> str:
    """``env_id`` without the prefix "ia_gym:".

    Raises:
        ValueError: if it is not one of :func:`list_env_ids`.
    """
    known = list_env_ids()
    found = env_id.removeprefix(PREFIX) if isinstance(env_id, str) else None
    if found not in known:
        raise ValueError(f"env_id must be one of {known}, got {env_id!r}")
    return str(found)


def check_device(device: str | None) -> None:
    """Refuse a device that torch does not know or this machine does not have.

    SB3 takes the CPU, without a word, where CUDA is asked for and missing.

    Raises:
        ValueError: naming the device.
    """
    import torch  # here, so that `ia-gym --help` need not wait for it

    if device in (None, "auto"):
        return
    try:
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, TypeError, ImportError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f'device must be "auto", "cpu" or one that this machine has, got {device!r}: {reason}'
        ) from None


def check_output_file(name: str, path: str | os.PathLike[str] | None) -> None:
    """Refuse a file that cannot be written; it is left as it was.

    Args:
        name: of the argument, for the message.
        path: the file; None for none.

    Raises:
        ValueError: if it is a folder, or in a folder that is missing or cannot be written to.
    """
    if path is None:
        return
    if not os.fspath(path):
        raise ValueError(f"{name} must be a file that can be written, got ''")
    target = Path(path)
    existed = os.path.lexists(target)
    try:
        with target.open("ab"):
            pass
        if not existed:
            target.unlink()
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        raise ValueError(
            f"{name} must be a file that can be written, got {path}: {error}"
        ) from None


def split_names(name: str, text: str) -> list[str]:
    """The names in ``text``, which have commas between them; spaces do not matter.

    Args:
        name: of the argument, for the message.
        text: such as "ppo, imitation".

    Raises:
        ValueError: if a name is empty.
    """
    names = [each.strip() for each in text.split(",")]
    if not all(names):
        raise ValueError(f"{name} must be names with commas between, got {text!r}")
    return names


def split_numbers(name: str, text: str) -> list[int]:
    """The whole numbers in ``text``, which have commas between them.

    Args:
        name: of the argument, for the message.
        text: such as "8, 16".

    Raises:
        ValueError: if it holds anything else.
    """
    try:
        return [int(number) for number in text.split(",")]
    except ValueError:
        raise ValueError(
            f"{name} must be whole numbers with commas between, got {text!r}"
        ) from None


def split_shares(name: str, text: str) -> list[float]:
    """The numbers in [0, 1] in ``text``, which have commas between them.

    Args:
        name: of the argument, for the message.
        text: such as "0, 0.1".

    Raises:
        ValueError: if it holds anything else.
    """
    try:
        shares = [float(number) for number in text.split(",")]
    except ValueError:
        shares = [-1.0]
    if not all(0 <= share <= 1 for share in shares):
        raise ValueError(f"{name} must be numbers in [0, 1] with commas between, got {text!r}")
    return shares


def split_counts(name: str, text: str) -> dict[str, int]:
    """Names with whole numbers above 0, such as "script:300, sloppy:100".

    Args:
        name: of the argument, for the message.
        text: the names and numbers.

    Raises:
        ValueError: if it holds anything else.
    """
    pairs = [each.strip().partition(":") for each in text.split(",")]
    if not all(key and count.isdecimal() and int(count) > 0 for key, _, count in pairs):
        raise ValueError(f"{name} must be names and numbers such as a:300,b:100, got {text!r}")
    return {key: int(count) for key, _, count in pairs}


def check_distinct(name: str, values: Sequence[str]) -> None:
    """Refuse a list that is empty or holds a value twice.

    Raises:
        ValueError: naming the values.
    """
    if not values:
        raise ValueError(f"{name} must hold at least one name, got none")
    twice = sorted({value for value in values if list(values).count(value) > 1})
    if twice:
        raise ValueError(f"{name} must be distinct, got twice: {', '.join(twice)}")
