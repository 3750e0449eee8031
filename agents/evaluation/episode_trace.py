"""The trace of an episode as a table: its steps, and the overseer's judgement of each action."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from stable_baselines3.common.type_aliases import PolicyPredictor

from ia_gym.actions.overseer import ActionAssistant
from ia_gym.agents.assistants.observation_encoder import ObservationEncoder
from ia_gym.agents.evaluation.evaluator import EVALUATION_STREAM, preserve_random_state
from ia_gym.envs.actions.games import make_action_env

if TYPE_CHECKING:
    from rich.table import Table

MAX_NUMBERS = 6
"""Observations of more numbers than this are not printed."""


def trace_episode(
    game: str,
    model: PolicyPredictor,
    encoder: ObservationEncoder,
    assistant: ActionAssistant | None,
    n_steps: int = 12,
    seed: int = 0,
    **env_kwargs: Any,
) -> Table:
    """The first steps of a held-out episode, played by the model's best actions.

    Args:
        game: a name in :data:`~ia_gym.envs.actions.games.GAMES`.
        model: the agent that plays.
        encoder: shows it the observations.
        assistant: answers the overseer's questions; None for the overseer alone.
        n_steps: steps to show.
        seed: which episode.
        **env_kwargs: the environment's arguments.

    Returns:
        A table of ``rich`` with one row per step: the overseer's approval of the action, the part
        of it that the overseer saw itself and the part that the assistant estimated, what the
        overseer was shown, and the environment's own reward.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in (
        "step",
        "observation",
        "action",
        "approval",
        "observed",
        "assistant",
        "shown",
        "reward",
    ):
        table.add_column(heading, justify="right")
    env = make_action_env(game, **{**env_kwargs, "reward": "approval"})
    env.set_assistant(assistant)
    stream = np.random.SeedSequence(seed, spawn_key=(EVALUATION_STREAM,))
    with preserve_random_state():
        observation, _ = env.reset(seed=int(np.random.default_rng(stream).integers(2**31)))
        for step in range(n_steps):
            shown = encoder(np.asarray(observation)[None])
            action = model.predict(shown, deterministic=True)[0][0]
            before = np.atleast_1d(observation)
            observation, approval, terminated, truncated, info = env.step(action)
            table.add_row(
                str(step),
                " ".join(f"{each:.3g}" for each in before) if len(before) <= MAX_NUMBERS else "…",
                str(int(action)),
                f"{approval:.3f}",
                f"{info['observed']:.3f}",
                f"{approval - info['observed']:.3f}",
                "outcome" if assistant is None else env.overseer.information[info["information"]],
                f"{info['own_reward']:g}",
            )
            if terminated or truncated:
                break
    env.close()
    return table
