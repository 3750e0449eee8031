"""Recursive reward modelling: RL on a model of the overseer's judgement, level by level."""

from __future__ import annotations

import copy
from typing import Any, ClassVar, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.type_aliases import GymEnv, Schedule
from torch import Tensor

from ia_gym.agents.evaluation.judges import measure_false_answers
from ia_gym.agents.evaluation.question_evaluator import QuestionEvaluator
from ia_gym.agents.learners.distinct_answers import (
    draw_distinct_answers,
    find_allowed_answers,
)
from ia_gym.agents.learners.learner_files import add_prefix, select_prefix
from ia_gym.agents.learners.overseen_learner import OverseenLearner
from ia_gym.agents.learners.policy_gradient import compute_gains, sample_answers
from ia_gym.agents.learners.reward_model_trainer import (
    HELD_OUT,
    Judgements,
    RewardModelTrainer,
)
from ia_gym.agents.policies.answer_policy import BaseAnswerPolicy
from ia_gym.amplification.amplify import amplify
from ia_gym.amplification.assistants import Assistant, KnowNothing
from ia_gym.amplification.deception import find_true_answers, reward_false_answers
from ia_gym.amplification.work import count_work, leave_uncounted
from ia_gym.domains import Contexts
from ia_gym.domains.transcript import IDK, Symbols
from ia_gym.networks.context_network import ContextNetwork
from ia_gym.networks.network_assistant import NetworkAssistant
from ia_gym.networks.reward_model import Feedback, compute_rewards
from ia_gym.validation import check_number, check_range

QUESTIONS_JUDGED = 8
"""Questions about a context that are judged; it has as many at least."""
JUDGING_STEPS = 10
"""Training steps over which the judgements of a level are spread, at the least."""
EXPLORATION = 0.5
"""Share of the answers to judge that are drawn at random, and not by the policy."""
POLICY_UPDATES = ("gradient", "ppo")
"""How the policy is trained on the rewards."""
PPO_EPOCHS, PPO_CLIP_RANGE = 4, 0.2
"""Gradient steps on the same answers, and how far they may change a probability (PPO)."""


class RewardJudge:
    """Judges answers by a reward model (:class:`~ia_gym.agents.evaluation.judges.Judge`).

    Args:
        trainer: has the reward model.
        feedback: "approval": the score of an answer is the probability of approval. "comparisons":
            how far the probability that it is preferred to another one is above 1/2, doubled.
    """

    def __init__(self, trainer: RewardModelTrainer, feedback: Feedback) -> None:
        self.trainer, self.feedback = trainer, feedback

    def judge(
        self, contexts: Contexts, questions: Symbols, answers: Symbols
    ) -> NDArray[np.float64]:
        """Scores ``(B, Q)`` in [0, 1] of ``answers (B, Q)``."""
        scores = self.trainer.compute_scores(contexts["facts"], questions)
        allowed = find_allowed_answers(self.trainer.domain, questions)
        mask = torch.as_tensor(allowed, device=scores.device)
        rewards = compute_rewards(scores, mask, self.feedback).cpu().numpy().astype(np.float64)
        given: NDArray[np.float64] = np.take_along_axis(rewards, answers[..., None], -1)[..., 0]
        return given if self.feedback == "approval" else np.clip(2 * given - 1, 0, 1)


