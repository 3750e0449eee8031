r"""The tuned settings of SB3's agents as rl-zoo3 wants them.

Its option ``--conf-file`` takes a module of this package::

    python -m rl_zoo3.train --algo ppo --env IA-Permutation-v0 --gym-packages ia_gym \
        --conf-file ia_gym.experiments.zoo.ppo --eval-env-kwargs reward:"'truth'"

It steps single environments in turn, so that it takes far longer than ``ia-gym train``.
"""

from __future__ import annotations

from typing import Any

from ia_gym.experiments.settings import list_tuned_envs, load_settings
from ia_gym.experiments.settings.classes import resolve


def for_zoo(agent: str) -> dict[str, dict[str, Any]]:
    """By environment id, what rl-zoo3 calls hyperparameters.

    A learning rate that is held and then falls becomes one that falls all along, which is what
    rl-zoo3 knows.

    Args:
        agent: one of SB3's or sb3-contrib's that has a settings file.
    """
    hyperparams = {}
    for env_id in list_tuned_envs(agent):
        settings = load_settings(agent, env_id)
        callbacks: list[dict[str, dict[str, Any]]] = []
        if settings.curriculum is not None:
            callbacks.append({"ia_gym.agents.CurriculumCallback": settings.curriculum})
        if settings.amplification is not None:
            callbacks.append({"ia_gym.agents.AmplificationCallback": settings.amplification})
        rate = str(settings.model["learning_rate"]).replace("hold_", "lin_")
        hyperparams[env_id] = {
            "policy": "MultiInputPolicy",
            **resolve(settings.model),
            "learning_rate": rate,
            "n_timesteps": settings.n_timesteps,
            "n_envs": settings.n_envs,
            "env_kwargs": settings.env_kwargs,
            "callback": callbacks,
        }
    return hyperparams
