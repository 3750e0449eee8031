"""The environments of registered ids whose reward is the approval of actions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from ia_gym.actions.overseer import Floats, Outcomes
from ia_gym.actions.transition_table import TransitionTable
from ia_gym.envs.actions.action_approval import ActionApproval, ActionApprovalVectorEnv
from ia_gym.envs.actions.env_copies import DeepCopier, Env

ROAD = 6, 177
"""Freeway's chicken stands at this height at the kerb, and at that one across the road."""
HEIGHT = 14
"""The place of its height in the console's memory."""


@dataclass(frozen=True)
class TabularEpisodes:
    """Episodes of a Markov decision process that is known exactly.

    Attributes:
        table: what each action can lead to.
        start: distribution of the first state, ``(states,)``.
        n_steps: after which an episode is cut short.
    """

    table: TransitionTable
    start: Floats
    n_steps: int


def make_frozen_lake() -> Env:
    """FrozenLake 8x8, slippery."""
    return gym.make("FrozenLake8x8-v1", disable_env_checker=True)


@cache
def make_frozen_lake_episodes() -> TabularEpisodes:
    """FrozenLake's transition table, first state and length of an episode."""
    env = make_frozen_lake()
    base: Any = env.unwrapped
    start = np.asarray(base.initial_state_distrib, np.float64)
    return TabularEpisodes(TransitionTable(base.P), start, env.spec.max_episode_steps)  # type: ignore[union-attr, arg-type]


@cache
def compute_frozen_lake_best_return() -> float:
    """How often the best policy reaches the goal in an episode, exactly."""
    episodes = make_frozen_lake_episodes()
    return episodes.table.compute_best_return(episodes.start, episodes.n_steps)


def make_cart_pole() -> Env:
    """CartPole."""
    return gym.make("CartPole-v1", disable_env_checker=True)


def make_freeway() -> Env:
    """Atari's Freeway, seen as the console's 128 bytes of memory, each scaled to [0, 1].

    Raises:
        ImportError: without ale-py.
    """
    if find_spec("ale_py") is None:
        raise ImportError("IA-Freeway-v0 needs ale-py: pip install ia-gym[atari]")
    import ale_py

    gym.register_envs(ale_py)
    return ScaledMemory(gym.make("ALE/Freeway-v5", obs_type="ram", disable_env_checker=True))


class ScaledMemory(gym.ObservationWrapper[Any, Any, Any]):
    """Shows the 128 bytes of an Atari console's memory as numbers in [0, 1].

    Args:
        env: an Atari game with ``obs_type="ram"``.
    """

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        self.observation_space = gym.spaces.Box(0, 1, (128,), np.float32)

    def observation(self, observation: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The memory, scaled."""
        return (observation / 255).astype(np.float32)


def value_road_progress(outcomes: Outcomes) -> Floats:
    """What the overseer values in Freeway: the score, and ground gained on the way to it.

    The ground counts as a potential (Ng, Harada and Russell, 1999), which leaves the best policy
    as it is for a discount of 0.99.
    """
    low, high = ROAD
    before, after = (
        (255 * seen[:, HEIGHT] - low) / (high - low)
        for seen in (outcomes.before, outcomes.observations)
    )
    gained: Floats = outcomes.rewards + 0.99 * after - before
    return gained


@dataclass(frozen=True)
class Game:
    """An environment whose actions are approved of.

    Attributes:
        make: makes it.
        best_return: the mean return of the best play there is.
        episodes: those of an evaluation.
        options: arguments of ``ActionApproval`` that differ from its defaults.
        tabular: for a game whose observations are the states of a transition table: what returns
            can be computed from exactly.
    """

    make: Callable[[], Env]
    best_return: Callable[[], float]
    episodes: int
    options: dict[str, Any] = field(default_factory=dict)
    tabular: Callable[[], TabularEpisodes] | None = None


GAMES = {
    "FrozenLake": Game(
        make_frozen_lake,
        compute_frozen_lake_best_return,
        256,
        {"simulator": DeepCopier(shared=("P",))},
        make_frozen_lake_episodes,
    ),
    "CartPole": Game(make_cart_pole, lambda: 500.0, 16),
    # Mnih et al. (2015) report 29.6 for people; 34 is what the best agents come to.
    "Freeway": Game(make_freeway, lambda: 34.0, 4, {"value": value_road_progress}),
}
"""By name, as in the ids ``IA-<name>-v0``."""


def make_action_env(game: str, **options: Any) -> ActionApproval:
    """The environment ``IA-<game>-v0``; what ``gym.make`` calls.

    Args:
        game: a name in :data:`GAMES`.
        **options: of :class:`~ia_gym.envs.actions.action_approval.ActionApproval`.
    """
    known = GAMES[game]
    return ActionApproval(known.make(), **{**known.options, **options})


def make_action_vec(num_envs: int, game: str, **options: Any) -> ActionApprovalVectorEnv:
    """``num_envs`` of them under one overseer; what ``gym.make_vec`` calls."""
    known = GAMES[game]
    return ActionApprovalVectorEnv([known.make] * num_envs, **{**known.options, **options})
