"""The supervised baseline: the same network, batches and schedule, trained on the truth."""

from __future__ import annotations

from stable_baselines3.common.vec_env import VecEnv

from ia_gym.agents.learners.answer_learner import AnswerLearner
from ia_gym.agents.learners.question_source import refuse_overseer
from ia_gym.domains import Domain


class Supervised(AnswerLearner):
    """The agent learns the true answers: the supervised baseline of Christiano et al. (2018).

    It trains on the truth, and has no overseer.

    Args: those of :class:`~ia_gym.agents.learners.answer_learner.AnswerLearner`.
    """

    uses_truth = True

    def _check_environment(self, env: VecEnv, domain: Domain) -> None:
        super()._check_environment(env, domain)
        refuse_overseer(env, type(self).__name__)

    def train_step(self) -> None:
        """Draw questions and train on their true answers."""
        at = self.difficulty
        contexts = self.domain.sample_contexts(self.rng, self.n_contexts, at["size"])
        questions = self.domain.sample_questions(self.rng, contexts, self.n_questions, at["depths"])
        self.train_on_answers(contexts, questions, self.domain.truth(contexts, questions))
