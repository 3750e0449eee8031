"""Callbacks that keep an environment's overseer in step with the agent."""

from __future__ import annotations

from stable_baselines3.common.callbacks import BaseCallback

from ia_gym.agents.assistants import PolicyAssistant
from ia_gym.assistants import polyak_average


class AmplificationCallback(BaseCallback):
    """Attaches a slow copy of the agent to the environment, as the overseer's assistant.

    The copy is the Polyak average of the agent's policy over its last updates (the paper, section
    2: "the agent's slow copy"), renewed before each rollout.

    Args:
        horizon: rollouts to average over; 1 for a snapshot of the latest policy.
        deterministic: take the copy's best answers instead of sampling them.
        verbose: as in SB3.
    """

    def __init__(self, horizon: float = 4, deterministic: bool = False, verbose: int = 0) -> None:
        super().__init__(verbose)
        self.horizon = horizon
        self.deterministic = deterministic

    def _on_training_start(self) -> None:
        self.average = polyak_average(self.model.policy, self.horizon)
        self.average.train(False)
        assistant = PolicyAssistant(self.average.module, self.deterministic)
        self.training_env.env_method("set_assistant", assistant)

    def _on_rollout_start(self) -> None:
        self.average.update_parameters(self.model.policy)

    def _on_step(self) -> bool:
        return True
