"""The policy of the learners that are taught answers: a network and its slow copy."""

from __future__ import annotations

from typing import Any, cast

from gymnasium import spaces
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from torch import Tensor

from ia_gym.agents.policies.facts_extractor import read_pairs, read_spaces
from ia_gym.networks.answer_network import AnswerNetwork
from ia_gym.networks.averaging import make_polyak_average
from ia_gym.networks.network_assistant import sample_categorical
from ia_gym.networks.optimizers import MuonAdamW
from ia_gym.validation import check_range


class AnswerPolicy(BasePolicy):
    """Answers with the Polyak average of the network that is trained.

    Args:
        observation_space: of a question environment.
        action_space: its ``Discrete`` answers.
        lr_schedule: learning rate by the share of training that remains.
        polyak_tau: weight of the latest weights in the average, once a training step; 1 for none.
        answer_passes: times the facts go through their blocks when the policy predicts; default as
            in training. The weights are the same in each pass, so that it may think longer.
        **sizes: of the network, see :class:`~ia_gym.networks.answer_network.FactsNetwork`.

    Attributes:
        network: the :class:`~ia_gym.networks.answer_network.AnswerNetwork` that is trained.
        average: its slow copy, which answers.
    """

    def __init__(
        self,
        observation_space: spaces.Dict,
        action_space: spaces.Discrete,
        lr_schedule: Schedule,
        polyak_tau: float = 0.02,
        answer_passes: int | None = None,
        **sizes: Any,
    ) -> None:
        super().__init__(observation_space, action_space)
        facts, question = read_spaces(observation_space)
        self.network = AnswerNetwork(
            int(facts.high.max()) + 1,
            (facts.rows, facts.row_length),
            question.shape[0],
            int(action_space.n),
            **sizes,
        )
        self.average = make_polyak_average(self.network, polyak_tau)
        passes = self.network.fact_passes if answer_passes is None else answer_passes
        self.answer_passes = check_range("answer_passes", passes, 1, 1000)
        self.optimizer: MuonAdamW = MuonAdamW(self.network.parameters(), lr=lr_schedule(1))

    def _predict(self, observation: PyTorchObs, deterministic: bool = False) -> Tensor:
        assert isinstance(observation, dict)
        facts, questions = observation["facts"].long(), observation["question"].long()
        logits = read_pairs(self.average_network, facts, questions, self.answer_passes)
        return sample_categorical(logits, 0 if deterministic else 1)

    @property
    def average_network(self) -> AnswerNetwork:
        """The network inside ``average``."""
        return cast("AnswerNetwork", self.average.module)
