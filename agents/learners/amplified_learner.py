"""What the learners share whose questions the amplified overseer decomposes."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from stable_baselines3.common.type_aliases import GymEnv, MaybeCallback, Schedule
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from ia_gym.agents.evaluation.question_evaluator import QuestionEvaluator
from ia_gym.agents.learners.answer_learner import check_arguments
from ia_gym.agents.learners.human_predictor_trainer import HumanPredictorTrainer
from ia_gym.agents.learners.learner_files import add_prefix, select_prefix
from ia_gym.agents.learners.overseen_learner import OverseenLearner
from ia_gym.agents.learners.question_source import read_overseer
from ia_gym.agents.policies.answer_policy import BaseAnswerPolicy
from ia_gym.amplification.amplified_assistants import DecomposingFallbackAssistant
from ia_gym.amplification.amplify import amplify
from ia_gym.amplification.assistants import Assistant
from ia_gym.amplification.batches import Batch, sample_batch
from ia_gym.amplification.failures import FailingAssistant
from ia_gym.amplification.overseers import (
    Overseer,
    OverseerWrapper,
    ScriptedOverseer,
    count_votes,
    find_base,
)
from ia_gym.domains import Domain
from ia_gym.networks.averaging import copy_weights
from ia_gym.networks.context_network import check_parameters
from ia_gym.networks.human_predictor import HumanPredictor
from ia_gym.networks.learned_overseer import LearnedOverseer
from ia_gym.networks.network_assistant import NetworkAssistant
from ia_gym.validation import check_number, check_range

if TYPE_CHECKING:
    from ia_gym.agents.ray.amplification_workers import Snapshot, WorkerPool

MAX_LEVELS = 10
"""Levels of amplification; the overseer's sub-questions multiply with each."""
BROADCAST_PERIOD = 4
"""Training steps after which workers get the latest weights, by default."""

QUERIES = ("first_interactions", "interaction_shares", "records", "record_updates")
"""Those of ``predictor_kwargs`` that are not sizes of the network."""


