"""The transformer block that the networks are made of."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

Memory = tuple[Tensor, Tensor]
"""Keys and values of encoded facts for one block, each ``(B, heads, F, d / heads)``."""


class Block(nn.Module):
    """Attention and a two-layer perceptron, each after an RMS norm and with a skip connection.

    It has no biases, and computes the identity when it is new.

    Args:
        width: the model's width d.
        heads: attention heads; divides ``width``.
        dropout: share of the features that each of the two adds which is left out in training mode.
    """

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = nn.Dropout(dropout)
        self.norm_in = nn.RMSNorm(width)
        self.query = nn.Linear(width, width, bias=False)
        self.key_value = nn.Linear(width, 2 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.norm_mlp = nn.RMSNorm(width)
        self.up = nn.Linear(width, 2 * width, bias=False)
        self.down = nn.Linear(2 * width, width, bias=False)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.down.weight)

    def project_memory(self, facts: Tensor) -> Memory:
        """Compute keys and values of ``facts (B, F, d)``."""
        key, value = self.key_value(facts).chunk(2, dim=-1)
        return self._split(key), self._split(value)

    def _split(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)

    def forward(self, x: Tensor, memory: Memory | None, mask: Tensor) -> Tensor:
        """Apply the block.

        Args:
            x: ``(B, T, d)``.
            memory: what the rows of ``x`` attend to; None for themselves.
            mask: ``(B, 1, 1, F)``, added to the attention scores.

        Returns:
            ``(B, T, d)``.
        """
        normed = self.norm_in(x)
        key, value = self.project_memory(normed) if memory is None else memory
        query = self._split(self.query(normed))
        read = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return self.add(x, self.out(read.transpose(1, 2).flatten(-2)))

    def add(self, x: Tensor, read: Tensor) -> Tensor:
        """Add what attention has read to ``x (B, T, d)``, then what the perceptron makes of it."""
        x = x + self.dropout(read)
        out: Tensor = x + self.dropout(self.down(F.gelu(self.up(self.norm_mlp(x)))))
        return out
