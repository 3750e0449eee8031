"""The base class of the suite's learners: SB3's interface around one training step.

The algorithms are in the files beside it, one a file: each defines a ``train_step``.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import GymEnv, Schedule
from stable_baselines3.common.utils import check_for_correct_spaces
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor
from torch.nn import functional as F

from ia_gym.agents.evaluation.question_evaluator import QuestionEvaluator
from ia_gym.agents.learners.learner_files import add_prefix, select_prefix
from ia_gym.agents.learners.question_source import (
    format_domain,
    read_domain,
    refuse_unused_options,
)
from ia_gym.agents.learners.schedules import WarmupLinear
from ia_gym.agents.learners.training_loop import TrainingLoop
from ia_gym.agents.policies.answer_policy import (
    AnswerPolicy,
    BaseAnswerPolicy,
    MlpAnswerPolicy,
)
from ia_gym.amplification.curriculum import Curriculum
from ia_gym.amplification.work import read_work
from ia_gym.domains import Contexts, Domain
from ia_gym.domains.transcript import IDK, Symbols
from ia_gym.networks.context_network import check_parameters
from ia_gym.networks.network_assistant import NetworkAssistant
from ia_gym.validation import check_number, check_range


class AnswerLearner(TrainingLoop):
    """Base class of the agents that train on batches of questions.

    It has the interface of an SB3 algorithm: ``learn``, ``predict``, ``save``, ``load``, callbacks
    and logger. One timestep is one root question trained on. The environment gives the domain, the
    spaces and the overseer; it is neither reset nor stepped, and arguments of it that concern its
    steps (such as ``trust``) are refused. The question distribution is that of the domain.

    Args:
        policy: "MultiInputPolicy" for a transformer over the facts; "MlpPolicy" for an MLP on
            one-hot tokens, which also takes ``observation="onehot"``; or a subclass of
            :class:`~ia_gym.agents.policies.answer_policy.BaseAnswerPolicy`.
        env: a question environment, or its id; None for a model that only predicts.
        learning_rate: peak of a warm-up and linear decay (see
            :class:`~ia_gym.agents.learners.schedules.WarmupLinear`), or a schedule as SB3 takes it.
        n_contexts: contexts in a training step.
        n_questions: questions about each context.
        max_grad_norm: gradients are clipped to this norm.
        curriculum: arguments of :class:`~ia_gym.amplification.curriculum.Curriculum`; None for no
            curriculum.
        policy_kwargs: ``polyak_tau`` and the size of the network; see
            :class:`~ia_gym.agents.policies.answer_policy.AnswerPolicy` and
            :class:`~ia_gym.agents.policies.answer_policy.MlpAnswerPolicy`.
        tensorboard_log: folder for TensorBoard; None for no log.
        verbose: 0 for no output, 1 for messages and the logged table.
        seed: seed of all random numbers.
        device: "cpu", "cuda" or "auto", as in SB3.
        _init_setup_model: whether to build the networks now, as in SB3.

    Attributes:
        domain: what questions are drawn from; absent until there is an environment.
        steps: training steps so far; ``flops``: see
            :class:`~ia_gym.agents.learners.training_loop.TrainingLoop`.

    Raises:
        ValueError: for an argument out of range, or an environment that does not ask questions.
    """

    uses_truth: ClassVar[bool] = False
    """Whether it trains on the truth, which is for measuring otherwise."""
    can_deceive: ClassVar[bool] = False
    """Whether ``reward="deception"`` of the environment makes an adversary of it."""
    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {
        "MultiInputPolicy": AnswerPolicy,
        "MlpPolicy": MlpAnswerPolicy,
    }

    def __init__(
        self,
        policy: str | type[BaseAnswerPolicy] = "MultiInputPolicy",
        env: GymEnv | str | None = None,
        learning_rate: float | Schedule = 3e-3,
        *,
        n_contexts: int = 64,
        n_questions: int = 32,
        max_grad_norm: float = 1.0,
        curriculum: dict[str, Any] | None = None,
        policy_kwargs: dict[str, Any] | None = None,
        tensorboard_log: str | None = None,
        verbose: int = 0,
        seed: int | None = None,
        device: torch.device | str = "auto",
        _init_setup_model: bool = True,
    ) -> None:
        for name, value in (("curriculum", curriculum), ("policy_kwargs", policy_kwargs)):
            check_arguments(name, value)
        if not callable(learning_rate):
            learning_rate = check_number("learning_rate", learning_rate, "[0, inf)")
        own: Any = self.policy_aliases.get(policy, policy) if isinstance(policy, str) else policy
        super().__init__(
            own,  # by its class: SB3's own MlpPolicy takes no dicts, and SB3 refuses the name
            env,
            learning_rate,
            policy_kwargs,
            tensorboard_log=tensorboard_log,
            verbose=verbose,
            device=device,
            support_multi_env=True,
            seed=None if seed is None else check_range("seed", seed, 0, 2**32 - 1),
        )
        self.n_contexts = check_range("n_contexts", n_contexts, 1, 10**6)
        self.n_questions = check_range("n_questions", n_questions, 1, 10**6)
        self.max_grad_norm = check_number("max_grad_norm", max_grad_norm, "(0, inf)")
        self.curriculum_kwargs = curriculum
        self.curriculum: Curriculum | None = None
        self._saved_state, self._saved_judge = {}, {}
        self._schedule_is_lost = False
        if _init_setup_model:
            self._setup_model()

    def _setup_model(self) -> None:
        spaces = self.observation_space, self.action_space
        check_parameters(lambda: self.policy_class(*spaces, lambda _: 0.0, **self.policy_kwargs))
        self.rng = np.random.default_rng()
        self.set_random_seed(self.seed)
        rate = self.learning_rate
        self.lr_schedule = rate if callable(rate) else WarmupLinear(rate)
        policy = self.policy_class(*spaces, self.lr_schedule, **self.policy_kwargs)
        self.policy = cast("BaseAnswerPolicy", policy.to(self.device))
        if self.env is not None:
            self.set_env(self.env)

    # ------------------------------------------------------------ the environment

    def set_env(self, env: GymEnv, force_reset: bool = True) -> None:
        """Take the domain and the overseer from an environment.

        A model that was loaded without one resumes as if it had been given at loading. One that has
        an environment already keeps counters, curriculum and human predictor.

        Args:
            env: a question environment with the spaces and the domain of the one before.
            force_reset: as in SB3; the environment is not reset here.

        Raises:
            ValueError: for other spaces or another domain, or an option without effect.
        """
        env = self._wrap_env(env, self.verbose)
        check_for_correct_spaces(env, self.observation_space, self.action_space)
        domain = read_domain(env)
        known = getattr(self, "domain", None)
        if known is not None and format_domain(known) != format_domain(domain):
            raise ValueError(
                f"env must ask about {format_domain(known)}, got {format_domain(domain)}"
            )
        self._check_environment(env, domain)
        self.n_envs = env.num_envs  # any number will do, since it is not stepped
        super().set_env(env, force_reset)
        if known is None:
            self.domain = domain
            if self.curriculum_kwargs is not None:
                self.curriculum = Curriculum(domain, **self.curriculum_kwargs)
            self._setup_training()
            if self._saved_state:
                self._restore_training_state(self._saved_state)
                self._saved_state = {}
        else:
            self._follow_environment()

    def _check_environment(self, env: VecEnv, domain: Domain) -> None:
        """Refuse an environment with options that have no effect on this learner."""
        refuse_unused_options(env, type(self).__name__, self.can_deceive)

    def _setup_training(self) -> None:
        """Build what depends on the domain; called once, when an environment is set."""

    @property
    def human_interactions(self) -> int:
        """Queries to the overseer so far."""
        return 0

    @property
    def assistant_answers(self) -> int:
        """Sub-questions that the agent has answered for the overseer so far."""
        return 0

    @property
    def lookups(self) -> int:
        """Primitive questions that the overseer has answered so far."""
        return self._read_work()["lookups"]

    @property
    def combinations(self) -> int:
        """Answers that the overseer has put together from sub-answers so far."""
        return self._read_work()["combinations"]

    @property
    def verdicts(self) -> int:
        """Answers that the overseer has judged so far."""
        return self._read_work()["verdicts"]

    def _read_work(self) -> dict[str, int]:
        return read_work(getattr(self, "overseer", None))

    # ------------------------------------------------------------------ training

    @abstractmethod
    def train_step(self) -> None:
        """Draw questions, get the answers to learn, and take one gradient step."""

    @property
    def timesteps_per_step(self) -> int:
        """Questions in a training step."""
        return self.n_contexts * self.n_questions

    @property
    def difficulty(self) -> dict[str, Any]:
        """``size`` and ``depths`` of the questions to draw, as the curriculum has them."""
        if self.curriculum is None:
            return {"size": None, "depths": None}
        return {"size": self.curriculum.size, "depths": self.curriculum.depths}

    def compute_logits(self, facts: Symbols, questions: Symbols) -> Tensor:
        """Logits ``(B, Q, n_answers)`` of the network that is trained.

        Args:
            facts: int64 ``(B, F, L)``.
            questions: int64 ``(B, Q, Lq)``.
        """
        rows = (torch.tensor(each, device=self.device) for each in (facts, questions))
        logits: Tensor = self.policy.network(*rows)
        return logits

    def train_on_answers(self, contexts: Contexts, questions: Symbols, answers: Symbols) -> None:
        """Take one gradient step on the cross-entropy with the given answers.

        Args:
            contexts: ``(B,)``.
            questions: ``(B, Q, Lq)``.
            answers: ``(B, Q)``.
        """
        logits = self.compute_logits(contexts["facts"], questions)
        wanted = torch.as_tensor(answers, device=self.device)
        self.minimize(F.cross_entropy(logits.flatten(0, 1), wanted.flatten()))
        known = answers != IDK
        agrees = (logits.argmax(dim=-1) == wanted).cpu().numpy() & known
        self.update_curriculum(contexts, questions, agrees.astype(float), known)
        self.logger.record("train/agreement", agrees.mean())

    def minimize(self, loss: Tensor) -> None:
        """Take one gradient step on ``loss``, a scalar, and update the Polyak average."""
        policy = self.policy
        policy.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(policy.network.parameters(), self.max_grad_norm)
        policy.optimizer.step()
        policy.average.update_parameters(policy.network)
        self.logger.record("train/loss", loss.item())

    def update_curriculum(
        self,
        contexts: Contexts,
        questions: Symbols,
        successes: NDArray[np.float64],
        known: NDArray[np.bool_] | None = None,
    ) -> None:
        """Let the curriculum rise by how good the answers were.

        Args:
            contexts: ``(B,)``.
            questions: ``(B, Q, Lq)``.
            successes: float64 ``(B, Q)`` in [0, 1].
            known: bool ``(B, Q)``, the questions that count in a curriculum that does not go by
                class; default all.
        """
        if self.curriculum is not None:
            classes = self.domain.classes(contexts, questions)
            counted = known if known is not None and not self.curriculum.by_class else ...
            self.curriculum.record(classes[counted].ravel(), successes[counted].ravel())
            self.logger.record("curriculum/max_depth", self.curriculum.max_depth)
            self.logger.record("curriculum/size", self.curriculum.size)

    def measure(self, evaluator: QuestionEvaluator) -> dict[str, float]:
        """Measure what evaluations log of a learner besides its accuracy and approval.

        Args:
            evaluator: questions to measure on; nothing is learned from them.

        Returns:
            ``network/accuracy`` of the network that is trained (``eval/accuracy`` is that of its
            Polyak average), and ``work/teraflop``.
        """
        network = NetworkAssistant(self.policy.network, temperature=0)
        answers = network.answer(evaluator.contexts, evaluator.questions)
        return {
            "network/accuracy": evaluator.score(answers)["accuracy"],
            "work/teraflop": self.flops / 1e12,
        }

    # ------------------------------------------------------------ save and load

    def _collect_training_state(self) -> dict[str, Tensor]:
        """See the base class; also the curriculum."""
        state = super()._collect_training_state()
        if self.curriculum is not None:
            arrays = self.curriculum.state_dict()
            tensors = {key: torch.as_tensor(array) for key, array in arrays.items()}
            state |= add_prefix(tensors, "curriculum")
        return state

    def _restore_training_state(self, state: dict[str, Tensor]) -> None:
        """See the base class."""
        super()._restore_training_state(state)
        saved = select_prefix(state, "curriculum")
        if self.curriculum is not None and saved:
            self.curriculum.load_state_dict({key: value.numpy() for key, value in saved.items()})


def check_arguments(name: str, value: dict[str, Any] | None) -> None:
    """Refuse a value that is neither None nor a dict of arguments.

    Raises:
        ValueError: naming the argument and its value.
    """
    if value is not None and not isinstance(value, dict):
        raise ValueError(f"{name} must be None or a dict of arguments, got {value!r}")
