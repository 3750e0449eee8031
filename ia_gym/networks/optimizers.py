"""The optimizer that the suite's networks learn fastest with, and the parameters it sets apart."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim.optimizer import ParamsT

from ia_gym.validation import check_number

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of Muon's polynomial x → ax + bx³ + cx⁵, which five times over takes (0, 1] to about 1."""
OPTIONS = ("lr", "matrix_factor", "weight_decay", "momentum", "betas")
"""What each parameter group may set for itself."""


class AdamWParameter(nn.Parameter):
    """A 2-D parameter that :class:`MuonAdamW` leaves to AdamW, such as the table of an embedding.

    Unlike an attribute set on an ``nn.Parameter``, its class survives ``copy.deepcopy``.
    """

    use_muon = False

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:  # else pickle makes it a Parameter
        return AdamWParameter, (self.data, self.requires_grad)


class BatchedMuon(torch.optim.Muon):
    """PyTorch's Muon, which orthogonalizes all matrices of one shape at once, in their own dtype.

    PyTorch's takes one matrix after the other, in bfloat16. Many processors have no instructions
    for that, and on a GPU it is a thousand small kernels.
    """

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update all matrices that have a gradient."""
        for group in self.param_groups:
            alike: defaultdict[Any, list[Tensor]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    alike[parameter.shape, parameter.dtype, parameter.device].append(parameter)
            for matrices in alike.values():
                self._update(matrices, group["lr"], group["weight_decay"], group["momentum"])

    def _update(
        self, matrices: list[Tensor], lr: float, weight_decay: float, momentum: float
    ) -> None:
        """Update matrices of one shape."""
        for each in matrices:
            if "momentum_buffer" not in self.state[each]:
                self.state[each]["momentum_buffer"] = torch.zeros_like(each)
        buffers = [self.state[each]["momentum_buffer"] for each in matrices]
        gradients = torch.stack([cast("Tensor", each.grad) for each in matrices])
        averages = torch.stack(buffers).lerp_(gradients, 1 - momentum)
        updates = orthogonalize(gradients.lerp(averages, momentum))  # Nesterov's momentum
        rows, columns = matrices[0].shape
        torch._foreach_copy_(buffers, list(averages))
        torch._foreach_mul_(matrices, 1 - lr * weight_decay)
        torch._foreach_add_(
            matrices, list(updates), alpha=-lr * math.sqrt(max(1.0, rows / columns))
        )


def orthogonalize(matrices: Tensor) -> Tensor:
    """Bring all singular values of each matrix near to 1, by Muon's Newton-Schulz iteration.

    Args:
        matrices: ``(n, rows, columns)``.

    Returns:
        Matrices of the same shape and dtype, with singular values of about 0.7 to 1.2, but those
        below a thousandth of the largest.
    """
    a, b, c = COEFFICIENTS
    norms: Tensor = torch.linalg.matrix_norm(matrices, keepdim=True).clamp(min=1e-7)
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = (matrices.transpose(1, 2) if tall else matrices) / norms
    for _ in range(5):
        gram = x @ x.transpose(1, 2)
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.transpose(1, 2) if tall else x


class MuonAdamW(torch.optim.Optimizer):
    """Muon on the weight matrices, AdamW on embeddings, biases and norms.

    Muon (Jordan et al., 2024) orthogonalizes the update of a matrix; with it the networks of this
    suite need half the steps. Matrices are the 2-D parameters, except those with an attribute
    ``use_muon`` that is false, such as :class:`AdamWParameter`.

    Every parameter group has one learning rate for both algorithms, so that any scheduler works,
    and may have values of its own for all arguments below.

    Args:
        params: parameters, named parameters, or dicts that define parameter groups, as any
            optimizer of PyTorch takes them.
        lr: learning rate of AdamW.
        matrix_factor: Muon's learning rate is ``lr * matrix_factor``.
        weight_decay: decoupled weight decay of both.
        momentum: of Muon.
        betas: of AdamW.

    Raises:
        ValueError: for a value out of range, or a parameter group with an unknown option.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float = 3e-3,
        matrix_factor: float = 3.0,
        weight_decay: float = 0.01,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.999),
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "matrix_factor": matrix_factor,
                "weight_decay": weight_decay,
                "momentum": momentum,
                "betas": betas,
            },
        )

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a parameter group, as for any optimizer of PyTorch.

        Raises:
            ValueError: for a value out of range, or an unknown option.
        """
        # Schedulers keep "initial_lr" in a group.
        if unknown := param_group.keys() - {"params", "param_names", "initial_lr", *OPTIONS}:
            raise ValueError(
                f"a parameter group may set {', '.join(OPTIONS)}, got {', '.join(sorted(unknown))}"
            )
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        # Decided once, and part of the state: a copy of a parameter may have lost its attributes.
        group["use_muon"] = [
            parameter.ndim == 2 and getattr(parameter, "use_muon", True)
            for parameter in group["params"]
        ]
        try:
            list(self._split(group))
        except ValueError:
            self.param_groups.pop()
            raise

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update all parameters that have a gradient.

        Args:
            closure: evaluates the model again and returns the loss, as for any optimizer of
                PyTorch.

        Returns:
            What ``closure`` returned; None without one.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for part in self._split(group):
                part.state = self.state
                part.step()
        return loss

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Restore what :meth:`state_dict` gave.

        Raises:
            ValueError: for the state of another kind of optimizer, or of other parameters.
        """
        for group in state_dict["param_groups"]:
            if missing := {*OPTIONS, "use_muon"} - group.keys():
                raise ValueError(
                    "state_dict must be that of a MuonAdamW, got one whose parameter groups lack "
                    f"{', '.join(sorted(missing))}"
                )
        super().load_state_dict(cast("dict[str, Any]", state_dict))

    def _split(self, group: dict[str, Any]) -> Iterator[torch.optim.Optimizer]:
        """PyTorch's optimizers of the two kinds of parameters in a group.

        They are made anew for each step, so that whatever changes the groups (schedulers,
        ``load_state_dict``, ``copy.deepcopy``) has its effect; all state is in ``self.state``.
        """
        rest: list[Tensor] = []
        matrices: list[Tensor] = []
        for parameter, use_muon in zip(group["params"], group["use_muon"], strict=True):
            (matrices if use_muon else rest).append(parameter)
        lr, weight_decay = group["lr"], group["weight_decay"]
        check_number("matrix_factor", group["matrix_factor"], "[0, inf)")
        if matrices:
            matrix_lr = lr * group["matrix_factor"]
            yield BatchedMuon(matrices, matrix_lr, weight_decay, group["momentum"])
        if rest:
            yield torch.optim.AdamW(
                rest, lr, group["betas"], weight_decay=weight_decay, foreach=True
            )

    def tensors(self) -> dict[str, Tensor]:
        """The state, as a flat dict for a file of tensors."""
        return {
            f"{place}/{key}": torch.as_tensor(value)
            for place, state in self.state_dict()["state"].items()
            for key, value in state.items()
        }

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore what :meth:`tensors` gave."""
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            place, key = name.split("/")
            state.setdefault(int(place), {})[key] = value
        self.load_state_dict({**self.state_dict(), "state": state})
