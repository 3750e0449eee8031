"""IA-Gym: Gymnasium environments for Iterated Amplification.

Importing this package registers its environments with gymnasium.
"""

from importlib.util import find_spec

from gymnasium.envs.registration import register

__version__ = "0.1.0"

SIZES = {"": 8, "-N16": 16, "-N32": 32, "-N64": 64}
"""Names in a context, by the suffix of the environment's id."""

for _domain in ("Permutation",):
    for _suffix, _size in SIZES.items():
        register(
            id=f"IA-{_domain}{_suffix}-v0",
            entry_point="ia_gym.envs:QuestionEnv",
            vector_entry_point="ia_gym.envs:QuestionVectorEnv",
            kwargs={"domain": _domain, "size": _size},
        )

if find_spec("ia_gym.envs") is None:
    raise ImportError(
        f"Python found the source folder {__path__[0]!r} of ia_gym, which lacks ia_gym.envs and "
        "ia_gym.agents: install the package with `pip install -e .`, or leave the repository's "
        "root if it is installed already"
    )
