"""Recorded interactions with a human overseer, for a human predictor to learn from.

In a recorded interaction the sub-questions come one after another, as a person asks them, and as
many as she likes: nothing is left of the rounds in which the domain's script asks.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch

from ia_gym.domains import Domain
from ia_gym.domains.domain import MAX_STEPS
from ia_gym.domains.transcript import Symbols
from ia_gym.networks.tensor_files import read_tensors, write_tensors


@dataclass(frozen=True)
class RecordedInteractions:
    """Interactions, one a row, with the most sub-questions of any in ``S`` places.

    Attributes:
        questions: int64 ``(n, Lq)``.
        asked: int64 ``(n, S, Lq)``, the sub-questions in order; rows of zeros after the last.
        answers: int64 ``(n, S)``, the answers to them.
        targets: int64 ``(n,)``, the person's answers to the questions.
        people: how many of the interactions are whose.
    """

    questions: Symbols
    asked: Symbols
    answers: Symbols
    targets: Symbols
    people: Mapping[str, int]

    @property
    def steps(self) -> int:
        """``S``."""
        return int(self.asked.shape[1])

    def describe(self) -> str:
        """How many interactions of whom, in words."""
        named = ", ".join(f"{name} ({count})" for name, count in self.people.items())
        return f"{len(self.targets)} recorded interactions of {named}"

    def save(self, path: str | os.PathLike[str], domain: Domain) -> None:
        """Write a safetensors file, with the domain's vocabulary in its header.

        Args:
            path: the file.
            domain: of the questions.
        """
        tensors = {
            name: torch.as_tensor(getattr(self, name))
            for name in ("questions", "asked", "answers", "targets")
        }
        header = {"vocabulary": describe_vocabulary(domain), "people": dict(self.people)}
        write_tensors(Path(path), tensors, header)

    @classmethod
    def load(cls, path: str | os.PathLike[str], domain: Domain) -> Self:
        """Read what :meth:`save` wrote. Nothing in the file is executed.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if it holds no interactions, or such with another domain or vocabulary.
        """
        if not Path(path).is_file():
            raise FileNotFoundError(f"records must name a file of interactions, found none {path}")
        try:
            header, tensors = read_tensors(Path(path))
            arrays = {key: tensor.numpy() for key, tensor in tensors.items()}
            found = cls(**arrays, people=header["people"])
            vocabulary = header["vocabulary"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"records must name a file of interactions; {path}: {error}"
            ) from error
        if vocabulary != describe_vocabulary(domain):
            raise ValueError(
                f"records must be about {describe_vocabulary(domain)}; {path} is about {vocabulary}"
            )
        found.check(domain)
        return found

    def check(self, domain: Domain) -> None:
        """Refuse interactions that cannot be with questions of ``domain``.

        Raises:
            ValueError: naming what is wrong.
        """
        n, steps = len(self.targets), self.steps
        shapes = {
            "questions": (n, domain.question_length),
            "asked": (n, steps, domain.question_length),
            "answers": (n, steps),
            "targets": (n,),
        }
        highest = {
            "questions": domain.n_symbols,
            "asked": domain.n_symbols,
            "answers": domain.n_symbols,
            "targets": domain.n_answers,
        }
        if n == 0 or not 1 <= steps <= MAX_STEPS:
            raise ValueError(
                f"records must hold interactions of 1..{MAX_STEPS} sub-questions, "
                f"got {n} of {steps}"
            )
        for name, shape in shapes.items():
            values = getattr(self, name)
            if values.shape != shape or values.dtype.kind != "i":
                raise ValueError(
                    f"{name} of records must be whole numbers of shape {shape}, "
                    f"got {values.dtype} of {values.shape}"
                )
            if values.min() < 0 or values.max() >= highest[name]:
                raise ValueError(
                    f"{name} of records must be in 0..{highest[name] - 1}, "
                    f"got {values.min()}..{values.max()}"
                )


def describe_vocabulary(domain: Domain) -> dict[str, Any]:
    """What two domains must have in common for the symbols of one to mean the same in the other."""
    return {
        "domain": domain.name,
        "max_size": domain.max_size,
        "n_symbols": domain.n_symbols,
        "n_answers": domain.n_answers,
        "question_length": domain.question_length,
    }
