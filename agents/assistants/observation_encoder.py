"""Observations as a policy sees them: in the encoding of its environments, and their wrappers'."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import VectorEnv, VectorWrapper
from gymnasium.vector.utils import create_empty_array
from gymnasium.wrappers import (
    AddRenderObservation,
    DelayObservation,
    FrameStackObservation,
    NormalizeObservation,
    TimeAwareObservation,
)
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecEnvWrapper, VecNormalize

from ia_gym.domains import Domain
from ia_gym.envs.actions.action_approval import ActionApproval, ActionApprovalVectorEnv
from ia_gym.envs.questions.observations import (
    ObservationEncoding,
    ObservationMode,
    Observations,
    find_encoding,
    split_observations,
)

Layer = Callable[[Any], Any]
"""What one wrapper makes of a batch of observations."""

WITH_MEMORY = (
    AddRenderObservation,
    DelayObservation,
    FrameStackObservation,
    NormalizeObservation,
    TimeAwareObservation,
)
"""Wrappers of gymnasium whose observations depend on more than the observation inside."""
ALLOWED = (
    "allowed are gymnasium's ObservationWrappers without memory, SB3's VecNormalize, vector "
    "wrappers with a method `observations`, and wrappers that leave observations as they are"
)


class ObservationEncoder:
    """Shows a policy observations as its environments and their wrappers show them.

    Evaluations and assistants draw problems of their own, outside of any environment, and put them
    to the policy in the form it was trained on.

    Args:
        layers: what the wrappers do to a batch of observations, the innermost first.
        encoding: what question environments make of facts and questions, before any wrapper; None
            for other environments.
    """

    def __init__(
        self, layers: Sequence[Layer] = (), encoding: ObservationEncoding | None = None
    ) -> None:
        self.layers = tuple(layers)
        self.encoding = encoding

    @property
    def is_costly(self) -> bool:
        """Whether observations may take far more memory than tokens do."""
        compact = self.encoding is None or self.encoding.mode in ("tokens", "flat")
        return bool(self.layers) or not compact

    def __call__(self, observations: Observations) -> Any:
        """The batch as the policy sees it.

        Args:
            observations: of environments without wrappers; of question environments ``facts (n,
                F*L)`` and ``question (n, Lq)``, tokens of any integer type.
        """
        if self.encoding is not None:
            assert isinstance(observations, dict)
            observations = self.encoding(observations)
        for layer in self.layers:
            observations = layer(observations)
        return observations


def find_encoder(env: VecEnv) -> ObservationEncoder:
    """The encoder of training environments: their ``observation=``, and their wrappers, walked.

    Statistics, such as those of ``VecNormalize``, are the wrapper's own: the encoder always uses
    the present ones, and never updates them.

    Raises:
        ValueError: for a wrapper whose observations cannot be made outside of the environment.
    """
    layers: list[Layer] = []
    layer: Any = env
    while isinstance(layer, VecEnvWrapper):
        if isinstance(layer, VecNormalize):
            layers += [layer.normalize_obs] if layer.norm_obs else []
        else:
            layers += read_vector_wrapper(layer, layer.venv)
        layer = layer.venv
    inner = getattr(layer, "venv", None)
    if isinstance(inner, VectorEnv):
        while isinstance(inner, VectorWrapper):
            layers += read_vector_wrapper(inner, inner.env)
            inner = inner.env
        if not isinstance(inner, ActionApprovalVectorEnv) and hasattr(inner, "envs"):
            layers += read_wrappers(inner.envs[0])
    elif isinstance(layer, DummyVecEnv):
        layers += read_wrappers(layer.envs[0])
    else:
        check_remote_wrappers(layer)
    encoding = env.get_attr("encoding", [0])[0] if env.has_attr("encoding") else None
    return ObservationEncoder(layers[::-1], encoding)


def find_question_encoder(
    model: Any, domain: Domain, observation: ObservationMode = "tokens"
) -> ObservationEncoder:
    """The encoder of an agent that answers questions, see :func:`find_encoder`.

    Args:
        model: an SB3 model; or a policy, or a model without environments, whose
            ``observation_space`` tells the encoding.
        domain: of the questions.
        observation: how to show questions to a model that has no ``observation_space``.

    Raises:
        ValueError: for a wrapper that is not allowed, or an agent that sees other observations.
    """
    env = model.get_env() if hasattr(model, "get_env") else None
    shown: Any = getattr(model, "observation_space", None)
    tokens = ObservationEncoding(domain).space
    if env is not None:
        encoder = find_encoder(env)
        encoding = encoder.encoding
        fits = encoding is not None and encoding.token_space == tokens
        if not (fits and can_encode(encoder, tokens, shown)):
            raise ValueError(
                f"model must be of an environment that shows {tokens}, in one of its encodings and "
                f"inside of its wrappers, as the evaluation does; it sees {shown}"
            )
        return encoder
    if shown is None:
        return ObservationEncoder(encoding=ObservationEncoding(domain, observation))
    encoding = find_encoding(domain, shown)
    if encoding is None:
        raise ValueError(
            f"model must see observations of {tokens}, in one of its encodings, or hold the "
            f"environments whose wrappers change them (set_env); it sees {shown}"
        )
    return ObservationEncoder(encoding=encoding)


def find_model_encoder(model: Any, observation_space: gym.Space[Any]) -> ObservationEncoder:
    """The encoder of an agent that acts in an environment's place, see :func:`find_encoder`.

    For agents that answer questions there is :func:`find_question_encoder`.

    Args:
        model: an SB3 model; or a policy, or a model without environments, that sees observations
            as they are.
        observation_space: the space of an observation without wrappers.

    Raises:
        ValueError: for a wrapper that is not allowed, or an agent that sees other observations.
    """
    env = model.get_env() if hasattr(model, "get_env") else None
    shown = getattr(model, "observation_space", observation_space)
    if env is None:
        if shown != observation_space:
            raise ValueError(
                f"model must see observations of {observation_space}, or hold the environments "
                f"whose wrappers change them (set_env); it sees {shown}"
            )
        return ObservationEncoder()
    encoder = find_encoder(env)
    if not can_encode(encoder, observation_space, shown):
        raise ValueError(
            f"model must be of an environment that shows {observation_space}, inside of its "
            f"wrappers, as the evaluation does; it sees {shown}"
        )
    return encoder


def can_encode(encoder: ObservationEncoder, inside: gym.Space[Any], shown: gym.Space[Any]) -> bool:
    """Whether an encoder makes observations of the space ``shown`` from those of ``inside``."""
    batch: Any = create_empty_array(inside, 1, fn=np.zeros)
    try:
        encoded = encoder(batch)
    except (LookupError, TypeError, ValueError, AssertionError):
        return False  # made for other observations
    if isinstance(shown, gym.spaces.Text) or isinstance(encoded, tuple):
        return isinstance(shown, gym.spaces.Text) and isinstance(encoded, tuple)
    if not isinstance(shown, gym.spaces.Dict):
        return not isinstance(encoded, dict) and encoded.shape[1:] == shown.shape
    shapes = {key: space.shape for key, space in shown.spaces.items()}
    return isinstance(encoded, dict) and shapes == {k: v.shape[1:] for k, v in encoded.items()}


def read_vector_wrapper(wrapper: Any, inside: Any) -> list[Layer]:
    """What a vector wrapper, of SB3 or gymnasium, does to a batch; nothing if it leaves it alone.

    Raises:
        ValueError: if it changes observations in a way that is not known.
    """
    if callable(getattr(type(wrapper), "observations", None)):
        return [wrapper.observations]
    if wrapper.observation_space != inside.observation_space:
        raise ValueError(f"env must not be wrapped by {type(wrapper).__name__}: {ALLOWED}")
    return []


def read_wrappers(env: gym.Env[Any, Any]) -> list[Layer]:
    """What the wrappers of a single environment do to a batch, the outermost first.

    Raises:
        ValueError: for a wrapper that is not allowed.
    """
    layers: list[Layer] = []
    while isinstance(env, gym.Wrapper) and not isinstance(env, ActionApproval):
        changes = env.observation_space != env.env.observation_space
        known = isinstance(env, gym.ObservationWrapper) and not isinstance(env, WITH_MEMORY)
        if known:
            layers.append(RowByRow(env.observation))  # type: ignore[attr-defined]
        elif changes or isinstance(env, WITH_MEMORY):
            raise ValueError(f"env must not be wrapped by {type(env).__name__}: {ALLOWED}")
        env = env.env
    return layers


class RowByRow:
    """Applies a function of one observation to every row of a batch.

    Args:
        observe: the function.
    """

    def __init__(self, observe: Callable[[Any], Any]) -> None:
        self.observe = observe

    def __call__(self, observations: Observations) -> Observations:
        """The batch of what the function makes of the rows."""
        rows = [self.observe(row) for row in split_observations(observations)]
        if isinstance(rows[0], str):
            return tuple(rows)
        if isinstance(rows[0], dict):
            return {key: np.stack([row[key] for row in rows]) for key in rows[0]}
        return np.stack(rows)


def check_remote_wrappers(env: VecEnv) -> None:
    """Refuse wrappers that change observations in other processes, out of reach.

    Raises:
        ValueError: naming the first of them.
    """
    for cls in (*WITH_MEMORY, gym.ObservationWrapper):
        if not env.env_is_wrapped(cls, [0])[0]:
            continue
        # Wrappers inside of ActionApproval belong to the environment: Freeway's ScaledMemory.
        if env.env_is_wrapped(ActionApproval, [0])[0] and not has_outer_wrapper(env, cls):
            continue
        raise ValueError(
            f"env must not be wrapped by {cls.__name__} in {type(env).__name__}, whose "
            "processes hide it: use DummyVecEnv, or make_sb3_vec_env with a vector wrapper"
        )


def has_outer_wrapper(env: VecEnv, wrapper: type[gym.Wrapper[Any, Any, Any, Any]]) -> bool:
    """Whether there is a wrapper of this class around ActionApproval in other processes."""
    for spec in reversed(env.get_attr("spec", [0])[0].additional_wrappers):
        cls = gym.envs.registration.load_env_creator(spec.entry_point)
        if cls is ActionApproval:
            break
        if isinstance(cls, type) and issubclass(cls, wrapper):
            return True
    return False
