"""What the learners share that learn from an overseer: the overseer itself, and its counters."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from ia_gym.agents.evaluation.question_evaluator import QuestionEvaluator
from ia_gym.agents.learners.answer_learner import AnswerLearner
from ia_gym.agents.learners.learner_files import add_prefix, select_prefix
from ia_gym.agents.learners.question_source import read_config, read_overseer
from ia_gym.amplification.failures import AssistantFailures, FailingOverseer, list_rates
from ia_gym.amplification.overseers import (
    Overseer,
    ScriptedOverseer,
    find_base,
    find_wrapper,
)
from ia_gym.amplification.work import WORK
from ia_gym.domains import Domain
from ia_gym.envs.questions.config import QuestionConfig

COUNTERS = ("human_interactions", "assistant_answers", *WORK)
"""What an overseer counts."""


class OverseenLearner(AnswerLearner):
    """Base class of the agents that learn from an overseer; no truth is involved.

    The overseer is that of the environment: the domain's script, a trained human predictor
    (``gym.make(id, overseer="human.safetensors")``), or whatever
    ``env.unwrapped.set_overseer`` was given. It fails, votes, and has an assistant that fails, as
    the arguments of the environment say (``overseer_failure``, ``votes`` and the like).

    Attributes:
        overseer: the overseer, with its counters.
        assistant_failures: how the overseer's assistant fails; None if it does not.
    """

    overseer: Overseer
    assistant_failures: AssistantFailures | None

    def _setup_training(self) -> None:
        assert self.env is not None
        overseer = find_base(read_overseer(self.env, self.domain))
        self._set_overseer(overseer, read_config(self.env))

    def _set_overseer(self, overseer: Overseer, config: QuestionConfig) -> None:
        """Take an overseer, which fails and votes as an environment's arguments say."""
        self.overseer = config.wrap_overseer(overseer)
        self.assistant_failures = config.make_assistant_failures(self.domain)
        self._failure_arguments = config.failure_arguments

    def _check_environment(self, env: VecEnv, domain: Domain) -> None:
        super()._check_environment(env, domain)
        overseer = read_overseer(env, domain)
        base, failing = find_base(overseer), find_wrapper(overseer, FailingOverseer)
        approval = base.approval if isinstance(base, ScriptedOverseer) else "strict"
        if approval != "strict" and not self._uses_grades():
            raise ValueError(
                f'approval of env has no effect on {type(self).__name__}: leave it at "strict", '
                f"got {approval!r}"
            )
        if failing is not None and failing.at == "approval" and not self._uses_verdicts():
            raise ValueError(
                f'failure_at of env must not be "approval" for {type(self).__name__}, which learns '
                "from the overseer's answers and has none judged"
            )

    def _uses_grades(self) -> bool:
        """Whether approval between 0 and 1 makes a difference to the learner."""
        return False

    def _uses_verdicts(self) -> bool:
        """Whether the overseer judges the learner's answers."""
        return self._uses_grades()

    @property
    def is_adversary(self) -> bool:
        """Whether it is rewarded for false answers alone (``reward="deception"`` of env)."""
        assert self.env is not None
        return read_config(self.env).reward == "deception"

    def measure(self, evaluator: QuestionEvaluator) -> dict[str, float]:
        """See the base class; also how often overseer and assistant have failed in training."""
        measured = super().measure(evaluator)
        for name, numbers in self.failures.items():
            measured |= list_rates(name, numbers)
        return measured

    def _follow_environment(self) -> None:
        assert self.env is not None
        self._check_environment(self.env, self.domain)
        found, known = find_base(read_overseer(self.env, self.domain)), find_base(self.overseer)
        is_same = found is known
        if type(found) is type(known) is ScriptedOverseer:
            is_same = found.approval == known.approval  # the same script
        config = read_config(self.env)
        if not is_same or config.failure_arguments != self._failure_arguments:
            self._set_overseer(known if is_same else found, config)  # it has counted

    @property
    def failures(self) -> dict[str, NDArray[np.int64]]:
        """How often "overseer" and "assistant" could have failed, and how often they have.

        Each ``(2, max_depth + 1)``, see :class:`~ia_gym.amplification.failures.FailureCounts`; only
        those that may fail.
        """
        counts = {}
        if (failing := find_wrapper(self.overseer, FailingOverseer)) is not None:
            counts["overseer"] = failing.failures.numbers
        if self.assistant_failures is not None:
            counts["assistant"] = self.assistant_failures.counts.numbers
        return counts

    @property
    def human_interactions(self) -> int:
        """Queries to the overseer so far, one for each question that it decomposed."""
        return self.overseer.human_interactions

    @property
    def assistant_answers(self) -> int:
        """Sub-questions answered by the agent so far."""
        return self.overseer.assistant_answers

    # ------------------------------------------------------------ save and load

    def _collect_training_state(self) -> dict[str, Tensor]:
        state = super()._collect_training_state()
        counts = {name: torch.tensor(getattr(self.overseer, name, 0)) for name in COUNTERS}
        failures = {name: torch.as_tensor(numbers) for name, numbers in self.failures.items()}
        return state | add_prefix(counts, "overseer") | add_prefix(failures, "failures")

    def _restore_training_state(self, state: dict[str, Tensor]) -> None:
        super()._restore_training_state(state)
        for name, count in select_prefix(state, "overseer").items():
            if name in COUNTERS:
                setattr(self.overseer, name, int(count))
        for name, count in select_prefix(state, "failures").items():
            if name in self.failures:
                self.failures[name][:] = count.numpy()
