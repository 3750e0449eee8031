"""One evaluation for every agent whose actions are approved of: returns, approval, and the gap."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ia_gym.actions.overseer import ActionAssistant
from ia_gym.agents.evaluation.evaluator import (
    EVALUATION_STREAM,
    Predictor,
    undisturbed,
)
from ia_gym.agents.evaluation.question_evaluator import QuestionEvaluator
from ia_gym.envs.actions.games import GAMES, make_action_env, make_action_vec
from ia_gym.validation import check_range

JUDGED = 1 / 32
"""Share of the steps at which H judges all actions, to be compared with what they came to."""
FORGOTTEN = 0.05
"""A return that was cut short counts if what is missing weighs less than this."""


class EpisodeEvaluator:
    """Whole episodes of a registered environment's own game, always from the same seeds.

    What stands in the place of accuracy is the return as a share of the best there is
    (``Game.best_return``), so that agents on all environments are told of alike.

    Args:
        env_id: "IA-<game>-v0" with a game of :data:`~ia_gym.envs.actions.games.GAMES`.
        n_episodes: episodes to play; default the game's own number.
        seed: another seed, other episodes; whatever it is, no training seed gives them.
        **env_kwargs: the environment's arguments.
    """

    def __init__(
        self, env_id: str, n_episodes: int | None = None, seed: int = 0, **env_kwargs: Any
    ) -> None:
        self.env_id = env_id
        self.game = game_of(env_id)
        known = GAMES[self.game]
        chosen = known.episodes if n_episodes is None else n_episodes
        self.n_episodes = check_range("n_episodes", chosen, 1, 10**5)
        self.seed = seed
        self.kwargs = {**env_kwargs, "reward": "truth"}
        self.best_return = known.best_return()
        single = make_action_env(self.game, reward="truth")
        self.n_actions = int(single.action_space.n)  # type: ignore[attr-defined]
        single.close()

    @property
    def n_questions(self) -> int:
        """EpisodeEvaluator played."""
        return self.n_episodes

    @cached_property
    def venv(self) -> Any:
        """One environment an episode, made once: hundreds of them take their time."""
        return make_action_vec(self.n_episodes, self.game, **self.kwargs)

    def evaluate(
        self, model: Predictor, assistant: ActionAssistant | None = None
    ) -> dict[str, float]:
        """Let ``model`` play, by its best actions; H judges some of them with ``assistant``.

        Returns:
            By TensorBoard tag: ``eval/return`` (the mean of the environment's own returns),
            ``eval/accuracy`` (its share of the best), ``eval/length`` (mean steps) and, with an
            assistant, ``overseer/approval`` of a sample of the actions, ``eval/discounted_return``
            (what these came to) and their difference, ``overseer/overapproval``.
        """

        def act(observations: NDArray[Any]) -> NDArray[np.int64]:
            return model.predict(observations, deterministic=True)[0]

        with undisturbed():
            return self._play(act, assistant)

    def reference_lines(self) -> dict[str, dict[str, float]]:
        """``random`` play, and the ``best`` there is, each with its ``accuracy``."""
        rng = np.random.default_rng(self.seed)

        def act(observations: NDArray[Any]) -> NDArray[np.int64]:
            return rng.integers(self.n_actions, size=len(observations))

        return {
            "random": {"accuracy": self._play(act, None)["eval/accuracy"]},
            "best": {"accuracy": 1.0},
        }

    def _play(
        self, act: Callable[[NDArray[Any]], NDArray[np.int64]], assistant: ActionAssistant | None
    ) -> dict[str, float]:
        n = self.n_episodes
        rng = np.random.default_rng(
            np.random.SeedSequence(self.seed, spawn_key=(EVALUATION_STREAM,))
        )
        venv = self.venv
        venv.call("set_assistant", assistant)
        observations, _ = venv.reset(seed=[int(s) for s in rng.integers(2**31, size=n)])
        playing, terminated_at_end = np.ones(n, bool), np.zeros(n, bool)
        rewards: list[NDArray[np.float64]] = []
        judged: list[tuple[int, NDArray[Any], NDArray[np.float64]]] = []
        lengths = np.zeros(n, np.int64)
        while playing.any():
            actions = act(observations)
            chosen = np.flatnonzero(playing & (rng.random() < JUDGED))
            if assistant is not None and len(chosen):
                envs: Any = [venv.envs[i] for i in chosen]
                approvals = venv.shared_overseer.judge(envs, actions[chosen]).approvals
                judged.append((len(rewards), chosen, approvals))
            observations, reward, terminated, truncated, _ = venv.step(actions)
            rewards.append(np.where(playing, reward, 0))
            lengths += playing
            terminated_at_end |= playing & terminated
            playing &= ~(terminated | truncated)
        discount = venv.shared_overseer.overseer.discount
        whole = np.array(rewards)
        mean_return = float(whole.sum(axis=0).mean())
        measured = {
            "eval/return": mean_return,
            "eval/accuracy": mean_return / self.best_return,
            "eval/length": float(lengths.mean()),
        }
        to_go = np.zeros_like(whole)
        after = np.zeros(n)
        for t in range(len(whole) - 1, -1, -1):
            after = to_go[t] = whole[t] + discount * after
        pairs = [
            (approval, to_go[t, i])
            for t, envs_judged, approvals in judged
            for i, approval in zip(envs_judged, approvals, strict=True)
            if terminated_at_end[i] or discount ** (lengths[i] - t) < FORGOTTEN
        ]
        if pairs:
            approved, came_to = np.array(pairs).mean(axis=0)
            measured |= {
                "overseer/approval": float(approved),
                "eval/discounted_return": float(came_to),
                "overseer/overapproval": float(approved - came_to),
            }
        return measured


def game_of(env_id: str) -> str:
    """The game in an id such as "IA-CartPole-v0"; "" if it has none."""
    name = env_id.removeprefix("IA-").rsplit("-v", 1)[0]
    return name if name in GAMES else ""


def evaluation_for(
    env_id: str, n_questions: int, **env_kwargs: Any
) -> QuestionEvaluator | EpisodeEvaluator:
    """What agents on ``env_id`` are evaluated on: held-out questions, or whole episodes.

    Args:
        env_id: a registered environment of the suite.
        n_questions: held-out questions; of no effect where actions are approved of.
        **env_kwargs: the environment's arguments.
    """
    if game_of(env_id):
        return EpisodeEvaluator(env_id, **env_kwargs)
    return QuestionEvaluator(env_id, n_questions, **env_kwargs)
