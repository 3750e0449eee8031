"""Question domains as environments: the reward is the amplified overseer's approval.

:class:`QuestionEnv` and :class:`QuestionVectorEnv` are two faces of one engine
(``engine.py``); an environment of one and a vector of one give equal trajectories.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray

from ia_gym.domains import Domain
from ia_gym.envs.questions.rendering import draw_scene, format_scene
from ia_gym.envs.questions.shared_interface import Observation, QuestionInterface


class QuestionEnv(QuestionInterface, gym.Env[Observation, np.int64]):
    """One question, one episode: ``reset`` asks, one ``step`` answers.

    The reward is how far the amplified overseer approves of the answer. With the default
    ``assistant="inline"`` the overseer's sub-questions come up as episodes of their own, which
    look like any other and earn nothing: the agent is its own assistant.

    Observation: ``Dict(facts=Box(0, n_symbols-1, (F·L,), int64), question=Box(0, n_symbols-1,
    (Lq,), int64))``; facts are rows of ``L`` tokens, padded with 0. After ``step`` it is the
    question just answered.

    Action: ``Discrete(n_answers)``, a symbol; 0 is "I don't know" and never approved of.

    Info: ``truth``, ``depth``, ``class`` (kind and depth, as the trust gate and a curriculum count
    them), ``is_root`` (false for a sub-question), ``action_mask`` (bool
    ``(n_answers,)``) and, with a trust gate, ``trusted`` (bool, one a class); after ``step`` also
    ``target`` (H's own answer, 0 where the question could earn nothing) and ``approval``.

    Args:
        domain: a name in ``ia_gym.domains.DOMAINS``, or a subclass of ``Domain``.
        render_mode: "ansi" (text), "rgb_array" (a picture), "human" (text, printed).
        **options: ``questions_per_context``, ``overseer``, ``approval``, ``reward``,
            ``assistant``, ``trust``, ``wrong_answer_penalty``, ``audit``, and the domain's own arguments
            (``size``, ``max_size``, ...): see :func:`ia_gym.envs.questions.engine.make_engine`.

    Raises:
        ValueError: for an argument out of range, or an action outside the space.
        gymnasium.error.ResetNeeded: if stepped before ``reset`` or after the episode's end.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 (declared so by gymnasium)
        "render_modes": ["ansi", "rgb_array", "human"],
        "render_fps": 1,
    }

    def __init__(
        self,
        domain: str | type[Domain] = "Permutation",
        *,
        render_mode: str | None = None,
        **options: Any,
    ) -> None:
        self._build(1, render_mode, {"domain": domain, **options})
        self.observation_space, self.action_space = self._single_spaces()
        self._answered = False
        self._last: tuple[int | None, float | None] = (None, None)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """The next question; with a ``seed``, everything starts afresh.

        A root question left unanswered is dropped, a sub-question is put again.
        """
        super().reset(seed=seed)
        engine = self.engine
        if seed is not None or not self._ready:
            engine.reset(self.np_random)
            self._ready = True
        elif self._answered or engine.is_root[0]:
            engine.next_episode(engine.all_rows)
        self._answered = False
        self._last = (None, None)
        if self.render_mode == "human":
            self._print_scene()
        return self._single(self._observe()), self._single(self._info())

    def step(self, action: np.int64) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Answer the question: the reward is H's approval, and the episode ends."""
        if not self._ready or self._answered:
            raise ResetNeeded(
                "step() needs a question to answer: call reset() first, and after every step"
            )
        answer = self._check_actions(action, ())
        outcome = self.engine.answer(self.engine.all_rows, answer[None])
        reward = float(outcome.rewards[0])
        self._answered = True
        self._last = (int(answer), reward)
        if self.render_mode == "human":
            self._print_scene()
        info = self._single(self._info(outcome))
        return self._single(self._observe()), reward, True, False, info

    @staticmethod
    def _single(batch: dict[str, NDArray[Any]]) -> dict[str, Any]:
        """Entry 0 of each array, scalars as Python objects."""
        return {
            key: value[0] if value.ndim > 1 else value[0].item() for key, value in batch.items()
        }

    def action_masks(self) -> NDArray[np.bool_]:
        """Which answers are of the kind the question asks for, ``(n_answers,)``."""
        mask: NDArray[np.bool_] = self.domain.answer_mask(self.engine.questions)[0]
        return mask

    def render(self) -> str | NDArray[np.uint8] | None:
        """The question, what H asked about it, the answer and its approval."""
        if self.render_mode is None:
            gym.logger.warn("render() does nothing without a render_mode; see gym.make")
            return None
        if not self._ready:
            raise ResetNeeded("render() needs a question to show: call reset() first")
        if self.render_mode == "rgb_array":
            return draw_scene(self._scene(0, *self._last))
        if self.render_mode == "ansi":
            return format_scene(self._scene(0, *self._last))
        return None  # "human" prints as it goes

    def _print_scene(self) -> None:
        """What render mode "human" does after each reset and step."""
        print(format_scene(self._scene(0, *self._last)), end="\n\n")
