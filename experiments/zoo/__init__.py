r"""The tuned settings of SB3's agents, in the form that rl-zoo3 takes, one module an algorithm.

Its option ``--conf-file`` takes a module of this package::

    python -m rl_zoo3.train --algo ppo --env IA-Permutation-v0 --gym-packages ia_gym \
        --conf-file ia_gym.experiments.zoo.ppo --eval-env-kwargs reward:"'truth'"

rl-zoo3 steps environments one after the other: it takes far longer than ``ia-gym train``.

Its option ``-optimize`` replaces ``policy_kwargs`` by those it samples. Hence the network and the
optimizer are not given there: they are the defaults of a policy class of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stable_baselines3.common.policies import BasePolicy

from ia_gym.experiments.settings import list_tuned_envs, load_settings
from ia_gym.experiments.settings.classes import CLASSES, resolve


def make_hyperparams(
    agent: str, module: str
) -> tuple[dict[str, dict[str, Any]], dict[str, type[BasePolicy]]]:
    """What a module for rl-zoo3 holds.

    A learning rate that is held and then falls becomes one that falls all along, which is the
    schedule that rl-zoo3 knows.

    Args:
        agent: one of SB3's or sb3-contrib's that has a settings file.
        module: the module's name, in which rl-zoo3 looks the policies up.

    Returns:
        By environment id, what rl-zoo3 calls hyperparameters; and, by name, the policies.
    """
    hyperparams, policies = {}, {}
    for env_id in list_tuned_envs(agent):
        settings = load_settings(agent, env_id)
        model = resolve(settings.model)
        algorithm: Any = CLASSES[settings.algorithm]
        base = algorithm.policy_aliases[model.pop("policy", "MultiInputPolicy")]
        name = f"{env_id.replace('-', '')}Policy"
        policies[name] = make_policy(base, model.pop("policy_kwargs", {}), module, name)
        callbacks: list[dict[str, dict[str, Any]]] = []
        if settings.curriculum is not None:
            callbacks.append({"ia_gym.agents.CurriculumCallback": settings.curriculum})
        if settings.amplification is not None:
            callbacks.append({"ia_gym.agents.AmplificationCallback": settings.amplification})
        hyperparams[env_id] = {
            **model,
            "policy": f"{module}.{name}",
            "learning_rate": str(settings.model["learning_rate"]).replace("hold_", "lin_"),
            "n_timesteps": settings.n_timesteps,
            "n_envs": settings.n_envs,
            "env_kwargs": settings.env_kwargs,
            "callback": callbacks,
        }
        if settings.algorithm == "A2C":
            hyperparams[env_id]["use_rms_prop"] = False  # it would replace the policy's optimizer
    return hyperparams, policies


def make_policy(
    base: type[BasePolicy], policy_kwargs: Mapping[str, Any], module: str, name: str
) -> type[BasePolicy]:
    """A subclass of ``base`` whose defaults are ``policy_kwargs``.

    Args:
        base: a policy of SB3's.
        policy_kwargs: its tuned arguments.
        module: where the class is found again when a saved model is loaded.
        name: of the class.
    """

    def initialize(self: BasePolicy, *args: Any, **kwargs: Any) -> None:
        base.__init__(self, *args, **{**policy_kwargs, **kwargs})

    body = {"__init__": initialize, "__module__": module, "__qualname__": name}
    return type(name, (base,), body)
