"""Any environment with discrete actions, rewarded by the amplified overseer's approval of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from numpy.typing import NDArray

from ia_gym.actions.overseer import ActionAssistant, ActionOverseer, Judgements, Value
from ia_gym.envs.actions.config import ActionApprovalConfig
from ia_gym.envs.actions.env_copies import (
    AtariCopier,
    CopiedEnvs,
    Copier,
    Env,
    check_copies,
    choose_copier,
)
from ia_gym.envs.arguments import RewardMode, check_actions
from ia_gym.envs.autoreset import FinalObservations, check_autoreset_mode
from ia_gym.validation import convert_seed

ASSISTANT_METHODS = ("good_action", "how_good", "useful_information")
"""What an assistant answers."""
RECORD_LIMIT = 65_536
"""Judgements kept for an assistant to learn from, if nobody takes them."""


class SharedOverseer:
    """The overseer of one environment or of all in a vector, its assistant and their records.

    Args:
        overseer: judges actions.

    Attributes:
        overseer: judges actions.
        assistant: answers its questions; None while there is none.
        records: judgements not taken yet, see :meth:`ActionApproval.take_records`.
    """

    def __init__(self, overseer: ActionOverseer) -> None:
        self.overseer = overseer
        self.assistant: ActionAssistant | None = None
        self.records: list[dict[str, NDArray[Any]]] = []

    def judge(self, envs: Sequence[ActionApproval], actions: NDArray[Any]) -> Judgements:
        """Judge one action in each of ``envs``, before it is taken."""
        rngs = [env.copies_random for env in envs]
        simulator = CopiedEnvs([env.env for env in envs], [env.copier for env in envs], rngs)
        observations = np.stack([np.asarray(env.observation) for env in envs])
        judged = self.overseer.judge(simulator, observations, actions, self.assistant, rngs[0])
        if self.assistant is not None:
            record = {"observations": observations, "actions": actions, **vars(judged)}
            self.records.append(record)
            del self.records[: -max(RECORD_LIMIT // len(envs), 1)]
        return judged


class ActionApproval(gym.Wrapper[Any, np.int64, Any, np.int64], RecordConstructorArgs):
    """Rewards an action by the overseer's approval of it; episodes stay as they are.

    The overseer looks at the consequences of an action in copies of the environment, which draw
    fresh random numbers, and asks its assistant about what follows: see
    :mod:`ia_gym.actions.overseer`. Without an assistant (:meth:`set_assistant`) it sees the
    immediate outcome alone. Approval looks ahead by itself, so train on it with ``gamma=0``. Its
    scale is that of discounted returns.

    Observation and action spaces are those of ``env``. After a step, infos have besides:

    - ``approval``, and ``own_reward``, the environment's own;
    - ``information``: what the overseer was shown, an index into ``overseer.information``;
    - ``observed``: the part of the approval that the overseer saw itself; the rest is the
      assistant's estimate;
    - ``usefulness`` of the information in (0, 1], where it was judged.

    Args:
        env: an environment with ``Discrete`` actions from 0 on and a ``Box``, ``Discrete`` or
            ``MultiDiscrete`` of observations. Its wrappers are copied with it.
        reward: "approval", or "truth" for the environment's own reward.
        simulator: a function ``(env, rng)`` that copies an environment with its state.
        look_ahead: steps the overseer looks ahead.
        n_copies: copies that are averaged for each question.
        discount: factor by which a reward counts less with every step.
        information: what the overseer can be shown.
        n_usefulness_copies: copies by which the usefulness of an information is judged.
        usefulness_rate: share of the questions after which it is judged.
        value: what the overseer values in outcomes; default the environment's own reward.

    For ranges and defaults see :class:`~ia_gym.envs.actions.config.ActionApprovalConfig`.

    Raises:
        ValueError: for an argument out of range, other spaces, or (at the first reset) an
            environment that cannot be copied with its state.
    """

    def __init__(
        self,
        env: Env,
        *,
        reward: RewardMode = ActionApprovalConfig.reward,
        simulator: Copier | None = ActionApprovalConfig.simulator,
        look_ahead: int = ActionApprovalConfig.look_ahead,
        n_copies: int = ActionApprovalConfig.n_copies,
        discount: float = ActionApprovalConfig.discount,
        information: Sequence[str] = ActionApprovalConfig.information,
        n_usefulness_copies: int = ActionApprovalConfig.n_usefulness_copies,
        usefulness_rate: float = ActionApprovalConfig.usefulness_rate,
        value: Value | None = ActionApprovalConfig.value,
    ) -> None:
        config = ActionApprovalConfig(
            reward=reward,
            simulator=simulator,
            look_ahead=look_ahead,
            n_copies=n_copies,
            discount=discount,
            information=information,
            n_usefulness_copies=n_usefulness_copies,
            usefulness_rate=usefulness_rate,
            value=value,
        )
        RecordConstructorArgs.__init__(self, _disable_deepcopy=True, **vars(config))
        gym.Wrapper.__init__(self, env)
        if not isinstance(env.action_space, spaces.Discrete) or env.action_space.start != 0:
            raise ValueError(f"env must have Discrete actions from 0 on, got {env.action_space}")
        if not isinstance(
            env.observation_space, spaces.Box | spaces.Discrete | spaces.MultiDiscrete
        ):
            raise ValueError(
                f"env must show a Box, Discrete or MultiDiscrete, got {env.observation_space}"
            )
        self.n_actions = int(env.action_space.n)
        self.reward_mode = reward
        self.shared_overseer = SharedOverseer(config.make_overseer())
        self.copier = simulator or choose_copier(env)
        self.copies_random = np.random.default_rng()
        self.observation: Any = None
        self.pending: dict[str, Any] | None = None  # the judgement of the action taken next
        # An emulator's own saving of states needs no check, which would cost it a second.
        self._checked = reward == "truth" or isinstance(self.copier, AtariCopier)

    # ------------------------------------------------------------- the assistant

    def set_assistant(self, assistant: ActionAssistant | None) -> None:
        """Attach an assistant that answers the overseer's questions; None for none.

        Raises:
            ValueError: if it lacks a method.
        """
        missing = [
            name for name in ASSISTANT_METHODS if not callable(getattr(assistant, name, None))
        ]
        if assistant is not None and missing:
            raise ValueError(
                f"assistant must be None or answer {ASSISTANT_METHODS}, lacks {missing}"
            )
        self.shared_overseer.assistant = assistant

    def take_records(self) -> list[dict[str, NDArray[Any]]]:
        """Return the judgements since the last call, for an assistant to learn from.

        One dict per step: ``observations (B, ...)``, ``actions (B,)``, and the fields of
        :class:`~ia_gym.actions.overseer.Judgements`.
        """
        records, self.shared_overseer.records = self.shared_overseer.records, []
        return records

    @property
    def assistant(self) -> ActionAssistant | None:
        """The assistant, if there is one."""
        return self.shared_overseer.assistant

    @property
    def overseer(self) -> ActionOverseer:
        """The overseer."""
        return self.shared_overseer.overseer

    @property
    def inner_env(self) -> Env:
        """The environment whose actions are judged, which :attr:`copier` copies."""
        return self.env

    @property
    def human_interactions(self) -> int:
        """Queries to the overseer so far."""
        return self.overseer.human_interactions

    @property
    def assistant_answers(self) -> int:
        """Questions that the assistant has answered so far."""
        return self.overseer.assistant_answers

    @property
    def simulated_steps(self) -> int:
        """Steps taken in copies so far."""
        return self.overseer.simulated_steps

    # --------------------------------------------------------------- the episode

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode; a ``seed`` seeds the random numbers of the copies too."""
        seed = convert_seed(seed)
        observation, info = self.env.reset(seed=seed, options=options)
        if seed is not None:
            # A stream that the environment, which takes the seed itself, does not draw from.
            self.copies_random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1,)))
        if not self._checked:
            check_copies(self.env, self.copier, np.random.default_rng(0))
            self._checked = True
        self.observation, self.pending = observation, None
        return observation, info

    def step(self, action: np.int64) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Let the overseer judge the action, then take it."""
        if self.reward_mode == "approval" and self.pending is None:
            taken = check_actions(action, (), self.n_actions)[None]
            judgements = self.shared_overseer.judge([self], taken)
            self.pending = split_judgements(judgements)[0]
        judged, self.pending = self.pending or {}, None
        self.observation, own, terminated, truncated, info = self.env.step(action)
        reward = float(judged.get("approval", own))
        info = {**info, "own_reward": float(own), **judged}
        return self.observation, reward, terminated, truncated, info


class ActionApprovalVectorEnv(SyncVectorEnv):
    """Several environments under one overseer, whose assistant answers for all of them at once.

    Args:
        env_fns: functions that make the environments, without :class:`ActionApproval` around them.
        autoreset_mode: as in gymnasium; SB3 needs SAME_STEP, the default.
        reward: as for :class:`ActionApproval`, like all that follow.
        simulator: a function ``(env, rng)`` that copies an environment with its state.
        look_ahead: steps the overseer looks ahead.
        n_copies: copies that are averaged for each question.
        discount: factor by which a reward counts less with every step.
        information: what the overseer can be shown.
        n_usefulness_copies: copies by which the usefulness of an information is judged.
        usefulness_rate: share of the questions after which it is judged.
        value: what the overseer values in outcomes; default the environment's own reward.

    Raises:
        ValueError: see :class:`ActionApproval`.
    """

    def __init__(
        self,
        env_fns: Sequence[Callable[[], Env]],
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
        reward: RewardMode = ActionApprovalConfig.reward,
        simulator: Copier | None = ActionApprovalConfig.simulator,
        look_ahead: int = ActionApprovalConfig.look_ahead,
        n_copies: int = ActionApprovalConfig.n_copies,
        discount: float = ActionApprovalConfig.discount,
        information: Sequence[str] = ActionApprovalConfig.information,
        n_usefulness_copies: int = ActionApprovalConfig.n_usefulness_copies,
        usefulness_rate: float = ActionApprovalConfig.usefulness_rate,
        value: Value | None = ActionApprovalConfig.value,
    ) -> None:
        autoreset_mode = check_autoreset_mode(autoreset_mode)
        config = ActionApprovalConfig(
            reward=reward,
            simulator=simulator,
            look_ahead=look_ahead,
            n_copies=n_copies,
            discount=discount,
            information=information,
            n_usefulness_copies=n_usefulness_copies,
            usefulness_rate=usefulness_rate,
            value=value,
        )
        self.shared_overseer = SharedOverseer(config.make_overseer())

        def wrap(make: Callable[[], Env]) -> Callable[[], ActionApproval]:
            def make_wrapped() -> ActionApproval:
                env = ActionApproval(make(), **vars(config))
                env.shared_overseer = self.shared_overseer
                return env

            return make_wrapped

        super().__init__([wrap(make) for make in env_fns], autoreset_mode=autoreset_mode)
        self._ended = np.zeros(self.num_envs, bool)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode in each environment, or in those of ``options["reset_mask"]``."""
        mask = (options or {}).get("reset_mask", np.ones(self.num_envs, bool))
        seed = convert_seed(seed)
        result = super().reset(seed=seed, options=options)  # takes the mask out, and checks it
        self._ended &= ~mask
        return result

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Let the overseer judge all actions at once, then take them."""
        envs: Sequence[Any] = self.envs
        if envs[0].reward_mode == "approval":
            taken = check_actions(actions, (self.num_envs,), envs[0].n_actions)
            resets = self._ended & (self.autoreset_mode == AutoresetMode.NEXT_STEP)
            acting = np.flatnonzero(~resets).tolist()
            if acting:
                judged = self.shared_overseer.judge([envs[i] for i in acting], taken[acting])
                for i, one in zip(acting, split_judgements(judged), strict=True):
                    envs[i].pending = one
        observations, rewards, terminated, truncated, infos = super().step(actions)
        self._ended = terminated | truncated
        if "final_obs" in infos:
            infos["final_obs"] = infos["final_obs"].view(FinalObservations)
        return observations, rewards, terminated, truncated, infos

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """An attribute of each environment; methods are returned, not called as by gymnasium's."""
        return tuple(env.get_wrapper_attr(name) for env in self.envs)


def split_judgements(judged: Judgements) -> list[dict[str, Any]]:
    """Split judgements into one dict per action, as its info has it."""
    names = ("approval", "information", "observed", "usefulness")
    columns = (judged.approvals, judged.information, judged.observed, judged.usefulness)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    infos = [dict(zip(names, row, strict=True)) for row in rows]
    for info in infos:
        if math.isnan(info["usefulness"]):
            del info["usefulness"]
    return infos
