"""Expert iteration on questions: search for a true answer, guided by the agent, and imitate it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from stable_baselines3.common.type_aliases import GymEnv, Schedule
from stable_baselines3.common.vec_env import VecEnv
from torch.nn import functional as F

from ia_gym.agents.learners.answer_learner import AnswerLearner
from ia_gym.agents.learners.distinct_answers import (
    draw_distinct_answers,
    find_allowed_answers,
)
from ia_gym.agents.learners.question_source import refuse_overseer
from ia_gym.agents.policies.answer_policy import BaseAnswerPolicy
from ia_gym.domains import Domain
from ia_gym.validation import check_number, check_range


class ExpertIteration(AnswerLearner):
    """The agent imitates the best of the answers that it samples, judged by the truth.

    Expert iteration (Anthony et al., 2017) on questions of one step. The expert is a search guided
    by the agent, the apprentice: a few different answers, the likelier the sooner, with the truth
    as the reward. The apprentice imitates the best that the search has found; where it has found no
    true one, it learns nothing. Games of several steps are searched by
    :class:`~ia_gym.agents.learners.tree_expert_iteration.TreeExpertIteration`.

    It trains on the truth, and has no overseer. Arguments that are not listed here are those of
    :class:`~ia_gym.agents.learners.answer_learner.AnswerLearner`.

    Args:
        n_samples: different answers to a question that the search tries, 1..1000.
        exploration: weight, in [0, 1], of a random answer of the type asked for in what the search
            draws from; the rest is the agent's policy.
    """

    uses_truth = True

    def __init__(
        self,
        policy: str | type[BaseAnswerPolicy] = "MultiInputPolicy",
        env: GymEnv | str | None = None,
        learning_rate: float | Schedule = 3e-3,
        *,
        n_contexts: int = 64,
        n_questions: int = 32,
        n_samples: int = 4,
        exploration: float = 0.25,
        max_grad_norm: float = 1.0,
        curriculum: dict[str, Any] | None = None,
        policy_kwargs: dict[str, Any] | None = None,
        tensorboard_log: str | None = None,
        verbose: int = 0,
        seed: int | None = None,
        device: torch.device | str = "auto",
        _init_setup_model: bool = True,
    ) -> None:
        self.n_samples = check_range("n_samples", n_samples, 1, 1000)
        self.exploration = check_number("exploration", exploration, "[0, 1]")
        super().__init__(
            policy,
            env,
            learning_rate,
            n_contexts=n_contexts,
            n_questions=n_questions,
            max_grad_norm=max_grad_norm,
            curriculum=curriculum,
            policy_kwargs=policy_kwargs,
            tensorboard_log=tensorboard_log,
            verbose=verbose,
            seed=seed,
            device=device,
            _init_setup_model=_init_setup_model,
        )

    def _check_environment(self, env: VecEnv, domain: Domain) -> None:
        super()._check_environment(env, domain)
        refuse_overseer(env, type(self).__name__)

    def train_step(self) -> None:
        """Search for true answers to fresh questions, and imitate those that were found."""
        at = self.difficulty
        contexts = self.domain.sample_contexts(self.rng, self.n_contexts, at["size"])
        questions = self.domain.sample_questions(self.rng, contexts, self.n_questions, at["depths"])
        logits = self.compute_logits(contexts["facts"], questions)
        probabilities = logits.detach().softmax(dim=-1).cpu().numpy()
        allowed = find_allowed_answers(self.domain, questions)
        tried = draw_distinct_answers(
            self.rng, allowed, probabilities, self.n_samples, self.exploration
        )
        case = contexts, questions
        right = np.stack(
            [self.domain.is_correct(*case, each) for each in np.moveaxis(tried, -1, 0)], axis=-1
        )
        best = np.take_along_axis(tried, right.argmax(axis=-1)[..., None], -1)[..., 0]
        found = right.any(axis=-1)
        losses = F.cross_entropy(
            logits.flatten(0, 1),
            torch.as_tensor(best, device=self.device).flatten(),
            reduction="none",
        )
        weights = torch.as_tensor(found, device=self.device).flatten()
        self.minimize((losses * weights).mean())
        own = logits.argmax(dim=-1).cpu().numpy()
        self.update_curriculum(*case, self.domain.is_correct(*case, own).astype(float))
        self.logger.record("train/found", found.mean())
