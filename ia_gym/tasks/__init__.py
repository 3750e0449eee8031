"""The question domains. A new one is a file here and a line in ``DOMAINS``."""

from ia_gym.tasks.domain import Contexts, Domain
from ia_gym.tasks.permutation import Permutation

DOMAINS: dict[str, type[Domain]] = {cls.name: cls for cls in (Permutation,)}

__all__ = ["DOMAINS", "Contexts", "Domain", "Permutation"]