class AmplifiedLearner(OverseenLearner):
    """Base class of the agents that learn from the amplified overseer; no truth is involved.

    The overseer decomposes every question, and the Polyak average of the agent's network answers
    the sub-questions: Amplify^H(X) of Christiano et al. (2018), section 2. With an
    ``interaction_rate`` the overseer is queried about few questions only, and a model of it, the
    human predictor, decomposes the others (section 2.2).

    Arguments that are not listed here are those of
    :class:`~ia_gym.agents.learners.answer_learner.AnswerLearner`.

    Args:
        interaction_rate: queries to the overseer in a training step, at first, for the human
            predictor to learn from (see
            :class:`~ia_gym.agents.learners.human_predictor_trainer.HumanPredictorTrainer`); None to
            let the overseer decompose every question itself.
        predictor_batch_size: recorded interactions in an update of the human predictor.
        predictor_kwargs: ``width``, ``heads`` and ``layers`` of the
            :class:`~ia_gym.networks.human_predictor.HumanPredictor`; ``first_interactions``,
            ``interaction_shares``, ``records`` and ``record_updates`` of its training.
        assistant_temperature: softmax temperature at which answers to sub-questions are sampled.
            They are sampled so that the overseer may be offered several; below 1 fewer of them are
            slips.
        assistant_min_probability: answers to sub-questions that the assistant finds less likely
            than this, in [0, 1], become "I don't know": guesses make wrong targets.
        levels: levels of amplification, 1..``MAX_LEVELS``. With more than 1, sub-questions to which
            the assistant has found no answer are decomposed too, down to this depth: targets climb
            several depths at once, and a training step costs more until the agent has learned
            them. Evaluations measure targets of one level in any case.
        workers: processes that draw and answer the batches while this one trains, 0..1000; they are
            actors of Ray (``pip install "ia-gym[ray]"``), in the cluster that this process is
            connected to, or else on this machine. 0 to do without. Their answers are those of
            slightly older weights, by at most ``2 * workers + broadcast_period - 1`` training
            steps (logged as ``workers/staleness``). Trainings with the same number of workers are
            repeatable, and resume exactly.
        broadcast_period: training steps after which workers get the latest weights, 1..1,000,000;
            default ``BROADCAST_PERIOD``. None without workers.

    Attributes:
        assistant: the averaged network, which answers the sub-questions.
        predictor_trainer: the human predictor and its training; None without ``interaction_rate``.

    Raises:
        ValueError: for an argument out of range or without effect.
    """

    judges_answers = False
    """Whether the overseer's approval of answers matters, and not only its own answers."""
    predictor_trainer: HumanPredictorTrainer | None

    def __init__(
        self,
        policy: str | type[BaseAnswerPolicy] = "MultiInputPolicy",
        env: GymEnv | str | None = None,
        learning_rate: float | Schedule = 3e-3,
        *,
        n_contexts: int = 64,
        n_questions: int = 32,
        interaction_rate: float | None = None,
        predictor_batch_size: int = 64,
        predictor_kwargs: dict[str, Any] | None = None,
        assistant_temperature: float = 1.0,
        assistant_min_probability: float = 0.0,
        levels: int = 1,
        workers: int = 0,
        broadcast_period: int | None = None,
        max_grad_norm: float = 1.0,
        curriculum: dict[str, Any] | None = None,
        policy_kwargs: dict[str, Any] | None = None,
        tensorboard_log: str | None = None,
        verbose: int = 0,
        seed: int | None = None,
        device: torch.device | str = "auto",
        _init_setup_model: bool = True,
    ) -> None:
        check_arguments("predictor_kwargs", predictor_kwargs)
        if interaction_rate is not None:
            check_number("interaction_rate", interaction_rate, "(0, inf)")
        self.interaction_rate = interaction_rate
        self.predictor_batch_size = check_range(
            "predictor_batch_size", predictor_batch_size, 1, 10**6
        )
        self.predictor_kwargs = predictor_kwargs or {}
        self.assistant_temperature = check_number(
            "assistant_temperature", assistant_temperature, "[0, inf)"
        )
        self.assistant_min_probability = check_number(
            "assistant_min_probability", assistant_min_probability, "[0, 1]"
        )
        self.levels = check_range("levels", levels, 1, MAX_LEVELS)
        self.workers = check_range("workers", workers, 0, 1000)
        self.broadcast_period = broadcast_period
        if broadcast_period is not None:
            check_range("broadcast_period", broadcast_period, 1, 10**6)
            if not workers:
                raise ValueError(
                    f"broadcast_period must be None without workers, got {broadcast_period}"
                )
        self._pool: WorkerPool | None = None
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

    def _setup_training(self) -> None:
        super()._setup_training()
        self.assistant = NetworkAssistant(
            self.policy.average_network,
            self.assistant_temperature,
            self.policy.answer_passes,
            self.assistant_min_probability,
        )
        self.predictor_trainer = None
        if self.interaction_rate is not None:
            self.predictor_trainer = self._make_predictor_trainer(self.interaction_rate)
        if self.workers:
            self._pool = self._make_pool()

    def _make_predictor_trainer(self, interaction_rate: float) -> HumanPredictorTrainer:
        sizes = {key: value for key, value in self.predictor_kwargs.items() if key not in QUERIES}
        check_parameters(lambda: HumanPredictor(self.domain, **sizes))
        return HumanPredictorTrainer(
            self.overseer,
            self.rng,
            self.device,
            interaction_rate,
            self.predictor_batch_size,
            self.max_grad_norm,
            **self.predictor_kwargs,
        )

    def _make_pool(self) -> WorkerPool:
        """The workers; they are started when the first batch is taken."""
        from ia_gym.agents.ray.session import check_ray_is_installed

        check_ray_is_installed()
        from ia_gym.agents.ray.amplification_workers import WorkerPool

        period = BROADCAST_PERIOD if self.broadcast_period is None else self.broadcast_period
        return WorkerPool(
            self.workers,
            period,
            lambda: int(self.rng.integers(2**63)),
            self._describe_worker,
            self._take_snapshot,
        )

    def _describe_worker(self) -> dict[str, Any]:
        """Arguments of an ``AmplificationWorker``; what it changes are copies, on the CPU."""
        overseer = deepcopy(self.active_overseer)
        if isinstance(overseer, LearnedOverseer):
            overseer.predictor.cpu()
        assistant = NetworkAssistant(
            deepcopy(self.policy.average_network).cpu(),
            self.assistant_temperature,
            self.policy.answer_passes,
            self.assistant_min_probability,
        )
        return {
            "overseer": overseer,
            "assistant": assistant,
            "n_contexts": self.n_contexts,
            "n_questions": self.n_questions,
            "levels": self.levels,
        }

    def _take_snapshot(self) -> Snapshot:
        """The weights that answer, and the difficulty of the questions, as they are now."""
        from ia_gym.agents.ray.amplification_workers import Snapshot

        overseer, predictor = self.active_overseer, {}
        if isinstance(overseer, LearnedOverseer):
            predictor = copy_weights(overseer.predictor)
        network = copy_weights(self.policy.average_network)
        return Snapshot(network, predictor, self.difficulty)

    def learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int | None = 50,
        tb_log_name: str | None = None,
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> Self:
        """As the base class's; workers are stopped at the end, whatever ends it."""
        try:
            return super().learn(
                total_timesteps,
                callback,
                log_interval,
                tb_log_name,
                reset_num_timesteps,
                progress_bar,
            )
        finally:
            if self._pool is not None:
                self._pool.close()

    def _check_environment(self, env: VecEnv, domain: Domain) -> None:
        super()._check_environment(env, domain)
        overseer = read_overseer(env, domain)
        is_learned = isinstance(find_base(overseer), LearnedOverseer)
        if self.interaction_rate is not None and is_learned:
            raise ValueError(
                "interaction_rate must be None if the overseer of env is a human predictor itself, "
                f"got {self.interaction_rate}"
            )
        if self.interaction_rate is not None and count_votes(overseer) > 1:
            raise ValueError(
                "votes of env must be 1 if a human predictor takes the overseer's place "
                f"(interaction_rate={self.interaction_rate}), got {count_votes(overseer)}"
            )

    def _uses_grades(self) -> bool:
        return self.judges_answers and self.interaction_rate is None

    def _follow_environment(self) -> None:
        super()._follow_environment()
        if self.predictor_trainer is not None:
            self.predictor_trainer.human = self.overseer

    @property
    def human_interactions(self) -> int:
        """Queries to the overseer so far, one for each root question it decomposed.

        Those that were recorded before the training are counted too.
        """
        trainer = self.predictor_trainer
        return self.overseer.human_interactions + (0 if trainer is None else trainer.n_recorded)

    @property
    def assistant_answers(self) -> int:
        """Sub-questions answered by the agent so far, for overseer and human predictor."""
        trainer = self.predictor_trainer
        of_predictor = trainer.overseer.assistant_answers if trainer is not None else 0
        return self.overseer.assistant_answers + of_predictor

    @property
    def waited_minutes(self) -> float:
        """Minutes that this process has waited for the batches of workers so far."""
        return 0.0 if self._pool is None else self._pool.waited / 60

    @property
    def active_overseer(self) -> Overseer:
        """Who decomposes the questions: the human predictor if there is one, else the overseer."""
        trainer = self.predictor_trainer
        return self.overseer if trainer is None else trainer.overseer

    @property
    def amplified_assistant(self) -> Assistant:
        """Who answers the sub-questions: the averaged network, amplified ``levels - 1`` times.

        With ``assistant_failure`` the network's answers fail.
        """
        assistant: Assistant = self.assistant
        if self.assistant_failures is not None:
            assistant = FailingAssistant(assistant, self.assistant_failures, self.rng)
        if self.levels == 1:
            return assistant
        helpers = self.active_overseer, assistant, self.rng
        return DecomposingFallbackAssistant(*helpers, self.levels - 1)

    def amplify(self, judging: bool = False) -> Batch:
        """Draw questions and answer them with the amplified overseer.

        The human predictor, if there is one, takes the overseer's place and then learns from it.

        Args:
            judging: also ask the sub-questions that only the judge of another's answer needs. A
                human predictor needs none of them: it approves of the answer it gives itself.
        """
        assistant, trainer = self.amplified_assistant, self.predictor_trainer
        if trainer is not None:
            trainer.prepare()
        if self._pool is not None:
            batch = self._take_batch(self._pool)
        else:
            batch = sample_batch(
                self.active_overseer,
                assistant,
                self.rng,
                self.n_contexts,
                self.n_questions,
                **self.difficulty,
                judging=judging and trainer is None,
            )
        if trainer is not None:
            trainer.learn(batch, assistant)
            self.logger.record("human/error", trainer.error)
            self.logger.record("human/loss", trainer.loss)
        return batch

    def _take_batch(self, pool: WorkerPool) -> Batch:
        """A batch of a worker's; the overseer counts what its copy there has counted."""
        answer = pool.take(self.steps)
        overseer = self.active_overseer
        for name, count in answer.counts.items():
            setattr(overseer, name, getattr(overseer, name) + count)
        if isinstance(overseer, LearnedOverseer):
            overseer.confidence = answer.confidence
        self.logger.record("workers/staleness", pool.staleness)
        self.logger.record("workers/waited_minutes", self.waited_minutes)
        return answer.batch

    def measure(self, evaluator: QuestionEvaluator) -> dict[str, float]:
        """See the base class; also the human predictor's agreement, and targets that may fail.

        ``failing/target_accuracy`` is how often the targets are true that a failing or voting
        overseer gives with the averaged network as its assistant, also by kind and class.
        """
        measured = super().measure(evaluator)
        scripted = type(find_base(self.overseer)) is ScriptedOverseer
        if scripted and isinstance(self.overseer, OverseerWrapper):
            assert self.env is not None
            rng = np.random.default_rng([evaluator.seed, self.steps])  # other failures each time
            asked = evaluator.contexts, evaluator.questions
            overseer = read_overseer(self.env, self.domain)  # with counters of its own
            transcript = amplify(overseer, self.assistant, rng, *asked, judging=False)
            scores = evaluator.score(overseer.answer(*asked, transcript))
            measured |= {f"failing/target_{tag}": score for tag, score in scores.items()}
        if self.predictor_trainer is not None:
            measured |= self.predictor_trainer.measure(evaluator, self.assistant)
        return measured

    # ------------------------------------------------------------ save and load

    def _collect_training_state(self) -> dict[str, Tensor]:
        state = super()._collect_training_state()
        if self.predictor_trainer is not None:
            state |= add_prefix(self.predictor_trainer.tensors(), "human_predictor")
        if self._pool is not None:
            state |= add_prefix(self._pool.tensors(), "workers")
        return state

    def _restore_training_state(self, state: dict[str, Tensor]) -> None:
        super()._restore_training_state(state)
        saved = select_prefix(state, "human_predictor")
        if self.predictor_trainer is not None and saved:
            self.predictor_trainer.load_tensors(saved)
        asked = select_prefix(state, "workers")
        if self._pool is not None and asked:
            self._pool.load_tensors(asked)
