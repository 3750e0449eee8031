"""Question domains as environments: the reward is the amplified overseer's approval.

:class:`QuestionEnv` and :class:`QuestionVectorEnv` are two faces of one engine
(``engine.py``); an environment of one and a vector of one give equal trajectories.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from ia_gym.assistants import Assistant
from ia_gym.envs.engine import Engine, Outcome, make_engine
from ia_gym.envs.rendering import Scene, draw_scene, scene_text
from ia_gym.envs.spaces import answer_spaces
from ia_gym.overseers import Overseer
from ia_gym.tasks import Domain
from ia_gym.tasks.domain import check_range
from ia_gym.transcript import IDK, Symbols

Observation = dict[str, NDArray[np.int64]]


class QuestionEngineMixin:
    """What both faces share: arguments, spaces, observations, infos, the assistant."""

    engine: Engine
    render_mode: str | None

    metadata: dict[str, Any]

    def _build(self, n_envs: int, render_mode: str | None, options: dict[str, Any]) -> None:
        allowed = (None, *self.metadata["render_modes"])
        if render_mode not in allowed:
            raise ValueError(f"render_mode must be one of {list(allowed)}, got {render_mode!r}")
        self.render_mode = render_mode
        self.engine = make_engine(n_envs, **options)
        self.domain = self.engine.domain
        self._ready = False  # whether there has been a reset

    def _single_spaces(self) -> tuple[Any, Any]:
        domain = self.domain
        return answer_spaces(
            domain.n_symbols, *domain.fact_shape, domain.question_length, domain.n_answers
        )

    # ------------------------------------------------------- what a run may change

    def set_assistant(self, assistant: Assistant | None) -> None:
        """Attach an assistant that answers H's sub-questions, or go back to inline for None.

        Sub-questions the agent has already been shown are still its own to answer.
        """
        if assistant is not None and not callable(getattr(assistant, "answer", None)):
            raise ValueError(
                "assistant must be None or have a method answer(contexts, questions), "
                f"got {assistant!r}"
            )
        self.engine.assistant = assistant

    def set_overseer(self, overseer: Overseer) -> None:
        """Let another overseer take the questions apart and judge, from the next question on.

        Its own counters count. Questions that were taken apart already are judged by what came of
        it.

        Raises:
            ValueError: if it cannot do what overseers do, or is for another domain, or the
                environment has none since it rewards the truth.
        """
        missing = [name for name in ("ask", "answer", "judge") if not hasattr(overseer, name)]
        if missing:
            raise ValueError(f"overseer must have methods ask, answer and judge, lacks {missing}")
        if self.engine.overseer is None:
            raise ValueError('overseer can only be set in an environment of reward="approval"')
        if overseer.domain.n_symbols != self.domain.n_symbols:
            raise ValueError(
                f"overseer must be for {self.domain!r}, got one for {overseer.domain!r}"
            )
        self.engine.overseer = overseer

    def set_difficulty(self, max_depth: int | None = None, size: int | None = None) -> None:
        """Ask questions up to ``max_depth`` about contexts of ``size`` names, from now on.

        None stands for the domain's own. Contexts already drawn are used up first.

        Raises:
            ValueError: for a value out of range.
        """
        full = self.domain
        self.engine.max_depth = (
            full.max_depth
            if max_depth is None
            else check_range("max_depth", max_depth, 1, full.max_depth)
        )
        self.engine.size = full.size if size is None else check_range("size", size, 2, full.size)

    @property
    def human_interactions(self) -> int:
        """Questions put to H so far, one for each root question it took apart."""
        return self.engine.overseer.human_interactions if self.engine.overseer else 0

    @property
    def assistant_answers(self) -> int:
        """Sub-questions answered for H so far, by the agent or by an attached assistant."""
        return self.engine.overseer.assistant_answers if self.engine.overseer else 0

    @property
    def trusted(self) -> NDArray[np.bool_] | None:
        """Which classes of questions H trusts, ``(n_classes,)``; None without a trust gate."""
        return None if self.engine.gate is None else self.engine.gate.trusted.copy()

    # ---------------------------------------------------- observations and infos

    def _observe(self) -> Observation:
        engine = self.engine
        facts = engine.contexts["facts"].copy().reshape(engine.n_envs, -1)
        return {"facts": facts, "question": engine.questions.copy()}

    def _info(self, outcome: Outcome | None = None) -> dict[str, NDArray[Any]]:
        """The info of the questions shown, one entry an environment."""
        engine = self.engine
        info: dict[str, NDArray[Any]] = {
            "truth": engine.truths.copy(),
            "depth": engine.depths.copy(),
            "class": engine.classes.copy(),
            "role": np.where(engine.is_root, "root", "sub"),
            "action_mask": engine.domain.answer_mask(engine.questions),
        }
        trusted = self.trusted
        if trusted is not None:
            info["trusted"] = np.repeat(trusted[None], engine.n_envs, axis=0)
        if outcome is not None and engine.overseer is not None:
            info["target"] = outcome.targets
            info["approval"] = outcome.approvals
        return info

    def _check_actions(self, actions: Any, shape: tuple[int, ...]) -> Symbols:
        array = np.asarray(actions)
        if array.shape != shape or array.dtype.kind not in "iu":
            raise ValueError(
                f"action must be of whole numbers and shape {shape}, got {actions!r} "
                f"({array.dtype}, shape {array.shape})"
            )
        if array.size and (array.min() < 0 or array.max() >= self.domain.n_answers):
            raise ValueError(f"action must be in 0..{self.domain.n_answers - 1}, got {actions!r}")
        return array.astype(np.int64)

    def _scene(self, row: int, answer: int | None = None, approval: float | None = None) -> Scene:
        engine = self.engine
        place = row, engine.cursor[row]
        root = bool(engine.is_root[row])
        return Scene(
            domain=self.domain,
            context=engine.contexts[row],
            root=engine.roots[place],
            question=engine.questions[row],
            is_root=root,
            transcript=engine.transcripts[place] if engine.overseer is not None else None,
            can_earn=bool(engine.can_earn[place]),
            answer=answer,
            approval=approval,
            truth=int(engine.truths[row]),
        )


class QuestionEnv(QuestionEngineMixin, gym.Env[Observation, np.int64]):
    """One question, one episode: ``reset`` asks, one ``step`` answers.

    The reward is how far the amplified overseer approves of the answer. With the default
    ``assistant="inline"`` the overseer's sub-questions come up as episodes of their own, which
    look like any other and earn nothing: the agent is its own assistant.

    Observation: ``Dict(facts=Box(0, n_symbols-1, (F·L,), int64), question=Box(0, n_symbols-1,
    (Lq,), int64))``; facts are rows of ``L`` tokens, padded with 0. After ``step`` it is the
    question just answered.

    Action: ``Discrete(n_answers)``, a symbol; 0 is "I don't know" and never approved of.

    Info: ``truth``, ``depth``, ``class`` (kind and depth, as the trust gate and a curriculum count
    them), ``role`` ("root" or "sub"), ``action_mask`` (bool
    ``(n_answers,)``) and, with a trust gate, ``trusted`` (bool, one a class); after ``step`` also
    ``target`` (H's own answer, 0 where the question could earn nothing) and ``approval``.

    Args:
        domain: a name in ``ia_gym.tasks.DOMAINS``, or a subclass of ``Domain``.
        render_mode: "ansi" (text), "rgb_array" (a picture), "human" (text, printed).
        **options: ``questions_per_context``, ``overseer``, ``approval``, ``reward``,
            ``assistant``, ``trust``, ``wrong_price``, ``audit``, and the domain's own arguments
            (``size``, ``max_size``, ...): see :func:`ia_gym.envs.engine.make_engine`.

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
            return scene_text(self._scene(0, *self._last))
        return None  # "human" prints as it goes

    def _print_scene(self) -> None:
        """What render mode "human" does after each reset and step."""
        print(scene_text(self._scene(0, *self._last)), end="\n\n")


class QuestionVectorEnv(QuestionEngineMixin, VectorEnv[Observation, Symbols, NDArray[Any]]):
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
        show = draw_scene if self.render_mode == "rgb_array" else scene_text
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
