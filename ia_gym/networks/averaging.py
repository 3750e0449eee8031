"""Polyak averages and copies of networks."""

from __future__ import annotations

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ia_gym.validation import check_number


def make_polyak_average(module: torch.nn.Module, polyak_tau: float) -> AveragedModel:
    """Make a slow copy of ``module``: its Polyak average.

    Call ``update_parameters(module)`` on it after each update. Its ``module`` is the copy, which
    only answers: it is in evaluation mode, without dropout.

    Args:
        module: the network to average.
        polyak_tau: weight of the latest parameters in an update, in (0, 1], as ``tau`` of SB3's
            DQN. The average reaches back over about ``1 / polyak_tau`` updates; 1 makes it a
            snapshot, equal to the module at the last update.

    Raises:
        ValueError: if ``polyak_tau`` is out of range.
    """
    rule = get_ema_multi_avg_fn(1 - check_number("polyak_tau", polyak_tau, "(0, 1]"))  # type: ignore[no-untyped-call]
    average = AveragedModel(module, multi_avg_fn=rule)
    return average.requires_grad_(False).eval()


def copy_weights(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A module's weights on the CPU, which further training leaves as they are."""
    return {name: value.detach().cpu().clone() for name, value in module.state_dict().items()}
