"""The block that the suite's networks are made of."""

from __future__ import annotations

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

    def project_memory(self, facts: Tensor) -> Memory:
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
        key, value = self.project_memory(normed) if memory is None else memory
        query = self._split(self.query(normed))
        read = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        x = x + self.out(read.transpose(1, 2).flatten(-2))
        out: Tensor = x + self.down(F.gelu(self.up(self.norm_mlp(x))))
        return out
