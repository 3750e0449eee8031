"""The vector environment of a question domain."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from ia_gym.amplification.approval import ApprovalMode
from ia_gym.amplification.failures import FailureKind, FailurePlace
from ia_gym.domains import Domain
from ia_gym.domains.transcript import IDK, Symbols
from ia_gym.envs.arguments import check_actions
from ia_gym.envs.autoreset import check_autoreset_mode, pack_final_observations
from ia_gym.envs.questions.config import AssistantMode, QuestionConfig, QuestionReward, Trust
from ia_gym.envs.questions.judging import Outcome, Verdict
from ia_gym.envs.questions.observations import (
    ObservationMode,
    Observations,
    split_observations,
)
from ia_gym.envs.questions.rendering import Scene
from ia_gym.envs.questions.shared_interface import QuestionInterface
from ia_gym.envs.rendered_envs import RenderedVectorEnv
from ia_gym.validation import check_range, convert_seed

Step = tuple[
    Observations, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]
]


class QuestionVectorEnv(QuestionInterface, RenderedVectorEnv[Observations]):
    """``num_envs`` copies of :class:`~ia_gym.envs.QuestionEnv`, batched, with one trust gate.

    Observations, actions and infos are those of :class:`~ia_gym.envs.QuestionEnv` with a first
    axis of ``num_envs``; infos have gymnasium's ``_key`` masks.

    Args:
        num_envs: number of copies, 1..1,000,000.
        domain: as for :class:`~ia_gym.envs.QuestionEnv`, like all that follow but the last two.
        size: names per context.
        max_size: names in the pool that contexts draw from.
        questions_per_context: root questions about a context before the next one.
        overseer: "scripted", "novice", or the file of a human predictor.
        approval: "strict" or "graded".
        reward: "approval", "truth" for evaluation, or "deception" for an adversary.
        assistant: "inline" (the agent itself), "oracle" or "none".
        trust: threshold of the trust gate, "auto" or None.
        wrong_answer_penalty: subtracted from the reward of an answer without approval.
        audit: share of an attached assistant's answers that the overseer decomposes once more.
        overseer_failure: probability in [0, 1] that the overseer fails.
        assistant_failure: the same for an attached assistant, at each sub-question.
        failure_kind: "random" or "hashed" (the same input always fails in the same way).
        failure_at: what of the overseer fails: "answer", "approval" or "subquestion".
        adversarial_assistant: a failing assistant tells the domain's consistent lie.
        votes: how many times the overseer decomposes and judges each question; odd.
        observation: "tokens", "onehot", "multidiscrete", "flat", "text" or "prompt".
        autoreset_mode: an ``AutoresetMode`` or its value. SAME_STEP (default) returns the next
            question with the reward of the last answer (``final_obs`` and ``final_info`` hold the
            question that was answered); NEXT_STEP spends a step on each reset; DISABLED leaves it
            to ``reset(options={"reset_mask": ...})``.
        render_mode: "ansi" or "rgb_array".
        **domain_kwargs: further arguments of the domain.

    Raises:
        ValueError: for an argument out of range or without effect, or an action outside the space.
        TypeError: for a further argument that the domain does not have.
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
        domain: str | type[Domain] = QuestionConfig.domain,
        *,
        size: int | None = QuestionConfig.size,
        max_size: int | None = QuestionConfig.max_size,
        questions_per_context: int = QuestionConfig.questions_per_context,
        overseer: str | os.PathLike[str] = QuestionConfig.overseer,
        approval: ApprovalMode = QuestionConfig.approval,
        reward: QuestionReward = QuestionConfig.reward,
        assistant: AssistantMode = QuestionConfig.assistant,
        trust: Trust = QuestionConfig.trust,
        wrong_answer_penalty: float = QuestionConfig.wrong_answer_penalty,
        audit: float = QuestionConfig.audit,
        overseer_failure: float = QuestionConfig.overseer_failure,
        assistant_failure: float = QuestionConfig.assistant_failure,
        failure_kind: FailureKind = QuestionConfig.failure_kind,
        failure_at: FailurePlace = QuestionConfig.failure_at,
        adversarial_assistant: bool = QuestionConfig.adversarial_assistant,
        votes: int = QuestionConfig.votes,
        observation: ObservationMode = QuestionConfig.observation,
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
        render_mode: str | None = None,
        **domain_kwargs: Any,
    ) -> None:
        self.num_envs = check_range("num_envs", num_envs, 1, 10**6)
        self.autoreset_mode = check_autoreset_mode(autoreset_mode)
        self.metadata = {**self.metadata, "autoreset_mode": self.autoreset_mode}
        config = QuestionConfig(
            domain=domain,
            size=size,
            max_size=max_size,
            questions_per_context=questions_per_context,
            overseer=overseer,
            approval=approval,
            reward=reward,
            assistant=assistant,
            trust=trust,
            wrong_answer_penalty=wrong_answer_penalty,
            audit=audit,
            overseer_failure=overseer_failure,
            assistant_failure=assistant_failure,
            failure_kind=failure_kind,
            failure_at=failure_at,
            adversarial_assistant=adversarial_assistant,
            votes=votes,
            observation=observation,
            domain_kwargs=domain_kwargs,
        )
        super().__init__(self.num_envs, config, render_mode)
        self.single_observation_space, self.single_action_space = self._make_single_spaces()
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._done = np.zeros(self.num_envs, bool)  # whose question has been answered
        self._answered: tuple[Symbols, Outcome] | None = None  # in the last step

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, dict[str, Any]]:
        """Ask the next question in each environment; with a ``seed``, everything starts afresh.

        Args:
            seed: one seed for the whole vector.
            options: ``{"reset_mask": bool (num_envs,)}`` resets only those environments.

        Returns:
            Observations and infos.

        Raises:
            ValueError: for a ``reset_mask`` of another shape or type.
        """
        super().reset(seed=convert_seed(seed))
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
        return self._observe(), self._add_masks(self._make_info())

    def step(self, actions: Symbols) -> Step:
        """Answer the question in each environment.

        Args:
            actions: int64 ``(num_envs,)``, symbols in ``0..n_answers - 1``. In mode NEXT_STEP,
                those of environments that reset are ignored.

        Returns:
            Observations, rewards (float64), terminated and truncated (bool), each ``(num_envs,)``,
            and infos.

        Raises:
            gymnasium.error.ResetNeeded: before ``reset``, or in mode DISABLED after an episode's
                end.
            ValueError: for an action outside the space; nothing is changed then.
        """
        engine, n = self.engine, self.num_envs
        if not self._ready:
            raise ResetNeeded("step() needs questions to answer: call reset() first")
        answers = check_actions(actions, (n,), self.domain.n_answers)
        if self.autoreset_mode == AutoresetMode.NEXT_STEP and self._done.any():
            return self._step_with_resets(answers)
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
            self._answered = answers, outcome
            info = self._make_answered_info(outcome, terminated)
            return self._observe(), outcome.rewards, terminated, truncated, info
        final_obs, final_info = self._observe(), self._make_answered_info(outcome, terminated)
        engine.next_episode(engine.all_rows)
        info = self._add_masks(self._make_info())
        info["final_obs"] = pack_final_observations(split_observations(final_obs), n)
        info["_final_obs"] = terminated.copy()
        info["final_info"] = final_info
        info["_final_info"] = terminated.copy()
        return self._observe(), outcome.rewards, terminated, truncated, info

    def _step_with_resets(self, answers: Symbols) -> Step:
        """A step of mode NEXT_STEP in which some environments reset and the others answer."""
        engine, n = self.engine, self.num_envs
        ended, going = np.flatnonzero(self._done), np.flatnonzero(~self._done)
        engine.next_episode(ended)
        outcome = Outcome(np.zeros(n), np.zeros(n), np.full(n, IDK), np.zeros(n, bool))
        if len(going):
            part = engine.answer(going, answers[going])
            for name, values in vars(part).items():
                getattr(outcome, name)[going] = values
        self._done = ~self._done
        self._answered = answers, outcome
        info = self._make_answered_info(outcome, self._done)
        return self._observe(), outcome.rewards, self._done.copy(), np.zeros(n, bool), info

    def _make_answered_info(self, outcome: Outcome, answered: NDArray[np.bool_]) -> dict[str, Any]:
        """The info after a step in which the ``answered`` environments had their answer judged."""
        info = self._add_masks(self._make_info(outcome))
        for key in ("_target", "_approval"):
            if key in info:
                info[key] = answered.copy()
        info["_is_success"] = answered & self.engine.is_root
        return info

    def action_masks(self) -> NDArray[np.bool_]:
        """Which answers are of the kind asked for, ``(num_envs, n_answers)``.

        Raises:
            gymnasium.error.ResetNeeded: before the first ``reset``.
        """
        return self._mask_answers()

    def _describe_scene(self, row: int) -> Scene:
        return self._make_scene(row, *self._judged(row))

    def _judged(self, row: int) -> tuple[()] | tuple[int, Verdict]:
        """The answer of an environment and what became of it, if its question is answered."""
        if self._answered is None or not self._done[row]:
            return ()
        answers, outcome = self._answered
        return int(answers[row]), outcome[row]
