"""The optimizer that the suite's networks learn fastest with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn


class MuonAdamW(torch.optim.Optimizer):
    """Muon on the weight matrices, AdamW on embeddings, biases and norms.

    Muon orthogonalises a matrix's update (Jordan et al., 2024). On the domains here it halves the
    steps. A 2-D parameter with an attribute ``is_embedding`` is left to AdamW. One learning rate
    drives both, so that any schedule that sets ``param_groups`` works.

    Args:
        params: parameters.
        lr: learning rate of AdamW.
        matrix_factor: Muon's learning rate is ``lr · matrix_factor``.
        weight_decay: decoupled weight decay of both.
        momentum: of Muon.
        betas: of AdamW.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float = 3e-3,
        matrix_factor: float = 3.0,
        weight_decay: float = 0.01,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.999),
    ) -> None:
        params = list(params)
        super().__init__(params, {"lr": lr})
        matrices: list[nn.Parameter] = []
        rest: list[nn.Parameter] = []
        for parameter in params:
            embedding = getattr(parameter, "is_embedding", False)
            (matrices if parameter.ndim == 2 and not embedding else rest).append(parameter)
        self.parts: list[tuple[torch.optim.Optimizer, float]] = []
        if matrices:
            muon = torch.optim.Muon(matrices, weight_decay=weight_decay, momentum=momentum)
            self.parts.append((muon, matrix_factor))
        if rest:
            adamw = torch.optim.AdamW(rest, weight_decay=weight_decay, betas=betas)
            self.parts.append((adamw, 1.0))

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One update of all parameters; ``closure``, if given, is evaluated first."""
        loss = None if closure is None else closure()
        for part, factor in self.parts:
            for group in part.param_groups:
                group["lr"] = self.param_groups[0]["lr"] * factor
            part.step()
        return loss

    def tensors(self) -> dict[str, Tensor]:
        """All that updates have left behind, a flat dict for a file of tensors."""
        return {
            f"{i}/{j}/{key}": torch.as_tensor(value)
            for i, (part, _) in enumerate(self.parts)
            for j, state in part.state_dict()["state"].items()
            for key, value in state.items()
        }

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore what :meth:`tensors` gave."""
        states = [part.state_dict() for part, _ in self.parts]
        for name, value in tensors.items():
            i, j, key = name.split("/")
            states[int(i)]["state"].setdefault(int(j), {})[key] = value
        for (part, _), state in zip(self.parts, states, strict=True):
            part.load_state_dict(state)

    def state_dict(self) -> dict[str, Any]:
        """The states of both parts, in order, and the learning rate."""
        parts = [part.state_dict() for part, _ in self.parts]
        return {"parts": parts, "lr": self.param_groups[0]["lr"]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` gave."""
        for (part, _), state in zip(self.parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self.param_groups[0]["lr"] = state_dict["lr"]
