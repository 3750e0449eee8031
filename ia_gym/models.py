"""The network that answers questions about a set of facts.

Its shape is that of Christiano et al. (2018): facts are encoded once a context, and any number of
questions then attend to them. A symbol has one
embedding, shared by all the roles it plays; a row of tokens becomes the concatenation of its
tokens' embeddings, mapped to the model's width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Memory = tuple[Tensor, Tensor]
"""Keys and values ``(B, heads, F, d / heads)`` of encoded facts, for one block."""


class Block(nn.Module):
    """Attention and a two-layer perceptron, each behind an RMS norm and around a skip.

    It starts as the identity, and has no biases.

    Args:
        width: the model's width d.
        heads: attention heads; divides ``width``.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_in = nn.RMSNorm(width)
        self.query = nn.Linear(width, width, bias=False)
        self.key_value = nn.Linear(width, 2 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.norm_mlp = nn.RMSNorm(width)
        self.up = nn.Linear(width, 2 * width, bias=False)
        self.down = nn.Linear(2 * width, width, bias=False)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.down.weight)

    def remember(self, facts: Tensor) -> Memory:
        """Keys and values of ``facts (B, F, d)``."""
        key, value = self.key_value(facts).chunk(2, dim=-1)
        return self._split(key), self._split(value)

    def _split(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)

    def forward(self, x: Tensor, memory: Memory | None, mask: Tensor) -> Tensor:
        """``x (B, T, d)`` attends to ``memory``, or to itself for None.

        ``mask (B, 1, 1, F)`` is added to the attention's scores.
        """
        normed = self.norm_in(x)
        key, value = self.remember(normed) if memory is None else memory
        query = self._split(self.query(normed))
        read = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        x = x + self.out(read.transpose(1, 2).flatten(-2))
        out: Tensor = x + self.down(F.gelu(self.up(self.norm_mlp(x))))
        return out


class FactsNetwork(nn.Module):
    """Facts and questions in, one feature vector a question out.

    Args:
        n_symbols: symbols in the vocabulary.
        fact_shape: ``(F, L)``, rows and tokens a row.
        question_length: ``Lq``, tokens a question.
        width: features a question (the model's width d).
        heads: attention heads; divides ``width``.
        fact_layers: blocks in which facts attend to one another.
        question_layers: blocks in which a question attends to the facts.

    Raises:
        ValueError: if ``heads`` does not divide ``width``.
    """

    def __init__(
        self,
        n_symbols: int,
        fact_shape: tuple[int, int],
        question_length: int,
        width: int = 64,
        heads: int = 4,
        fact_layers: int = 2,
        question_layers: int = 2,
    ) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"heads must divide width, got heads={heads}, width={width}")
        self.fact_shape = fact_shape
        self.embedding = nn.Embedding(n_symbols, width)
        self.embedding.weight.is_embedding = True  # type: ignore[attr-defined]  # for MuonAdamW
        self.fact_in = nn.Linear(fact_shape[1] * width, width, bias=False)
        self.question_in = nn.Linear(question_length * width, width, bias=False)
        self.fact_blocks = nn.ModuleList(Block(width, heads) for _ in range(fact_layers))
        self.fact_norm = nn.RMSNorm(width)
        self.question_blocks = nn.ModuleList(Block(width, heads) for _ in range(question_layers))
        self.norm_out = nn.RMSNorm(width)

    @property
    def device(self) -> torch.device:
        """Where the parameters lie."""
        return self.embedding.weight.device

    def encode(self, facts: Tensor) -> tuple[list[Memory], Tensor]:
        """Encode ``facts`` (int64 ``(B, F, L)``) once, for all questions about them.

        Returns:
            What each question block reads, and the mask ``(B, 1, 1, F)`` that hides padding.
        """
        mask = torch.zeros(facts.shape[:2], device=facts.device)
        mask = mask.masked_fill(facts[..., 0] == 0, -torch.inf)[:, None, None]
        x = self.fact_in(self.embedding(facts).flatten(-2))
        for block in self.fact_blocks:
            x = block(x, None, mask)
        x = self.fact_norm(x)
        blocks = [block for block in self.question_blocks if isinstance(block, Block)]
        return [block.remember(x) for block in blocks], mask

    def read(self, memories: list[Memory], mask: Tensor, questions: Tensor) -> Tensor:
        """Features ``(B, Q, d)`` of ``questions`` (int64 ``(B, Q, Lq)``) about encoded facts."""
        x = self.question_in(self.embedding(questions).flatten(-2))
        for block, memory in zip(self.question_blocks, memories, strict=True):
            x = block(x, memory, mask)
        out: Tensor = self.norm_out(x)
        return out

    def forward(self, facts: Tensor, questions: Tensor) -> Tensor:
        """Features ``(B, Q, d)`` of ``questions (B, Q, Lq)`` about ``facts (B, F, L)``."""
        return self.read(*self.encode(facts), questions)


class AnswerNetwork(FactsNetwork):
    """A :class:`FactsNetwork` with logits over the answers: ``(B, Q, n_answers)``.

    Args:
        n_symbols: see :class:`FactsNetwork`, as for all that follow but the last.
        fact_shape: ``(F, L)``.
        question_length: ``Lq``.
        n_answers: answers to choose from.
        **sizes: ``width``, ``heads``, ``fact_layers``, ``question_layers``.
    """

    def __init__(
        self,
        n_symbols: int,
        fact_shape: tuple[int, int],
        question_length: int,
        n_answers: int,
        **sizes: int,
    ) -> None:
        super().__init__(n_symbols, fact_shape, question_length, **sizes)
        self.head = nn.Linear(self.embedding.embedding_dim, n_answers)
        self.head.weight.is_embedding = True  # type: ignore[attr-defined]  # of the answers
        nn.init.zeros_(self.head.weight)  # a fresh network finds all answers equally likely

    def read(self, memories: list[Memory], mask: Tensor, questions: Tensor) -> Tensor:
        """Logits ``(B, Q, n_answers)`` of the answers to ``questions (B, Q, Lq)``."""
        logits: Tensor = self.head(super().read(memories, mask, questions))
        return logits
