"""Wrappers around question environments."""

from __future__ import annotations

from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs
from gymnasium.vector import (
    AutoresetMode,
    VectorEnv,
    VectorObservationWrapper,
    VectorWrapper,
)
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from ia_gym.amplification.curriculum import Curriculum
from ia_gym.domains import Domain
from ia_gym.envs.autoreset import pack_final_observations
from ia_gym.envs.questions.question_env import QuestionEnv
from ia_gym.envs.questions.question_vector_env import QuestionVectorEnv
from ia_gym.envs.questions.shared_interface import Observation

OneHots = NDArray[np.float32]


class OneHot(gym.ObservationWrapper[OneHots, Any, Any], RecordConstructorArgs):
    """Shows every token as a one-hot vector, for networks without embeddings.

    ``Dict(facts (F*L,), question (Lq,))`` of symbols becomes one flat ``Box(0, 1, ((F*L + Lq) *
    n_symbols,), float32)``. Without it a plain MLP reads token numbers as magnitudes, and learns
    little.

    Around native vectors use :class:`OneHotVector`; ``gym.make_vec(..., wrappers=[OneHot])`` takes
    ``vectorization_mode="sync"`` or ``"async"`` (gymnasium allows no wrappers in a native vector).

    Args:
        env: a question environment.

    Raises:
        ValueError: for an environment with other observations.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        RecordConstructorArgs.__init__(self)
        gym.ObservationWrapper.__init__(self, env)
        self.n_symbols, space = make_one_hot_space(env.observation_space)
        self.observation_space = space

    def observation(self, observation: Observation) -> OneHots:
        """The one-hot vector of ``observation``."""
        return encode_one_hot(observation, self.n_symbols)


class OneHotVector(VectorObservationWrapper):
    """:class:`OneHot` for vector environments, in any autoreset mode.

    Observations become ``(num_envs, (F*L + Lq) * n_symbols)``; so do those in
    ``infos["final_obs"]``.

    Args:
        env: a vector of question environments.

    Raises:
        ValueError: for environments with other observations.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        # gymnasium's own constructor refuses SAME_STEP, since its `step` forgets `final_obs`.
        VectorWrapper.__init__(self, env)
        self.n_symbols, single = make_one_hot_space(env.single_observation_space)
        self.single_observation_space = single
        self.observation_space = batch_space(single, self.num_envs)

    def step(self, actions: Any) -> tuple[OneHots, Any, Any, Any, dict[str, Any]]:
        """Step, and encode the observations and the final observations."""
        observations, rewards, terminated, truncated, infos = self.env.step(actions)
        if "final_obs" in infos:
            finals = (
                self.observations(final) if ended else None
                for final, ended in zip(infos["final_obs"], infos["_final_obs"], strict=True)
            )
            infos = {**infos, "final_obs": pack_final_observations(finals, self.num_envs)}
        return self.observations(observations), rewards, terminated, truncated, infos

    def observations(self, observations: Observation) -> OneHots:
        """The one-hot vectors of ``observations``."""
        return encode_one_hot(observations, self.n_symbols)


def make_one_hot_space(space: gym.Space[Any]) -> tuple[int, Any]:
    """Number of symbols and space of the one-hot vectors of a space of tokens.

    Raises:
        ValueError: if it is not the space of a question environment.
    """
    if not (isinstance(space, spaces.Dict) and set(space.spaces) == {"facts", "question"}):
        raise ValueError(f"env must show facts and a question, got {space}")
    boxes: list[Any] = [space["facts"], space["question"]]
    n_symbols = max(int(box.high.max()) for box in boxes) + 1
    n_tokens = sum(int(box.shape[0]) for box in boxes)
    return n_symbols, spaces.Box(0, 1, (n_tokens * n_symbols,), np.float32)


def encode_one_hot(observation: Observation, n_symbols: int) -> OneHots:
    """One-hot vectors of one observation, or of a batch along the first axis."""
    tokens = np.concatenate([observation["facts"], observation["question"]], axis=-1)
    vectors: OneHots = np.eye(n_symbols, dtype=np.float32)[tokens]
    return vectors.reshape(*tokens.shape[:-1], -1)


class CurriculumWrapper(gym.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Keeps an environment at the difficulty of a curriculum, and records approvals in it.

    An environment made from its spec shares the curriculum.

    Args:
        env: a question environment of ``reward="approval"``.
        curriculum: shared by all environments of a run (in one process).

    Raises:
        ValueError: for another environment, or a curriculum of another domain.
    """

    def __init__(self, env: gym.Env[Any, Any], curriculum: Curriculum) -> None:
        RecordConstructorArgs.__init__(self, _disable_deepcopy=True, curriculum=curriculum)
        gym.Wrapper.__init__(self, env)
        check_curriculum(env.unwrapped, curriculum)
        self.curriculum = curriculum
        self.set_difficulty = env.get_wrapper_attr("set_difficulty")
        self.set_difficulty(curriculum.max_depth, curriculum.size)

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        """Reset, at the curriculum's present difficulty."""
        self.set_difficulty(self.curriculum.max_depth, self.curriculum.size)
        return self.env.reset(**kwargs)

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Step, and record in the curriculum the approval of a root answer."""
        result = self.env.step(action)
        info = result[-1]
        if info["is_root"]:
            self.curriculum.record(np.array([info["class"]]), np.array([info["approval"]]))
        return result


class CurriculumVectorWrapper(VectorWrapper):
    """:class:`CurriculumWrapper` for native vector environments, in any autoreset mode.

    Args:
        env: a vector question environment of ``reward="approval"``.
        curriculum: shared by all environments of a run (in one process).

    Raises:
        ValueError: for another environment, or a curriculum of another domain.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], curriculum: Curriculum) -> None:
        super().__init__(env)
        check_curriculum(env.unwrapped, curriculum)
        self.curriculum = curriculum
        self.same_step = env.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP
        self._follow()

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Step, record the approval of the root answers, and follow the curriculum if it rises."""
        result = self.env.step(actions)
        _, _, terminated, _, infos = result
        answered = infos["final_info"] if self.same_step else infos
        root = terminated & answered["is_root"]
        self.curriculum.record(answered["class"][root], answered["approval"][root])
        if self._level != (self.curriculum.max_depth, self.curriculum.size):
            self._follow()
        return result

    def _follow(self) -> None:
        self._level = self.curriculum.max_depth, self.curriculum.size
        self.env.unwrapped.set_difficulty(*self._level)  # type: ignore[attr-defined]


def check_curriculum(env: Any, curriculum: Curriculum) -> None:
    """Refuse a curriculum that ``env`` (unwrapped) cannot follow or inform.

    Raises:
        ValueError: naming what is wrong.
    """
    if not isinstance(env, QuestionEnv | QuestionVectorEnv):
        raise ValueError(
            "env must be a question environment or a native vector of them, got "
            f"{type(env).__name__}"
        )
    if env.engine.overseer is None:
        raise ValueError(
            'env must be of reward="approval", by which a curriculum goes, got reward="truth"'
        )
    check_curriculum_domain(curriculum, env.domain)


def check_curriculum_domain(curriculum: Curriculum, domain: Domain) -> None:
    """Refuse a curriculum of another domain.

    Raises:
        ValueError: naming both.
    """
    own = curriculum.domain
    if type(own) is not type(domain) or (own.size, own.n_classes) != (
        domain.size,
        domain.n_classes,
    ):
        raise ValueError(f"curriculum must be for {domain!r}, got one for {own!r}")
