"""Any environment with discrete actions, rewarded by the amplified overseer's approval of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from numpy.typing import NDArray

from ia_gym.actions.overseer import ActionAssistant, ActionOverseer, Judgements
from ia_gym.envs.actions.env_copies import (
    AtariCopier,
    CopiedEnvs,
    Copier,
    Env,
    check_copies,
    choose_copier,
)

RewardMode = Literal["approval", "truth"]
ANSWERS = ("good_action", "how_good", "useful_information")
"""What an assistant answers."""
RECORDED = 65_536
"""Judgements kept for an assistant to learn from, if nobody takes them."""


class SharedOverseer:
    """The overseer's place beside one environment, or beside all of a vector: one engine for both.

    Args:
        **options: of :class:`~ia_gym.actions.overseer.ActionOverseer`.

    Attributes:
        overseer: H.
        assistant: X; None while there is none.
        records: what was judged and not yet taken, see :meth:`ActionApproval.take_records`.
    """

    def __init__(self, **options: Any) -> None:
        self.overseer = ActionOverseer(**options)
        self.assistant: ActionAssistant | None = None
        self.records: list[dict[str, NDArray[Any]]] = []

    def judge(self, envs: Sequence[ActionApproval], actions: NDArray[Any]) -> Judgements:
        """H's judgement of one action in each of ``envs``, before it is taken."""
        rngs = [env.copies_random for env in envs]
        simulator = CopiedEnvs([env.env for env in envs], [env.copier for env in envs], rngs)
        observations = np.stack([np.asarray(env.observation) for env in envs])
        judged = self.overseer.judge(simulator, observations, actions, self.assistant, rngs[0])
        if self.assistant is not None:
            record = {"observations": observations, "actions": actions, **vars(judged)}
            self.records.append(record)
            del self.records[: -max(RECORDED // len(envs), 1)]
        return judged


class ActionApproval(gym.Wrapper[Any, np.int64, Any, np.int64]):
    """Rewards an action by H's approval of it, ``HowGood(S, A)``; episodes stay as they are.

    H looks at what the action leads to in copies of the environment, which draw fresh randomness,
    and asks X about what comes then: see :mod:`ia_gym.actions.overseer`. Without an assistant
    (:meth:`set_assistant`) it sees the immediate outcome alone. Approval looks ahead by itself, so
    an agent that learns from it wants ``gamma=0``. Its scale is that of discounted returns.

    Observation and action spaces are those of ``env``. Infos have besides, after a step:
    ``approval``, ``own_reward`` (the environment's), ``information`` (what H was shown, by its
    place in ``overseer.information``), ``observed`` (the part of the approval that H saw itself; the
    rest is X's word) and, where H was asked, ``usefulness`` (how useful it called the information).

    Args:
        env: an environment with ``Discrete`` actions from 0 on, and arrays or numbers as
            observations. Its wrappers are copied with it.
        reward: "approval", or "truth" for the environment's own reward, without an overseer.
        simulator: copies an environment with its state; default by ``copy.deepcopy``, or by the
            emulator for Atari games.
        shared_overseer: the overseer's, shared with other environments; default one of its own.
        **options: ``look_ahead``, ``n_copies``, ``discount``, ``information``, ``n_usefulness_copies``,
            ``usefulness_rate`` and ``value``, of :class:`~ia_gym.actions.overseer.ActionOverseer`.

    Raises:
        ValueError: for an argument out of range, other spaces, or (at the first reset) an
            environment that cannot be copied with its state.
    """

    def __init__(
        self,
        env: Env,
        reward: RewardMode = "approval",
        simulator: Copier | None = None,
        shared_overseer: SharedOverseer | None = None,
        **options: Any,
    ) -> None:
        super().__init__(env)
        if not isinstance(env.action_space, spaces.Discrete) or env.action_space.start != 0:
            raise ValueError(f"env must have Discrete actions from 0 on, got {env.action_space}")
        if not isinstance(
            env.observation_space, spaces.Box | spaces.Discrete | spaces.MultiDiscrete
        ):
            raise ValueError(
                f"env must show a Box, Discrete or MultiDiscrete, got {env.observation_space}"
            )
        if reward not in get_args(RewardMode):
            raise ValueError(f"reward must be one of {get_args(RewardMode)}, got {reward!r}")
        if simulator is not None and not callable(simulator):
            raise ValueError(f"simulator must be a function (env, rng), got {simulator!r}")
        self.reward_mode = reward
        self.shared_overseer = shared_overseer or SharedOverseer(**options)
        self.copier = simulator or choose_copier(env)
        self.copies_random = np.random.default_rng()
        self.observation: Any = None
        self.pending: dict[str, Any] | None = None
        # An emulator's own saving of states needs no check, which would cost it a second.
        self._checked = reward == "truth" or isinstance(self.copier, AtariCopier)

    # ------------------------------------------------------------- the assistant

    def set_assistant(self, assistant: ActionAssistant | None) -> None:
        """Attach X, who answers H's questions; None for no assistant."""
        missing = [name for name in ANSWERS if not callable(getattr(assistant, name, None))]
        if assistant is not None and missing:
            raise ValueError(f"assistant must be None or answer {ANSWERS}, lacks {missing}")
        self.shared_overseer.assistant = assistant

    def take_records(self) -> list[dict[str, NDArray[Any]]]:
        """What H judged since this was last called, for X to learn from.

        One dict a step: ``observations (B, ...)``, ``actions (B,)``, and the fields of
        :class:`~ia_gym.actions.overseer.Judgements`.
        """
        records, self.shared_overseer.records = self.shared_overseer.records, []
        return records

    @property
    def assistant(self) -> ActionAssistant | None:
        """X, if there is one."""
        return self.shared_overseer.assistant

    @property
    def overseer(self) -> ActionOverseer:
        """H."""
        return self.shared_overseer.overseer

    @property
    def human_interactions(self) -> int:
        """Questions put to H so far."""
        return self.overseer.human_interactions

    @property
    def assistant_answers(self) -> int:
        """Questions that X answered for H so far."""
        return self.overseer.assistant_answers

    @property
    def simulated_steps(self) -> int:
        """Steps taken in copies so far."""
        return self.overseer.simulated_steps

    # --------------------------------------------------------------- the episode

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode; with a ``seed``, the copies' randomness starts afresh too."""
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
        """Let H judge the action, then take it."""
        if self.reward_mode == "approval" and self.pending is None:
            self.pending = split_judgements(
                self.shared_overseer.judge([self], check_actions(self, [action]))
            )[0]
        judged, self.pending = self.pending or {}, None
        self.observation, own, terminated, truncated, info = self.env.step(action)
        reward = float(judged.get("approval", own))
        info = {**info, "own_reward": float(own), **judged}
        return self.observation, reward, terminated, truncated, info


class ActionApprovalVectorEnv(SyncVectorEnv):
    """Several environments side by side under one overseer, who asks X about all of them at once.

    Args:
        env_fns: what makes the environments, without :class:`ActionApproval` around them.
        autoreset_mode: as in gymnasium, of which SB3 wants SAME_STEP.
        reward: as for :class:`ActionApproval`.
        simulator: as for :class:`ActionApproval`.
        **options: of :class:`~ia_gym.actions.overseer.ActionOverseer`.
    """

    def __init__(
        self,
        env_fns: Sequence[Callable[[], Env]],
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
        reward: RewardMode = "approval",
        simulator: Copier | None = None,
        **options: Any,
    ) -> None:
        shared_overseer = SharedOverseer(**options)

        def wrapped(make: Callable[[], Env]) -> Callable[[], ActionApproval]:
            return lambda: ActionApproval(make(), reward, simulator, shared_overseer)

        super().__init__([wrapped(make) for make in env_fns], autoreset_mode=autoreset_mode)
        self.shared_overseer = shared_overseer
        self._ended = np.zeros(self.num_envs, bool)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode in each environment, or in those of ``options["reset_mask"]``."""
        mask = (options or {}).get("reset_mask", np.ones(self.num_envs, bool))
        result = super().reset(seed=seed, options=options)  # takes the mask out, and checks it
        self._ended &= ~mask
        return result

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Let H judge all actions at once, then take them."""
        envs: Sequence[Any] = self.envs
        if envs[0].reward_mode == "approval":
            taken = check_actions(envs[0], actions, self.num_envs)
            resets = self._ended & (self.autoreset_mode == AutoresetMode.NEXT_STEP)
            acting = np.flatnonzero(~resets).tolist()
            if acting:
                judged = self.shared_overseer.judge([envs[i] for i in acting], taken[acting])
                for i, one in zip(acting, split_judgements(judged), strict=True):
                    envs[i].pending = one
        result = super().step(actions)
        self._ended = result[2] | result[3]
        return result


def check_actions(env: gym.Env[Any, Any], actions: Any, n: int = 1) -> NDArray[np.int64]:
    """``actions (n,)`` as whole numbers.

    Raises:
        ValueError: if they are no actions of ``env``.
    """
    try:
        array = np.asarray(actions)
    except ValueError:  # rows of different lengths
        array = np.asarray(None)
    space: Any = env.action_space
    if array.shape != (n,) or array.dtype.kind not in "iu":
        raise ValueError(
            f"action must be whole numbers of shape ({n},), got {actions!r} "
            f"({array.dtype}, shape {array.shape})"
        )
    if array.min() < 0 or array.max() >= space.n:
        raise ValueError(f"action must be in 0..{space.n - 1}, got {actions!r}")
    return array.astype(np.int64)


def split_judgements(judged: Judgements) -> list[dict[str, Any]]:
    """Judgements of several actions as the infos of one each."""
    names = ("approval", "information", "observed", "usefulness")
    columns = (judged.approvals, judged.information, judged.observed, judged.usefulness)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    infos = [dict(zip(names, row, strict=True)) for row in rows]
    for info in infos:
        if math.isnan(info["usefulness"]):
            del info["usefulness"]
    return infos
