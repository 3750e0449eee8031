"""Copies of running environments, for an overseer to try actions in."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils import EzPickle
from numpy.typing import NDArray

from ia_gym.actions.overseer import Ints, Observations, Outcomes

Env = gym.Env[Any, Any]
Copier = Callable[[Env, np.random.Generator], Env]
"""Copies an environment with its state; all that is random in the copy comes from the generator."""

SIMPLE_SPACES = (spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)
"""Spaces that draw from a generator of their own."""

TRIAL_STEPS = 5
"""Steps on which two copies must agree before copies are trusted."""


@dataclass(frozen=True)
class DeepCopier:
    """Copies an environment and all its wrappers by ``copy.deepcopy``.

    Every random generator within gets a fresh state: with one shared with the environment the
    overseer could foresee what is to come. Copies do not render.

    Args:
        shared: attributes of the innermost environment that never change, such as a large
            transition table; copies share them, which saves time.
    """

    shared: tuple[str, ...] = ()

    def __call__(self, env: Env, rng: np.random.Generator) -> Env:
        """The copy."""
        rng = np.random.default_rng(rng.integers(2**63))  # however much is drawn for this copy
        memo = map_shared_parts(env, rng)
        known = set(memo)
        base = env.unwrapped
        for name in self.shared:
            value = getattr(base, name)
            memo[id(value)] = value
        if isinstance(base, EzPickle):  # would deep-copy to a new environment, not to its state
            twin = type(base).__new__(type(base))
            memo[id(base)] = twin
            vars(twin).update(copy.deepcopy(vars(base), memo))
        copied = copy.deepcopy(env, memo)
        copied.unwrapped.render_mode = None
        for place, found in list(memo.items()):
            if place in known:
                continue
            if isinstance(found, np.random.Generator):
                found.bit_generator.state = type(found.bit_generator)(rng.integers(2**63)).state
            elif isinstance(found, np.random.RandomState):
                found.seed(rng.integers(2**32))
            elif isinstance(found, random.Random):
                found.seed(int(rng.integers(2**63)))
        return copied


def map_shared_parts(env: Env, rng: np.random.Generator) -> dict[int, Any]:
    """The parts of ``env`` that ``copy.deepcopy`` need not or cannot copy, as its memo.

    Copies share the specs, and spaces that nobody has drawn from, which saves most of the time.
    Generators are made anew, first those of the environment and its wrappers. Windows and pictures
    of pygame are left out.
    """
    memo: dict[int, Any] = {}
    parts: list[Any] = []
    layer = env
    while isinstance(layer, gym.Wrapper):
        parts += vars(layer).values()
        layer = layer.env
    parts += vars(layer).values()
    for part in parts:
        if isinstance(part, np.random.Generator):
            memo[id(part)] = np.random.default_rng(rng.integers(2**63))
        elif isinstance(part, EnvSpec):
            memo[id(part)] = part
        for item in part if isinstance(part, list | tuple) else (part,):
            if type(item).__module__.partition(".")[0] == "pygame":
                memo[id(item)] = None
    for part in parts:
        if isinstance(part, SIMPLE_SPACES):
            memo[id(part)] = part
            if getattr(part, "_np_random", None) is not None:
                memo[id(part)] = copy.copy(part)
                memo[id(part)].seed(int(rng.integers(2**31)))
    return memo


class AtariCopier:
    """Copies an Atari game by the emulator's own saving and restoring of states.

    The wrappers around it are deep-copied. Emulators are kept and used again: a copy lasts until
    :meth:`reuse` is called. Each has random numbers of its own (for sticky actions), which saved
    states don't hold. Copies do not render.
    """

    def __init__(self) -> None:
        self._emulators: list[Any] = []
        self._used = 0

    def reuse(self) -> None:
        """Let the emulators of earlier copies be used again."""
        self._used = 0

    def __call__(self, env: Env, rng: np.random.Generator) -> Env:
        """The copy."""
        base: Any = env.unwrapped
        if self._used == len(self._emulators):
            # As EzPickle copies: made anew, with the same arguments.
            arguments = {**base._ezpickle_kwargs, "render_mode": None}
            emulator = type(base)(*base._ezpickle_args, **arguments)
            emulator.reset(seed=int(rng.integers(2**31)))
            self._emulators.append(emulator)
        emulator = self._emulators[self._used]
        self._used += 1
        emulator.restore_state(base.clone_state())
        return copy.deepcopy(env, map_shared_parts(env, rng) | {id(base): emulator})


def choose_copier(env: Env) -> Copier:
    """The copier that fits ``env``."""
    return AtariCopier() if hasattr(env.unwrapped, "ale") else DeepCopier()


def check_copies(env: Env, copier: Copier, rng: np.random.Generator) -> None:
    """Check that copies continue from the state of ``env``: two take the same steps.

    Args:
        env: the environment, after a reset; it is not stepped.
        copier: copies it.
        rng: for the actions to try.

    Raises:
        ValueError: if ``env`` cannot be copied with its state.
    """
    tip = "pass simulator=, a function (env, rng) that returns a copy with its state"
    try:
        first = copier(env, np.random.default_rng(0))
        actions = [first.action_space.start + int(rng.integers(first.action_space.n))  # type: ignore[attr-defined]
                   for _ in range(2 * TRIAL_STEPS)]  # fmt: skip
        _walk(first, actions[:TRIAL_STEPS])
        seen = [
            _walk(copier(first, np.random.default_rng(1)), actions[TRIAL_STEPS:]) for _ in range(2)
        ]
    except Exception as error:
        raise ValueError(
            f"env must be one whose state can be copied, got {env}: {error!r}; {tip}"
        ) from error
    if not all(np.array_equal(a, b) for a, b in zip(*seen, strict=True)):
        raise ValueError(f"env must be one whose copies continue alike, got {env}; {tip}")


def _walk(env: Env, actions: Sequence[int]) -> list[Any]:
    """Observations and rewards on the way, up to the episode's end."""
    seen: list[Any] = []
    for action in actions:
        observation, reward, terminated, truncated, _ = env.step(action)
        seen += [observation, reward]
        if terminated or truncated:
            break
    return seen


