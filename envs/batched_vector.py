"""What vector environments share whose environments are one object, computed in batches."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

from ia_gym.domains.transcript import Symbols

Shown = TypeVar("Shown")


class BatchedVectorEnv(VectorEnv[Shown, Symbols, NDArray[Any]], Generic[Shown]):
    """A vector environment whose environments are one object.

    It has the methods that users of gymnasium's ``SyncVectorEnv`` expect of any vector.
    """

    def action_masks(self) -> NDArray[np.bool_]:
        """Which actions are allowed, ``(num_envs, n_actions)``."""
        raise NotImplementedError

    def _check_mask(self, mask: Any) -> NDArray[np.bool_]:
        array = np.asarray(mask)
        if array.shape != (self.num_envs,) or array.dtype != bool:
            raise ValueError(
                f"reset_mask must be a bool array of shape ({self.num_envs},), "
                f"got {array.dtype} of shape {array.shape}"
            )
        return array

    def _add_masks(self, info: dict[str, NDArray[Any]]) -> dict[str, Any]:
        """``info`` with gymnasium's ``_key`` masks, which say which environments have the key."""
        everyone = np.ones(self.num_envs, bool)
        return {**info, **{f"_{key}": everyone for key in info}}

    # gymnasium's SyncVectorEnv and AsyncVectorEnv have these three; users expect them of any.

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Call a method of the vector, or read an attribute: one result per environment.

        The environments are one object, so the method is called once, and all results are the
        same; only of ``action_masks`` each environment gets its own row.

        Args:
            name: of the method or attribute.
            *args: of the method.
            **kwargs: of the method.
        """
        if name == "action_masks":
            return tuple(self.action_masks())
        value = getattr(self, name)
        return ((value(*args, **kwargs) if callable(value) else value),) * self.num_envs

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """An attribute of the vector, once per environment: all share it."""
        return (getattr(self, name),) * self.num_envs

    def set_attr(self, name: str, values: list[Any] | tuple[Any, ...] | Any) -> None:
        """Set an attribute of the vector, which all environments share.

        Args:
            name: of the attribute.
            values: the value, or as in gymnasium a list or tuple with one per environment; since
                the environments share it, these have to be equal.

        Raises:
            ValueError: for a list or tuple of another length, or of different values.
        """
        if isinstance(values, list | tuple):
            if len(values) != self.num_envs:
                raise ValueError(
                    f"values must be one value or a list of num_envs={self.num_envs}, "
                    f"got a list of {len(values)}"
                )
            if not all(one is values[0] or np.array_equal(one, values[0]) for one in values):
                raise ValueError(
                    f"values must be equal, for the environments of a {type(self).__name__} share "
                    f'their attributes; got {values!r} for {name}. vectorization_mode="sync" makes '
                    "separate ones"
                )
            values = values[0]
        setattr(self, name, values)
