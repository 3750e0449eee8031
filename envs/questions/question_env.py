"""Question domains as environments: the reward is the amplified overseer's approval.

:class:`QuestionEnv` and :class:`~ia_gym.envs.QuestionVectorEnv` are two faces of one engine
(``engine.py``); an environment and a vector of one give equal trajectories.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray

from ia_gym.amplification.approval import ApprovalMode
from ia_gym.amplification.failures import FailureKind, FailurePlace
from ia_gym.domains import Domain
from ia_gym.envs.arguments import check_actions
from ia_gym.envs.questions.config import AssistantMode, QuestionConfig, QuestionReward, Trust
from ia_gym.envs.questions.engine import QuestionsAhead
from ia_gym.envs.questions.judging import Verdict
from ia_gym.envs.questions.observations import (
    Observation,
    ObservationMode,
    split_observations,
)
from ia_gym.envs.questions.question_sheet import N_KNOWN
from ia_gym.envs.questions.rendering import Scene
from ia_gym.envs.questions.shared_interface import QuestionInterface, make_question_info
from ia_gym.envs.rendered_envs import RenderedEnv
from ia_gym.validation import convert_seed

MAX_NUMBERS = 10**6
"""The most numbers in the observations of one context that are prepared at a time."""


class Shown(NamedTuple):
    """A question as it is shown, in arrays that are given away, once each."""

    observation: Observation
    final_observation: Observation  # returned by step
    action_mask: NDArray[np.int8]
    final_action_mask: NDArray[np.int8]
    known: tuple[np.int64, np.int64, np.int64, bool]  # truth, depth, class, is_root


class QuestionEnv(QuestionInterface, RenderedEnv[Observation]):
    """One question, one episode: ``reset`` asks, one ``step`` answers.

    The reward is the amplified overseer's approval of the answer. With the default
    ``assistant="inline"`` the overseer's sub-questions come up as episodes of their own, which
    look like any other and earn nothing: the agent is its own assistant.

    ## Observation space
    ``Dict(facts=Box(0, n_symbols-1, (F*L,)), question=Box(0, n_symbols-1, (Lq,)))``, of the
    smallest integer type that holds the symbols: facts are rows of ``L`` tokens, padded with 0.
    ``observation`` chooses other encodings. After ``step`` it is the question just answered.

    ## Action space
    ``Discrete(n_answers)``, a symbol; 0 is "I don't know", which is never approved of.

    ## Rewards
    The approval of an answer to a root question, in [0, 1], less ``wrong_answer_penalty * (1 -
    approval)`` unless the answer is "I don't know". 0 for a sub-question, and for a question that
    cannot earn approval yet (see ``trust``). With ``reward="truth"``: 1 for a true answer, else 0.
    With ``reward="deception"``, for an adversary: as with approval, but 0 for a true answer.

    ## Episode end
    Every step ends the episode: ``terminated`` is True, ``truncated`` never.

    ## Info
    - ``truth``, ``depth``: the true answer, and how deep the question is.
    - ``class``: kind and depth in one number, by which the trust gate and a curriculum count.
    - ``is_root``: false for a sub-question.
    - ``action_mask``: int8 ``(n_answers,)``, 1 for the answers of the kind that is asked for, as
      ``action_space.sample`` takes it. ``action_masks()`` is the same in booleans.
    - ``trusted``: bool, one per class; only with a trust gate.
    - ``is_success``: after ``step``, of root questions only: whether the answer is true. It is
      measured and never rewarded; Stable-Baselines3 logs it as ``success_rate``.
    - ``target``, ``approval``: after ``step``, with an overseer: its own answer (0 for a question
      that can earn no approval), and its approval.

    Args:
        domain: a name in ``ia_gym.domains.DOMAINS``, a subclass of ``Domain``, or its place as
            "module:Class".
        size: names per context; default the domain's own.
        max_size: names in the pool that contexts draw from; default ``size``.
        questions_per_context: root questions about a context before the next one.
        overseer: "scripted", "novice", or the file of a human predictor.
        approval: "strict" or "graded".
        reward: "approval", "truth" for evaluation, or "deception" for an adversary.
        assistant: "inline" (the agent itself), "oracle" or "none".
        trust: threshold of the trust gate in [0, 1), "auto" (0.75 where there is a gate), or None.
        wrong_answer_penalty: subtracted from the reward of an answer without approval.
        audit: share of an attached assistant's answers that the overseer decomposes once more.
        overseer_failure: probability in [0, 1] that the overseer fails.
        assistant_failure: the same for an attached assistant, at each sub-question.
        failure_kind: "random" or "hashed" (the same input always fails in the same way).
        failure_at: what of the overseer fails: "answer", "approval" or "subquestion".
        adversarial_assistant: a failing assistant tells the domain's consistent lie.
        votes: how many times the overseer decomposes and judges each question; odd.
        observation: "tokens", "onehot", "multidiscrete", "flat", "text" or "prompt".
        render_mode: "ansi" (text), "rgb_array" (a picture) or "human" (text, printed).
        **domain_kwargs: further arguments of the domain, such as ``max_power`` of Permutation.

    For ranges and defaults see :class:`~ia_gym.envs.questions.config.QuestionConfig`.

    Raises:
        ValueError: for an argument out of range or without effect, or an action outside the space.
        TypeError: for a further argument that the domain does not have.
        gymnasium.error.ResetNeeded: if stepped before ``reset`` or after the episode's end.
    """

    def __init__(
        self,
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
        render_mode: str | None = None,
        **domain_kwargs: Any,
    ) -> None:
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
        super().__init__(1, config, render_mode)
        self.observation_space, self.action_space = self._make_single_spaces()
        self._answered: tuple[int, Verdict] | None = None
        space = self.observation_space
        numbers = gym.spaces.flatdim(space) if space.is_np_flattenable else 1
        self._prepares_ahead = numbers * config.questions_per_context <= MAX_NUMBERS
        self._shown: Shown

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Ask the next question; with a ``seed``, everything starts afresh.

        A root question left unanswered is dropped, a sub-question is asked again.

        Args:
            seed: of contexts, questions and the overseer's choices.
            options: none are known; ignored.

        Returns:
            Observation and info.
        """
        if seed is not None:
            super().reset(seed=convert_seed(seed))
        engine = self.engine
        if seed is not None or not self._ready:
            engine.reset(self.np_random)
            self._ready = True
        elif self._answered is not None or engine.is_root[0]:
            engine.next_episode(engine.all_rows)
        self._answered = None
        self._print_if_human()
        self._shown = shown = self._prepare()
        return shown.observation, self._make_info_of_one(shown.action_mask)

    def step(self, action: np.int64) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Answer the question: the reward is the overseer's approval, and the episode ends.

        Args:
            action: the answer, a symbol in ``0..n_answers - 1``.

        Returns:
            Observation, reward, True (terminated), False (truncated), info.

        Raises:
            gymnasium.error.ResetNeeded: before ``reset``, or after the episode's end.
            ValueError: for an action outside the space; nothing is changed then.
        """
        if not self._ready or self._answered is not None:
            raise ResetNeeded(
                "step() needs a question to answer: call reset() first, and after every step"
            )
        if type(action) in (int, np.int64) and 0 <= action < self.domain.n_answers:
            answer = int(action)  # what most agents give
        else:
            answer = int(check_actions(action, (), self.domain.n_answers))
        verdict = self.engine.answer_one(answer)
        self._answered = answer, verdict
        self._print_if_human()
        shown = self._shown
        info = self._make_info_of_one(shown.final_action_mask)
        if shown.known[3]:  # a sub-question would count as a failure
            info["is_success"] = np.array(verdict.is_success)
        if self.engine.overseer is not None:
            info["target"] = np.int64(verdict.target)
            info["approval"] = np.float64(verdict.approval)
        return shown.final_observation, verdict.reward, True, False, info

    def _prepare(self) -> Shown:
        """The question shown now, encoded together with those looked up with it."""
        ahead, i = self.engine.ahead
        if not self._prepares_ahead:
            alone = QuestionsAhead(
                ahead.rows[i : i + 1], ahead.masks[i : i + 1], [ahead.is_root[i]]
            )
            return self._encode(alone)[0]
        if ahead.shown is None:
            ahead.shown = self._encode(ahead)
        shown: Shown = ahead.shown[i]
        return shown

    def _encode(self, ahead: QuestionsAhead) -> list[Shown]:
        facts = self.engine.contexts["facts"].repeat(len(ahead.rows), axis=0)
        observations, finals = (
            split_observations(self.encoding.encode(facts, ahead.rows[:, :-N_KNOWN]))
            for _ in range(2)
        )
        masks = ahead.masks.copy(), ahead.masks.copy()
        known = zip(*ahead.rows[:, -N_KNOWN:].T, ahead.is_root, strict=True)
        return list(map(Shown, observations, finals, *masks, known))

    def _make_info_of_one(self, action_mask: NDArray[np.int8]) -> dict[str, Any]:
        """The info of the question shown: NumPy's scalars and arrays.

        A truth value is an array of no dimensions: ``SyncVectorEnv`` gathers those, but not NumPy's
        own ``bool`` scalars, in boolean arrays.
        """
        truth, depth, cls, is_root = self._shown.known
        gate = self.engine.gate
        trusted = None if gate is None else gate.trusted.copy()
        return make_question_info(truth, depth, cls, np.array(is_root), action_mask, trusted)

    def action_masks(self) -> NDArray[np.bool_]:
        """Which answers are of the kind the question asks for, ``(n_answers,)``.

        Raises:
            gymnasium.error.ResetNeeded: before the first ``reset``.
        """
        mask: NDArray[np.bool_] = self._mask_answers()[0]
        return mask

    def _describe_scene(self) -> Scene:
        return self._make_scene(0, *(self._answered or ()))
