"""IA-Gym: Gymnasium environments for Iterated Amplification.

Importing this package registers its environments with Gymnasium:

- ``IA-<Domain>-v0``, at the domain's base size, and ``IA-<Domain>-N16-v0``, ``-N32-v0`` and
  ``-N64-v0`` (the largest size of the paper), for each domain in :mod:`ia_gym.domains`;
- ``IA-<Domain>-N8of64-v0`` and ``IA-<Domain>-N16of64-v0``: few names out of a pool of 64, as the
  paper has them; their vocabulary, depths and caps are those of ``IA-<Domain>-N64-v0``;
- ``IA-<Domain>-N4-v0``, small and with one-hot observations, for networks without embeddings;
- ``IA-Decompose-<Domain>-v0``, where the agent decomposes the domain's questions, at its base size;
- ``IA-FrozenLake-v0``, ``IA-CartPole-v0`` and ``IA-Freeway-v0``, where an overseer approves of
  actions (:mod:`ia_gym.actions`).

What lies where:

- ``domains``: the rules of each domain of questions, one file a domain.
- ``amplification``: overseers, approval, assistants, the trust gate, the curriculum.
- ``debate``: the rules of debate, and challengers.
- ``actions``: the overseer of actions.
- ``networks``: the networks and their optimizer.
- ``envs``: the environments; ``agents``: learners, callbacks and evaluation; ``experiments``:
  training runs, tuned settings, reports and the command ``ia-gym``.
- ``validation.py``: checks of arguments; ``files.py``: writing files atomically.
"""

import sys
from contextlib import suppress
from typing import Any

from gymnasium.envs.registration import register

from ia_gym.domains import DOMAINS, Domain

__version__ = "0.2.0"

__all__ = ["DOMAINS", "Domain", "__version__", "register_domain"]


def register_domain(domain: type[Domain]) -> None:
    """Register the environments of a domain: at its base size, and at 4, 16, 32 and 64 names.

    A domain with templates also gets an environment in which the agent decomposes its questions.

    Those with 8 and 16 names out of a pool of 64 have the spaces of the one with 64 names, and its
    depths and caps, which depend on the pool. The smallest one shows ``observation="onehot"``,
    unless it is given another.

    The specs hold the place of the class ("module:Class"), so that they can be written as JSON and
    made in another process. A class that cannot be found there, such as one defined within a
    function, is held itself.

    Args:
        domain: a subclass of :class:`ia_gym.domains.Domain`. Its ``name`` becomes part of the ids.

    Raises:
        ValueError: if it is none, or has no name.
    """
    if not (isinstance(domain, type) and issubclass(domain, Domain)):
        raise ValueError(f"domain must be a subclass of Domain, got {domain!r}")
    if not isinstance(getattr(domain, "name", None), str):
        raise ValueError(f"domain must have a name, a string, {domain.__name__} has none")
    kwargs = {"domain": domain.name if DOMAINS.get(domain.name) is domain else _locate(domain)}
    variants: dict[str, dict[str, Any]] = {
        "": {"size": domain.base_size},
        "-N4": {"size": 4, **domain.small_kwargs, "observation": "onehot"},
        **{f"-N{size}": {"size": size} for size in (16, 32, 64)},
        **{f"-N{size}of64": {"size": size, "max_size": 64} for size in (8, 16)},
    }
    for suffix, arguments in variants.items():
        register(
            id=f"IA-{domain.name}{suffix}-v0",
            entry_point="ia_gym.envs:QuestionEnv",
            vector_entry_point="ia_gym.envs:QuestionVectorEnv",
            kwargs={**kwargs, **arguments},
        )
    if domain.templates:
        register(
            id=f"IA-Decompose-{domain.name}-v0",
            entry_point="ia_gym.envs:DecompositionEnv",
            vector_entry_point="ia_gym.envs:DecompositionVectorEnv",
            kwargs={**kwargs, "size": domain.base_size},
        )


def _locate(domain: type[Domain]) -> str | type[Domain]:
    """The place of a class as "module:Class", or itself where it cannot be found there."""
    found: object = sys.modules.get(domain.__module__)
    for name in domain.__qualname__.split("."):
        found = getattr(found, name, None)
    return f"{domain.__module__}:{domain.__qualname__}" if found is domain else domain


for _domain in DOMAINS.values():
    register_domain(_domain)

for _game in ("FrozenLake", "CartPole", "Freeway"):
    register(
        id=f"IA-{_game}-v0",
        entry_point="ia_gym.envs:make_action_env",
        vector_entry_point="ia_gym.envs:make_action_vec",
        kwargs={"game": _game},
    )

# Freeway is one of ale-py's environments, which it registers when it is imported. Imported only by
# `gym.make`, they would come up amid a loop over the registry.
with suppress(ImportError):
    import ale_py  # noqa: F401
