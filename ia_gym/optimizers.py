"""The optimizer that the suite's networks learn fastest with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn


class MuonAdamW(torch.optim.Optimizer):
    """Muon on the weight matrices, AdamW on embeddings, biases and norms.

    Muon orthogonalises a matrix's update (Jordan et al., 2024); scaled to the size of AdamW's
    updates, one learning rate serves both. On the domains here it halves the steps. A 2-D
    parameter with an attribute ``is_embedding`` counts as an embedding.

    Args:
        params: parameters.
        lr: learning rate of both.
        weight_decay: decoupled weight decay of both.
        momentum: of Muon.
        betas: of AdamW.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float = 3e-3,
        weight_decay: float = 0.0,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.99),
    ) -> None:
        params = list(params)
        matrices = [p for p in params if p.ndim == 2 and not getattr(p, "is_embedding", False)]
        rest = [p for p in params if not any(p is matrix for matrix in matrices)]
        self.parts: list[torch.optim.Optimizer] = []
        if matrices:
            self.parts.append(
                torch.optim.Muon(
                    matrices,
                    lr=lr,
                    weight_decay=weight_decay,
                    momentum=momentum,
                    adjust_lr_fn="match_rms_adamw",
                )
            )
        if rest:
            self.parts.append(
                torch.optim.AdamW(rest, lr=lr, weight_decay=weight_decay, betas=betas)
            )
        super().__init__(params, {"lr": lr})
        # A schedule sets the learning rate in ``param_groups``: let it reach both parts.
        self.param_groups = [group for part in self.parts for group in part.param_groups]

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One update of all parameters; ``closure``, if given, is evaluated first."""
        loss = None if closure is None else closure()
        for part in self.parts:
            part.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        """The states of both parts, in order."""
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` gave."""
        for part, state in zip(self.parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self.param_groups = [group for part in self.parts for group in part.param_groups]
