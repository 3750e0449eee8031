"""The policies of the suite's learners: a network that answers questions, and its average."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from gymnasium import spaces
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from torch import Tensor

from ia_gym.agents.policies.facts_extractor import read_pairs, read_spaces
from ia_gym.envs.questions.spaces import OneHotBox
from ia_gym.networks.answer_mlp import AnswerMlp
from ia_gym.networks.answer_network import AnswerNetwork
from ia_gym.networks.averaging import make_polyak_average
from ia_gym.networks.context_network import ContextNetwork
from ia_gym.networks.network_assistant import sample_categorical
from ia_gym.networks.optimizers import MuonAdamW
from ia_gym.validation import check_range


class BaseAnswerPolicy(BasePolicy):
    """Answers questions with the Polyak average of the network that is trained.

    Args:
        observation_space: of a question environment.
        action_space: its ``Discrete`` answers.
        lr_schedule: learning rate by the share of training that remains.
        network: the network to train; it gives logits of the answers.
        arguments: those of the subclass besides spaces and schedule, for SB3's ``save``.
        polyak_tau: weight of the latest parameters in the average, once a training step, in (0, 1];
            1 for no averaging.
        answer_passes: times the facts go through their blocks when the policy predicts; None for a
            network without blocks.

    Attributes:
        network: the network that is trained.
        average: its Polyak average, which predicts.
        optimizer: of the network's parameters.
    """

    def __init__(
        self,
        observation_space: OneHotBox | spaces.Dict,
        action_space: spaces.Discrete,
        lr_schedule: Schedule,
        network: ContextNetwork,
        arguments: dict[str, Any],
        polyak_tau: float,
        answer_passes: int | None,
    ) -> None:
        super().__init__(observation_space, action_space)
        self.network = network
        self.average = make_polyak_average(network, polyak_tau)
        self.answer_passes = answer_passes
        self.optimizer: MuonAdamW = MuonAdamW(network.parameters(), lr=lr_schedule(1))
        self._arguments = arguments

    def set_training_mode(self, mode: bool) -> None:
        """Turn dropout of the trained network on or off; the average, which predicts, has none."""
        self.network.train(mode)

    def _predict(self, observation: PyTorchObs, deterministic: bool = False) -> Tensor:
        return sample_categorical(self.compute_logits(observation), 0 if deterministic else 1)

    def compute_logits(self, observation: PyTorchObs) -> Tensor:
        """Logits ``(n, n_answers)`` of the average network, for a batch of observations."""
        facts, questions = self._read_tokens(observation)
        return read_pairs(self.average_network, facts, questions, self.answer_passes)

    def _read_tokens(self, observation: PyTorchObs) -> tuple[Tensor, Tensor]:
        """Facts ``(n, F*L)`` and questions ``(n, Lq)``, int64, of a batch of observations."""
        if isinstance(observation, dict):
            return observation["facts"].long(), observation["question"].long()
        space = cast("OneHotBox", self.observation_space)
        tokens = observation.reshape(len(observation), -1, space.n_symbols).argmax(dim=-1)
        n_facts = space.rows * space.row_length
        return tokens[:, :n_facts], tokens[:, n_facts:]

    @property
    def average_network(self) -> ContextNetwork:
        """The network inside ``average``."""
        return cast("ContextNetwork", self.average.module)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        """What SB3's ``save`` and ``load`` of policies rebuild it from."""
        return {
            "observation_space": self.observation_space,
            "action_space": self.action_space,
            "lr_schedule": self._dummy_schedule,  # a learner's schedule is not the policy's to keep
            **self._arguments,
        }


