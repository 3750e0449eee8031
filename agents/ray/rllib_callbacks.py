"""What RLlib's algorithms need: the slow copy as assistant, and the held-out evaluation."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, ClassVar

import torch
from ray.rllib.algorithms.algorithm import Algorithm
from ray.rllib.callbacks.callbacks import RLlibCallback
from ray.rllib.core import DEFAULT_MODULE_ID

from ia_gym.agents.assistants.policy_assistant import PolicyAssistant
from ia_gym.agents.evaluation.question_evaluator import QuestionEvaluator
from ia_gym.agents.ray.module_policy import ModulePolicy
from ia_gym.networks.averaging import copy_weights
from ia_gym.validation import check_number, check_range

State = dict[str, torch.Tensor]


class SlowCopyCallback(RLlibCallback):
    """Attaches a slow copy of the agent to the environments of all env runners.

    The copy is the Polyak average of the module's weights, as ``AmplificationCallback`` has it for
    SB3, renewed after each training iteration. Use ``config.callbacks(SlowCopyCallback)``, or
    ``make_slow_copy_callback(0.1)`` for another weight. The average is no part of RLlib's
    checkpoints, and ``Algorithm.from_checkpoint`` calls no callback: call :func:`attach_slow_copy`
    afterwards, with which it begins at the restored weights.

    Attributes:
        polyak_tau: weight of the latest module in the average, in (0, 1]; 1 for a snapshot.
    """

    polyak_tau = 0.25
    average: State

    def on_algorithm_init(self, *, algorithm: Algorithm, **_: Any) -> None:
        """Attach a copy of the fresh module."""
        self._begin(algorithm)

    def on_checkpoint_loaded(self, *, algorithm: Algorithm, **_: Any) -> None:
        """Attach a copy of the restored module."""
        self._begin(algorithm)

    def on_train_result(self, *, algorithm: Algorithm, **_: Any) -> None:
        """Renew the average, and send it to all env runners."""
        latest = read_weights(algorithm)
        for name, value in self.average.items():
            if value.is_floating_point():
                value.lerp_(latest[name], self.polyak_tau)
            else:
                value.copy_(latest[name])
        self._send(algorithm)

    def on_env_runners_recreated(
        self, *, algorithm: Algorithm, is_evaluation: bool, **_: Any
    ) -> None:
        """Attach the copy to the environments of env runners that took the place of failed ones."""
        if not is_evaluation:
            self._send(algorithm)

    def _begin(self, algorithm: Algorithm) -> None:
        self.average = read_weights(algorithm)
        self._send(algorithm)

    def _send(self, algorithm: Algorithm) -> None:
        average = self.average

        def renew(env_runner: Any) -> None:
            attach_copy(env_runner, average)

        assert algorithm.env_runner_group is not None
        algorithm.env_runner_group.foreach_env_runner(renew)


def attach_slow_copy(algorithm: Algorithm) -> None:
    """Attach a copy of the module as it is now; after ``Algorithm.from_checkpoint``.

    Raises:
        ValueError: if the algorithm has no :class:`SlowCopyCallback`.
    """
    given: Any = algorithm.callbacks
    callbacks = given if isinstance(given, list) else [given]
    found = [each for each in callbacks if isinstance(each, SlowCopyCallback)]
    if not found:
        raise ValueError(f"algorithm must have a SlowCopyCallback, it has {callbacks}")
    for callback in found:
        callback.on_checkpoint_loaded(algorithm=algorithm)


def make_slow_copy_callback(polyak_tau: float) -> type[SlowCopyCallback]:
    """A :class:`SlowCopyCallback` with another ``polyak_tau``.

    Raises:
        ValueError: if it is not in (0, 1].
    """
    tau = check_number("polyak_tau", polyak_tau, "(0, 1]")
    return type("SlowCopyCallback", (SlowCopyCallback,), {"polyak_tau": tau})


def read_weights(algorithm: Algorithm) -> State:
    """A copy of the weights of the module that acts, on the CPU."""
    module: Any = algorithm.get_module(DEFAULT_MODULE_ID)
    return copy_weights(module)


def attach_copy(env_runner: Any, weights: State) -> None:
    """Let a copy of an env runner's module, with these weights, answer the overseer's questions.

    Args:
        env_runner: a ``SingleAgentEnvRunner``; one without environments is left alone.
        weights: of the copy.

    Raises:
        ValueError: if the environments ask no questions, or the module sees other observations.
    """
    if env_runner.env is None:
        return
    vector = env_runner.env.unwrapped
    assistant: Any = getattr(env_runner, "slow_copy", None)
    if assistant is None:
        domain = vector.domain if hasattr(vector, "domain") else vector.get_attr("domain")[0]
        policy = ModulePolicy(deepcopy(env_runner.module))
        assistant = env_runner.slow_copy = PolicyAssistant(policy, domain=domain)
        vector.call("set_assistant", assistant)
    assistant.policy.module.load_state_dict(weights)


class HeldOutEvaluationCallback(RLlibCallback):
    """Evaluates the agent on the suite's held-out questions, as every agent of the suite is.

    The results stand in what ``algorithm.train()`` returns: ``result["held_out"]["eval/accuracy"]``
    and the other tags of
    :class:`~ia_gym.agents.evaluation.question_evaluator.QuestionEvaluator`.
    :func:`make_held_out_callback` makes one.

    Attributes:
        arguments: of the evaluator.
        period: training iterations from one evaluation to the next.
    """

    arguments: ClassVar[dict[str, Any]]
    period: ClassVar[int]
    evaluator: QuestionEvaluator | None = None

    def on_train_result(self, *, algorithm: Algorithm, result: dict[str, Any], **_: Any) -> None:
        """Evaluate, when it is time."""
        if result["training_iteration"] % self.period == 0:
            if self.evaluator is None:
                self.evaluator = QuestionEvaluator(**self.arguments)
            module = algorithm.get_module(DEFAULT_MODULE_ID)
            result["held_out"] = self.evaluator.evaluate(ModulePolicy(module))


def make_held_out_callback(
    env_id: str, n_questions: int = 4096, period: int = 1, **env_kwargs: Any
) -> type[HeldOutEvaluationCallback]:
    """A :class:`HeldOutEvaluationCallback` for an environment.

    Args:
        env_id: the environment.
        n_questions: held-out questions.
        period: training iterations from one evaluation to the next.
        **env_kwargs: arguments of the environment, ``observation`` among them.

    Raises:
        ValueError: for a number out of range, or an environment that asks no questions.
    """
    arguments = {"env_id": env_id, "n_questions": n_questions, **env_kwargs}
    QuestionEvaluator(**arguments)  # or say what is wrong, now
    attributes = {"arguments": arguments, "period": check_range("period", period, 1, 10**9)}
    return type("HeldOutEvaluationCallback", (HeldOutEvaluationCallback,), attributes)
