"""Where a result comes from: command, commit, versions and hardware."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

import ia_gym

PACKAGES = ("gymnasium", "stable-baselines3", "torch", "numpy")
"""Packages whose versions a result names."""
MODULES = ("__main__.py", "cli.py")
"""Names that stand in ``sys.argv`` for the command ``ia-gym`` when it runs as a module."""


def describe_command() -> str:
    """The running command, as one would type it, without the folder it writes to."""
    words = [Path(sys.argv[0]).name, *sys.argv[1:]]
    if words[0] in MODULES:
        words[0] = "ia-gym"
    kept = []
    skipping = False
    for word in words:
        if not skipping and word != "--log-dir" and not word.startswith("--log-dir="):
            kept.append(word)
        skipping = word == "--log-dir"
    return shlex.join(kept)


def describe_commit() -> str | None:
    """The commit of the running code, with a "+" if files have changed; None outside of git."""
    here = Path(__file__).resolve()
    questions = (
        ("ls-files", "--error-unmatch", here.name),  # not another project's repository around it
        ("rev-parse", "--short", "HEAD"),
        ("status", "--porcelain", "-uno"),
    )
    try:
        _, commit, changes = (
            subprocess.run(
                ["git", *words], cwd=here.parent, capture_output=True, text=True, check=True
            ).stdout.strip()
            for words in questions
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit + ("+" if changes else "")


def list_versions() -> dict[str, str]:
    """Versions of the packages that results depend on."""
    return {"ia-gym": ia_gym.__version__, **{name: version(name) for name in PACKAGES}}


def describe_hardware(device: object) -> dict[str, Any]:
    """The machine, and the threads and device that a training on ``device`` uses.

    Args:
        device: a ``torch.device`` or its name.
    """
    where = torch.device(str(device))
    return {
        "machine": platform.machine(),
        "processor": find_processor(),
        "gpu": torch.cuda.get_device_name(where) if where.type == "cuda" else None,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": str(device),
        "python": platform.python_version(),
    }


def find_processor() -> str:
    """The processor's name, as Linux has it; elsewhere what Python knows of it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
