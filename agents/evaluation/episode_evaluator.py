"""Evaluation of agents whose actions are approved of: returns, approval, and the gap."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from gymnasium.spaces import Discrete
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_model
from stable_baselines3.common.type_aliases import PolicyPredictor

from ia_gym.actions.overseer import ActionAssistant
from ia_gym.agents.assistants.action_assistant import LearnedActionAssistant
from ia_gym.agents.assistants.observation_encoder import find_model_encoder
from ia_gym.agents.evaluation.episode_trace import trace_episode
from ia_gym.agents.evaluation.evaluator import (
    EVALUATION_STREAM,
    Column,
    Evaluator,
    Example,
    Labels,
    format_count,
    preserve_random_state,
)
from ia_gym.envs.actions.games import GAMES, make_action_env, make_action_vec
from ia_gym.networks.averaging import make_polyak_average
from ia_gym.validation import check_range

if TYPE_CHECKING:
    import pandas as pd

JUDGED = 1 / 32
"""Share of the steps at which the overseer judges all actions, to compare with their returns."""
NEGLIGIBLE = 0.05
"""A return that was cut short counts if the discounted weight of the rest is below this."""


class EpisodeEvaluator(Evaluator):
    """Evaluates agents on whole episodes of an environment's own game, always the same ones.

    The score is the mean return as a share of the best there is (``Game.best_return``). Where the
    game is a known transition table (FrozenLake), return and length are exact expectations of the
    agent's best actions, without sampling; only the overseer's judgements are sampled.

    Args:
        env_id: "IA-<game>-v0" with a game of :data:`~ia_gym.envs.actions.games.GAMES`.
        n_episodes: episodes to play; default the game's own number.
        seed: another seed, other episodes; whatever it is, no training seed gives them.
        **env_kwargs: the environment's arguments.

    Raises:
        ValueError: for an argument out of range, or an id without a game.
    """

    labels = Labels(
        title="approval of actions",
        unit="episodes",
        trained_on="steps",
        score="eval/share_of_best_return",
        score_label="share of the best return",
        approval_is_share=False,
        overapproval=Column("overseer/overapproval", "approval less discounted return", "number"),
        has_depths=False,
        columns=(
            Column("eval/return", "return", "number"),
            Column("overseer/approval", "approval", "number"),
            Column("eval/discounted_return", "discounted return", "number"),
        ),
        references=("random",),
    )
    counters: ClassVar[tuple[str, ...]] = (
        "human_interactions",
        "assistant_answers",
        "simulated_steps",
    )

    def __init__(
        self, env_id: str, n_episodes: int | None = None, seed: int = 0, **env_kwargs: Any
    ) -> None:
        self.env_id = env_id
        self.game = find_game_name(env_id)
        if not self.game:
            raise ValueError(f"env_id must be IA-<game>-v0, game one of {[*GAMES]}, got {env_id!r}")
        self.known = GAMES[self.game]
        chosen = self.known.episodes if n_episodes is None else n_episodes
        self.n_episodes = check_range("n_episodes", chosen, 1, 10**5)
        self.seed = seed
        self.kwargs = {**env_kwargs, "reward": "truth"}
        self.best_return = self.known.best_return()
        single = make_action_env(self.game, reward="truth")
        self.observation_space = single.observation_space
        self.n_actions = int(single.action_space.n)  # type: ignore[attr-defined]
        single.close()

    @property
    def n_problems(self) -> int:
        """Held-out episodes."""
        return self.n_episodes

    @property
    def layout(self) -> dict[str, Any]:
        """See :class:`~ia_gym.agents.evaluation.evaluator.Evaluator`."""
        return {
            "Truth": {
                "share of the best return": [
                    "Multiline",
                    ["eval/share_of_best_return$", "reference/.*"],
                ],
                "return": ["Multiline", ["eval/return$"]],
            },
            "Overseer": {
                "approval": ["Multiline", ["overseer/approval$"]],
                "approval less discounted return": ["Multiline", ["overseer/overapproval$"]],
                "queries to the overseer": ["Multiline", ["overseer/human_interactions$"]],
            },
            "Assistant": {
                "loss of HowGood": ["Multiline", ["assistant/loss$"]],
                "information shown to the overseer": ["Multiline", ["assistant/shown_.*"]],
            },
        }

    @cached_property
    def venv(self) -> Any:
        """One environment an episode, made once: hundreds of them take their time."""
        return make_action_vec(self.n_episodes, self.game, **self.kwargs)

    def evaluate(
        self, model: PolicyPredictor, assistant: ActionAssistant | None = None
    ) -> dict[str, float]:
        """Let ``model`` play its best actions; the overseer judges some with ``assistant``.

        Args:
            model: the agent.
            assistant: answers the overseer's questions; default the one attached to the model's
                environments. Without one nothing is judged.

        Returns:
            By TensorBoard tag: ``eval/return`` (the mean of the environment's own returns),
            ``eval/share_of_best_return``, ``eval/length`` (mean steps) and, with an assistant,
            ``overseer/approval`` of a sample of the actions, ``eval/discounted_return`` from these
            actions on, and their difference, ``overseer/overapproval``.
        """
        encoder = find_model_encoder(model, self.observation_space)

        def act(observations: NDArray[Any]) -> NDArray[np.int64]:
            return model.predict(encoder(observations), deterministic=True)[0]

        if assistant is None:
            assistant = find_attached_assistant(model)
        with preserve_random_state():
            measured = self._play(act, assistant)
            if self.known.tabular is not None:
                episodes = self.known.tabular()
                policy = act(np.arange(len(episodes.start)))
                exact = episodes.table.compute_expected_episode(
                    policy, episodes.start, episodes.n_steps
                )
                measured |= self._score(*exact)
        return measured

    def _score(self, mean_return: float, mean_length: float) -> dict[str, float]:
        return {
            "eval/return": mean_return,
            self.labels.score: mean_return / self.best_return,
            "eval/length": mean_length,
        }

    def references(self) -> dict[str, dict[str, float]]:
        """``random`` play, and the ``best`` there is, each with its ``share_of_best_return``."""
        rng = np.random.default_rng(self.seed)

        def act(observations: NDArray[Any]) -> NDArray[np.int64]:
            return rng.integers(self.n_actions, size=len(observations))

        return {
            "random": {self.labels.score_name: self._play(act, None)[self.labels.score]},
            "best": {self.labels.score_name: 1.0},
        }

    @classmethod
    def headline(cls, row: Mapping[str, float]) -> str:
        """See :class:`~ia_gym.agents.evaluation.evaluator.Evaluator`."""
        approval = row.get("overseer/approval", np.nan)
        queries = format_count(row["overseer/human_interactions"])
        return (
            f"return {row['eval/return']:7.2f}  approval {approval:7.2f}"
            f"  queries to the overseer {queries}"
        )

    def showing(
        self,
        model: PolicyPredictor,
        assistant: ActionAssistant | None = None,
        number: int | None = None,
        levels: int | None = None,
        unfold: bool = False,
    ) -> Example:
        """The first steps of an episode, each with the overseer's judgement.

        Args:
            model: the agent.
            assistant: as for :meth:`evaluate`; without one the overseer judges alone.
            number: of the episode, from 0; default 0.
            levels: None; there are no sub-questions to show.
            unfold: False, likewise.

        Raises:
            ValueError: for a number out of range, or ``levels`` or ``unfold``.
        """
        for name, given in (("levels", levels), ("unfold", unfold or None)):
            if given is not None:
                raise ValueError(
                    f"{name} is for environments that ask questions, got {given} for {self.env_id}"
                )
        number = check_range("number", 0 if number is None else number, 0, 2**32 - 1)
        if assistant is None:
            assistant = find_attached_assistant(model)
        encoder = find_model_encoder(model, self.observation_space)
        return Example(
            title=f"{self.env_id}, held-out episode {number}",
            context="",
            body=trace_episode(self.game, model, encoder, assistant, seed=number, **self.kwargs),
        )

    def load_assistant(
        self, path: Path, model: Any, answering: Mapping[str, Any] | None
    ) -> LearnedActionAssistant | None:
        """See :class:`~ia_gym.agents.evaluation.evaluator.Evaluator`.

        Raises:
            ValueError: if the file does not fit the model.
        """
        if not path.exists():
            return None
        policy = make_polyak_average(model.policy, 1)
        information = self.venv.shared_overseer.overseer.information
        assistant = LearnedActionAssistant(policy.module, information, **(answering or {}))  # type: ignore[arg-type]
        try:
            load_model(assistant.gather_modules(policy), path)
        except (SafetensorError, RuntimeError) as error:
            raise ValueError(
                f"model must lie beside the assistant it was trained with: {path}: {error}"
            ) from error
        return assistant

    @classmethod
    def describe(cls, env_id: str) -> dict[str, str]:
        """Observations, actions and the best return."""
        game = GAMES[find_game_name(env_id)]
        try:
            env = game.make()
        except ImportError as error:  # of an emulator
            return {"observation": str(error)}
        shown: Any = env.observation_space
        actions: Any = env.action_space
        env.close()
        return {
            "observation": (
                f"1 of {shown.n}" if isinstance(shown, Discrete) else f"{shown.shape[0]} numbers"
            ),
            "actions": str(actions.n),
            "best return": f"{game.best_return():.2f}",
        }

    @classmethod
    def overseer_kwargs(cls, env_kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """All of them, since they configure the overseer."""
        return dict(env_kwargs)

    @classmethod
    def read_curve(cls, env_id: str, curve: pd.DataFrame) -> pd.DataFrame:
        """The curve with the share of the best return as it is computed today.

        Older curves name it ``eval/accuracy``.
        """
        share = curve["eval/return"] / GAMES[find_game_name(env_id)].best_return()
        return curve.drop(columns="eval/accuracy", errors="ignore").assign(
            **{cls.labels.score: share}
        )

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
        measured = self._score(float(whole.sum(axis=0).mean()), float(lengths.mean()))
        to_go = np.zeros_like(whole)
        after = np.zeros(n)
        for t in range(len(whole) - 1, -1, -1):
            after = to_go[t] = whole[t] + discount * after
        pairs = [
            (approval, to_go[t, i])
            for t, envs_judged, approvals in judged
            for i, approval in zip(envs_judged, approvals, strict=True)
            if terminated_at_end[i] or discount ** (lengths[i] - t) < NEGLIGIBLE
        ]
        if pairs:
            approved, earned = np.array(pairs).mean(axis=0)
            measured |= {
                "overseer/approval": float(approved),
                "eval/discounted_return": float(earned),
                "overseer/overapproval": float(approved - earned),
            }
        return measured


def find_game_name(env_id: str) -> str:
    """The game in an id such as "IA-CartPole-v0"; "" if it has none."""
    found = re.fullmatch(r"(?:ia_gym:)?IA-(\w+)-v\d+", str(env_id))
    return found[1] if found and found[1] in GAMES else ""


def find_attached_assistant(model: Any) -> ActionAssistant | None:
    """The assistant attached to the environments of an SB3 model, if there is one."""
    env = model.get_env() if hasattr(model, "get_env") else None
    if env is None or not env.has_attr("assistant"):
        return None
    assistant: ActionAssistant | None = env.get_attr("assistant")[0]
    return assistant