class AnswerPolicy(BaseAnswerPolicy):
    """The policy with a transformer, :class:`~ia_gym.networks.answer_network.AnswerNetwork`.

    Args:
        observation_space: of a question environment.
        action_space: its ``Discrete`` answers.
        lr_schedule: learning rate by the share of training that remains.
        polyak_tau: weight of the latest parameters in the average, once a training step, in (0, 1];
            1 for no averaging.
        answer_passes: times the facts go through their blocks when the policy predicts, 1..1000;
            default ``fact_passes``. The blocks have the same weights in each pass.
        width: see :class:`~ia_gym.networks.answer_network.FactsNetwork`, as for all that follow.
        heads: see there.
        fact_layers: see there.
        question_layers: see there.
        fact_passes: see there.
        relational: see there.
        meeting: see there.
        any_hop: see there.
        tokenization: see there.
        dropout: see there.
    """

    def __init__(
        self,
        observation_space: spaces.Dict,
        action_space: spaces.Discrete,
        lr_schedule: Schedule,
        *,
        polyak_tau: float = 0.02,
        answer_passes: int | None = None,
        width: int = 64,
        heads: int = 4,
        fact_layers: int = 2,
        question_layers: int = 2,
        fact_passes: int = 1,
        relational: bool = False,
        meeting: bool = False,
        any_hop: bool = False,
        tokenization: str = "symbols",
        dropout: float = 0.0,
    ) -> None:
        sizes: dict[str, Any] = {
            "width": width,
            "heads": heads,
            "fact_layers": fact_layers,
            "question_layers": question_layers,
            "fact_passes": fact_passes,
            "relational": relational,
            "meeting": meeting,
            "any_hop": any_hop,
            "tokenization": tokenization,
            "dropout": dropout,
        }
        read_spaces(observation_space)  # or say that these are no tokens
        network = AnswerNetwork(*read_sizes(observation_space, action_space), **sizes)
        passes = fact_passes if answer_passes is None else answer_passes
        passes = check_range("answer_passes", passes, 1, 1000)
        arguments = {"polyak_tau": polyak_tau, "answer_passes": passes, **sizes}
        super().__init__(
            observation_space, action_space, lr_schedule, network, arguments, polyak_tau, passes
        )


class MlpAnswerPolicy(BaseAnswerPolicy):
    """The policy with a plain MLP, :class:`~ia_gym.networks.answer_mlp.AnswerMlp`.

    Args:
        observation_space: of a question environment with ``observation="onehot"``, or with
            "tokens", of which the network makes the same.
        action_space: its ``Discrete`` answers.
        lr_schedule: learning rate by the share of training that remains.
        polyak_tau: weight of the latest parameters in the average, once a training step, in (0, 1];
            1 for no averaging.
        net_arch: sizes of the hidden layers, 1..4096 each; one or more.
    """

    def __init__(
        self,
        observation_space: OneHotBox | spaces.Dict,
        action_space: spaces.Discrete,
        lr_schedule: Schedule,
        *,
        polyak_tau: float = 0.02,
        net_arch: Sequence[int] = (512, 512),
    ) -> None:
        network = AnswerMlp(*read_sizes(observation_space, action_space), net_arch)
        arguments = {"polyak_tau": polyak_tau, "net_arch": net_arch}
        super().__init__(
            observation_space, action_space, lr_schedule, network, arguments, polyak_tau, None
        )


def read_sizes(
    observation_space: spaces.Space[Any], action_space: spaces.Discrete
) -> tuple[int, tuple[int, int], int, int]:
    """Symbols in the vocabulary, shape of the facts, tokens in a question, and answers.

    Args:
        observation_space: of ``observation="tokens"`` or "onehot".
        action_space: the answers.

    Raises:
        ValueError: for another space.
    """
    n_answers = int(action_space.n)
    if isinstance(observation_space, OneHotBox):
        shape = observation_space.rows, observation_space.row_length
        return observation_space.n_symbols, shape, observation_space.question_length, n_answers
    if not isinstance(observation_space, spaces.Dict):
        raise ValueError(
            'observation_space must be that of a question environment with observation="onehot" or '
            f'"tokens", got {observation_space}'
        )
    facts, question = read_spaces(observation_space)
    return (
        int(facts.high.max()) + 1,
        (facts.rows, facts.row_length),
        question.shape[0],
        n_answers,
    )
