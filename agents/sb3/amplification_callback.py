"""Attaches a slow copy of the agent as the overseer's assistant."""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any, cast

from safetensors import SafetensorError
from safetensors.torch import load_model, save_model
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import PolicyPredictor

from ia_gym.agents.assistants.action_assistant import LearnedActionAssistant
from ia_gym.agents.assistants.observation_encoder import find_encoder
from ia_gym.agents.assistants.policy_assistant import PolicyAssistant
from ia_gym.agents.sb3.approval_callback import ApprovalCallback
from ia_gym.agents.sb3.training_envs import is_in_processes
from ia_gym.files import write_atomically
from ia_gym.networks.averaging import make_polyak_average
from ia_gym.validation import check_number, check_range


class AmplificationCallback(ApprovalCallback):
    """Attaches a slow copy of the agent to the environments, as the overseer's assistant.

    The copy is the Polyak average of the agent's policy, as in Christiano et al. (2018), renewed
    before each rollout. It is shown observations as the environments' wrappers show them to the
    agent. A further call of ``learn`` of the same agent continues with the same copy. The number of
    classes of questions that the overseer trusts is logged as ``trust/trusted_classes``, and the
    agent's approval as :class:`~ia_gym.agents.sb3.approval_callback.ApprovalCallback` logs it.

    Where actions are approved of (:class:`~ia_gym.envs.ActionApproval`), the copy answers
    ``GoodAction``, and a network of its own learns to answer the overseer's other questions from
    the overseer's judgements, before each rollout: see
    :class:`~ia_gym.agents.assistants.action_assistant.LearnedActionAssistant`. What it measures is
    logged under ``assistant/``.

    Args:
        polyak_tau: weight of the latest policy in the average at each renewal, in (0, 1]; 1 for a
            snapshot.
        period: rollouts from one renewal to the next.
        deterministic: take the copy's best answers instead of sampling them.
        path: a safetensors file that keeps the copy beside a saved model. If it exists, training
            resumes with the copy in it; when training ends, the copy is written to it.
        verbose: as in SB3.
        answering: arguments of ``LearnedActionAssistant``, where actions are approved of.

    Raises:
        ValueError: for a number out of range; when training starts, for a file that holds another
            policy's copy, environments that are not ia_gym's or whose reward is not approval, or
            wrappers that an assistant cannot repeat (see
            :func:`~ia_gym.agents.assistants.observation_encoder.find_encoder`).
    """

    def __init__(
        self,
        polyak_tau: float = 0.25,
        period: int = 1,
        deterministic: bool = False,
        path: str | os.PathLike[str] | None = None,
        verbose: int = 0,
        answering: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(verbose)
        self.answering = answering
        self.polyak_tau = check_number("polyak_tau", polyak_tau, "(0, 1]")
        self.period = check_range("period", period, 1, 10**9)
        self.deterministic = deterministic
        if not isinstance(path, str | os.PathLike | None):
            raise ValueError(f"path must be None or the name of a file, got {path!r}")
        self.path = None if path is None else Path(path)
        self._policy: BasePolicy | None = None

    def _on_training_start(self) -> None:
        super()._on_training_start()
        if self._policy is not self.model.policy:
            self._begin()
        else:
            self.assistant.encoder = find_encoder(self.training_env)
        self.training_env.env_method("set_assistant", self.assistant)

    def _begin(self) -> None:
        """Make the slow copy, of the policy as it is now or of what the file holds."""
        self._policy = policy = self.model.policy
        # As SB3 loads a policy; one that has been trained holds tensors that cannot be copied.
        fresh = type(policy)(**policy._get_constructor_parameters()).to(self.model.device)
        fresh.load_state_dict(policy.state_dict())
        self.average = make_polyak_average(fresh, self.polyak_tau)
        self.rollouts = 0
        self.assistant = self._make_assistant()
        self.kept: Any = self.average
        if isinstance(self.assistant, LearnedActionAssistant):
            self.kept = self.assistant.gather_modules(self.average)
        if self.path is not None and self.path.exists():
            try:
                load_model(self.kept, self.path)
            except (SafetensorError, RuntimeError, OSError) as error:
                raise ValueError(
                    f"path must hold the copy of such a policy: {self.path}: {error}"
                ) from error

    def _make_assistant(self) -> PolicyAssistant | LearnedActionAssistant:
        """Make what answers the overseer's questions, by the kind of environment."""
        copy = self.average.module
        encoder = find_encoder(self.training_env)
        if self.training_env.has_attr("domain"):
            if self.answering is not None:
                raise ValueError("answering must be None where questions are asked, not actions")
            domain = self.training_env.get_attr("domain")[0]
            return PolicyAssistant(
                cast("PolicyPredictor", copy), self.deterministic, domain, encoder
            )
        shown = self.training_env.get_attr("overseer")[0].information
        return LearnedActionAssistant(
            cast("BasePolicy", copy),
            shown,
            self.deterministic,
            encoder=encoder,
            **(self.answering or {}),
        )

    def _on_rollout_start(self) -> None:
        if self.rollouts % self.period == 0:
            self.average.update_parameters(self.model.policy)
            if is_in_processes(self.training_env):  # which hold copies of it
                self.training_env.env_method("set_assistant", self.assistant)
        self.rollouts += 1
        if isinstance(self.assistant, LearnedActionAssistant):
            # One entry per environment; of a batched vector, the first one holds them all.
            taken = list(chain.from_iterable(self.training_env.env_method("take_records")))
            for name, value in self.assistant.learn(taken).items():
                self.logger.record(f"assistant/{name}", value)
            return
        trusted = self.training_env.get_attr("trusted")[0]
        if trusted is not None:
            self.logger.record("trust/trusted_classes", int(trusted.sum()))

    def _on_training_end(self) -> None:
        if self.path is not None:
            write_atomically(self.path, lambda aside: save_model(self.kept, str(aside)))
