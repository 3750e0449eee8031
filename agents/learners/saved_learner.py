"""Saving and loading of learners: SB3's ``save``, ``load``, ``get_parameters``, ``set_parameters``.

SB3 writes pickles, which execute code when they are read. Learners are written as safetensors and
JSON, which do not; :mod:`ia_gym.agents.learners.learner_files` has the format.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from typing import Any, Self, cast

import numpy as np
import torch
from gymnasium.spaces import Discrete
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.type_aliases import GymEnv, TensorDict
from torch import Tensor

from ia_gym.agents.learners.learner_files import (
    UNSAVED_ARGUMENTS,
    LearnerFile,
    add_prefix,
    add_suffix,
    list_arguments,
    read_learner_file,
    read_schedule,
    select_prefix,
    to_json,
)
from ia_gym.agents.policies.answer_policy import AnswerPolicy, BaseAnswerPolicy, read_sizes
from ia_gym.domains import Domain
from ia_gym.envs.questions.spaces import OneHotBox, make_spaces
from ia_gym.networks.tensor_files import write_tensors


class SavedLearner(BaseAlgorithm):
    """An SB3 algorithm that is saved in a safetensors file.

    The training state in the file is restored once there is an environment: at loading, or when
    ``set_env`` is called later.

    Attributes:
        rng: where all randomness but torch's comes from.
        domain: of the environment; absent until there is one.
    """

    policy: BaseAnswerPolicy
    rng: np.random.Generator
    domain: Domain
    _saved_state: dict[str, Tensor]
    """Training state read from a file, until there is an environment."""
    _saved_judge: dict[str, Tensor]
    """Networks of a judge of its own, read from a file that is not resumable."""
    _schedule_is_lost: bool
    """Whether the learning rate was a schedule that the file could not hold."""

    @abstractmethod
    def _collect_training_state(self) -> dict[str, Tensor]:
        """What training has changed besides the policy and ``rng``."""

    def _answering_network(self) -> torch.nn.Module:
        """The network that predicts."""
        return self.policy.average_network

    def _describe_spaces(self) -> dict[str, Any]:
        """The spaces, fit for JSON."""
        sizes = read_sizes(self.observation_space, cast("Discrete", self.action_space))
        is_one_hot = isinstance(self.observation_space, OneHotBox)
        return {
            "observation": "onehot" if is_one_hot else "tokens",
            "n_symbols": sizes[0],
            "rows": sizes[1][0],
            "row_length": sizes[1][1],
            "question_length": sizes[2],
            "n_answers": sizes[3],
        }

    def _read_spaces(self, described: dict[str, Any]) -> None:
        """Set the spaces that :meth:`_describe_spaces` gave."""
        sizes = dict(described)
        is_one_hot = sizes.pop("observation", "tokens") == "onehot"
        self.observation_space, self.action_space = make_spaces(**sizes)
        if is_one_hot:
            del sizes["n_answers"]
            self.observation_space = OneHotBox(**sizes)

    def _read_answering_network(self, tensors: dict[str, Tensor]) -> None:
        """Take over the network that :meth:`_answering_network` gave."""
        self.policy.network.load_state_dict(tensors)
        self.policy.average_network.load_state_dict(tensors)

    def _collect_judge_state(self) -> dict[str, Tensor]:
        """Networks of a judge of its own, for a file that is not resumable."""
        return {}

    def save(  # type: ignore[override]
        self, path: str | os.PathLike[str], *, resumable: bool = True
    ) -> None:
        """Write one safetensors file, from which training can be resumed as if never interrupted.

        Networks, optimizer, averages and random states are in it; settings and counters stand in
        its header, as JSON.

        Args:
            path: the file; ".safetensors" is added if it has no suffix.
            resumable: False to write only the network that answers, and that of a judge of its own
                if it has one, in a file a fifth as large. It can be trained further, but not as if
                never interrupted.
        """
        path = add_suffix(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        if resumable:
            tensors = {
                **add_prefix(self.policy.state_dict(), "policy"),
                **add_prefix(self.policy.optimizer.tensors(), "optimizer"),
            }
            state = self._saved_state if self.env is None else self._collect_training_state()
            tensors |= add_prefix(state, "training")
        else:
            tensors = {
                **add_prefix(self._answering_network().state_dict(), "answers"),
                **add_prefix(self._collect_judge_state(), "judge"),
            }
        settings = {
            "learner": type(self).__name__,
            "policy": self.policy_class.__name__,
            "spaces": self._describe_spaces(),
            "arguments": self._collect_arguments(),
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
        **changes: Any,
    ) -> Self:
        """Read what :meth:`save` wrote. Nothing in the file is executed.

        With an ``env``, now or by :meth:`set_env`, training resumes as if never interrupted: random
        states are set (torch's too), and ``learn(remaining_timesteps, reset_num_timesteps=False)``
        ends with the same numbers.

        Args:
            path: the file, with or without ".safetensors".
            env: the environment to resume training with; not needed to predict.
            device: as in SB3.
            **changes: arguments of the class to change. What they concern starts afresh: with
                ``seed`` the random states, with ``curriculum`` the curriculum.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if it is not a checkpoint of this class, or does not fit ``env`` or
                ``changes``.
        """
        path = add_suffix(path)
        file = read_learner_file(path, cls.__name__)
        try:
            model = cls._build(file, changes, device)
            if env is not None:
                model.set_env(env)
        except (LookupError, TypeError, RuntimeError, AttributeError, ArithmeticError) as error:
            if isinstance(error, TypeError) and changes.keys() - set(list_arguments(cls)):
                raise
            wanted = (
                f"{', '.join(changes)} must fit what {path} holds"
                if changes
                else (f"path must name a saved {cls.__name__}; {path}")
            )
            raise ValueError(f"{wanted}: {error!r}") from error
        return model

    @classmethod
    def _build(cls, file: LearnerFile, changes: dict[str, Any], device: torch.device | str) -> Self:
        """The learner that a file holds, without an environment."""
        settings, tensors = file
        arguments = {**settings["arguments"], **changes}
        if "learning_rate" not in changes:
            arguments["learning_rate"] = read_schedule(arguments["learning_rate"])
        schedule_is_lost = arguments["learning_rate"] is None
        if schedule_is_lost:
            del arguments["learning_rate"]
        saved_policy = settings.get("policy", AnswerPolicy.__name__)
        own = {policy.__name__: policy for policy in cls.policy_aliases.values()}
        arguments.setdefault("policy", own.get(saved_policy, AnswerPolicy))
        model = cls(device=device, _init_setup_model=False, **arguments)  # type: ignore[call-arg]
        if saved_policy != model.policy_class.__name__:
            raise ValueError(
                f"policy must be the class {saved_policy} that the file was saved with, "
                f"got {model.policy_class.__name__}"
            )
        model._read_spaces(settings["spaces"])
        model._setup_model()
        model._schedule_is_lost = schedule_is_lost
        model.num_timesteps = settings["num_timesteps"]
        if answers := select_prefix(tensors, "answers"):
            model._read_answering_network(answers)
        else:
            model.policy.load_state_dict(select_prefix(tensors, "policy"))
        model.policy.optimizer.load_tensors(select_prefix(tensors, "optimizer"))
        state = select_prefix(tensors, "training")
        if state and "seed" in changes:
            state = {key: value for key, value in state.items() if not key.startswith("random/")}
        elif state:
            model.rng.bit_generator.state = settings["random"]
        if "curriculum" in changes:
            state = {k: value for k, value in state.items() if not k.startswith("curriculum/")}
        model._saved_state = state
        model._saved_judge = select_prefix(tensors, "judge")
        return model

    def _collect_arguments(self) -> dict[str, Any]:
        """The arguments that :meth:`load` builds the learner from, fit for JSON."""
        attributes = {"curriculum": "curriculum_kwargs"}
        names = [name for name in list_arguments(type(self)) if name not in UNSAVED_ARGUMENTS]
        found = {name: to_json(getattr(self, attributes.get(name, name))) for name in names}
        if self._schedule_is_lost:
            found["learning_rate"] = None
        return found

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        """What SB3's ``get_parameters`` and ``set_parameters`` exchange."""
        return ["policy", "policy.optimizer"], []

    def set_parameters(
        self,
        load_path_or_dict: str | TensorDict,
        exact_match: bool = True,
        device: torch.device | str = "auto",
    ) -> None:
        """Replace networks and optimizer by those of another model of the same class and sizes.

        Args:
            load_path_or_dict: what the other's ``get_parameters`` gave, or a file that it was
                saved in.
            exact_match: whether all parameters must be given.
            device: where to read a file to.
        """
        if not isinstance(load_path_or_dict, dict):
            other = type(self).load(load_path_or_dict, device=device)
            load_path_or_dict = cast("TensorDict", other.get_parameters())
        super().set_parameters(load_path_or_dict, exact_match, device)