class RewardModelling(OverseenLearner):
    """The agent is trained by RL on a model of the overseer's judgement, level by level.

    Recursive reward modelling (Leike et al., 2018, section 2). On each level the overseer judges a
    few thousand answers; a reward model r(context, question, answer) learns to judge as it does,
    and the agent is trained on r alone. When r agrees with the overseer in judgements that it was
    not trained on, and the agent gives the answers that r finds best, the level is done: from then
    on a frozen copy of the agent answers the overseer's sub-questions. On the first level nobody
    does. The reward model, too, goes on from level to level, but the judgements are new: those of
    the level before were made with less help.

    Every judgement counts as a query to the overseer. With ``reward="deception"`` of the
    environment the agent is an adversary: true answers earn it nothing, but a level is done as
    ever, when it earns by r what there is to be had. Arguments that are not listed here are those
    of :class:`~ia_gym.agents.learners.answer_learner.AnswerLearner`.

    Args:
        feedback: "approval": the overseer approves of single answers. "comparisons": it says which
            of two answers it prefers, if any (Christiano et al., 2017); the reward model is that of
            Bradley and Terry.
        n_judgements: judgements on each level, at most; 1..10,000,000. Contexts are judged as a
            whole, with 8 questions each.
        n_samples: answers to a question that are judged, or each compared with the next; half of
            them are drawn from the policy, half at random. None for all answers of the type that
            the question asks for.
        n_levels: levels, 1..100. The training goes on on the last one.
        agreement: how often the reward model must be on the overseer's side for a level to be done,
            in (0.5, 1]; see
            :meth:`~ia_gym.agents.learners.reward_model_trainer.RewardModelTrainer.measure_agreement`.
            As large a part of the reward there is to be had, the agent must earn.
        policy_update: "gradient" for the exact gradient of the expected reward, over all answers;
            "ppo" for proximal policy optimisation on one sampled answer a question.
        ent_coef: weight of the policy's entropy; at least 0. It keeps the agent undecided where
            nothing is preferred.
        reward_updates: updates of the reward model in a training step, 1..1000, as long as it does
            not agree with the overseer; one from then on.
        reward_batch_size: contexts in an update of it.
        rename: whether the reward model sees the judged contexts with the interchangeable symbols
            of the domain (names, vertices) exchanged at random: a judgement holds whatever things
            are called. Refused where a domain has none.
        assistant_temperature: temperature of the frozen agent's sampled answers to sub-questions.
        assistant_min_probability: answers to sub-questions that the frozen agent finds less likely
            than this, in [0, 1], become "I don't know".

    Attributes:
        level: 1 or more.
        trainer: the reward model and its training.
    """

    can_deceive: ClassVar[bool] = True
    trainer: RewardModelTrainer

    def __init__(
        self,
        policy: str | type[BaseAnswerPolicy] = "MultiInputPolicy",
        env: GymEnv | str | None = None,
        learning_rate: float | Schedule = 3e-3,
        *,
        n_contexts: int = 64,
        n_questions: int = 32,
        feedback: Feedback = "approval",
        n_judgements: int = 5000,
        n_samples: int | None = None,
        n_levels: int = 2,
        agreement: float = 0.95,
        policy_update: str = "gradient",
        ent_coef: float = 0.05,
        reward_updates: int = 20,
        reward_batch_size: int = 64,
        rename: bool = False,
        assistant_temperature: float = 1.0,
        assistant_min_probability: float = 0.5,
        max_grad_norm: float = 1.0,
        curriculum: dict[str, Any] | None = None,
        policy_kwargs: dict[str, Any] | None = None,
        tensorboard_log: str | None = None,
        verbose: int = 0,
        seed: int | None = None,
        device: torch.device | str = "auto",
        _init_setup_model: bool = True,
    ) -> None:
        for name, value, known in (
            ("feedback", feedback, get_args(Feedback)),
            ("policy_update", policy_update, POLICY_UPDATES),
        ):
            if value not in known:
                raise ValueError(f"{name} must be one of {list(known)}, got {value!r}")
        self.feedback, self.policy_update = feedback, policy_update
        self.n_judgements = check_range("n_judgements", n_judgements, 1, 10**7)
        least = 1 if feedback == "approval" else 2
        self.n_samples = (
            None if n_samples is None else check_range("n_samples", n_samples, least, 1000)
        )
        self.n_levels = check_range("n_levels", n_levels, 1, 100)
        self.agreement = check_number("agreement", agreement, "(0.5, 1]")
        self.ent_coef = check_number("ent_coef", ent_coef, "[0, inf)")
        self.reward_updates = check_range("reward_updates", reward_updates, 1, 1000)
        self.reward_batch_size = check_range("reward_batch_size", reward_batch_size, 1, 10**6)
        if not isinstance(rename, bool):
            raise ValueError(f"rename must be True or False, got {rename!r}")
        self.rename = rename
        self.assistant_temperature = check_number(
            "assistant_temperature", assistant_temperature, "[0, inf)"
        )
        self.assistant_min_probability = check_number(
            "assistant_min_probability", assistant_min_probability, "[0, 1]"
        )
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
        if self.rename and not self.domain.interchangeable:
            raise ValueError(
                f"rename must be False for {self.domain!r}, whose symbols are no names"
            )
        least = HELD_OUT * self.judgements_per_context
        if self.n_judgements < least:
            raise ValueError(
                f"n_judgements must be at least {least} for {self.domain!r}, for some to be held "
                f"out, got {self.n_judgements}"
            )
        self.helper: Assistant = KnowNothing()
        self.level, self.n_judged, self.n_judged_before = 1, 0, 0
        self.share_earned = 0.0
        fresh = self.policy_class(
            self.observation_space, self.action_space, self.lr_schedule, **self.policy_kwargs
        )
        network: ContextNetwork = fresh.network.to(self.device)  # type: ignore[assignment]
        self.trainer = RewardModelTrainer(
            network, self.domain, self.rng, self.reward_batch_size, self.rename, self.max_grad_norm
        )

    def _uses_grades(self) -> bool:
        return True

    def make_judge(self, seed: int) -> RewardJudge:
        """The judge of the agent's answers: the reward model.

        Args:
            seed: without effect; nothing is drawn.
        """
        return RewardJudge(self.trainer, self.feedback)

    @property
    def human_interactions(self) -> int:
        """Judgements of the overseer so far, on all levels."""
        return self.n_judged_before + self.n_judged

    # ------------------------------------------------------------------ training

    def train_step(self) -> None:
        """Query the overseer, train the reward model on its judgements, and the policy on that."""
        self.query_overseer()
        agrees = self.trainer.measure_agreement() >= self.agreement
        for _ in range(1 if agrees else self.reward_updates):
            self.trainer.train()
        self.improve_policy()
        agreement = self.trainer.measure_agreement()
        if (
            self.level < self.n_levels
            and self.count_contexts_to_judge() == 0
            and min(agreement, self.share_earned) >= self.agreement
        ):
            self.begin_level()
        self.logger.record("reward_model/agreement", agreement)
        self.logger.record("reward_model/loss", self.trainer.loss)
        self.logger.record("reward_model/level", self.level)

    def begin_level(self) -> None:
        """Let the overseer be helped by the agent as it is now, and judge anew."""
        self.level += 1
        self.helper = self.make_helper(copy.deepcopy(self.policy.average_network))
        self.n_judged_before += self.n_judged
        self.n_judged = 0
        self.trainer.forget()

    def make_helper(self, network: ContextNetwork) -> NetworkAssistant:
        """The assistant of the overseer on the levels after the first."""
        return NetworkAssistant(
            network,
            self.assistant_temperature,
            self.policy.answer_passes,
            self.assistant_min_probability,
        )

    @property
    def judgements_per_context(self) -> int:
        """The most judgements about one context."""
        most = self.domain.n_answers - 1
        answers = most if self.n_samples is None else min(self.n_samples, most)
        return QUESTIONS_JUDGED * (answers if self.feedback == "approval" else answers - 1)

    def count_contexts_to_judge(self) -> int:
        """How many contexts the next training step has judged; 0 when the level has no more."""
        each = self.judgements_per_context
        left = (self.n_judgements - self.n_judged) // each
        return min(left, -(-self.n_judgements // (JUDGING_STEPS * each)))

    def query_overseer(self) -> None:
        """Have the overseer judge a part of the level's answers; none when all are judged."""
        n_contexts = self.count_contexts_to_judge()
        if n_contexts == 0:
            return
        domain, rng, at = self.domain, self.rng, self.difficulty
        contexts = domain.sample_contexts(rng, n_contexts, at["size"])
        questions = domain.sample_questions(rng, contexts, QUESTIONS_JUDGED, at["depths"])
        answers = self.draw_answers(contexts, questions)
        transcript = amplify(self.overseer, self.helper, rng, contexts, questions)
        columns = np.moveaxis(answers, -1, 0)
        with leave_uncounted(self.overseer):
            judged = [
                self.overseer.judge(contexts, questions, transcript, each) for each in columns
            ]
        approvals = np.stack(judged, axis=-1)
        if self.feedback == "approval":
            first, second, verdicts = answers, np.full_like(answers, IDK), approvals
        else:  # each with the next
            first, second = answers[..., :-1], answers[..., 1:]
            verdicts = (1 + np.sign(approvals[..., :-1] - approvals[..., 1:])) / 2
        counted = first != IDK
        if self.feedback == "comparisons":
            counted &= second != IDK
        count_work(self.overseer, "verdicts", int(counted.sum()))  # one for each comparison too
        numbers = verdicts.astype(np.float32)
        self.trainer.record(
            Judgements(contexts["facts"], questions, first, second, numbers, counted)
        )
        self.n_judged += int(counted.sum())

    def draw_answers(self, contexts: Contexts, questions: Symbols) -> Symbols:
        """Draw different answers of the type asked for, in random order.

        Args:
            contexts: ``(B,)``.
            questions: ``(B, Q, Lq)``.

        Returns:
            ``(B, Q, K)``; ``IDK`` where there are fewer.
        """
        allowed = find_allowed_answers(self.domain, questions)
        with torch.no_grad():
            logits = self.compute_logits(contexts["facts"], questions)
        p = logits.softmax(dim=-1).cpu().numpy()
        return draw_distinct_answers(self.rng, allowed, p, self.n_samples, EXPLORATION)

    def improve_policy(self) -> None:
        """Train the policy on fresh questions, by the rewards of the reward model."""
        at = self.difficulty
        contexts = self.domain.sample_contexts(self.rng, self.n_contexts, at["size"])
        questions = self.domain.sample_questions(self.rng, contexts, self.n_questions, at["depths"])
        case = contexts["facts"], questions
        allowed = torch.as_tensor(find_allowed_answers(self.domain, questions), device=self.device)
        rewards = compute_rewards(self.trainer.compute_scores(*case), allowed, self.feedback)
        logits = self.compute_logits(*case)
        earned = rewards.gather(-1, logits.argmax(dim=-1, keepdim=True))[..., 0]
        usual = rewards.sum(dim=-1) / allowed.sum(dim=-1)
        to_be_had = (rewards.amax(dim=-1) - usual).sum().item()
        self.share_earned = (earned - usual).sum().item() / max(to_be_had, 1e-9)
        if self.is_adversary:  # a level is done by what anyone would earn
            every = np.broadcast_to(np.arange(self.domain.n_answers), rewards.shape)
            truths = find_true_answers(self.domain, contexts, questions, every)
            earned_by_lies = reward_false_answers(rewards.cpu().numpy(), truths)
            rewards = torch.as_tensor(earned_by_lies, device=self.device)
        if self.policy_update == "gradient":
            self.minimize(self.compute_gradient_loss(logits, rewards))
        else:
            self.train_by_ppo(case, logits.detach().log_softmax(dim=-1), rewards)
        self.update_curriculum(contexts, questions, earned.cpu().numpy().astype(float))
        self.logger.record("train/reward", earned.mean().item())
        self.logger.record("train/share_earned", self.share_earned)

    def compute_gradient_loss(self, logits: Tensor, rewards: Tensor) -> Tensor:
        """Minus the expected reward under ``logits (B, Q, n_answers)``, and minus the entropy."""
        log_p = logits.log_softmax(dim=-1)
        every = torch.arange(logits.shape[-1], device=logits.device).expand_as(logits)
        gains, _ = compute_gains(log_p, every, rewards, is_sampled=False)
        loss: Tensor = -gains.mean() - self.ent_coef * compute_entropy(log_p)
        return loss

    def train_by_ppo(
        self, case: tuple[Symbols, Symbols], log_p_before: Tensor, rewards: Tensor
    ) -> None:
        """Proximal policy optimisation (Schulman et al., 2017) on one answer to each question.

        Args:
            case: facts and questions.
            log_p_before: ``(B, Q, n_answers)``, of the policy that draws the answers.
            rewards: ``(B, Q, n_answers)``. Their mean under this policy is the baseline.
        """
        p = log_p_before.exp()
        answers = sample_answers(log_p_before, 1)
        advantages = rewards.gather(-1, answers) - (p * rewards).sum(dim=-1, keepdim=True)
        for _ in range(PPO_EPOCHS):
            log_p = self.compute_logits(*case).log_softmax(dim=-1)
            ratio = (log_p - log_p_before).gather(-1, answers).exp()
            clipped = ratio.clamp(1 - PPO_CLIP_RANGE, 1 + PPO_CLIP_RANGE)
            gain = torch.minimum(ratio * advantages, clipped * advantages).mean()
            self.minimize(-gain - self.ent_coef * compute_entropy(log_p))

    def measure(self, evaluator: QuestionEvaluator) -> dict[str, float]:
        """See the base class; also level and agreement of the reward model.

        Of an adversary, also how its false answers fare, by depth.
        """
        measured = {
            **super().measure(evaluator),
            "reward_model/level": float(self.level),
            "reward_model/agreement": self.trainer.measure_agreement(),
        }
        if self.is_adversary:
            asked = evaluator.contexts, evaluator.questions
            answers = NetworkAssistant(self.policy.average_network, 0).answer(*asked)
            judge = self.make_judge(evaluator.seed)
            measured |= measure_false_answers(judge, self.domain, *asked, answers)
        return measured

    # ------------------------------------------------------------ save and load

    def _collect_training_state(self) -> dict[str, Tensor]:
        state = super()._collect_training_state()
        counts = torch.tensor([self.level, self.n_judged, self.n_judged_before])
        state |= {"levels/counts": counts, "levels/share_earned": torch.tensor(self.share_earned)}
        state |= add_prefix(self.trainer.tensors(), "reward_model")
        if isinstance(self.helper, NetworkAssistant):
            state |= add_prefix(self.helper.network.state_dict(), "helper")
        return state

    def _restore_training_state(self, state: dict[str, Tensor]) -> None:
        super()._restore_training_state(state)
        self.level, self.n_judged, self.n_judged_before = state["levels/counts"].tolist()
        self.share_earned = float(state["levels/share_earned"])
        self.trainer.load_tensors(select_prefix(state, "reward_model"))
        saved = select_prefix(state, "helper")
        if saved:
            network = copy.deepcopy(self.policy.average_network)
            network.load_state_dict(saved)
            self.helper = self.make_helper(network)


def compute_entropy(log_p: Tensor) -> Tensor:
    """Mean entropy of distributions with log-probabilities ``(..., n)``, in nats."""
    return -(log_p.exp() * log_p).sum(dim=-1).mean()
