"""What the learners that are taught answers share: SB3's face around one training step.

The algorithms themselves are in ``imitation.py`` and ``supervised.py``.
"""

from __future__ import annotations

import os
import time
from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import numpy as np
import torch
from gymnasium.spaces import Discrete
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import ProgressBarCallback
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import GymEnv, MaybeCallback, Schedule
from torch import Tensor
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from ia_gym.agents.evaluation.question_evaluator import QuestionEvaluator
from ia_gym.agents.learners.schedules import WarmupLinear
from ia_gym.agents.policies.answer_policy import AnswerPolicy
from ia_gym.agents.policies.facts_extractor import read_spaces
from ia_gym.amplification.curriculum import Curriculum
from ia_gym.amplification.overseers import ScriptedOverseer
from ia_gym.domains import Contexts, Domain
from ia_gym.domains.transcript import IDK, Symbols
from ia_gym.envs.questions.spaces import make_spaces
from ia_gym.networks.answer_network import check_parameters
from ia_gym.networks.network_assistant import NetworkAssistant
from ia_gym.networks.tensor_files import read_tensors, write_tensors
from ia_gym.validation import check_number, check_range

COUNTERS = ("human_interactions", "assistant_answers")
"""What the overseer counts."""
ANSWERS = "answers"
"""Begins the names of the tensors in a file that holds the answering network alone."""
REFUSED = {"policy", "env", "device", "tensorboard_log", "verbose", "_init_setup_model"}
"""Arguments that a checkpoint may not give: they are for whoever loads it to choose."""
COUNT_WORK_EVERY = 50
"""Training steps from one count of their floating-point work to the next."""


