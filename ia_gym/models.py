"""The network that answers questions about a set of facts.  (Paper, section 3 and appendix A.)

Facts are encoded once a context; any number of questions then attend to them. A symbol has one
embedding, shared by all the roles it plays; a row of tokens becomes the concatenation of its
tokens' embeddings, mapped to the model's width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ia_gym.tasks.domain import Domain


class Attention(nn.Module):
    """Multi-head attention of ``queries`` to ``memory``, without biases."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width, bias=False)
        self.key_value = nn.Linear(width, 2 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        nn.init.zeros_(self.out.weight)  # every block starts as the identity

    def forward(self, queries: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
        """``queries (B, Q, d)``, ``memory (B, F, d)``, ``mask (B, 1, 1, F)`` added to scores."""
        b, q, d = queries.shape
        shape = (b, -1, self.heads, d // self.heads)
        query = self.query(queries).view(shape).transpose(1, 2)
        key, value = self.key_value(memory).chunk(2, dim=-1)
        key, value = key.view(shape).transpose(1, 2), value.view(shape).transpose(1, 2)
        out = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return self.out(out.transpose(1, 2).reshape(b, q, d))


class Block(nn.Module):
    """Attention and a two-layer perceptron, each behind an RMS norm and around a skip."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm_in = nn.RMSNorm(width)
        self.attention = Attention(width, heads)
        self.norm_mlp = nn.RMSNorm(width)
        self.up = nn.Linear(width, 2 * width, bias=False)
        self.down = nn.Linear(2 * width, width, bias=False)
        nn.init.zeros_(self.down.weight)

    def forward(self, x: Tensor, memory: Tensor | None, mask: Tensor) -> Tensor:
        """``x (B, T, d)`` attends to ``memory``, or to itself for None."""
        normed = self.norm_in(x)
        x = x + self.attention(normed, normed if memory is None else memory, mask)
        return x + self.down(F.gelu(self.up(self.norm_mlp(x))))


class FactsNetwork(nn.Module):
    """Facts and questions in, one feature vector a question out.

    Args:
        domain: gives the vocabulary and the shapes.
        width: features a question (the model's width).
        heads: attention heads; divides ``width``.
        fact_layers: blocks in which facts attend to one another.
        question_layers: blocks in which a question attends to the facts.
    """

    def __init__(
        self,
        domain: Domain,
        width: int = 64,
        heads: int = 4,
        fact_layers: int = 2,
        question_layers: int = 2,
    ) -> None:
        super().__init__()
        self.fact_shape = domain.fact_shape
        self.embedding = nn.Embedding(domain.n_symbols, width)
        self.fact_in = nn.Linear(domain.fact_shape[1] * width, width, bias=False)
        self.question_in = nn.Linear(domain.question_length * width, width, bias=False)
        self.fact_blocks = nn.ModuleList(Block(width, heads) for _ in range(fact_layers))
        self.fact_norm = nn.RMSNorm(width)
        self.question_blocks = nn.ModuleList(Block(width, heads) for _ in range(question_layers))
        self.norm_out = nn.RMSNorm(width)

    @property
    def device(self) -> torch.device:
        """Where the parameters lie."""
        return self.embedding.weight.device

    def encode(self, facts: Tensor) -> tuple[Tensor, Tensor]:
        """Encode ``facts`` (int64 ``(B, F, L)``) once, for all questions about them.

        Returns:
            The encoded facts ``(B, F, d)`` and the mask ``(B, 1, 1, F)`` that hides padding.
        """
        mask = torch.zeros(facts.shape[:2], device=facts.device)
        mask = mask.masked_fill(facts[..., 0] == 0, -torch.inf)[:, None, None]
        x = self.fact_in(self.embedding(facts).flatten(-2))
        for block in self.fact_blocks:
            x = block(x, None, mask)
        return self.fact_norm(x), mask

    def read(self, encoded: tuple[Tensor, Tensor], questions: Tensor) -> Tensor:
        """Features ``(B, Q, d)`` of ``questions`` (int64 ``(B, Q, Lq)``) about encoded facts."""
        memory, mask = encoded
        x = self.question_in(self.embedding(questions).flatten(-2))
        for block in self.question_blocks:
            x = block(x, memory, mask)
        out: Tensor = self.norm_out(x)
        return out

    def forward(self, facts: Tensor, questions: Tensor) -> Tensor:
        """Features ``(B, Q, d)`` of ``questions (B, Q, Lq)`` about ``facts (B, F, L)``."""
        return self.read(self.encode(facts), questions)


class AnswerNetwork(FactsNetwork):
    """A :class:`FactsNetwork` with logits over the answers: ``(B, Q, n_answers)``.

    Args: those of :class:`FactsNetwork`.
    """

    def __init__(
        self,
        domain: Domain,
        width: int = 64,
        heads: int = 4,
        fact_layers: int = 2,
        question_layers: int = 2,
    ) -> None:
        super().__init__(domain, width, heads, fact_layers, question_layers)
        self.head = nn.Linear(width, domain.n_answers)
        nn.init.zeros_(self.head.weight)  # a fresh network finds all answers equally likely

    def forward(self, facts: Tensor, questions: Tensor) -> Tensor:
        """Logits ``(B, Q, n_answers)`` of the answers to ``questions (B, Q, Lq)``."""
        logits: Tensor = self.head(super().forward(facts, questions))
        return logits