class CopiedEnvs:
    """A simulator (:class:`~ia_gym.actions.overseer.Simulator`): one copied environment per branch.

    Args:
        envs: the environments of the questions, ``B`` of them.
        copiers: one for each.
        rngs: the random numbers in the copies of each.
    """

    def __init__(
        self,
        envs: Sequence[Env],
        copiers: Sequence[Copier],
        rngs: Sequence[np.random.Generator],
    ) -> None:
        self.envs, self.copiers, self.rngs = envs, copiers, rngs
        for copier in copiers:
            if isinstance(copier, AtariCopier):
                copier.reuse()

    def copy(self, which: Ints) -> NDArray[Any]:
        """See :class:`~ia_gym.actions.overseer.Simulator`; an object array of environments."""
        copies = np.empty(len(which), object)
        for place, i in enumerate(which.tolist()):
            copies[place] = self.copiers[i](self.envs[i], self.rngs[i])
        return copies

    def step(
        self, branches: NDArray[Any], observations: Observations, actions: Ints
    ) -> tuple[NDArray[Any], Outcomes]:
        """See :class:`~ia_gym.actions.overseer.Simulator`."""
        steps = [env.step(action) for env, action in zip(branches, actions, strict=True)]
        reached, rewards, terminated, _, _ = zip(*steps, strict=True)
        n = len(steps)
        return branches, Outcomes(
            before=observations,
            actions=actions,
            rewards=np.array(rewards, np.float64),
            observations=np.stack([np.asarray(observation) for observation in reached]),
            ended=np.array(terminated, bool),
            parent=np.arange(n),
            weight=np.ones(n),
        )