class AnswerLearner(BaseAlgorithm):
    """An agent that is taught answers to the questions of a domain, in batches of its own.

    It has the face of an SB3 algorithm: ``learn``, ``predict``, ``save``, ``load``, callbacks and
    logger. One timestep is one root question trained on. The environment gives the domain and the
    spaces; it is not stepped.

    Args:
        policy: "MultiInputPolicy", or a subclass of :class:`~ia_gym.agents.policies.answer_policy.AnswerPolicy`.
        env: a question environment, or its id.
        learning_rate: peak of a warm-up and linear decay, or a schedule of SB3's.
        n_contexts: contexts a training step.
        n_questions: questions a context.
        max_grad_norm: gradients are clipped to this norm.
        curriculum: arguments of :class:`~ia_gym.amplification.curriculum.Curriculum`; None for no curriculum.
        policy_kwargs: ``polyak_tau`` and the network's sizes, see ``AnswerPolicy``.
        tensorboard_log: folder for TensorBoard; None for none.
        verbose: as in SB3.
        seed: of everything random.
        device: as in SB3.

    Attributes:
        overseer: H, with its counters.
        work: floating-point operations so far, of all networks in training steps; a step's are
            counted every ``COUNT_WORK_EVERY`` steps, and taken to be the same in between.
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {"MultiInputPolicy": AnswerPolicy}
    policy: AnswerPolicy

    def __init__(
        self,
        policy: str | type[AnswerPolicy] = "MultiInputPolicy",
        env: GymEnv | str | None = None,
        learning_rate: float | Schedule = 3e-3,
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
        if seed is not None:
            check_range("seed", seed, 0, 2**32 - 1)
        for name, value in (("curriculum", curriculum), ("policy_kwargs", policy_kwargs)):
            if value is not None and not isinstance(value, dict):
                raise ValueError(f"{name} must be None or a dict of arguments, got {value!r}")
        if not callable(learning_rate):
            check_number("learning_rate", learning_rate, "[0, inf)")
        super().__init__(
            policy,
            env,
            learning_rate,
            policy_kwargs,
            tensorboard_log=tensorboard_log,
            verbose=verbose,
            device=device,
            support_multi_env=True,
            seed=seed,
        )
        self.n_contexts = check_range("n_contexts", n_contexts, 1, 10**6)
        self.n_questions = check_range("n_questions", n_questions, 1, 10**6)
        self.max_grad_norm = check_number("max_grad_norm", max_grad_norm, "(0, inf)")
        self.curriculum_kwargs = curriculum
        if _init_setup_model:
            self._setup_model()

    def _setup_model(self) -> None:
        self._check_size()
        self.set_random_seed(self.seed)
        rate = self.learning_rate
        self.lr_schedule = rate if callable(rate) else WarmupLinear(rate)
        policy = self.policy_class(
            self.observation_space, self.action_space, self.lr_schedule, **self.policy_kwargs
        )
        self.policy = cast("AnswerPolicy", policy.to(self.device))
        self.rng = np.random.default_rng(self.seed)
        self.curriculum: Curriculum | None = None
        self.steps, self.work, self.work_of_step = 0, 0.0, 0.0
        if self.env is not None:
            self._read_domain()

    def _read_domain(self) -> None:
        assert self.env is not None
        self.domain: Domain = self.env.get_attr("domain")[0]
        self.overseer = ScriptedOverseer(self.domain)
        self.assistant = NetworkAssistant(
            self.policy.average_network, passes=self.policy.answer_passes
        )
        kwargs = self.curriculum_kwargs
        self.curriculum = None if kwargs is None else Curriculum(self.domain, **kwargs)

    @property
    def human_interactions(self) -> int:
        """Questions put to H so far."""
        return self.overseer.human_interactions

    @property
    def assistant_answers(self) -> int:
        """Sub-questions answered by X for H so far."""
        return self.overseer.assistant_answers

    # ------------------------------------------------------------------ training

    @abstractmethod
    def train_step(self) -> None:
        """Draw questions, find out what to answer, and :meth:`fit`."""

    def difficulty(self) -> dict[str, Any]:
        """``size`` and ``depths`` to sample at, as the curriculum has it."""
        if self.curriculum is None:
            return {"size": None, "depths": None}
        return {"size": self.curriculum.size, "depths": self.curriculum.depths}

    def compute_logits(self, facts: Symbols, questions: Symbols) -> Tensor:
        """Logits ``(B, Q, n_answers)`` of the network that is trained.

        Args:
            facts: ``(B, F, L)``.
            questions: ``(B, Q, Lq)``.
        """
        rows = (torch.as_tensor(each, device=self.device) for each in (facts, questions))
        logits: Tensor = self.policy.network(*rows)
        return logits

    def fit(self, contexts: Contexts, questions: Symbols, targets: Symbols) -> None:
        """One gradient step towards the answers ``targets (B, Q)``, and one of the average."""
        logits = self.compute_logits(contexts["facts"], questions)
        wanted = torch.as_tensor(targets, device=self.device)
        self.update(F.cross_entropy(logits.flatten(0, 1), wanted.flatten()))
        agrees = (logits.argmax(dim=-1) == wanted).cpu().numpy() & (targets != IDK)
        self.update_curriculum(contexts, questions, agrees.astype(float))
        self.logger.record("train/agreement", agrees.mean())

    def update(self, loss: Tensor) -> None:
        """One step of the network down the gradient of ``loss ()``, and one of the average."""
        policy = self.policy
        policy.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(policy.network.parameters(), self.max_grad_norm)
        policy.optimizer.step()
        policy.average.update_parameters(policy.network)
        self.logger.record("train/loss", loss.item())

    def update_curriculum(
        self, contexts: Contexts, questions: Symbols, successes: NDArray[np.float64]
    ) -> None:
        """Tell the curriculum how the answers did: ``successes (B, Q)`` in [0, 1]."""
        if self.curriculum is not None:
            classes = self.domain.classes(contexts, questions)
            self.curriculum.record(classes.ravel(), successes.ravel())
            self.logger.record("curriculum/max_depth", self.curriculum.max_depth)
            self.logger.record("curriculum/size", self.curriculum.size)

    def learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int = 50,
        tb_log_name: str | None = None,
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> Self:
        """Train on ``total_timesteps`` questions, rounded up to whole steps.

        Args:
            total_timesteps: root questions to train on.
            callback: as in SB3; called once a training step.
            log_interval: training steps from one log entry to the next.
            tb_log_name: name of the run in TensorBoard; default the class's.
            reset_num_timesteps: count from 0, rather than go on.
            progress_bar: show one.
        """
        total_timesteps, callback = self._setup_learn(
            total_timesteps, callback, reset_num_timesteps, tb_log_name or type(self).__name__
        )
        if progress_bar:
            bar = QuestionProgressBarCallback()
            bar.init_callback(self)
            callback = self._init_callback([callback, bar])
        callback.on_training_start(locals(), globals())
        self._update_current_progress_remaining(self.num_timesteps, total_timesteps)
        while self.num_timesteps < total_timesteps:
            callback.on_rollout_start()
            self._update_learning_rate(self.policy.optimizer)
            if self.steps % COUNT_WORK_EVERY == 0:
                with FlopCounterMode(display=False) as counter:
                    self.train_step()
                self.work_of_step = float(counter.get_total_flops())
            else:
                self.train_step()
            self.work += self.work_of_step
            self.steps += 1
            self.num_timesteps += self.n_contexts * self.n_questions
            self._update_current_progress_remaining(self.num_timesteps, total_timesteps)
            callback.update_locals(locals())
            if not callback.on_step():
                break
            callback.on_rollout_end()
            if self.steps % log_interval == 0:
                elapsed = max((time.time_ns() - self.start_time) / 1e9, 1e-9)
                done = self.num_timesteps - self._num_timesteps_at_start
                self.logger.record("time/fps", int(done / elapsed))
                self.logger.record("time/total_timesteps", self.num_timesteps)
                self.logger.dump(step=self.num_timesteps)
        callback.on_training_end()
        return self

    def measure(self, held_out: QuestionEvaluator) -> dict[str, float]:
        """What evaluations log of a learner beside its answers.

        Args:
            held_out: questions to measure on; nothing is learned from them.

        Returns:
            ``network/accuracy`` of the network that is trained (``eval/accuracy`` is its
            average's), and ``work/teraflop``.
        """
        network = NetworkAssistant(self.policy.network, temperature=0)
        answers = network.answer(held_out.contexts, held_out.questions)
        return {
            "network/accuracy": held_out.score(answers)["accuracy"],
            "work/teraflop": self.work / 1e12,
        }

    # ------------------------------------------------------------ save and load

    def save(  # type: ignore[override]
        self, path: str | os.PathLike[str], *_: Any, resumable: bool = True, **__: Any
    ) -> None:
        """Write one safetensors file: all that training needs to go on as if never stopped.

        Networks, optimizer, averages and random states are in it; settings and counters stand in
        its header, as JSON.

        Args:
            path: the file; ".safetensors" is added if it has no suffix.
            resumable: False for the network that answers alone, in a file a fifth as large: it can
                be trained further, but not as if never stopped.
        """
        path = Path(path)
        path = path if path.suffix else path.with_suffix(".safetensors")
        path.parent.mkdir(parents=True, exist_ok=True)
        answers = self.policy.average_network.state_dict()
        tensors = {f"{ANSWERS}/{key}": value for key, value in answers.items()}
        if resumable:
            tensors = {f"policy/{key}": value for key, value in self.policy.state_dict().items()}
            for key, value in self.policy.optimizer.tensors().items():
                tensors[f"optimizer/{key}"] = value
        if resumable and self.env is not None:
            tensors |= {
                f"progress/{key}": value for key, value in self._collect_training_state().items()
            }
        facts, question = read_spaces(self.observation_space)
        settings = {
            "learner": type(self).__name__,
            "spaces": {
                "n_symbols": int(facts.high.max()) + 1,
                "rows": facts.rows,
                "row_length": facts.row_length,
                "question_length": question.shape[0],
                "n_answers": int(cast("Discrete", self.action_space).n),
            },
            "arguments": self._arguments(),
            "num_timesteps": self.num_timesteps,
            "random": self.rng.bit_generator.state,
        }
        write_tensors(path, tensors, settings)

    @classmethod
    def load(  # type: ignore[override]
        cls,
        path: str | os.PathLike[str],
        env: GymEnv | None = None,
        device: torch.device | str = "auto",
        **kwargs: Any,
    ) -> Self:
        """Read what :meth:`save` wrote. Nothing in the file is executed.

        With an ``env``, training goes on as if never stopped: random states are set (torch's too),
        and ``learn(remaining_timesteps, reset_num_timesteps=False)`` ends with the same numbers.

        Args:
            path: the file, with or without ".safetensors".
            env: to go on training; not needed to predict.
            device: as in SB3.
            **kwargs: arguments to change, such as ``learning_rate``.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if it is not a checkpoint of this class, or not one for ``env``.
        """
        path = Path(path)
        path = path if path.suffix else path.with_suffix(".safetensors")
        if not path.is_file():
            raise FileNotFoundError(f"path must name a saved {cls.__name__}, found no file {path}")
        try:
            settings, tensors = read_tensors(path)
            name, saved = settings["learner"], dict(settings["arguments"])
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"path must name a saved {cls.__name__}; {path}: {error}") from error
        if name != cls.__name__:
            raise ValueError(f"{path} holds a {name}, not a {cls.__name__}")
        # Else a file could name an environment, for which gymnasium imports what it is told to.
        if foreign := sorted(saved.keys() & REFUSED):
            raise ValueError(f"path must name a saved {name}; {path} holds {foreign}")
        try:
            return cls._rebuild(settings, tensors, {**saved, **kwargs}, env, device)
        except (LookupError, TypeError, RuntimeError, AttributeError, ArithmeticError) as error:
            if kwargs:  # they may be what is wrong
                raise
            raise ValueError(f"path must name a saved {name}; {path}: {error!r}") from error

    @classmethod
    def _rebuild(
        cls,
        settings: dict[str, Any],
        tensors: dict[str, Tensor],
        arguments: dict[str, Any],
        env: GymEnv | None,
        device: torch.device | str,
    ) -> Self:
        """The learner that a file's settings and tensors tell of."""
        if arguments["learning_rate"] is None:  # a schedule of the caller's own is not saved
            del arguments["learning_rate"]
        model = cls(device=device, _init_setup_model=False, **arguments)
        spaces = make_spaces(**settings["spaces"])
        model.observation_space, model.action_space = spaces
        if env is not None:
            env = cls._wrap_env(env, verbose=0)
            model.n_envs = env.num_envs
            model.set_env(env)
        model._setup_model()
        model.num_timesteps = settings["num_timesteps"]
        if answers := select_prefix(tensors, ANSWERS):
            model.policy.network.load_state_dict(answers)
            model.policy.average_network.load_state_dict(answers)
        else:
            model.policy.load_state_dict(select_prefix(tensors, "policy"))
        model.policy.optimizer.load_tensors(select_prefix(tensors, "optimizer"))
        progress = select_prefix(tensors, "progress")
        if env is not None and progress:
            model.rng.bit_generator.state = settings["random"]
            model._restore_training_state(progress)
        return model

    def _check_size(self) -> None:
        """Raise ValueError, before they are built, for networks that :meth:`load` would refuse."""
        spaces = self.observation_space, self.action_space
        check_parameters(lambda: self.policy_class(*spaces, lambda _: 0.0, **self.policy_kwargs))

    def _arguments(self) -> dict[str, Any]:
        """What :meth:`load` builds the learner from, fit for JSON."""
        return {
            "learning_rate": None if callable(self.learning_rate) else self.learning_rate,
            "n_contexts": self.n_contexts,
            "n_questions": self.n_questions,
            "max_grad_norm": self.max_grad_norm,
            "curriculum": self.curriculum_kwargs,
            "policy_kwargs": self.policy_kwargs,
            "seed": self.seed,
        }

    def _collect_training_state(self) -> dict[str, Tensor]:
        """What training has changed beside the policy and ``rng``."""
        arrays = {f"overseer/{name}": getattr(self.overseer, name) for name in COUNTERS}
        arrays["work"] = np.array([self.steps, self.work, self.work_of_step])
        if self.curriculum is not None:
            state = self.curriculum.state_dict()
            arrays |= {f"curriculum/{key}": array for key, array in state.items()}
        tensors = {key: torch.as_tensor(array) for key, array in arrays.items()}
        return {"torch": torch.get_rng_state(), **tensors}

    def _restore_training_state(self, progress: dict[str, Tensor]) -> None:
        """Restore what :meth:`_collect_training_state` gave."""
        torch.set_rng_state(progress["torch"])
        steps, self.work, self.work_of_step = progress["work"].tolist()
        self.steps = int(steps)
        for name in COUNTERS:
            setattr(self.overseer, name, int(progress[f"overseer/{name}"]))
        if self.curriculum is not None:
            state = select_prefix(progress, "curriculum")
            self.curriculum.load_state_dict({key: value.numpy() for key, value in state.items()})

    def set_env(self, env: GymEnv, force_reset: bool = True) -> None:
        """Use another environment of the same domain and sizes."""
        super().set_env(env, force_reset)
        if hasattr(self, "policy"):
            self._read_domain()


def select_prefix(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    """The tensors whose keys begin with ``name/``, without that."""
    prefix = f"{name}/"
    return {key.removeprefix(prefix): t for key, t in tensors.items() if key.startswith(prefix)}


class QuestionProgressBarCallback(ProgressBarCallback):
    """SB3's progress bar, counting questions instead of environment steps."""

    def _on_step(self) -> bool:
        self.pbar.update(self.model.num_timesteps - self.pbar.n)
        return True
