"""The vector environment of decomposition."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from ia_gym.amplification.approval import ApprovalMode
from ia_gym.domains import Domain
from ia_gym.domains.transcript import Symbols
from ia_gym.envs.arguments import RewardMode, check_actions
from ia_gym.envs.autoreset import check_autoreset_mode, pack_final_observations
from ia_gym.envs.decomposition.config import AssistantMode, DecompositionConfig, JudgeMode
from ia_gym.envs.decomposition.engine import Outcome
from ia_gym.envs.decomposition.observations import ObservationMode
from ia_gym.envs.decomposition.shared_interface import DecompositionInterface
from ia_gym.envs.questions.rendering import Scene
from ia_gym.envs.rendered_envs import RenderedVectorEnv
from ia_gym.validation import check_range, convert_seed

Step = tuple[
    NDArray[Any], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]
]


class DecompositionVectorEnv(DecompositionInterface, RenderedVectorEnv[NDArray[Any]]):
    """``num_envs`` copies of :class:`~ia_gym.envs.DecompositionEnv`, batched.

    Observations, actions and infos are those of :class:`~ia_gym.envs.DecompositionEnv` with a first
    axis of ``num_envs``; infos have gymnasium's ``_key`` masks.

    Args:
        num_envs: number of copies, 1..1,000,000.
        domain: as for :class:`~ia_gym.envs.DecompositionEnv`, like all that follow but the last
            two.
        size: names per context.
        max_size: names in the pool that contexts draw from.
        max_depth: of the questions; default the domain's own.
        questions_per_context: questions about a context before the next one.
        max_questions: the most sub-questions about a question.
        overseer: who judges the answers: "novice" or "scripted".
        judge_levels: how many levels the judge decomposes.
        approval: "strict" or "graded".
        reward: "approval", or "truth" for evaluation.
        assistant: who answers sub-questions: "oracle", "faulty" or "none".
        error_rate: how often the "faulty" assistant errs at depth 1.
        error_growth: factor by which it errs more often at each further depth.
        question_cost: of a sub-question that the assistant answers.
        round_cost: of any sub-question.
        observation: "multidiscrete", "onehot" or "flat".
        autoreset_mode: an ``AutoresetMode`` or its value. SAME_STEP (default) returns the next
            question in the step that answers the last one (``final_obs`` and ``final_info`` hold
            how that ended); NEXT_STEP spends a step on each reset; DISABLED leaves it to
            ``reset(options={"reset_mask": ...})``.
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
        domain: str | type[Domain] = DecompositionConfig.domain,
        *,
        size: int | None = DecompositionConfig.size,
        max_size: int | None = DecompositionConfig.max_size,
        max_depth: int | None = DecompositionConfig.max_depth,
        questions_per_context: int = DecompositionConfig.questions_per_context,
        max_questions: int = DecompositionConfig.max_questions,
        overseer: JudgeMode = DecompositionConfig.overseer,
        judge_levels: int = DecompositionConfig.judge_levels,
        approval: ApprovalMode = DecompositionConfig.approval,
        reward: RewardMode = DecompositionConfig.reward,
        assistant: AssistantMode = DecompositionConfig.assistant,
        error_rate: float = DecompositionConfig.error_rate,
        error_growth: float = DecompositionConfig.error_growth,
        question_cost: float = DecompositionConfig.question_cost,
        round_cost: float = DecompositionConfig.round_cost,
        observation: ObservationMode = DecompositionConfig.observation,
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
        render_mode: str | None = None,
        **domain_kwargs: Any,
    ) -> None:
        self.num_envs = check_range("num_envs", num_envs, 1, 10**6)
        self.autoreset_mode = check_autoreset_mode(autoreset_mode)
        self.metadata = {**self.metadata, "autoreset_mode": self.autoreset_mode}
        config = DecompositionConfig(
            domain=domain,
            size=size,
            max_size=max_size,
            max_depth=max_depth,
            questions_per_context=questions_per_context,
            max_questions=max_questions,
            overseer=overseer,
            judge_levels=judge_levels,
            approval=approval,
            reward=reward,
            assistant=assistant,
            error_rate=error_rate,
            error_growth=error_growth,
            question_cost=question_cost,
            round_cost=round_cost,
            observation=observation,
            domain_kwargs=domain_kwargs,
        )
        super().__init__(self.num_envs, config, render_mode)
        self.single_observation_space, self.single_action_space = self._make_single_spaces()
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._done = np.zeros(self.num_envs, bool)  # whose episode has ended
        self._last: Outcome | None = None  # of the last step, unless it reset what had ended

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """Go on to the next question in each environment; with a ``seed``, start afresh.

        Args:
            seed: one seed for the whole vector.
            options: ``{"reset_mask": bool (num_envs,)}`` resets only those environments.

        Returns:
            Observations and infos.

        Raises:
            ValueError: for a ``reset_mask`` of another shape or type.
        """
        super().reset(seed=convert_seed(seed))
        mask = (options or {}).get("reset_mask")
        if seed is not None or not self._ready:
            self.engine.reset(self.np_random)
            self._ready = True
            self._done[:] = False
        else:
            chosen = np.ones(self.num_envs, bool) if mask is None else self._check_mask(mask)
            self.engine.next_episode(np.flatnonzero(chosen))
            self._done[chosen] = False
        self._last = None
        return self._observe(), self._add_masks(self._make_info())

    def step(self, actions: Symbols) -> Step:
        """Ask a sub-question or answer, in each environment.

        Args:
            actions: int64 ``(num_envs,)`` in ``0..n_actions - 1``. In mode NEXT_STEP, those of
                environments that reset are ignored.

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
            raise ResetNeeded("step() needs questions to decompose: call reset() first")
        taken = check_actions(actions, (n,), self.moves.n_actions)
        resets = self._done.copy()
        if resets.any() and self.autoreset_mode != AutoresetMode.NEXT_STEP:
            raise ResetNeeded(
                f"environments {np.flatnonzero(resets).tolist()} have ended: "
                'call reset(options={"reset_mask": ...}) before the next step'
            )
        engine.next_episode(np.flatnonzero(resets))
        outcome = self._take(np.flatnonzero(~resets), taken)
        ended, truncated = outcome.ended.copy(), np.zeros(n, bool)
        if self.autoreset_mode != AutoresetMode.SAME_STEP:
            self._done, self._last = ended, outcome
            info = self._make_ended_info(outcome)
            return self._observe(), outcome.rewards, ended.copy(), truncated, info
        if not ended.any():
            info = self._add_masks(self._make_info())
            return self._observe(), outcome.rewards, ended, truncated, info
        finals, final_info = self._observe(), self._make_ended_info(outcome)
        engine.next_episode(np.flatnonzero(ended))
        info = self._add_masks(self._make_info())
        shown = [row if end else None for row, end in zip(finals, ended, strict=True)]
        info["final_obs"] = pack_final_observations(shown, n)
        info["_final_obs"] = ended.copy()
        info["final_info"] = {
            key: value & ended if key.startswith("_") else value
            for key, value in final_info.items()
        }
        info["_final_info"] = ended.copy()
        return self._observe(), outcome.rewards, ended, truncated, info

    def _take(self, rows: NDArray[np.intp], actions: Symbols) -> Outcome:
        """Take the actions of ``rows``; the outcome of the others is that of a question asked."""
        part = self.engine.step(rows, actions[rows])
        if len(rows) == self.num_envs:
            return part
        whole = {}
        for name, values in vars(part).items():
            whole[name] = np.zeros(self.num_envs, values.dtype)
            whole[name][rows] = values
        return Outcome(**whole)

    def _make_ended_info(self, outcome: Outcome) -> dict[str, Any]:
        """The info after a step, with what became of the answers where an episode has ended."""
        info = self._add_masks(self._make_info(outcome))
        for key in ("_is_success", "_target", "_approval"):
            if key in info:
                info[key] = outcome.ended.copy()
        return info

    def action_masks(self) -> NDArray[np.bool_]:
        """Which actions are well formed, ``(num_envs, n_actions)``.

        Raises:
            gymnasium.error.ResetNeeded: before the first ``reset``.
        """
        return self._mask_moves()

    def _describe_scene(self, row: int) -> Scene:
        return self._make_scene(row, self._last)
