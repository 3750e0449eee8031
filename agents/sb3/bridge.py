"""SB3's vector interface over gymnasium's vector environments."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, VectorEnv
from stable_baselines3.common.env_util import is_wrapped
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvStepReturn

import ia_gym  # noqa: F401  (registers the ids)


class GymnasiumVecEnv(VecEnv):
    """A gymnasium ``VectorEnv`` (autoreset mode SAME_STEP) as an SB3 ``VecEnv``.

    Infos are one dict per environment, with ``terminal_observation``, ``TimeLimit.truncated`` and,
    at an episode's end, ``episode`` (return ``r``, length ``l``, time ``t``), from which SB3 logs
    ``rollout/ep_rew_mean``: what SB3's ``Monitor`` adds, so that it counts as one. An episode whose
    info has a false ``is_root`` (a sub-question of the overseer's) has no ``episode``.

    Args:
        venv: the vector environment.

    Raises:
        ValueError: if its autoreset mode is another, or it is an ``AsyncVectorEnv``, whose worker
            processes callbacks could not reach one by one. Take SB3's ``SubprocVecEnv`` instead.
    """

    def __init__(self, venv: VectorEnv) -> None:
        mode = venv.metadata.get("autoreset_mode")
        if mode != AutoresetMode.SAME_STEP:
            raise ValueError(f"venv must have autoreset_mode SAME_STEP, got {mode}")
        if isinstance(venv.unwrapped, AsyncVectorEnv):
            raise ValueError(
                "venv must not be an AsyncVectorEnv; for environments in worker processes use "
                "SB3's make_vec_env(env_id, num_envs, vec_env_cls=SubprocVecEnv)"
            )
        self.venv: Any = venv
        self._base: Any = venv.unwrapped  # wrappers pass on no call, get_attr and set_attr
        super().__init__(venv.num_envs, venv.single_observation_space, venv.single_action_space)
        self._started = time.monotonic()
        self._returns = np.zeros(self.num_envs)
        self._lengths = np.zeros(self.num_envs, np.int64)

    def reset(self) -> Any:
        """Reset all environments, with the seed given to :meth:`seed` if there is one."""
        seed = self._seeds[0]
        options = self._options[0] or None
        observations, infos = self.venv.reset(seed=seed, options=options)
        self.reset_infos = split_infos(infos, self.num_envs)
        self._reset_seeds()
        self._reset_options()
        self._returns[:] = 0
        self._lengths[:] = 0
        return observations

    def step_async(self, actions: np.ndarray) -> None:
        """Keep the actions ``(num_envs,)`` for :meth:`step_wait`."""
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """Observations, rewards (float32), dones and one info dict per environment."""
        observations, rewards, terminated, truncated, infos = self.venv.step(self._actions)
        dones = terminated | truncated
        final_obs, final_infos = infos.pop("final_obs", None), infos.pop("final_info", None)
        singles = split_infos(infos, self.num_envs)
        finals = split_infos(final_infos or {}, self.num_envs)
        elapsed = round(time.monotonic() - self._started, 6)
        self._returns += rewards
        self._lengths += 1
        for i in np.flatnonzero(dones).tolist():
            single = finals[i]
            self.reset_infos[i] = singles[i]
            singles[i] = single
            single["terminal_observation"] = final_obs[i]
            single["TimeLimit.truncated"] = bool(truncated[i] and not terminated[i])
            if single.get("is_root", True):
                single["episode"] = {
                    "r": self._returns[i],
                    "l": int(self._lengths[i]),
                    "t": elapsed,
                }
        self._returns[dones] = 0
        self._lengths[dones] = 0
        return observations, rewards.astype(np.float32), dones, singles

    def close(self) -> None:
        """Close the vector environment."""
        self.venv.close()

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """An attribute of the environments, one entry per index."""
        envs = getattr(self._base, "envs", None)
        if envs is not None:  # gymnasium would call a method to get it
            return [envs[i].get_wrapper_attr(attr_name) for i in self._indices(indices)]
        values = self._base.get_attr(attr_name)
        return [values[i] for i in self._indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Set an attribute of the environments to one value, whatever its type.

        Raises:
            ValueError: for some of the environments only, where they are one object.
        """
        envs = getattr(self._base, "envs", None)
        if envs is not None:
            for i in self._indices(indices):
                envs[i].set_wrapper_attr(attr_name, value)
            return
        if len(list(self._indices(indices))) != self.num_envs:
            raise ValueError("indices must name all environments, which share their attributes")
        # gymnasium would hand a list out, one entry to each environment.
        self._base.set_attr(attr_name, [value] * self.num_envs)

    def env_method(
        self, method_name: str, *args: Any, indices: VecEnvIndices = None, **kwargs: Any
    ) -> list[Any]:
        """Call a method of the environments; one entry per index.

        A native vector environment is one object, so that the method is called once, for all.
        """
        envs = getattr(self._base, "envs", None)
        if envs is not None:
            chosen = [envs[i] for i in self._indices(indices)]
            return [env.get_wrapper_attr(method_name)(*args, **kwargs) for env in chosen]
        values = self._base.call(method_name, *args, **kwargs)
        return [values[i] for i in self._indices(indices)]

    def env_is_wrapped(
        self, wrapper_class: type[gym.Wrapper], indices: VecEnvIndices = None
    ) -> list[bool]:
        """Whether each environment has the wrapper around it.

        True for SB3's ``Monitor``, in whose place this class fills ``info["episode"]``. A native
        vector environment has no wrappers around single environments.
        """
        if wrapper_class is Monitor:
            return [True for _ in self._indices(indices)]
        envs = getattr(self._base, "envs", None)
        return [
            envs is not None and is_wrapped(envs[i], wrapper_class) for i in self._indices(indices)
        ]

    def get_images(self) -> list[np.ndarray | None]:
        """One picture per environment; None in another render mode than "rgb_array"."""
        if self.render_mode != "rgb_array":
            return [None] * self.num_envs
        return list(self.venv.render())

    def _indices(self, indices: VecEnvIndices) -> Iterable[int]:
        return self._get_indices(indices)


def split_infos(infos: dict[str, Any], num_envs: int) -> list[dict[str, Any]]:
    """Split gymnasium's vector infos (arrays with ``_key`` masks) into one dict per environment."""
    singles: list[dict[str, Any]] = [{} for _ in range(num_envs)]
    for key, values in infos.items():
        if key.startswith("_"):
            continue
        if isinstance(values, dict):
            values = split_infos(values, num_envs)
        elif isinstance(values, np.ndarray) and values.ndim == 1:
            values = values.tolist()
        mask = infos.get(f"_{key}")
        if mask is None or mask.all():
            for single, value in zip(singles, values, strict=True):
                single[key] = value
        else:
            for i in np.flatnonzero(mask).tolist():
                singles[i][key] = values[i]
    return singles


def make_sb3_vec_env(env_id: str, num_envs: int = 1, **kwargs: Any) -> GymnasiumVecEnv:
    """Make ``num_envs`` batched copies of a registered environment, as an SB3 ``VecEnv``.

    Args:
        env_id: a registered id, such as "IA-Permutation-v0".
        num_envs: copies.
        **kwargs: the environment's own arguments; see :class:`ia_gym.envs.QuestionVectorEnv`.
    """
    return GymnasiumVecEnv(gym.make_vec(env_id, num_envs=num_envs, **kwargs))
