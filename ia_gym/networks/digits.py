"""Symbols as two digits, which is how Christiano et al. (2018) write names.

The paper writes a name as two base-8 digits. Here every symbol s is written so: s // 8, then s % 8.
The first digit exceeds 7 where a vocabulary has more than 64 symbols.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ia_gym.networks.optimizers import AdamWParameter

BASE = 8
"""Values of the second digit."""


class DigitEmbedding(nn.Module):
    """Embeds a symbol as the embeddings of its two digits, side by side.

    Args:
        n_symbols: symbols in the vocabulary.
        width: features of a digit.
    """

    def __init__(self, n_symbols: int, width: int) -> None:
        super().__init__()
        self.first = make_table(-(-n_symbols // BASE), width)
        self.second = make_table(BASE, width)

    def forward(self, symbols: Tensor) -> Tensor:
        """Embed int64 ``(...)`` as ``(..., 2 * width)``."""
        return torch.cat([self.first(symbols // BASE), self.second(symbols % BASE)], dim=-1)


class DigitHead(nn.Module):
    """Answers with two digits, one after the other.

    The second digit is found by one more step of the network: a two-layer perceptron that is shown
    the first digit beside the features. It is computed after each first digit there is, so that the
    probabilities of all answers are known.

    Args:
        width: features of a question.
        n_answers: answers to choose from.
    """

    def __init__(self, width: int, n_answers: int) -> None:
        super().__init__()
        n_first = -(-n_answers // BASE)
        self.n_answers = n_answers
        self.first = make_output(width, n_first)
        self.given = make_table(n_first, width)
        self.norm = nn.RMSNorm(width)
        self.up = nn.Linear(width, 2 * width, bias=False)
        self.down = nn.Linear(2 * width, width, bias=False)
        self.second = make_output(width, BASE)
        unused = torch.arange(n_first * BASE).view(n_first, BASE) >= n_answers
        self.unused: Tensor
        self.register_buffer("unused", unused, persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """Compute log-probabilities ``(..., n_answers)`` from features ``(..., width)``."""
        after = features[..., None, :] + self.given.weight
        after = after + self.down(F.gelu(self.up(self.norm(after))))
        second = self.second(after).masked_fill(self.unused, -torch.inf).log_softmax(dim=-1)
        both = self.first(features).log_softmax(dim=-1)[..., None] + second
        answers: Tensor = both.flatten(-2)[..., : self.n_answers]
        return answers


def make_table(n_rows: int, width: int) -> nn.Embedding:
    """An embedding that AdamW trains."""
    table = nn.Embedding(n_rows, width)
    table.weight = AdamWParameter(table.weight.data)
    return table


def make_output(width: int, n_outputs: int) -> nn.Linear:
    """A last layer that AdamW trains; a new one gives the same for all features."""
    layer = nn.Linear(width, n_outputs)
    layer.weight = AdamWParameter(layer.weight.data)  # a row for each output
    nn.init.zeros_(layer.weight)
    return layer
