"""Learning to decompose better than the human whom the decomposition was learned from."""

from __future__ import annotations

import copy
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.type_aliases import GymEnv, Schedule
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from ia_gym.agents.evaluation.question_evaluator import QuestionEvaluator
from ia_gym.agents.learners.amplified_learner import AmplifiedLearner
from ia_gym.agents.learners.human_predictor_trainer import HumanPredictorTrainer, make_records
from ia_gym.agents.learners.learner_files import add_prefix, select_prefix
from ia_gym.agents.learners.question_source import read_overseer
from ia_gym.agents.learners.schedules import Weight, check_weight, interpolate
from ia_gym.agents.policies.answer_policy import BaseAnswerPolicy
from ia_gym.amplification.amplified_assistants import AmplifiedAssistant
from ia_gym.amplification.amplify import amplify
from ia_gym.amplification.assistants import Assistant
from ia_gym.amplification.batches import sample_batch
from ia_gym.amplification.decomposition_tree import count_questions, measure_tree
from ia_gym.domains import Contexts, Domain
from ia_gym.domains.transcript import IDK, Symbols
from ia_gym.networks.human_predictor import HumanPredictor
from ia_gym.networks.learned_overseer import LearnedOverseer
from ia_gym.validation import check_number, check_range

Judge = Literal["overseer", "agreement"]
"""Who approves of the answers that decompositions lead to."""

N_TREES = 128
"""Held-out questions that are decomposed down to lookups in an evaluation."""


