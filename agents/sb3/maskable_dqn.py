"""SB3's DQN among the allowed actions only."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3 import DQN
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.dqn.policies import DQNPolicy, MultiInputPolicy

Masks = NDArray[np.bool_]
Prediction = tuple[NDArray[Any], tuple[NDArray[Any], ...] | None]


class MaskableDQNPolicy(DQNPolicy):
    """DQN's policy, whose ``predict`` takes ``action_masks`` as that of MaskablePPO's does."""

    def predict(
        self,
        observation: NDArray[Any] | dict[str, NDArray[Any]],
        state: tuple[NDArray[Any], ...] | None = None,
        episode_start: NDArray[Any] | None = None,
        deterministic: bool = False,
        action_masks: Masks | None = None,
    ) -> Prediction:
        """The best allowed actions; see :meth:`MaskableDQN.predict`."""
        if action_masks is None:
            return super().predict(observation, state, episode_start, deterministic)
        self.set_training_mode(False)
        observations, is_batch = self.obs_to_tensor(observation)
        with torch.no_grad():
            values = self.q_net(observations)
        allowed = torch.as_tensor(np.asarray(action_masks, bool), device=values.device)
        actions = values.masked_fill(~allowed.reshape(values.shape), -torch.inf).argmax(dim=1)
        return actions.cpu().numpy() if is_batch else actions.cpu().numpy()[0], state


class MaskableMultiInputPolicy(MaskableDQNPolicy, MultiInputPolicy):
    """:class:`MaskableDQNPolicy` of observations that are dicts."""


class MaskableDQN(DQN):
    """DQN that explores, and chooses the best, among the allowed actions only.

    Arguments are those of SB3's ``DQN``. The environments need a method ``action_masks``, as all
    question environments have. The values of next states are not masked; in question environments,
    where an episode is one step, there are none.

    Raises:
        ValueError: when training starts, for environments without ``action_masks``.
    """

    policy: MaskableDQNPolicy
    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {
        "MlpPolicy": MaskableDQNPolicy,
        "MultiInputPolicy": MaskableMultiInputPolicy,
    }

    def predict(
        self,
        observation: NDArray[Any] | dict[str, NDArray[Any]],
        state: tuple[NDArray[Any], ...] | None = None,
        episode_start: NDArray[Any] | None = None,
        deterministic: bool = False,
        action_masks: Masks | None = None,
    ) -> Prediction:
        """Choose actions, epsilon-greedily unless ``deterministic``.

        Args:
            observation: one, or a batch of them.
            state: handed back.
            episode_start: of no effect.
            deterministic: whether not to explore.
            action_masks: bool ``(n_actions,)``, or ``(n, n_actions)`` for a batch: the allowed
                actions; None to allow all.

        Returns:
            The actions, and ``state``.
        """
        if action_masks is None:
            return super().predict(observation, state, episode_start, deterministic)
        if not deterministic and np.random.rand() < self.exploration_rate:  # noqa: NPY002 (as SB3)
            return self._draw_actions(action_masks), state
        return self.policy.predict(observation, state, episode_start, deterministic, action_masks)

    def _draw_actions(self, masks: Masks) -> NDArray[Any]:
        """An allowed action for each row, all equally likely, or a single one."""
        rows = np.asarray(masks, np.int8).reshape(-1, masks.shape[-1])
        drawn = np.array([self.action_space.sample(row) for row in rows])
        return drawn.reshape(masks.shape[:-1])

    def _sample_action(
        self, learning_starts: int, action_noise: Any = None, n_envs: int = 1
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        assert self.env is not None
        assert self._last_obs is not None
        masks = np.stack(self.env.env_method("action_masks"))
        if self.num_timesteps < learning_starts:
            actions = self._draw_actions(masks)
        else:
            actions, _ = self.predict(self._last_obs, action_masks=masks)
        return actions, actions

    def _setup_learn(self, *args: Any, **kwargs: Any) -> Any:
        if self.env is not None and not self.env.has_attr("action_masks"):
            raise ValueError("env must have a method action_masks, by which MaskableDQN goes")
        return super()._setup_learn(*args, **kwargs)
