"""What debate and consultancy share: answers and claims that win if they stand in a debate."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, cast

import numpy as np
import torch
from gymnasium.spaces import Discrete
from numpy.typing import NDArray
from stable_baselines3.common.type_aliases import GymEnv, Schedule
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from ia_gym.agents.evaluation.judges import measure_false_answers
from ia_gym.agents.evaluation.question_evaluator import QuestionEvaluator
from ia_gym.agents.learners.overseen_learner import OverseenLearner
from ia_gym.agents.learners.policy_gradient import compute_gains, sample_answers
from ia_gym.agents.learners.question_source import read_config
from ia_gym.agents.policies.answer_policy import BaseAnswerPolicy, read_sizes
from ia_gym.amplification.assistants import Assistant
from ia_gym.amplification.deception import find_true_answers, reward_false_answers
from ia_gym.amplification.overseers import ScriptedOverseer
from ia_gym.debate.challengers import Challenger
from ia_gym.debate.rules import Level, check_depth_limit, debate, find_standing
from ia_gym.domains import Contexts, Domain
from ia_gym.domains.transcript import IDK, Symbols
from ia_gym.envs.arguments import refuse_without_effect
from ia_gym.networks.network_assistant import NetworkAssistant
from ia_gym.validation import check_number, check_range

NO_FAILURES = ("assistant_failure", "adversarial_assistant", "votes")
"""Arguments of environments that are refused: claims are the agent's own, and a verdict is one."""


class DebateJudge:
    """Judges answers by one debate about each.

    Args:
        domain: of the questions.
        assistant: makes the claims that back the answers.
        challenger: picks the claims that the debates go on about.
        depth_limit: levels of a debate.
        seed: of all random choices; equal calls have equal outcomes.
    """

    def __init__(
        self,
        domain: Domain,
        assistant: Assistant,
        challenger: Challenger,
        depth_limit: int,
        seed: int = 0,
    ) -> None:
        self.domain = domain
        self.assistant = assistant
        self.challenger = challenger
        self.depth_limit = depth_limit
        self.seed = seed

    def hold_debates(self, contexts: Contexts, questions: Symbols, answers: Symbols) -> list[Level]:
        """Hold the debates, see :func:`ia_gym.debate.rules.debate`."""
        parts = ScriptedOverseer(self.domain), self.assistant, self.challenger
        rng = np.random.default_rng(self.seed)
        return debate(*parts, rng, contexts, questions, answers, self.depth_limit)

    def judge(
        self, contexts: Contexts, questions: Symbols, answers: Symbols
    ) -> NDArray[np.float64]:
        """1.0 for each of ``answers (B, Q)`` that stands, 0.0 for one that falls."""
        levels = self.hold_debates(contexts, questions, answers)
        return find_standing(levels)[0].astype(np.float64)


