"""The single environment of decomposition."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray

from ia_gym.amplification.approval import ApprovalMode
from ia_gym.domains import Domain
from ia_gym.envs.arguments import RewardMode, check_actions
from ia_gym.envs.decomposition.config import AssistantMode, DecompositionConfig, JudgeMode
from ia_gym.envs.decomposition.engine import Outcome
from ia_gym.envs.decomposition.observations import ObservationMode
from ia_gym.envs.decomposition.shared_interface import DecompositionInterface
from ia_gym.envs.questions.rendering import Scene
from ia_gym.envs.rendered_envs import RenderedEnv
from ia_gym.validation import convert_seed


class DecompositionEnv(DecompositionInterface, RenderedEnv[NDArray[Any]]):
    """The agent takes a question apart: it asks sub-questions one after another, then answers.

    "What should be asked next?" is a question like any other, says the post on RL-based
    amplification, and an agent can learn to answer it better than the overseer it learned it from.
    Here the agent decomposes; an assistant answers its sub-questions, except those that are looked
    up; and the amplified overseer, with a decomposition of its own, approves of the final answer or
    does not.

    ## Observation space
    The question and the transcript so far, ``T = Lq + S * (Lq + 1)`` tokens with ``S =
    max_questions``; not the facts, which can only be asked for. ``MultiDiscrete([V] * T)``, or as
    ``observation`` says.

    ## Action space
    ``Discrete(moves.n_actions)``: 0 answers "I don't know"; every other action is a template of the
    domain with arguments copied from places in the question and the answers so far. Which are well
    formed, the mask says; one that is not answers "I don't know". ``moves.describe(action)`` is an
    action in words.

    ## Rewards
    A sub-question costs ``round_cost``, and ``question_cost`` more if the assistant answers it. The
    final answer earns the overseer's approval, in [0, 1]. With ``reward="truth"``: 1 for a true
    answer, else 0.

    ## Episode end
    An answer ends the episode: ``terminated`` is True, ``truncated`` never. After ``max_questions``
    sub-questions only answers are well formed.

    ## Info
    - ``truth``, ``depth``: of the question; for measuring.
    - ``action_mask``: int8 ``(n_actions,)``, 1 for well-formed actions. ``action_masks()`` is the
      same in booleans, as sb3-contrib takes it.
    - ``n_rounds``, ``n_questions``: sub-questions so far, and those answered by the assistant.
    - ``is_success``: after an answer, whether it is true; it is measured and never rewarded.
    - ``target``, ``approval``: after an answer, the overseer's own one, and its approval.

    Args:
        domain: a name in ``ia_gym.domains.DOMAINS``, a subclass of ``Domain`` with templates, or
            its place as "module:Class".
        size: names per context; default the domain's own.
        max_size: names in the pool that contexts draw from; default ``size``.
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
        render_mode: "ansi" (text), "rgb_array" (a picture) or "human" (text, printed).
        **domain_kwargs: further arguments of the domain.

    For ranges and defaults see :class:`~ia_gym.envs.decomposition.config.DecompositionConfig`.

    Raises:
        ValueError: for an argument out of range or without effect, or an action outside the space.
        TypeError: for a further argument that the domain does not have.
        gymnasium.error.ResetNeeded: if stepped before ``reset`` or after the episode's end.
    """

    def __init__(
        self,
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
        render_mode: str | None = None,
        **domain_kwargs: Any,
    ) -> None:
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
        super().__init__(1, config, render_mode)
        self.observation_space, self.action_space = self._make_single_spaces()
        self._ended = False
        self._last: Outcome | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """Go on to the next question; with a ``seed``, everything starts afresh.

        A question left unanswered is dropped.

        Args:
            seed: of contexts, questions, lookups and errors.
            options: none are known; ignored.

        Returns:
            Observation and info.
        """
        if seed is not None:
            super().reset(seed=convert_seed(seed))
        if seed is not None or not self._ready:
            self.engine.reset(self.np_random)
            self._ready = True
        else:
            self.engine.next_episode(self.engine.all_rows)
        self._ended, self._last = False, None
        self._print_if_human()
        return self._observe()[0], take_first(self._make_info())

    def step(self, action: np.int64) -> tuple[NDArray[Any], float, bool, bool, dict[str, Any]]:
        """Ask a sub-question, or answer.

        Args:
            action: in ``0..n_actions - 1``.

        Returns:
            Observation, reward, terminated, False (truncated), info.

        Raises:
            gymnasium.error.ResetNeeded: before ``reset``, or after the episode's end.
            ValueError: for an action outside the space; nothing is changed then.
        """
        if not self._ready or self._ended:
            raise ResetNeeded(
                "step() needs a question to decompose: call reset() first, and after every answer"
            )
        taken = check_actions(action, (), self.moves.n_actions)[None]
        outcome = self.engine.step(self.engine.all_rows, taken)
        self._ended, self._last = bool(outcome.ended[0]), outcome
        self._print_if_human()
        info = take_first(self._make_info(outcome if self._ended else None))
        return self._observe()[0], float(outcome.rewards[0]), self._ended, False, info

    def action_masks(self) -> NDArray[np.bool_]:
        """Which actions are well formed, ``(n_actions,)``.

        Raises:
            gymnasium.error.ResetNeeded: before the first ``reset``.
        """
        mask: NDArray[np.bool_] = self._mask_moves()[0]
        return mask

    def _describe_scene(self) -> Scene:
        return self._make_scene(0, self._last)


def take_first(info: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """The info of the first environment: NumPy's scalars and arrays.

    A truth value stays an array of no dimensions: ``SyncVectorEnv`` gathers those, but not NumPy's
    own ``bool`` scalars, in boolean arrays.
    """
    return {
        key: np.array(values[0]) if values.dtype == bool else values[0]
        for key, values in info.items()
    }
