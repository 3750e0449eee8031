"""RLlib's PPO and DQN modules with the suite's network in place of RLlib's encoder.

They read ``observation="flat"``. Small ids, and ``observation="onehot"``, need none of this:
RLlib's default modules, MLPs, read them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import torch
from ray.rllib.algorithms.dqn.dqn_catalog import DQNCatalog
from ray.rllib.algorithms.dqn.torch.default_dqn_torch_rl_module import DefaultDQNTorchRLModule
from ray.rllib.algorithms.ppo.ppo_catalog import PPOCatalog
from ray.rllib.algorithms.ppo.torch.default_ppo_torch_rl_module import DefaultPPOTorchRLModule
from ray.rllib.core.columns import Columns
from ray.rllib.core.models.base import ENCODER_OUT, Encoder, Model
from ray.rllib.core.models.configs import ModelConfig
from ray.rllib.core.models.torch.base import TorchModel
from ray.rllib.core.rl_module.rl_module import RLModuleSpec

from ia_gym.agents.policies.facts_extractor import read_pairs
from ia_gym.domains import Domain
from ia_gym.networks.answer_network import FactsNetwork

ANSWER_NETWORK = "answer_network"
"""The key of the network's arguments in a module's ``model_config``."""


@dataclass
class FactsEncoderConfig(ModelConfig):
    """Arguments of a :class:`FactsEncoder`.

    Attributes:
        network: arguments of :class:`~ia_gym.networks.answer_network.FactsNetwork`.
    """

    network: dict[str, Any] = field(default_factory=dict)

    @property
    def output_dims(self) -> tuple[int]:
        """Features of a question."""
        return (int(self.network["width"]),)

    def build(self, framework: str = "torch") -> FactsEncoder:
        """Make the encoder."""
        return FactsEncoder(self)


class FactsEncoder(TorchModel, Encoder):
    """A transformer over the facts, to which the question attends, as ``FactsExtractor`` for SB3.

    It reads vectors of tokens, the facts first; each distinct context of a batch is encoded once.

    Args:
        config: the network's arguments.
    """

    def __init__(self, config: FactsEncoderConfig) -> None:
        TorchModel.__init__(self, config)
        Encoder.__init__(self, config)
        self.network = FactsNetwork(**config.network)
        rows, length = self.network.fact_shape
        self.n_facts = rows * length

    def _forward(self, inputs: dict[str, Any], **_: Any) -> dict[str, torch.Tensor]:
        """Features ``(n, width)`` of observations ``(n, T)``."""
        tokens = inputs[Columns.OBS].long()
        facts, questions = tokens[:, : self.n_facts], tokens[:, self.n_facts :]
        return {ENCODER_OUT: read_pairs(self.network, facts, questions)}


class FactsCatalog:
    """Puts a :class:`FactsEncoder` in the place of RLlib's encoder; a mixin for its catalogs."""

    @classmethod
    def _get_encoder_config(
        cls,
        observation_space: gym.Space[Any],
        model_config_dict: dict[str, Any],
        action_space: gym.Space[Any] | None = None,
    ) -> FactsEncoderConfig:
        return FactsEncoderConfig(network=model_config_dict[ANSWER_NETWORK])


class AnswerPPOCatalog(FactsCatalog, PPOCatalog):
    """PPO's heads on a :class:`FactsEncoder`; a fresh policy finds all answers equally likely."""

    def build_pi_head(self, framework: str) -> Model:
        """A linear layer that begins at 0."""
        head = super().build_pi_head(framework)
        for parameter in head.parameters():
            torch.nn.init.zeros_(parameter)
        return head


class AnswerDQNCatalog(FactsCatalog, DQNCatalog):
    """DQN's heads on a :class:`FactsEncoder`."""


class AnswerPPOModule(DefaultPPOTorchRLModule):
    """RLlib's module for PPO with the suite's network; policy and value share it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "catalog_class": AnswerPPOCatalog})


class AnswerDQNModule(DefaultDQNTorchRLModule):
    """RLlib's module for DQN with the suite's network."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "catalog_class": AnswerDQNCatalog})


MODULES = {"PPO": AnswerPPOModule, "DQN": AnswerDQNModule}
"""By algorithm."""


def make_answer_module(
    algorithm: str,
    env_id: str,
    *,
    width: int = 64,
    heads: int = 4,
    fact_layers: int = 2,
    question_layers: int = 2,
    relational: bool = False,
    **env_kwargs: Any,
) -> RLModuleSpec:
    """What ``config.rl_module(rl_module_spec=...)`` takes, for environments that show "flat".

    Args:
        algorithm: "PPO" or "DQN".
        env_id: a question environment, such as "ia_gym:IA-Permutation-v0".
        width: see :class:`~ia_gym.networks.answer_network.FactsNetwork`, as for all that follow.
        heads: see there.
        fact_layers: see there.
        question_layers: see there.
        relational: see there.
        **env_kwargs: arguments of the environment.

    Raises:
        ValueError: for another algorithm, or an environment that asks no questions or does not show
            ``observation="flat"``.
    """
    if algorithm not in MODULES:
        raise ValueError(f"algorithm must be one of {list(MODULES)}, got {algorithm!r}")
    env = gym.make(env_id, **env_kwargs)
    domain = getattr(env.unwrapped, "domain", None)
    mode = getattr(getattr(env.unwrapped, "encoding", None), "mode", None)
    env.close()
    if not isinstance(domain, Domain) or mode != "flat":
        raise ValueError(
            'env_id must be of an environment that asks questions, with observation="flat"; '
            f"got {env_id!r} with observation={mode!r}"
        )
    network: dict[str, Any] = {
        "n_symbols": domain.n_symbols,
        "fact_shape": domain.fact_shape,
        "question_length": domain.question_length,
        "width": width,
        "heads": heads,
        "fact_layers": fact_layers,
        "question_layers": question_layers,
        "relational": relational,
    }
    FactsNetwork(**network)  # or say what is wrong, here and not in a worker
    return RLModuleSpec(
        module_class=MODULES[algorithm],
        model_config={"vf_share_layers": True, ANSWER_NETWORK: network},
    )
