"""The interface of networks that encode a context once, and answer many questions about it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

MAX_PARAMETERS = 10**8
"""Most parameters of a network that is trained or loaded."""


class ContextNetwork(nn.Module):
    """A network that encodes the facts of a context once, for any number of questions about it.

    Attributes:
        fact_shape: ``(F, L)``, rows of facts and tokens in a row.
        fact_passes: times the facts go through their blocks.
        ignores_padding: whether rows of padding, and the order of the rows, have no effect.
    """

    fact_shape: tuple[int, int]
    fact_passes: int = 1
    ignores_padding: ClassVar[bool]

    @property
    def device(self) -> torch.device:
        """Device of the parameters."""
        return next(self.parameters()).device

    @abstractmethod
    def encode(self, facts: Tensor, passes: int | None = None) -> Any:
        """Encode ``facts`` (int64 ``(B, F, L)``) once, for all questions about them.

        Args:
            facts: the tokens.
            passes: times they go through their blocks; default ``fact_passes``.

        Returns:
            What :meth:`read` takes. Its method ``tensors()`` lists all tensors in it, each with one
            row for each context.
        """

    @abstractmethod
    def read(self, encoded: Any, questions: Tensor) -> Tensor:
        """Compute features or logits ``(B, Q, d)`` of ``questions`` (int64 ``(B, Q, Lq)``).

        Args:
            encoded: what :meth:`encode` gave.
            questions: the tokens.
        """

    @abstractmethod
    def forward(self, facts: Tensor, questions: Tensor, passes: int | None = None) -> Tensor:
        """What :meth:`read` gives for ``questions (B, Q, Lq)`` about ``facts (B, F, L)``."""


def check_parameters(make: Callable[[], nn.Module]) -> None:
    """Refuse a network that is too large, without allocating it.

    Args:
        make: makes the network; called with ``meta`` as the default device.

    Raises:
        ValueError: if it would have more than ``MAX_PARAMETERS``.
    """
    with torch.device("meta"):
        n = sum(tensor.numel() for tensor in make().state_dict().values())
    if n > MAX_PARAMETERS:
        raise ValueError(f"the network must have at most {MAX_PARAMETERS} numbers, got {n}")
