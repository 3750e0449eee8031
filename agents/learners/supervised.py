"""The supervised baseline: the same network, batches and schedule, trained on the truth."""

from __future__ import annotations

from stable_baselines3.common.vec_env import VecEnv

from ia_gym.agents.learners.answer_learner import AnswerLearner
from ia_gym.agents.learners.question_source import read_config
from ia_gym.amplification.overseers import ScriptedOverseer
from ia_gym.domains import Domain
from ia_gym.envs.arguments import refuse_without_effect
from ia_gym.envs.questions.config import FAILURE_ARGUMENTS


class Supervised(AnswerLearner):
    """The agent learns the true answers: the supervised baseline of Christiano et al. (2018).

    The only learner of the suite that trains on truth, and the only one without an overseer.

    Args: those of :class:`~ia_gym.agents.learners.answer_learner.AnswerLearner`.
    """

    def _check_environment(self, env: VecEnv, domain: Domain) -> None:
        super()._check_environment(env, domain)
        refuse_without_effect(read_config(env), FAILURE_ARGUMENTS, "Supervised")
        overseer = env.get_attr("engine")[0].overseer
        scripted = type(overseer) is ScriptedOverseer and overseer.approval == "strict"
        scripted &= env.get_attr("config")[0].overseer == "scripted"
        if overseer is not None and not scripted:
            raise ValueError(
                "overseer and approval of env have no effect on Supervised: leave them out, "
                f"got {overseer!r}"
            )

    def train_step(self) -> None:
        """Draw questions and train on their true answers."""
        at = self.difficulty
        contexts = self.domain.sample_contexts(self.rng, self.n_contexts, at["size"])
        questions = self.domain.sample_questions(self.rng, contexts, self.n_questions, at["depths"])
        self.train_on_answers(contexts, questions, self.domain.truth(contexts, questions))