class LearnedDecomposition(AmplifiedLearner):
    """The human predictor learns to ask better than the human, while the agent learns from it.

    After the conclusion of the post on RL-based Iterated Amplification: "what should be asked
    next?" is a question like any other, whose answers can be learned from demonstrations and then
    improved by the overseer's approval. Three things happen:

    1. At first, and once, the overseer is queried about ``n_demonstrations`` questions, and the
       human predictor learns to ask and answer as it does. This predictor is kept as the reference.
    2. In each training step the human predictor takes the overseer's place in amplification, and
       the agent learns the answers that it comes to
       (:class:`~ia_gym.agents.learners.imitation.ImitationIA`).
    3. From ``rl_start`` on it also decomposes questions with sub-questions drawn at random, several
       times each, and REINFORCE makes those likelier that earn more than the others about the same
       question: the judge's approval of the answer, less ``question_cost`` for each sub-question
       put to the agent and ``round_cost`` for each round. Its divergence from the reference, in
       nats a decomposition, costs ``drift_coef`` above ``max_drift``.

    The judge is the *original* overseer, amplified ``judge_levels`` times with the agent as the
    assistant. It never sees the truth, nor the decomposition that it judges by its outcome. Where
    its own decomposition leads to wrong answers, it rewards these.

    Arguments that are not listed here are those of
    :class:`~ia_gym.agents.learners.amplified_learner.AmplifiedLearner`.

    Args:
        n_demonstrations: queries to the overseer to learn from, 1..1,000,000.
        pretraining_updates: updates of the human predictor on them, at least 0.
        rl_start: share of the training after which the decomposition is improved, in [0, 1]; 1
            only imitates. Below 1 the question itself is never a sub-question.
        rl_updates: updates of the human predictor by approval in a training step, at least 1.
        rl_learning_rate: of these updates.
        n_rl_contexts: contexts in such an update.
        n_rl_questions: questions about each of them.
        n_samples: decompositions drawn of each question, 2..1000.
        exploration_temperature: at which their tokens are drawn, above 0. Predictors are certain of
            what was demonstrated; above 1, something else is tried more often.
        question_cost: of a sub-question put to the agent, at least 0.
        round_cost: of a round in which anything is asked, at least 0.
        drift_coef: weight of the divergence from the reference above ``max_drift``, at least 0; a
            pair gives its values at the beginning and at the end of training.
        max_drift: divergence that costs nothing, in nats a decomposition, at least 0; or such a
            pair.
        ent_coef: weight of the entropy of a decomposition in nats, at least 0.
        judge: "overseer", or "agreement": the share of the other decompositions of the same
            question that lead to the same answer. It takes no queries to the overseer.
        judge_levels: levels that the judge decomposes, 1..64; for ``judge="overseer"`` only.

    Attributes:
        reference: the human predictor that only imitates; None before there is one.

    Raises:
        ValueError: for an argument out of range or without effect.
    """

    predictor_trainer: HumanPredictorTrainer

    def __init__(
        self,
        policy: str | type[BaseAnswerPolicy] = "MultiInputPolicy",
        env: GymEnv | str | None = None,
        learning_rate: float | Schedule = 3e-3,
        *,
        n_contexts: int = 64,
        n_questions: int = 32,
        n_demonstrations: int = 1000,
        pretraining_updates: int = 500,
        rl_start: float = 0.0,
        rl_updates: int = 1,
        rl_learning_rate: float = 1e-3,
        n_rl_contexts: int = 16,
        n_rl_questions: int = 4,
        n_samples: int = 16,
        exploration_temperature: float = 1.0,
        question_cost: float = 0.05,
        round_cost: float = 0.01,
        drift_coef: Weight = 0.1,
        max_drift: Weight = 0.0,
        ent_coef: float = 0.0,
        judge: Judge = "overseer",
        judge_levels: int = 1,
        predictor_batch_size: int = 64,
        predictor_kwargs: dict[str, Any] | None = None,
        assistant_temperature: float = 1.0,
        assistant_min_probability: float = 0.0,
        levels: int = 1,
        max_grad_norm: float = 1.0,
        curriculum: dict[str, Any] | None = None,
        policy_kwargs: dict[str, Any] | None = None,
        tensorboard_log: str | None = None,
        verbose: int = 0,
        seed: int | None = None,
        device: torch.device | str = "auto",
        _init_setup_model: bool = True,
    ) -> None:
        self.n_demonstrations = check_range("n_demonstrations", n_demonstrations, 1, 10**6)
        self.pretraining_updates = check_range("pretraining_updates", pretraining_updates, 0, 10**9)
        self.rl_start = check_number("rl_start", rl_start, "[0, 1]")
        self.rl_updates = check_range("rl_updates", rl_updates, 1, 10**6)
        self.rl_learning_rate = check_number("rl_learning_rate", rl_learning_rate, "[0, inf)")
        self.n_rl_contexts = check_range("n_rl_contexts", n_rl_contexts, 1, 10**6)
        self.n_rl_questions = check_range("n_rl_questions", n_rl_questions, 1, 10**6)
        self.n_samples = check_range("n_samples", n_samples, 2, 1000)
        self.exploration_temperature = check_number(
            "exploration_temperature", exploration_temperature, "(0, inf)"
        )
        self.question_cost = check_number("question_cost", question_cost, "[0, inf)")
        self.round_cost = check_number("round_cost", round_cost, "[0, inf)")
        self.drift_coef = check_weight("drift_coef", drift_coef)
        self.max_drift = check_weight("max_drift", max_drift)
        self.ent_coef = check_number("ent_coef", ent_coef, "[0, inf)")
        if judge not in get_args(Judge):
            raise ValueError(f"judge must be one of {list(get_args(Judge))}, got {judge!r}")
        self.judge: Judge = judge
        self.judges_answers = judge == "overseer"
        self.judge_levels = check_range("judge_levels", judge_levels, 1, 64)
        if judge != "overseer" and judge_levels != 1:
            raise ValueError(
                f'judge_levels must be left out, for it has no effect with judge="{judge}"; '
                f"got {judge_levels}"
            )
        unknown = set(predictor_kwargs or ()) - {"width", "heads", "layers"}
        if unknown:
            raise ValueError(
                f"predictor_kwargs must be some of width, heads and layers, got {sorted(unknown)}"
            )
        super().__init__(
            policy,
            env,
            learning_rate,
            n_contexts=n_contexts,
            n_questions=n_questions,
            predictor_batch_size=predictor_batch_size,
            predictor_kwargs=predictor_kwargs,
            assistant_temperature=assistant_temperature,
            assistant_min_probability=assistant_min_probability,
            levels=levels,
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
        if isinstance(read_overseer(env, domain), LearnedOverseer):
            raise ValueError(
                "overseer of env must be one who can be queried for demonstrations, got a human "
                "predictor"
            )

    @property
    def may_ask_root(self) -> bool:
        """Whether the question itself may be a sub-question, as with scripts of graph domains.

        Only where decompositions are imitated alone: RL would learn to pass every question on.
        """
        return self.rl_start == 1

    def _setup_training(self) -> None:
        super()._setup_training()
        self.predictor_trainer = self._make_predictor_trainer(self.n_demonstrations)
        self.predictor_trainer.overseer.may_ask_root = self.may_ask_root
        self.reference: HumanPredictor | None = None

    def train_step(self) -> None:
        """Learn from the human predictor's answers; let it learn from the judge's approval."""
        if self.reference is None:
            self.imitate_overseer()
        batch = sample_batch(
            self.active_overseer,
            self.amplified_assistant,
            self.rng,
            self.n_contexts,
            self.n_questions,
            **self.difficulty,
        )
        self.train_on_answers(batch.contexts, batch.questions, batch.targets)
        if 1 - self._current_progress_remaining >= self.rl_start < 1:
            for _ in range(self.rl_updates):
                self.improve_decomposition()

    def imitate_overseer(self) -> None:
        """Query the overseer, and train the human predictor on what it does."""
        trainer, n = self.predictor_trainer, self.n_demonstrations
        batch = sample_batch(self.overseer, self.assistant, self.rng, n, 1, **self.difficulty)
        rows = make_records(batch.questions, batch.transcript, batch.targets)
        trainer.add_records(rows)
        for _ in range(self.pretraining_updates):
            trainer.train_on_records()
        trainer.overseer.human_interactions = self.overseer.human_interactions
        # What acts is the slow copy; from here on both set out from it.
        trainer.predictor.load_state_dict(trainer.overseer.predictor.state_dict())
        self._keep_reference()

    def _keep_reference(self) -> None:
        """Keep a copy of the predictor that acts; its training goes on at another rate."""
        self.reference = copy.deepcopy(self.predictor_trainer.overseer.predictor)
        for group in self.predictor_trainer.optimizer.param_groups:
            group["lr"] = self.rl_learning_rate

    def improve_decomposition(self) -> None:
        """One step of REINFORCE on decompositions that are drawn at random."""
        trainer, domain = self.predictor_trainer, self.domain
        at = self.difficulty
        contexts = domain.sample_contexts(self.rng, self.n_rl_contexts, at["size"])
        roots = domain.sample_questions(self.rng, contexts, self.n_rl_questions, at["depths"])
        questions = np.repeat(roots, self.n_samples, axis=1)
        sampler = LearnedOverseer(
            domain,
            trainer.predictor,
            temperature=self.exploration_temperature,
            may_ask_root=False,
        )
        helper = self.amplified_assistant
        transcript = amplify(sampler, helper, self.rng, contexts, questions, judging=False)
        answers = sampler.answer(contexts, questions, transcript)
        trainer.overseer.assistant_answers += sampler.assistant_answers

        approvals = self.approve(contexts, roots, answers)
        counts = count_questions(domain, transcript)
        costs = self.question_cost * counts.questions + self.round_cost * counts.rounds
        rewards = approvals - costs
        # What a decomposition earns more than the others of the same question do on average.
        groups = rewards.reshape(self.n_rl_contexts, self.n_rl_questions, self.n_samples)
        others = (groups.sum(axis=-1, keepdims=True) - groups) / (self.n_samples - 1)
        advantages = torch.as_tensor(groups - others, device=self.device).float().flatten()

        drawn, drawn_answers = sampler.drawn
        rows = make_records(questions, transcript, drawn_answers)
        inputs = {
            name: torch.as_tensor(rows[name], device=self.device)
            for name in ("questions", "asked", "answers")
        }
        chosen = torch.as_tensor(drawn.reshape(rows["asked"].shape), device=self.device)
        final = torch.as_tensor(rows["targets"], device=self.device)
        log_p = self._predict(trainer.predictor, inputs)
        assert self.reference is not None
        with torch.no_grad():
            log_q = self._predict(self.reference, inputs)
        taken = log_p[:, :-1].gather(-1, chosen[..., None]).flatten(1).sum(dim=1)
        taken = taken + log_p[:, -1, 0].gather(-1, final[:, None])[:, 0]
        drift = sum_tokens((log_p.exp() * (log_p - log_q)).sum(dim=-1)).mean()
        entropy = -sum_tokens((log_p.exp() * log_p).sum(dim=-1)).mean()
        left = self._current_progress_remaining
        excess = (drift - interpolate(self.max_drift, left)).clamp(min=0)
        loss = -(advantages * taken).mean() + interpolate(self.drift_coef, left) * excess
        loss = loss - self.ent_coef * entropy
        trainer.minimize(loss)
        for name, value in (
            ("reward", rewards.mean()),
            ("approval", approvals.mean()),
            ("questions", counts.questions.mean()),
            ("rounds", counts.rounds.mean()),
            ("drift", drift.item()),
            ("entropy", entropy.item()),
        ):
            self.logger.record(f"decomposition/{name}", value)

    def _predict(self, predictor: HumanPredictor, inputs: dict[str, Tensor]) -> Tensor:
        """Log-probabilities ``(n, S + 1, Lq, n_symbols)``, at the temperature of exploration."""
        predicted = predictor.predict_all(**inputs)
        return (predicted / self.exploration_temperature).log_softmax(dim=-1)

    def approve(self, contexts: Contexts, roots: Symbols, answers: Symbols) -> NDArray[np.float64]:
        """The judge's approval of the answers that decompositions came to.

        Args:
            contexts: ``(B,)``.
            roots: ``(B, Q, Lq)``, the questions.
            answers: ``(B, Q * n_samples)``, those to each question side by side.

        Returns:
            float64 ``(B, Q * n_samples)``, in [0, 1]; 0 for ``IDK``.
        """
        n = self.n_samples
        if self.judge == "agreement":
            groups = answers.reshape(*roots.shape[:2], n)
            same = (groups[..., :, None] == groups[..., None, :]).sum(axis=-1) - 1
            approvals: NDArray[np.float64] = np.where(groups != IDK, same / (n - 1), 0.0)
            return approvals.reshape(answers.shape)
        helper: Assistant = self.assistant
        for _ in range(self.judge_levels - 1):
            helper = AmplifiedAssistant(self.overseer, helper, self.rng)
        transcript = amplify(self.overseer, helper, self.rng, contexts, roots)
        repeated = transcript[:, np.repeat(np.arange(roots.shape[1]), n)]
        questions = np.repeat(roots, n, axis=1)
        return self.overseer.judge(contexts, questions, repeated, answers)

    def measure(self, evaluator: QuestionEvaluator) -> dict[str, float]:
        """See the base class; also how the human predictor decomposes the held-out questions.

        ``human/questions`` (sub-questions put to the agent), ``human/rounds``, and, for a sample
        that is decomposed down to lookups, ``human/tree_depth`` and ``human/tree_questions``. Also
        how often its answers are true by kind and depth, as ``human/target_accuracy_...``.
        """
        measured = super().measure(evaluator)
        predictor = self.predictor_trainer.overseer.predictor
        overseer = LearnedOverseer(self.domain, predictor, may_ask_root=self.may_ask_root)
        rng = np.random.default_rng(0)
        case = evaluator.contexts, evaluator.questions
        transcript = amplify(overseer, self.assistant, rng, *case, judging=False)
        scores = evaluator.score(overseer.answer(*case, transcript))
        counts = count_questions(self.domain, transcript)
        few = max(N_TREES // evaluator.questions.shape[1], 1)
        depths, sizes = measure_tree(overseer, self.assistant, rng, *(part[:few] for part in case))
        return {
            **measured,
            **{f"human/target_{name}": score for name, score in scores.items()},
            "human/questions": float(counts.questions.mean()),
            "human/rounds": float(counts.rounds.mean()),
            "human/tree_depth": float(depths.mean()),
            "human/tree_questions": float(sizes.mean()),
        }

    # ------------------------------------------------------------ save and load

    def _collect_training_state(self) -> dict[str, Tensor]:
        state = super()._collect_training_state()
        if self.reference is not None:
            state |= add_prefix(self.reference.state_dict(), "reference")
        return state

    def _restore_training_state(self, state: dict[str, Tensor]) -> None:
        super()._restore_training_state(state)
        saved = select_prefix(state, "reference")
        if saved:
            self._keep_reference()
            assert self.reference is not None
            self.reference.load_state_dict(saved)


def sum_tokens(values: Tensor) -> Tensor:
    """Sum ``values (n, S + 1, Lq)`` over the tokens that are predicted: of the answer only one."""
    total: Tensor = values[:, :-1].flatten(1).sum(dim=1) + values[:, -1, 0]
    return total
