"""The vector environment of a question domain."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from ia_gym.domains import Domain
from ia_gym.domains.transcript import IDK, Symbols
from ia_gym.envs.questions.engine import Outcome
from ia_gym.envs.questions.rendering import draw_scene, format_scene
from ia_gym.envs.questions.shared_interface import Observation, QuestionInterface
from ia_gym.validation import check_range


class QuestionVectorEnv(QuestionInterface, VectorEnv[Observation, Symbols, NDArray[Any]]):
    """``num_envs`` copies of :class:`QuestionEnv`, batched, with one trust gate for all.

    Args:
        num_envs: copies, at least 1.
        autoreset_mode: an ``AutoresetMode`` or its value. SAME_STEP (default) returns the next
            question with the answer to the last (``final_obs`` and ``final_info`` hold what was
            answered); NEXT_STEP spends a step on each reset; DISABLED leaves it to
            ``reset(options={"reset_mask": ...})``.
        domain: as for :class:`QuestionEnv`.
        render_mode: "ansi" or "rgb_array".
        **options: as for :class:`QuestionEnv`.

    Raises:
        ValueError: for an argument out of range, or an action outside the space.
        gymnasium.error.ResetNeeded: if stepped before ``reset``, or in mode DISABLED after an
            episode's end.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 (an instance's own mode is put in a copy)
        "render_modes": ["ansi", "rgb_array"],
        "render_fps": 1,
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }

    def __init__(
        self,
        num_envs: int = 1,
        domain: str | type[Domain] = "Permutation",
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
        render_mode: str | None = None,
        **options: Any,
    ) -> None:
        self.num_envs = check_range("num_envs", num_envs, 1, 10**6)
        try:
            self.autoreset_mode = AutoresetMode(autoreset_mode)
        except ValueError:
            allowed = [mode.value for mode in AutoresetMode]
            raise ValueError(
                f"autoreset_mode must be an AutoresetMode or one of {allowed}, "
                f"got {autoreset_mode!r}"
            ) from None
        self.metadata = {**self.metadata, "autoreset_mode": self.autoreset_mode}
        self._build(self.num_envs, render_mode, {"domain": domain, **options})
        self.single_observation_space, self.single_action_space = self._single_spaces()
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._done = np.zeros(self.num_envs, bool)  # whose question has been answered

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """The next question in each environment; with a ``seed``, everything starts afresh.

        Args:
            seed: one seed for the whole vector.
            options: ``{"reset_mask": bool (num_envs,)}`` resets only those environments.
        """
        super().reset(seed=seed)
        engine = self.engine
        mask = (options or {}).get("reset_mask")
        if seed is not None or not self._ready:
            engine.reset(self.np_random)
            self._ready = True
            self._done[:] = False
        else:
            chosen = np.ones(self.num_envs, bool) if mask is None else self._check_mask(mask)
            rows = np.flatnonzero(chosen & (self._done | engine.is_root))
            engine.next_episode(rows)
            self._done[chosen] = False
        return self._observe(), self._masked(self._info())

    def _check_mask(self, mask: Any) -> NDArray[np.bool_]:
        array = np.asarray(mask)
        if array.shape != (self.num_envs,) or array.dtype != bool:
            raise ValueError(
                f"reset_mask must be a bool array of shape ({self.num_envs},), "
                f"got {array.dtype} of shape {array.shape}"
            )
        return array

    def step(
        self, actions: Symbols
    ) -> tuple[
        Observation, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]
    ]:
        """Answer the question in each environment."""
        engine, n = self.engine, self.num_envs
        if not self._ready:
            raise ResetNeeded("step() needs questions to answer: call reset() first")
        answers = self._check_actions(actions, (n,))
        if self.autoreset_mode == AutoresetMode.NEXT_STEP and self._done.any():
            return self._step_resets(answers)
        if self._done.any():
            raise ResetNeeded(
                f"environments {np.flatnonzero(self._done).tolist()} have ended: "
                'call reset(options={"reset_mask": ...}) before the next step'
            )
        outcome = engine.answer(engine.all_rows, answers)
        terminated = np.ones(n, bool)
        truncated = np.zeros(n, bool)
        if self.autoreset_mode != AutoresetMode.SAME_STEP:
            self._done[:] = True
            info = self._masked(self._info(outcome))
            return self._observe(), outcome.rewards, terminated, truncated, info
        final_obs, final_info = self._observe(), self._masked(self._info(outcome))
        engine.next_episode(engine.all_rows)
        info = self._masked(self._info())
        info["final_obs"] = split_observations(final_obs)
        info["_final_obs"] = terminated.copy()
        info["final_info"] = final_info
        info["_final_info"] = terminated.copy()
        return self._observe(), outcome.rewards, terminated, truncated, info

    def _step_resets(
        self, answers: Symbols
    ) -> tuple[
        Observation, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]
    ]:
        """A step in mode NEXT_STEP in which ended environments reset and the others answer."""
        engine, n = self.engine, self.num_envs
        ended, going = np.flatnonzero(self._done), np.flatnonzero(~self._done)
        engine.next_episode(ended)
        outcome = Outcome(np.zeros(n), np.zeros(n), np.full(n, IDK))
        if len(going):
            part = engine.answer(going, answers[going])
            for name, values in vars(part).items():
                getattr(outcome, name)[going] = values
        self._done = ~self._done
        info = self._masked(self._info(outcome))
        for key in ("target", "approval"):
            if key in info:
                info[f"_{key}"] = self._done.copy()
        return self._observe(), outcome.rewards, self._done.copy(), np.zeros(n, bool), info

    def _masked(self, info: dict[str, NDArray[Any]]) -> dict[str, Any]:
        """``info`` with gymnasium's ``_key`` masks, which say which environments have the key."""
        masks = {f"_{key}": np.ones(self.num_envs, bool) for key in info}
        return {**info, **masks}

    def action_masks(self) -> NDArray[np.bool_]:
        """Which answers are of the kind asked for, ``(num_envs, n_answers)``."""
        return self.domain.answer_mask(self.engine.questions)

    def render(self) -> tuple[Any, ...] | None:
        """Text or a picture of each environment's question, as the render mode says."""
        if self.render_mode is None:
            gym.logger.warn("render() does nothing without a render_mode; see gym.make_vec")
            return None
        if not self._ready:
            raise ResetNeeded("render() needs questions to show: call reset() first")
        show = draw_scene if self.render_mode == "rgb_array" else format_scene
        return tuple(show(self._scene(row)) for row in range(self.num_envs))

    # gymnasium's Sync and AsyncVectorEnv have these three; users expect them of any vector.

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Call a method of the vector once (or read an attribute): ``num_envs`` results.

        All results are the same but those of ``action_masks``, of which each gets its own.
        """
        if name == "action_masks":
            return tuple(self.action_masks())
        value = getattr(self, name)
        return ((value(*args, **kwargs) if callable(value) else value),) * self.num_envs

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """An attribute of the vector, ``num_envs`` times."""
        return (getattr(self, name),) * self.num_envs

    def set_attr(self, name: str, values: Any) -> None:
        """Set an attribute of the vector."""
        setattr(self, name, values)


def split_observations(batch: Observation) -> NDArray[np.object_]:
    """An object array with one observation an environment, as gymnasium holds ``final_obs``."""
    facts, questions = list(batch["facts"]), list(batch["question"])
    singles = np.empty(len(facts), object)
    singles[:] = [
        {"facts": fact, "question": question}
        for fact, question in zip(facts, questions, strict=True)
    ]
    return singles
