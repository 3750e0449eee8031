"""What the learners share whose questions Amplify^H(X) takes apart: H, or H' in its place."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ia_gym.agents.evaluation.question_evaluator import QuestionEvaluator
from ia_gym.agents.learners.answer_learner import AnswerLearner, select_prefix
from ia_gym.agents.learners.human_predictor_trainer import HumanPredictorTrainer
from ia_gym.amplification.amplified_assistants import DecomposingFallbackAssistant
from ia_gym.amplification.assistants import Assistant
from ia_gym.amplification.batches import Batch, sample_batch
from ia_gym.amplification.overseers import Overseer
from ia_gym.networks.answer_network import check_parameters
from ia_gym.networks.human_predictor import HumanPredictor
from ia_gym.validation import check_number, check_range

MAX_LEVELS = 10
"""Of amplification; H's questions multiply with each."""


class AmplifiedLearner(AnswerLearner):
    """An agent that learns from what the amplified overseer makes of its questions.

    Either every question is put to H, or a few are, and H', a model of H, does as H would. No truth
    is involved.

    Args:
        policy: see :class:`~ia_gym.agents.learners.answer_learner.AnswerLearner`, as for all that follow but these.
        env: see there.
        interaction_rate: questions put to H in a step, at first, for H' to learn from (see
            :class:`~ia_gym.agents.learners.human_predictor_trainer.HumanPredictorTrainer`); None to put every question to H.
        predictor_batch_size: recorded interactions in an update of H'.
        predictor_kwargs: sizes of H', see :class:`~ia_gym.networks.human_predictor.HumanPredictor`.
        assistant_temperature: of the slow copy's answers to H's sub-questions. They are sampled,
            so that H may be offered several; below 1 there are fewer slips among them.
        assistant_min_probability: answers that the slow copy finds less likely than this, in [0, 1], are
            "I don't know" to H: guesses make wrong targets.
        levels: 1, or more to have H, or H', take apart a sub-question to which the slow copy has
            found no answer, so many levels deep. What a step costs rises until X knows; targets
            climb several depths at once. Evaluations measure targets of one level, whatever this
            is.
        **kwargs: see there.

    Attributes:
        predictor_trainer: H'; None if every question is put to H.
    """

    predictor_trainer: HumanPredictorTrainer | None

    def __init__(
        self,
        policy: Any = "MultiInputPolicy",
        env: Any = None,
        interaction_rate: float | None = None,
        predictor_batch_size: int = 64,
        predictor_kwargs: dict[str, Any] | None = None,
        assistant_temperature: float = 1.0,
        assistant_min_probability: float = 0.0,
        levels: int = 1,
        **kwargs: Any,
    ) -> None:
        self.interaction_rate = interaction_rate
        self.predictor_batch_size = predictor_batch_size
        self.predictor_kwargs = predictor_kwargs or {}
        self.assistant_temperature = check_number(
            "assistant_temperature", assistant_temperature, "[0, inf)"
        )
        self.assistant_min_probability = check_number(
            "assistant_min_probability", assistant_min_probability, "[0, 1]"
        )
        self.levels = check_range("levels", levels, 1, MAX_LEVELS)
        super().__init__(policy, env, **kwargs)

    def _read_domain(self) -> None:
        super()._read_domain()
        self.assistant.temperature = self.assistant_temperature
        self.assistant.min_probability = self.assistant_min_probability
        self.predictor_trainer = None
        if self.interaction_rate is not None:
            self.predictor_trainer = HumanPredictorTrainer(
                self.overseer,
                self.rng,
                self.device,
                self.interaction_rate,
                self.predictor_batch_size,
                self.max_grad_norm,
                **self.predictor_kwargs,
            )

    @property
    def helped(self) -> Assistant:
        """Who answers H's sub-questions: the slow copy, with the help of further levels."""
        if self.levels == 1:
            return self.assistant
        return DecomposingFallbackAssistant(
            self.active_overseer, self.assistant, self.rng, self.levels - 1
        )

    @property
    def active_overseer(self) -> Overseer:
        """Who takes questions apart: H' if there is one, else H."""
        return self.predictor_trainer.overseer if self.predictor_trainer else self.overseer

    @property
    def assistant_answers(self) -> int:
        """Sub-questions answered by X so far, for H and for H'."""
        of_apprentice = (
            self.predictor_trainer.overseer.assistant_answers if self.predictor_trainer else 0
        )
        return self.overseer.assistant_answers + of_apprentice

    def amplify(self, judging: bool = False) -> Batch:
        """Root questions and what Amplify^H(X's slow copy) made of them.

        In the place of H stands H', if there is one; it then learns from H.

        Args:
            judging: also ask what only the judge of another's answer needs. H' needs none of it:
                it approves of an answer that equals its own.
        """
        sizes = self.n_contexts, self.n_questions
        judging = judging and self.predictor_trainer is None
        at = self.difficulty()
        helped = self.helped
        parts = self.active_overseer, helped, self.rng
        batch = sample_batch(*parts, *sizes, **at, judging=judging)
        if self.predictor_trainer is not None:
            self.predictor_trainer.learn(batch, helped)
            self.logger.record("human/error", self.predictor_trainer.error)
            self.logger.record("human/loss", self.predictor_trainer.loss)
        return batch

    def measure(self, held_out: QuestionEvaluator) -> dict[str, float]:
        """See the base class; besides, how well H' does what H does."""
        measured = super().measure(held_out)
        if self.predictor_trainer is not None:
            measured |= self.predictor_trainer.measure(held_out, self.assistant)
        return measured

    # ------------------------------------------------------------ save and load

    def _check_size(self) -> None:
        super()._check_size()
        if self.interaction_rate is not None and self.env is not None:
            domain = self.env.get_attr("domain")[0]
            check_parameters(lambda: HumanPredictor(domain, **self.predictor_kwargs))

    def _arguments(self) -> dict[str, Any]:
        return {
            **super()._arguments(),
            "interaction_rate": self.interaction_rate,
            "predictor_batch_size": self.predictor_batch_size,
            "predictor_kwargs": self.predictor_kwargs,
            "assistant_temperature": self.assistant_temperature,
            "assistant_min_probability": self.assistant_min_probability,
            "levels": self.levels,
        }

    def _collect_training_state(self) -> dict[str, Tensor]:
        progress = super()._collect_training_state()
        if self.predictor_trainer is not None:
            tensors = self.predictor_trainer.tensors()
            progress |= {f"predictor_trainer/{key}": value for key, value in tensors.items()}
        return progress

    def _restore_training_state(self, progress: dict[str, Tensor]) -> None:
        super()._restore_training_state(progress)
        if self.predictor_trainer is not None:
            self.predictor_trainer.load_tensors(select_prefix(progress, "predictor_trainer"))
