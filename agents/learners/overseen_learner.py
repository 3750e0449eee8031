"""What the learners share that learn from an overseer: the overseer itself, and its counters."""

from __future__ import annotations

import torch
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from ia_gym.agents.learners.answer_learner import AnswerLearner
from ia_gym.agents.learners.learner_files import add_prefix, select_prefix
from ia_gym.agents.learners.question_source import read_overseer
from ia_gym.amplification.overseers import Overseer, ScriptedOverseer
from ia_gym.amplification.work import WORK
from ia_gym.domains import Domain

COUNTERS = ("human_interactions", "assistant_answers", *WORK)
"""What an overseer counts."""


class OverseenLearner(AnswerLearner):
    """Base class of the agents that learn from an overseer; no truth is involved.

    The overseer is that of the environment: the domain's script, a trained human predictor
    (``gym.make(id, overseer="human.safetensors")``), or whatever
    ``env.unwrapped.set_overseer`` was given.

    Attributes:
        overseer: the overseer, with its counters.
    """

    overseer: Overseer

    def _setup_training(self) -> None:
        assert self.env is not None
        self.overseer = read_overseer(self.env, self.domain)

    def _check_environment(self, env: VecEnv, domain: Domain) -> None:
        super()._check_environment(env, domain)
        overseer = read_overseer(env, domain)
        graded = isinstance(overseer, ScriptedOverseer) and overseer.approval != "strict"
        if graded and not self._uses_grades():
            raise ValueError(
                f'approval of env has no effect on {type(self).__name__}: leave it at "strict", '
                'got "graded"'
            )

    def _uses_grades(self) -> bool:
        """Whether approval between 0 and 1 makes a difference to the learner."""
        return False

    def _follow_environment(self) -> None:
        assert self.env is not None
        self._check_environment(self.env, self.domain)
        found, known = read_overseer(self.env, self.domain), self.overseer
        if type(found) is type(known) is ScriptedOverseer and found.approval == known.approval:
            return  # the same script; this one has counted
        self.overseer = found

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
        return state | add_prefix(counts, "overseer")

    def _restore_training_state(self, state: dict[str, Tensor]) -> None:
        super()._restore_training_state(state)
        for name, count in select_prefix(state, "overseer").items():
            if name in COUNTERS:
                setattr(self.overseer, name, int(count))
