"""A multilayer perceptron that answers questions: the baseline without any structure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from ia_gym.networks.answer_network import MAX_LAYERS, MAX_NETWORK_SIZE
from ia_gym.networks.context_network import ContextNetwork
from ia_gym.networks.optimizers import AdamWParameter
from ia_gym.validation import check_range


class EncodedSum(NamedTuple):
    """What the facts of a context add to the first layer.

    Attributes:
        hidden: ``(B, n)``, with the layer's bias.
    """

    hidden: Tensor

    def tensors(self) -> list[Tensor]:
        """All tensors, each with one row for each context."""
        return [self.hidden]


class AnswerMlp(ContextNetwork):
    """An MLP with ReLU on one-hot tokens, facts first, with logits over the answers.

    It is the network that ``MlpPolicy`` of Stable-Baselines3 makes for ``observation="onehot"``:
    the input has ``(F * L + Lq) * n_symbols`` numbers, and the place of a token matters. The first
    layer's product with a one-hot vector is a sum of rows of its matrix, and it is computed so; the
    part of the facts once a context.

    Args:
        n_symbols: symbols in the vocabulary.
        fact_shape: ``(F, L)``, rows of facts and tokens in a row.
        question_length: ``Lq``, tokens in a question.
        n_answers: answers to choose from.
        net_arch: sizes of the hidden layers, 1..4096 each; one or more.

    Raises:
        ValueError: for another ``net_arch``.
    """

    ignores_padding: ClassVar[bool] = False

    def __init__(
        self,
        n_symbols: int,
        fact_shape: tuple[int, int],
        question_length: int,
        n_answers: int,
        net_arch: Sequence[int] = (512, 512),
    ) -> None:
        super().__init__()
        is_sequence = isinstance(net_arch, Sequence) and not isinstance(net_arch, str)
        if not is_sequence or not 1 <= len(net_arch) <= MAX_LAYERS:
            raise ValueError(
                f"net_arch must be 1 to {MAX_LAYERS} sizes of hidden layers, got {net_arch!r}"
            )
        sizes = [check_range("net_arch", size, 1, MAX_NETWORK_SIZE) for size in net_arch]
        self.fact_shape = fact_shape
        n_facts = fact_shape[0] * fact_shape[1]
        self.facts_in = make_one_hot_layer(n_facts, n_symbols, sizes[0])
        self.question_in = make_one_hot_layer(question_length, n_symbols, sizes[0])
        self.bias = nn.Parameter(torch.empty(sizes[0]))
        bound = ((n_facts + question_length) * n_symbols) ** -0.5  # as that of nn.Linear
        for parameter in (self.facts_in.weight, self.question_in.weight, self.bias):
            nn.init.uniform_(parameter, -bound, bound)
        starts = n_symbols * torch.arange(n_facts + question_length)
        self.starts: Tensor
        self.register_buffer("starts", starts, persistent=False)
        layers: list[nn.Module] = [nn.ReLU()]
        for before, size in pairwise(sizes):
            layers += [nn.Linear(before, size), nn.ReLU()]
        head = nn.Linear(sizes[-1], n_answers)
        nn.init.zeros_(head.weight)  # a fresh network finds all answers equally likely
        self.layers = nn.Sequential(*layers, head)
        for layer in self.layers:
            if isinstance(layer, nn.Linear):  # AdamW for all, as everyone trains an MLP
                layer.weight = AdamWParameter(layer.weight.data)

    def encode(self, facts: Tensor, passes: int | None = None) -> EncodedSum:
        """Compute what ``facts`` (int64 ``(B, F, L)``) add to the first layer.

        Args:
            facts: the tokens, padding included.
            passes: None, since facts go through no blocks.

        Raises:
            ValueError: for a number of passes.
        """
        if passes is not None:
            raise ValueError(f"passes must be None for an MLP, got {passes}")
        tokens = facts.flatten(1)
        return EncodedSum(self.facts_in(tokens + self.starts[: tokens.shape[1]]) + self.bias)

    def read(self, encoded: EncodedSum, questions: Tensor) -> Tensor:
        """Compute logits ``(B, Q, n_answers)`` of the answers to ``questions (B, Q, Lq)``."""
        places = questions + self.starts[: questions.shape[-1]]
        asked = self.question_in(places.flatten(0, 1)).unflatten(0, questions.shape[:2])
        logits: Tensor = self.layers(encoded.hidden[:, None] + asked)
        return logits

    def forward(self, facts: Tensor, questions: Tensor, passes: int | None = None) -> Tensor:
        """Logits ``(B, Q, n_answers)`` for ``questions (B, Q, Lq)`` about ``facts (B, F, L)``."""
        return self.read(self.encode(facts, passes), questions)


def make_one_hot_layer(length: int, n_symbols: int, size: int) -> nn.EmbeddingBag:
    """A linear layer on ``length`` one-hot tokens, which takes the places of the ones."""
    layer = nn.EmbeddingBag(length * n_symbols, size, mode="sum")
    layer.weight = AdamWParameter(layer.weight.data)
    return layer
