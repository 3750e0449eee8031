"""Debate by self-play: the agent's answers have to stand against a challenger."""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
from stable_baselines3.common.type_aliases import GymEnv, Schedule
from torch import Tensor

from ia_gym.agents.learners.answer_learner import check_arguments
from ia_gym.agents.learners.debate_challengers import DoubtfulChallenger, LearnedChallenger
from ia_gym.agents.learners.debate_learner import DebateLearner
from ia_gym.agents.learners.learner_files import add_prefix, select_prefix
from ia_gym.agents.policies.answer_policy import BaseAnswerPolicy
from ia_gym.debate.challengers import Challenger
from ia_gym.domains import Contexts, Domain
from ia_gym.domains.transcript import Symbols
from ia_gym.validation import check_number

ChallengerKind = Literal["learned", "doubt"]
"""A network of its own that learns which answers fall; or the answering side's own uncertainty."""


class Debate(DebateLearner):
    """The agent backs its answers with claims, and a challenger picks the one debated further.

    AI safety via debate (Irving et al., 2018): both sides learn by self-play. Arguments that are
    not listed here are those of
    :class:`~ia_gym.agents.learners.debate_learner.DebateLearner`.

    Args:
        challenger: "learned": picks the claim that a network of its own finds likeliest to fall,
            and learns from what becomes of all answers. "doubt": picks the claim that the
            answering side itself finds least likely; it learns nothing.
        challenger_kwargs: sizes of the learned challenger's
            :class:`~ia_gym.networks.answer_network.AnswerNetwork`; default its own.
        exploration: how often, in [0, 1], the challenger picks at random in training.

    Raises:
        ValueError: for an unknown challenger, an argument out of range or without effect.
    """

    def __init__(
        self,
        policy: str | type[BaseAnswerPolicy] = "MultiInputPolicy",
        env: GymEnv | str | None = None,
        learning_rate: float | Schedule = 3e-3,
        *,
        n_contexts: int = 64,
        n_questions: int = 32,
        n_samples: int | None = None,
        ent_coef: float = 0.1,
        depth_limit: int | None = None,
        verdict_share: float = 0.0,
        claim_temperature: float = 1.0,
        challenger: ChallengerKind = "learned",
        challenger_kwargs: dict[str, Any] | None = None,
        exploration: float = 0.1,
        max_grad_norm: float = 1.0,
        curriculum: dict[str, Any] | None = None,
        policy_kwargs: dict[str, Any] | None = None,
        tensorboard_log: str | None = None,
        verbose: int = 0,
        seed: int | None = None,
        device: torch.device | str = "auto",
        _init_setup_model: bool = True,
    ) -> None:
        if challenger not in get_args(ChallengerKind):
            raise ValueError(f'challenger must be "learned" or "doubt", got {challenger!r}')
        check_arguments("challenger_kwargs", challenger_kwargs)
        if challenger != "learned" and challenger_kwargs:
            raise ValueError(
                'challenger_kwargs has no effect unless challenger="learned", '
                f"got {challenger_kwargs} and {challenger!r}"
            )
        self.challenger = challenger
        self.challenger_kwargs = challenger_kwargs
        self.exploration = check_number("exploration", exploration, "[0, 1]")
        super().__init__(
            policy,
            env,
            learning_rate,
            n_contexts=n_contexts,
            n_questions=n_questions,
            n_samples=n_samples,
            ent_coef=ent_coef,
            depth_limit=depth_limit,
            verdict_share=verdict_share,
            claim_temperature=claim_temperature,
            max_grad_norm=max_grad_norm,
            curriculum=curriculum,
            policy_kwargs=policy_kwargs,
            tensorboard_log=tensorboard_log,
            verbose=verbose,
            seed=seed,
            device=device,
            _init_setup_model=_init_setup_model,
        )

    @property
    def exploration_rate(self) -> float:
        """How often the challenger picks at random in training."""
        return self.exploration

    def _make_challenger(self, domain: Domain) -> Challenger:
        if self.challenger == "doubt":
            return DoubtfulChallenger(self.policy.average_network)
        sizes = self.challenger_kwargs or {}
        challenger = LearnedChallenger(domain, self.device, self.max_grad_norm, **sizes)
        saved = self._saved_judge or select_prefix(self._saved_state, "challenger/network")
        if saved:
            challenger.network.load_state_dict(saved)
        return challenger

    def _train_challenger(
        self,
        contexts: Contexts,
        questions: Symbols,
        answers: Tensor,
        falls: Tensor,
        certain: Tensor,
    ) -> None:
        if isinstance(self.challenger_side, LearnedChallenger):
            rate = self.lr_schedule(self._current_progress_remaining)
            batch = contexts["facts"], questions, answers, falls, certain
            self.logger.record("challenger/loss", self.challenger_side.learn(*batch, rate))

    # ------------------------------------------------------------ save and load

    def _collect_judge_state(self) -> dict[str, Tensor]:
        side = getattr(self, "challenger_side", None)
        if isinstance(side, LearnedChallenger):
            return side.network.state_dict()
        return self._saved_judge

    def _collect_training_state(self) -> dict[str, Tensor]:
        state = super()._collect_training_state()
        if isinstance(self.challenger_side, LearnedChallenger):
            state |= add_prefix(self.challenger_side.tensors(), "challenger")
        return state

    def _restore_training_state(self, state: dict[str, Tensor]) -> None:
        super()._restore_training_state(state)
        saved = select_prefix(state, "challenger")
        if isinstance(self.challenger_side, LearnedChallenger) and saved:
            self.challenger_side.load_tensors(saved)
