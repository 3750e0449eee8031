"""RLlib's modules with the interface that evaluation and assistants take."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from ray.rllib.core.columns import Columns
from ray.rllib.core.rl_module.rl_module import RLModule

from ia_gym.networks.network_assistant import sample_categorical


class ModulePolicy:
    """Predicts as SB3's policies do, by an RLModule of PPO or DQN.

    Args:
        module: an RLModule on observations as the environment shows them: "flat" or "onehot",
            without connectors that change them.
    """

    def __init__(self, module: RLModule) -> None:
        self.module = module
        self.observation_space = module.observation_space

    @torch.no_grad()
    def predict(
        self,
        observation: NDArray[Any] | dict[str, NDArray[Any]],
        state: tuple[NDArray[Any], ...] | None = None,
        episode_start: NDArray[Any] | None = None,
        deterministic: bool = False,
    ) -> tuple[NDArray[Any], tuple[NDArray[Any], ...] | None]:
        """Answers ``(n,)`` to observations ``(n, T)``; those of DQN are always the best ones."""
        parameter = next(self.module.parameters())
        shown = torch.as_tensor(observation, device=parameter.device)
        outputs = self.module.forward_inference({Columns.OBS: shown})
        if Columns.ACTIONS in outputs:
            answers = outputs[Columns.ACTIONS]
        else:
            logits = outputs[Columns.ACTION_DIST_INPUTS]
            answers = sample_categorical(logits, 0 if deterministic else 1)
        return answers.cpu().numpy(), None