class DebateLearner(OverseenLearner):
    """Base class of the agents whose answers have to stand in a debate; no truth is involved.

    The Polyak average of the agent's network makes the claims that back an answer; a challenger
    picks one of them, and so on down to lookups (see :mod:`ia_gym.debate.rules`). An answer earns
    1 if its claims bear it out and the claim picked stands, else 0. The agent learns by the policy
    gradient on the root question and on the questions along the path, for the claim picked is an
    answer under debate itself; where that claim is not borne out the path ends, and of the other
    answers to its question nothing is known.

    The claims are made before the answer is known, so that one path serves to judge any number of
    answers to the same question. The judge fails as the environment says (``overseer_failure`` and
    the like), in training alone. With ``reward="deception"`` of the environment the agent is an
    adversary: true answers earn it nothing. Arguments that are not listed here are those of
    :class:`~ia_gym.agents.learners.answer_learner.AnswerLearner`.

    Args:
        n_samples: answers to each question that are argued for, 1..1000; None for all of them, so
            that nothing is left to chance where answers are few. Each costs a verdict.
        ent_coef: weight of the policy's entropy, which keeps it from settling too soon; at least 0.
        depth_limit: levels of a debate, after which an answer stands; default as many as the
            domain's longest chain of dependent questions, which is also the least.
        verdict_share: share of what an answer earns, in [0, 1], for being borne out by the claims
            alone, whatever becomes of the claim picked. With 1 it is reinforcement learning on
            approval; 0 is debate.
        claim_temperature: softmax temperature at which claims are sampled in training.

    Raises:
        ValueError: for an argument out of range, or a depth limit below what the domain needs.
    """

    can_deceive: ClassVar[bool] = True
    challenger_side: Challenger
    """Picks the claims that debates go on about."""
    n_levels: int
    """Levels of a debate in training."""

    def __init__(
        self,
        policy: str | type[BaseAnswerPolicy] = "MultiInputPolicy",
        env: GymEnv | str | None = None,
        learning_rate: float | Schedule = 3e-3,
        *,
        n_contexts: int = 64,
        n_questions: int = 32,
        n_samples: int | None = None,
        ent_coef: float = 0.1,
        depth_limit: int | None = None,
        verdict_share: float = 0.0,
        claim_temperature: float = 1.0,
        max_grad_norm: float = 1.0,
        curriculum: dict[str, Any] | None = None,
        policy_kwargs: dict[str, Any] | None = None,
        tensorboard_log: str | None = None,
        verbose: int = 0,
        seed: int | None = None,
        device: torch.device | str = "auto",
        _init_setup_model: bool = True,
    ) -> None:
        self.n_samples = None if n_samples is None else check_range("n_samples", n_samples, 1, 1000)
        self.ent_coef = check_number("ent_coef", ent_coef, "[0, inf)")
        self.depth_limit = depth_limit
        self.verdict_share = check_number("verdict_share", verdict_share, "[0, 1]")
        self.claim_temperature = check_number("claim_temperature", claim_temperature, "[0, inf)")
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
        self.n_levels = check_depth_limit(self.depth_limit, self.domain)
        self.assistant = self._make_assistant(self.claim_temperature)
        self.challenger_side = self._make_challenger(self.domain)

    def _check_environment(self, env: VecEnv, domain: Domain) -> None:
        super()._check_environment(env, domain)
        refuse_without_effect(read_config(env), NO_FAILURES, type(self).__name__)
        check_depth_limit(self.depth_limit, domain)

    def _uses_verdicts(self) -> bool:
        return True

    def _make_assistant(self, temperature: float) -> NetworkAssistant:
        """Who makes the claims: the averaged network."""
        policy = self.policy
        return NetworkAssistant(policy.average_network, temperature, policy.answer_passes)

    @abstractmethod
    def _make_challenger(self, domain: Domain) -> Challenger:
        """Make the challenger, with what a file says of it; called when an environment is set."""

    @property
    def exploration_rate(self) -> float:
        """How often the challenger picks at random in training."""
        return 0.0

    def make_judge(self, seed: int = 0) -> DebateJudge | None:
        """The judge of this protocol: debates with the likeliest claims, without exploration.

        Args:
            seed: of all random choices.

        Returns:
            None for a model without an environment, see :meth:`make_debate_judge`.
        """
        return self.make_debate_judge(self.domain, seed) if hasattr(self, "domain") else None

    def make_debate_judge(self, domain: Domain, seed: int = 0) -> DebateJudge:
        """As :meth:`make_judge`, for a model without an environment too.

        Args:
            domain: of the questions, that of the environment if there is one.
            seed: of all random choices.

        Raises:
            ValueError: for a domain with other symbols than agent and challenger were trained on.
        """
        sizes = read_sizes(self.observation_space, cast("Discrete", self.action_space))
        wanted = domain.n_symbols, domain.fact_shape, domain.question_length, domain.n_answers
        if sizes != wanted:
            raise ValueError(
                "domain must have the symbols, shape of facts, length of questions and answers "
                f"{sizes} that the agent was trained on, got {domain!r} with {wanted}"
            )
        limit, assistant = check_depth_limit(self.depth_limit, domain), self._make_assistant(0)
        known = getattr(self, "challenger_side", None)
        challenger = self._make_challenger(domain) if known is None else known
        return DebateJudge(domain, assistant, challenger, limit, seed)

    # ------------------------------------------------------------------ training

    def train_step(self) -> None:
        """Hold debates about fresh questions, and make the answers that stand likelier."""
        domain, difficulty = self.domain, self.difficulty
        contexts = domain.sample_contexts(self.rng, self.n_contexts, difficulty["size"])
        questions = domain.sample_questions(
            self.rng, contexts, self.n_questions, difficulty["depths"]
        )
        levels = debate(
            self.overseer,
            self.assistant,
            self.challenger_side,
            self.rng,
            contexts,
            questions,
            np.full(questions.shape[:2], IDK),  # each answer is argued for later
            self.n_levels,
            exploration=self.exploration_rate,
            judging_roots=False,
        )
        asked = np.concatenate([level.questions for level in levels], axis=1)
        log_p = self.compute_logits(contexts["facts"], asked).log_softmax(dim=-1)
        answers = self._choose_answers(log_p)
        borne_out = self._judge_answers(contexts, levels, answers.cpu().numpy())
        # Whether the claim picked stands; unknown where a debate was over before it was picked.
        stands, known = (
            np.concatenate(each, axis=1)
            for each in (find_standing(levels), [level.borne_out for level in levels])
        )
        share = self.verdict_share
        rewards = borne_out * (share + (1 - share) * stands[..., None])
        if self.is_adversary:
            truths = find_true_answers(domain, contexts, asked, answers.cpu().numpy())
            rewards = reward_false_answers(rewards, truths)
        scores = self._to_tensor(rewards)
        gains, earned = compute_gains(log_p, answers, scores, self.n_samples is not None)
        weights = self._to_tensor(known)
        entropy = average(-(log_p.exp() * log_p).sum(dim=-1), weights)
        self.minimize(-average(gains, weights) - self.ent_coef * entropy)
        falls = self._to_tensor(~(borne_out & stands[..., None]))
        certain = self._to_tensor(known[..., None] | ~borne_out)
        self._train_challenger(contexts, asked, answers, falls, certain)
        of_roots = earned[:, : questions.shape[1]].cpu().numpy().astype(float)
        self.update_curriculum(contexts, questions, of_roots)
        self.logger.record("train/entropy", entropy.item())
        self.logger.record("train/won", of_roots.mean())
        self.logger.record("debate/levels", np.count_nonzero(asked[..., 0]) / of_roots.size)

    def measure(self, evaluator: QuestionEvaluator) -> dict[str, float]:
        """See the base class; also how an adversary's false answers fare, by depth."""
        measured = super().measure(evaluator)
        if self.is_adversary:
            asked = evaluator.contexts, evaluator.questions
            answers = NetworkAssistant(self.policy.average_network, 0).answer(*asked)
            judge = self.make_debate_judge(self.domain, evaluator.seed)
            measured |= measure_false_answers(judge, self.domain, *asked, answers)
        return measured

    def _to_tensor(self, values: NDArray[Any]) -> Tensor:
        return torch.as_tensor(values, dtype=torch.float32, device=self.device)

    def _choose_answers(self, log_p: Tensor) -> Tensor:
        """The answers to argue for, ``(B, Q, S)``: samples, or all but "I don't know"."""
        if self.n_samples is not None:
            return sample_answers(log_p, self.n_samples)
        every = torch.arange(IDK + 1, self.domain.n_answers, device=log_p.device)
        return every.expand(*log_p.shape[:2], -1)

    def _judge_answers(
        self, contexts: Contexts, levels: list[Level], answers: Symbols
    ) -> NDArray[np.bool_]:
        """Whether the claims on each level bear answers to its questions out.

        Args:
            contexts: ``(B,)``.
            levels: of the debates.
            answers: ``(B, Q, S)``, with the questions of all levels side by side.

        Returns:
            bool ``(B, Q, S)``.
        """
        ends = np.cumsum([level.answers.shape[1] for level in levels])
        verdicts = []
        for level, part in zip(levels, np.split(answers, ends[:-1], axis=1), strict=True):
            case = contexts, level.questions, level.transcript
            columns = np.moveaxis(part, -1, 0)
            judged = [self.overseer.judge(*case, each) == 1 for each in columns]
            verdicts.append(np.stack(judged, axis=-1))
        return np.concatenate(verdicts, axis=1)

    def _train_challenger(
        self,
        contexts: Contexts,
        questions: Symbols,
        answers: Tensor,
        falls: Tensor,
        certain: Tensor,
    ) -> None:
        """Let the challenger learn which answers fell; nothing to do for one that does not learn.

        Args:
            contexts: ``(B,)``.
            questions: ``(B, Q, Lq)``; zeros for none.
            answers: ``(B, Q, S)``.
            falls: float32 ``(B, Q, S)``, 1 where one fell.
            certain: float32 ``(B, Q, S)``, 0 where that is not known.
        """


def average(values: Tensor, weights: Tensor) -> Tensor:
    """The mean of ``values`` by ``weights``, of the same shape."""
    return (values * weights).sum() / weights.sum().clamp(min=1)
