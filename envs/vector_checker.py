"""A checker for vector environments, which gymnasium has for single ones only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space, iterate
from numpy.typing import NDArray

Make = Callable[[int, AutoresetMode], VectorEnv[Any, Any, Any]]
"""Makes a vector of so many environments, with such an autoreset."""


def check_vector_env(make: Make, num_envs: int = 3, steps: int = 50, seed: int = 0) -> None:
    """Check that a vector environment keeps gymnasium's rules, in all three autoreset modes.

    Spaces and their batches, shapes and dtypes of what ``reset`` and ``step`` return, the ``_key``
    masks of infos, equal trajectories from equal seeds, and what each mode promises at the end of
    an episode, ``reset_mask`` included.

    Args:
        make: makes the vector; called several times a mode.
        num_envs: environments in it.
        steps: random steps to take.
        seed: of resets and actions.

    Raises:
        AssertionError: naming the mode and the rule that is broken.
    """
    for mode in AutoresetMode:
        try:
            first = _play(make(num_envs, mode), mode, num_envs, steps, seed)
            second = _play(make(num_envs, mode), mode, num_envs, steps, seed)
        except AssertionError as error:
            raise AssertionError(f"autoreset_mode {mode.value}: {error}") from None
        same = all(_equal(one, other) for one, other in zip(first, second, strict=True))
        assert same, f"autoreset_mode {mode.value}: equal seeds must give equal trajectories"


def _play(
    vec: VectorEnv[Any, Any, Any], mode: AutoresetMode, n: int, steps: int, seed: int
) -> list[Any]:
    """A random trajectory, checked on the way."""
    assert vec.num_envs == n, f"num_envs must be {n}, got {vec.num_envs}"
    kept = vec.metadata.get("autoreset_mode")
    assert kept == mode, f'metadata["autoreset_mode"] must be {mode}, got {kept}'
    for name in ("observation_space", "action_space"):
        batched = batch_space(getattr(vec, f"single_{name}"), n)
        assert getattr(vec, name) == batched, f"{name} must be the single one's batch"
    vec.action_space.seed(seed)
    observations, infos = vec.reset(seed=seed)
    _check_batch(vec, observations, infos, n)
    record: list[Any] = [observations]
    done = np.zeros(n, bool)
    for _ in range(steps):
        before, ended = observations, done
        observations, rewards, terminated, truncated, infos = vec.step(vec.action_space.sample())
        _check_batch(vec, observations, infos, n)
        for name, array, kind in (
            ("rewards", rewards, "f"),
            ("terminated", terminated, "b"),
            ("truncated", truncated, "b"),
        ):
            fits = (
                isinstance(array, np.ndarray) and array.shape == (n,) and array.dtype.kind == kind
            )
            assert fits, f"{name} must be an array of shape ({n},) and kind {kind!r}, got {array!r}"
        done = terminated | truncated
        record += [observations, rewards, done]
        if mode == AutoresetMode.SAME_STEP:
            _check_finals(vec, infos, done)
        elif mode == AutoresetMode.NEXT_STEP:
            assert not rewards[ended].any(), "a step that resets must earn nothing"
            assert not done[ended].any(), "a step that resets must not end an episode"
        elif done.any():
            frozen = observations
            observations, infos = vec.reset(options={"reset_mask": done})
            _check_batch(vec, observations, infos, n)
            for i in np.flatnonzero(~done).tolist():
                assert _equal(_row(vec, observations, i), _row(vec, frozen, i)), (
                    "reset_mask must leave the other environments alone"
                )
            record.append(observations)
            done = np.zeros(n, bool)
        assert not _shares_memory(before, observations), "observations must be fresh arrays"
    vec.close()
    return record


def _check_batch(
    vec: VectorEnv[Any, Any, Any], observations: Any, infos: dict[str, Any], n: int
) -> None:
    assert vec.observation_space.contains(observations), "observations must be in their space"
    assert isinstance(infos, dict), f"infos must be a dict, got {type(infos).__name__}"
    for key in infos:
        if not key.startswith("_"):
            mask = infos.get(f"_{key}")
            fits = isinstance(mask, np.ndarray) and mask.shape == (n,) and mask.dtype == bool
            assert fits, f'infos must hold a bool array "_{key}" of shape ({n},)'


def _check_finals(
    vec: VectorEnv[Any, Any, Any], infos: dict[str, Any], done: NDArray[np.bool_]
) -> None:
    if not done.any():
        return
    for key in ("final_obs", "final_info"):
        assert key in infos, f'infos must hold "{key}" when an episode has ended'
        assert np.array_equal(infos[f"_{key}"], done), f'"_{key}" must mark the episodes that ended'
    for i in np.flatnonzero(done):
        final = infos["final_obs"][i]
        assert vec.single_observation_space.contains(final), "final_obs must be in their space"


def _row(vec: VectorEnv[Any, Any, Any], observations: Any, i: int) -> Any:
    return list(iterate(vec.observation_space, observations))[i]


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    return bool(np.array_equal(one, other))


def _shares_memory(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return any(_shares_memory(one[key], other[key]) for key in one)
    arrays = isinstance(one, np.ndarray) and isinstance(other, np.ndarray)
    return arrays and bool(np.shares_memory(one, other))
