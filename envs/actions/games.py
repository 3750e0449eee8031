"""The environments of registered ids whose reward is the approval of actions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib.util import find_spec
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from ia_gym.actions.overseer import Floats, Outcomes, Value
from ia_gym.actions.transition_table import TransitionTable
from ia_gym.envs.actions.action_approval import ActionApproval, ActionApprovalVectorEnv
from ia_gym.envs.actions.config import ActionApprovalConfig
from ia_gym.envs.actions.env_copies import Copier, DeepCopier, Env
from ia_gym.envs.arguments import RewardMode
from ia_gym.validation import check_range

ROAD = 6, 177
"""Heights of Freeway's chicken at the kerb, and across the road."""
HEIGHT = 14
"""The byte of the console's memory that holds its height."""


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


def make_frozen_lake(render_mode: str | None = None) -> Env:
    """Make FrozenLake 8x8, slippery."""
    return gym.make("FrozenLake8x8-v1", disable_env_checker=True, render_mode=render_mode)


@cache
def make_frozen_lake_episodes() -> TabularEpisodes:
    """Describe FrozenLake exactly: transition table, first state and length of an episode."""
    env = make_frozen_lake()
    base: Any = env.unwrapped
    start = np.asarray(base.initial_state_distrib, np.float64)
    return TabularEpisodes(TransitionTable(base.P), start, env.spec.max_episode_steps)  # type: ignore[union-attr, arg-type]


@cache
def compute_frozen_lake_best_return() -> float:
    """Compute how often the best policy reaches the goal in an episode, exactly."""
    episodes = make_frozen_lake_episodes()
    return episodes.table.compute_best_return(episodes.start, episodes.n_steps)


def make_cart_pole(render_mode: str | None = None) -> Env:
    """Make CartPole."""
    return gym.make("CartPole-v1", disable_env_checker=True, render_mode=render_mode)


def make_freeway(render_mode: str | None = None) -> Env:
    """Make Atari's Freeway, observed as the console's 128 bytes of memory, each scaled to [0, 1].

    Raises:
        ImportError: without ale-py.
    """
    if find_spec("ale_py") is None:
        raise ImportError("IA-Freeway-v0 needs ale-py: pip install ia-gym[atari]")
    env = gym.make(
        "ALE/Freeway-v5", obs_type="ram", disable_env_checker=True, render_mode=render_mode
    )
    return ScaledMemory(env)


class ScaledMemory(gym.ObservationWrapper[Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Shows the 128 bytes of an Atari console's memory as numbers in [0, 1].

    Args:
        env: an Atari game with ``obs_type="ram"``.
    """

    def __init__(self, env: Env) -> None:
        gym.utils.RecordConstructorArgs.__init__(self)
        gym.ObservationWrapper.__init__(self, env)
        self.observation_space = gym.spaces.Box(0, 1, (128,), np.float32)

    def observation(self, observation: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The memory ``(128,)``, scaled."""
        return (observation / 255).astype(np.float32)


def value_road_progress(outcomes: Outcomes) -> Floats:
    """What the overseer values in Freeway: the score, and progress across the road.

    Progress counts as a potential (Ng, Harada and Russell, 1999), which leaves the best policy as
    it is for a discount of 0.99.
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
        make: makes it; takes a ``render_mode``.
        best_return: computes the mean return of the best play there is.
        episodes: number of episodes in an evaluation.
        simulator: copies it; None for the copier that fits.
        value: what the overseer values in outcomes; None for the environment's own reward.
        tabular: makes the exact description of its episodes, where observations are the states
            of a transition table; None elsewhere.
    """

    make: Callable[..., Env]
    best_return: Callable[[], float]
    episodes: int
    tabular: Callable[[], TabularEpisodes] | None = None
    simulator: Copier | None = None
    value: Value | None = None


GAMES = {
    "FrozenLake": Game(
        make_frozen_lake,
        compute_frozen_lake_best_return,
        256,
        tabular=make_frozen_lake_episodes,
        simulator=DeepCopier(shared=("P",)),
    ),
    "CartPole": Game(make_cart_pole, lambda: 500.0, 16),
    # Mnih et al. (2015) report 29.6 for people; the best agents reach 34.
    "Freeway": Game(make_freeway, lambda: 34.0, 4, value=value_road_progress),
}
"""By name, as in the ids ``IA-<name>-v0``."""


def make_action_env(
    game: str,
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
    render_mode: str | None = None,
) -> ActionApproval:
    """Make the environment ``IA-<game>-v0``; called by ``gym.make``.

    Args:
        game: a name in :data:`GAMES`.
        reward: as for :class:`~ia_gym.envs.ActionApproval`, like all that follow but the last.
        simulator: a function ``(env, rng)`` that copies the game; default the game's own.
        look_ahead: steps the overseer looks ahead.
        n_copies: copies that are averaged for each question.
        discount: factor by which a reward counts less with every step.
        information: what the overseer can be shown.
        n_usefulness_copies: copies by which the usefulness of an information is judged.
        usefulness_rate: share of the questions after which it is judged.
        value: what the overseer values in outcomes; default the game's own.
        render_mode: one of the game's.

    Raises:
        ValueError: for an unknown game; see also :class:`~ia_gym.envs.ActionApproval`.
    """
    known = find_game(game)
    env = ActionApproval(
        known.make(render_mode),
        reward=reward,
        simulator=simulator or known.simulator,
        look_ahead=look_ahead,
        n_copies=n_copies,
        discount=discount,
        information=information,
        n_usefulness_copies=n_usefulness_copies,
        usefulness_rate=usefulness_rate,
        value=value or known.value,
    )
    # The arguments are in the spec of the id, by which gymnasium makes this wrapper too; recorded
    # once more they could not be written as JSON.
    env._saved_kwargs = {}
    return env


def make_action_vec(
    num_envs: int,
    game: str,
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
    render_mode: str | None = None,
) -> ActionApprovalVectorEnv:
    """Make a vector of them under one overseer; called by ``gym.make_vec``.

    Args:
        num_envs: number of environments, 1..100,000.
        game: a name in :data:`GAMES`.
        autoreset_mode: as in gymnasium.
        reward: as for :func:`make_action_env`, like all that follow.
        simulator: a function ``(env, rng)`` that copies the game.
        look_ahead: steps the overseer looks ahead.
        n_copies: copies that are averaged for each question.
        discount: factor by which a reward counts less with every step.
        information: what the overseer can be shown.
        n_usefulness_copies: copies by which the usefulness of an information is judged.
        usefulness_rate: share of the questions after which it is judged.
        value: what the overseer values in outcomes.
        render_mode: one of the game's.

    Raises:
        ValueError: see :func:`make_action_env`.
    """
    known = find_game(game)
    check_range("num_envs", num_envs, 1, 10**5)
    return ActionApprovalVectorEnv(
        [partial(known.make, render_mode)] * num_envs,
        autoreset_mode=autoreset_mode,
        reward=reward,
        simulator=simulator or known.simulator,
        look_ahead=look_ahead,
        n_copies=n_copies,
        discount=discount,
        information=information,
        n_usefulness_copies=n_usefulness_copies,
        usefulness_rate=usefulness_rate,
        value=value or known.value,
    )


def find_game(name: str) -> Game:
    """Find the game of that name.

    Raises:
        ValueError: if there is none.
    """
    if name not in GAMES:
        raise ValueError(f"game must be one of {sorted(GAMES)}, got {name!r}")
    return GAMES[name]
