"""Autoreset of vector environments: checking the mode, and the final observations of SAME_STEP."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

OLDEST_GYMNASIUM = (1, 4)
"""Oldest version whose episode statistics are right in mode SAME_STEP."""


class FinalObservations(np.ndarray[tuple[int], np.dtype[np.object_]]):
    """One observation per environment, None where its episode continues: ``infos["final_obs"]``.

    An object array of shape ``(num_envs,)``, as in gymnasium's own vectors. Unlike those it also
    passes through gymnasium's ``ArrayConversion`` and ``NumpyToTorch`` (for vectors), which turn
    it into a list with the converted observations.
    """


def pack_final_observations(observations: Iterable[Any], num_envs: int) -> FinalObservations:
    """The final observations (None where an episode continues) of ``num_envs`` environments."""
    packed = np.empty(num_envs, object)
    for i, observation in enumerate(observations):  # a slice assignment would unpack arrays
        packed[i] = observation
    return packed.view(FinalObservations)


# gymnasium converts arrays by DLPack, which has no object arrays. Without array-api-compat these
# wrappers cannot be imported.
with suppress(ImportError, gym.error.DependencyNotInstalled):
    from gymnasium.wrappers.array_conversion import array_conversion

    @array_conversion.register(FinalObservations)
    def _convert(value: FinalObservations, xp: Any, device: Any = None) -> list[Any]:
        return [array_conversion(observation, xp, device) for observation in value]


def check_autoreset_mode(autoreset_mode: AutoresetMode | str) -> AutoresetMode:
    """The autoreset mode, given as an ``AutoresetMode`` or as its value.

    Warns where an old gymnasium's statistics are wrong in this mode: the package requires
    gymnasium 1.4, but other packages (``ray[rllib]`` 2.60, for example) force an older one.

    Raises:
        ValueError: for an unknown mode.
    """
    try:
        mode = AutoresetMode(autoreset_mode)
    except ValueError:
        allowed = [mode.value for mode in AutoresetMode]
        raise ValueError(
            f"autoreset_mode must be an AutoresetMode or one of {allowed}, got {autoreset_mode!r}"
        ) from None
    installed = tuple(int(part) for part in re.findall(r"\d+", gym.__version__)[:2])
    if installed < OLDEST_GYMNASIUM and mode == AutoresetMode.SAME_STEP:
        warnings.warn(
            f"gymnasium {gym.__version__} is installed, ia-gym requires 1.4 or later: before that, "
            "gymnasium.wrappers.vector.RecordEpisodeStatistics reports nearly all one-step "
            "episodes with a return of 0 in autoreset mode SAME_STEP. Upgrade gymnasium, or pass "
            'autoreset_mode="NextStep"',
            stacklevel=3,
        )
    return mode
