"""Callbacks for any agent with SB3's face: the assistant, the curriculum, the evaluation."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, cast

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load_model, save_model
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import BasePolicy

from ia_gym.agents.action_assistant import LearnedAssistant
from ia_gym.agents.apprentice import Apprentice
from ia_gym.agents.assistants import PolicyAssistant
from ia_gym.agents.episodes import Episodes
from ia_gym.agents.evaluation import HeldOut, Predictor
from ia_gym.agents.sb3_bridge import GymnasiumVecEnv
from ia_gym.amplification import sample_batch
from ia_gym.assistants import polyak_average
from ia_gym.curriculum import Curriculum
from ia_gym.files import write_whole
from ia_gym.overseers import ScriptedOverseer
from ia_gym.tasks.domain import check_number, check_range

CLOCKS = {"time/minutes": time.monotonic, "time/cpu_minutes": time.process_time}
"""What evaluations log of time: as it passed, and as a core was at work in this process."""


class AmplificationCallback(BaseCallback):
    """Attaches a slow copy of the agent to the environment, as the overseer's assistant.

    The copy is the Polyak average of the agent's policy, as in Christiano et al. (2018), renewed
    before each rollout. How many classes of questions the overseer trusts is logged as
    ``trust/trusted_classes``.

    Where actions are approved of (:class:`~ia_gym.envs.ActionApproval`), the copy answers
    ``GoodAction``, and a network of its own learns to answer the overseer's other questions from
    the overseer's judgements, before each rollout: see
    :class:`~ia_gym.agents.action_assistant.LearnedAssistant`. What it measures is logged under
    ``assistant/``.

    Args:
        horizon: renewals to average over; 1 for a snapshot of the latest policy.
        period: rollouts from one renewal to the next.
        deterministic: take the copy's best answers instead of sampling them.
        path: a file (safetensors) that keeps the copy beside a saved model. If it is there,
            training goes on with the copy in it; when training ends, the copy is written to it.
        verbose: as in SB3.
        answering: arguments of ``LearnedAssistant``, where actions are approved of.

    Raises:
        ValueError: for a number out of range, or a file that holds another policy's copy.
    """

    def __init__(
        self,
        horizon: float = 4,
        period: int = 1,
        deterministic: bool = False,
        path: str | os.PathLike[str] | None = None,
        verbose: int = 0,
        answering: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(verbose)
        self.answering = answering
        self.horizon = check_number("horizon", horizon, "[1, inf)")
        self.period = check_range("period", period, 1, 10**9)
        self.deterministic = deterministic
        if not isinstance(path, str | os.PathLike | None):
            raise ValueError(f"path must be None or the name of a file, got {path!r}")
        self.path = None if path is None else Path(path)

    def _on_training_start(self) -> None:
        policy = self.model.policy
        # As SB3 loads a policy; one that has been trained holds tensors that cannot be copied.
        fresh = type(policy)(**policy._get_constructor_parameters()).to(self.model.device)
        fresh.load_state_dict(policy.state_dict())
        self.average = polyak_average(fresh, self.horizon)
        self.rollouts = 0
        self.assistant = self._make_assistant()
        self.kept: Any = self.average
        if isinstance(self.assistant, LearnedAssistant):
            self.kept = self.assistant.kept_with(self.average)
        if self.path is not None and self.path.exists():
            try:
                load_model(self.kept, self.path)
            except (SafetensorError, RuntimeError, OSError) as error:
                raise ValueError(
                    f"path must hold the copy of such a policy: {self.path}: {error}"
                ) from error
        self.training_env.env_method("set_assistant", self.assistant)

    def _make_assistant(self) -> PolicyAssistant | LearnedAssistant:
        """Whoever answers what the overseers of these environments ask."""
        copy = self.average.module
        if self.training_env.has_attr("domain"):
            if self.answering is not None:
                raise ValueError("answering must be None where questions are asked, not actions")
            domain = self.training_env.get_attr("domain")[0]
            return PolicyAssistant(cast("Predictor", copy), self.deterministic, domain)
        shown = self.training_env.get_attr("overseer")[0].information
        return LearnedAssistant(
            cast("BasePolicy", copy), shown, self.deterministic, **(self.answering or {})
        )

    def _on_rollout_start(self) -> None:
        if self.rollouts % self.period == 0:
            self.average.update_parameters(self.model.policy)
        self.rollouts += 1
        if isinstance(self.assistant, LearnedAssistant):
            # One entry an environment; of a batched vector, the first one holds them all.
            taken = list(chain.from_iterable(self.training_env.env_method("take_records")))
            for name, value in self.assistant.learn(taken).items():
                self.logger.record(f"assistant/{name}", value)
            return
        trusted = self.training_env.get_attr("trusted")[0]
        if trusted is not None:
            self.logger.record("trust/trusted_classes", int(trusted.sum()))

    def _on_step(self) -> bool:
        return True

    def _on_training_end(self) -> None:
        if self.path is not None:
            write_whole(self.path, lambda aside: save_model(self.kept, str(aside)))


class HumanPredictorCallback(BaseCallback):
    """Puts H', a model of H, in H's place as the overseer, and teaches it alongside the agent.

    Before each rollout H' takes questions apart with the agent as its assistant, H is asked a few
    of them, and H' learns from what H did: see :class:`~ia_gym.agents.apprentice.Apprentice`. The
    environments then count the questions put to H. H' judges strictly.

    Args:
        n_contexts: contexts H' takes questions from, before each rollout.
        n_questions: questions a context.
        seed: of what is asked.
        verbose: as in SB3.
        **kwargs: ``interaction_rate`` (questions put to H before a rollout, at first) and the
            other arguments of ``Apprentice``.

    Attributes:
        apprentice: H'.
    """

    def __init__(
        self,
        n_contexts: int = 8,
        n_questions: int = 16,
        seed: int | None = None,
        verbose: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(verbose)
        self.sizes = n_contexts, n_questions
        self.seed = seed
        self.kwargs = kwargs

    def _on_training_start(self) -> None:
        domain = self.training_env.get_attr("domain")[0]
        self.rng = np.random.default_rng(self.seed)
        human = ScriptedOverseer(domain)
        self.apprentice = Apprentice(human, self.rng, self.model.device, **self.kwargs)
        self.assistant = PolicyAssistant(cast("Predictor", self.model.policy), domain=domain)
        self.training_env.env_method("set_overseer", self.apprentice.overseer)

    def _on_rollout_start(self) -> None:
        overseer = self.apprentice.overseer
        batch = sample_batch(overseer, self.assistant, self.rng, *self.sizes)
        self.apprentice.learn(batch, self.assistant)
        self.logger.record("human/error", self.apprentice.error)
        self.logger.record("human/loss", self.apprentice.loss)

    def _on_step(self) -> bool:
        return True


class CurriculumCallback(BaseCallback):
    """Keeps the training environments at the difficulty of a curriculum.

    It reads the approval of root questions, in any SB3 vector environment, worker processes
    included.

    Args:
        verbose: as in SB3.
        **kwargs: of :class:`~ia_gym.curriculum.Curriculum`, but the domain.

    Attributes:
        curriculum: the curriculum, shared by all environments.
    """

    def __init__(self, verbose: int = 0, **kwargs: Any) -> None:
        super().__init__(verbose)
        self.kwargs = kwargs

    def _follow(self) -> None:
        curriculum = self.curriculum
        self.training_env.env_method("set_difficulty", curriculum.max_depth, curriculum.size)
        self.logger.record("curriculum/max_depth", curriculum.max_depth)
        self.logger.record("curriculum/size", curriculum.size)

    def _on_training_start(self) -> None:
        self.curriculum = Curriculum(self.training_env.get_attr("domain")[0], **self.kwargs)
        self._follow()

    def _on_step(self) -> bool:
        answered = [info for info in self.locals["infos"] if info.get("role") == "root"]
        classes = np.array([info["class"] for info in answered], np.int64)
        approvals = np.array([info["approval"] for info in answered], np.float64)
        if self.curriculum.record(classes, approvals):
            self._follow()
        return True


class EvaluationCallback(BaseCallback):
    """Evaluates the agent on held-out questions as training goes on, and logs the result.

    Every agent gets the same tags: those of :meth:`HeldOut.evaluate`, the counters
    ``overseer/human_interactions`` and ``overseer/assistant_answers``, ``time/minutes`` and
    ``time/cpu_minutes`` (those that a core was at work). What a
    learner measures besides (its method ``measure(held_out)``) stands beside them.

    Args:
        held_out: the questions, or the episodes where actions are approved of.
        eval_freq: timesteps from one evaluation to the next.
        on_evaluation: called with each evaluation's row.
        history: the evaluations of a training that is resumed; its clock goes on too.
        target_accuracy: accuracy, in (0, 1], at which to stop; None to go on.
        patience: evaluations without a better accuracy after which to stop; None to go on.
        verbose: as in SB3.

    Attributes:
        history: one dict an evaluation, with ``timesteps`` beside the tags.
        stopped_by: "target_accuracy", "patience", or None if neither has stopped the training.

    Raises:
        ValueError: for a target or a patience out of range.
    """

    def __init__(
        self,
        held_out: HeldOut | Episodes,
        eval_freq: int,
        on_evaluation: Callable[[dict[str, float]], None] | None = None,
        history: Sequence[dict[str, float]] = (),
        target_accuracy: float | None = None,
        patience: int | None = None,
        verbose: int = 0,
    ) -> None:
        super().__init__(verbose)
        if target_accuracy is not None:
            check_number("target_accuracy", target_accuracy, "(0, 1]")
        if patience is not None:
            check_range("patience", patience, 1, 10**6)
        self.target_accuracy = target_accuracy
        self.patience = patience
        self.stopped_by: str | None = None
        self.held_out = held_out
        self.eval_freq = eval_freq
        self.on_evaluation = on_evaluation
        self.history = list(history)
        self._decide()  # a run that is resumed may have come to its end before

    def _on_training_start(self) -> None:
        self.started = {tag: clock() for tag, clock in CLOCKS.items()}
        if self.history:
            for tag in CLOCKS:
                self.started[tag] -= 60 * self.history[-1][tag]
        else:
            self._evaluate()

    def _on_step(self) -> bool:
        if self.num_timesteps - self.history[-1]["timesteps"] >= self.eval_freq:
            self._evaluate()
        return self.stopped_by is None

    def _on_training_end(self) -> None:
        if self.history[-1]["timesteps"] < self.num_timesteps:
            self._evaluate()

    def _evaluate(self) -> None:
        if isinstance(self.held_out, Episodes):
            assistant = self.training_env.get_attr("assistant")[0]
            row = self.held_out.evaluate(self.model, assistant)
        else:
            row = self.held_out.evaluate(self.model)
        counted = ["human_interactions", "assistant_answers"]
        if isinstance(self.held_out, Episodes):
            counted.append("simulated_steps")
        for name in counted:
            row[f"overseer/{name}"] = float(self._count(name))
        if hasattr(self.model, "measure"):
            row |= self.model.measure(self.held_out)
        for tag, clock in CLOCKS.items():
            row[tag] = (clock() - self.started[tag]) / 60
        for tag, value in row.items():
            self.logger.record(tag, value)
        self.logger.dump(self.num_timesteps)
        self.history.append({"timesteps": self.num_timesteps, **row})
        self._decide()
        if self.on_evaluation is not None:
            self.on_evaluation(self.history[-1])

    def _decide(self) -> None:
        """Whether what has been measured so far ends the training."""
        if not self.history:
            return
        accuracies = [row["eval/accuracy"] for row in self.history]
        best = int(np.argmax(accuracies))
        if self.target_accuracy is not None and accuracies[-1] >= self.target_accuracy:
            self.stopped_by = "target_accuracy"
        elif self.patience is not None and len(accuracies) - 1 - best >= self.patience:
            self.stopped_by = "patience"

    def _count(self, name: str) -> int:
        """A counter of the overseer's: the learner's own, or that of its environments."""
        if hasattr(self.model, name):
            return int(getattr(self.model, name))
        counts = self.training_env.get_attr(name)
        # A batched environment counts for all its copies; separate ones each for itself.
        batched = isinstance(self.training_env.unwrapped, GymnasiumVecEnv)
        return int(counts[0] if batched else sum(counts))
