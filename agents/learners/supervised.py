"""The supervised baseline: the same network, batches and schedule, trained on the truth."""

from __future__ import annotations

from ia_gym.agents.learners.answer_learner import AnswerLearner


class Supervised(AnswerLearner):
    """The agent learns the true answers: the supervised baseline of Christiano et al. (2018).

    The only learner of the suite that trains on truth, and the only one without an overseer.

    Args: those of :class:`~ia_gym.agents.learners.answer_learner.AnswerLearner`.
    """

    def train_step(self) -> None:
        """Draw questions and train on their true answers."""
        at = self.difficulty
        contexts = self.domain.sample_contexts(self.rng, self.n_contexts, at["size"])
        questions = self.domain.sample_questions(self.rng, contexts, self.n_questions, at["depths"])
        self.train_on_answers(contexts, questions, self.domain.truth(contexts, questions))
