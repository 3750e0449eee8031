"""A block whose attention is given which tokens two rows share, with heads that follow pointers.

A fact is a row of names, and relates to other facts by the names that they share. Plain attention
has to learn to compare names, one name at a time, before it can look anything up. Here it is given
which tokens are equal, as Shaw et al. (2018) give it relative positions: by a term in the attention
scores and by a term in the values.

Half of the heads are *pointers*. At initialization, the first one attends from a fact to the facts
that begin with the name it ends with, and the next one to those that end with the name it begins
with. Pointers of a question attend to the facts that begin with its first name or end with its last
name. From the second block on, a pointer may attend anew, keep its attention of the block before,
or hop: move its attention to where the facts it attended to attend. The reach of facts that hop
doubles with each block (pointer jumping, as in parallel list ranking). A question's pointers hop as
far as those of the facts in the same block or, with ``any_hop``, as far as those in any block, so
that what was learned for shallow questions conflicts less with deep ones.

With ``meeting``, a question's other heads are given the attention of its pointers. At
initialization they attend to the facts where two paths meet: those that begin with the question's
first name among those that the pointer from its last name has reached, and vice versa.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ia_gym.networks.blocks import Block, Memory
from ia_gym.networks.optimizers import AdamWParameter

SHARED = 20.0
"""Factor on the scores of shared tokens, since they grow to 10 while Adam's steps are small."""
HIDDEN = -1e4
"""Score of a row that is padding."""
SMALLEST = 1e-3
"""Attention weights below this are read as this."""
READY = 2.5
"""Initial bias of a pointer towards hopping."""
LINK = 6.0
"""Initial score of a pointer for the tokens that it links by: e^6 times the weight of others."""
MEET = 12.0
"""Initial score of a meeting head for a fact that has all of a pointer's attention."""


class SharedTokens:
    """Which tokens the rows share with the facts.

    Args:
        rows: int64 ``(B, T, L)``.
        facts: int64 ``(B, F, M)``.
        dtype: of the attributes.

    Attributes:
        scored: ``(B, L·M + 1, T·F)``, for the attention scores: 1 where two tokens are equal, else
            0; the last row is 1 where the fact is padding.
        read: ``(B, T, F, L·M)``, the same for the values.
    """

    def __init__(self, rows: Tensor, facts: Tensor, dtype: torch.dtype = torch.float32) -> None:
        shared = (
            rows.transpose(1, 2)[:, :, None, :, None] == facts.transpose(1, 2)[:, None, :, None]
        )
        shared = shared.flatten(1, 2).to(dtype)
        padding = (facts[..., 0] == 0)[:, None, None].expand(-1, 1, rows.shape[1], -1)
        self.scored = torch.cat([shared, padding.to(dtype)], dim=1).flatten(2)
        self.read = shared.permute(0, 2, 3, 1).contiguous()


class RelationalBlock(Block):
    """A :class:`~ia_gym.networks.blocks.Block` that is given shared tokens, with heads that hop.

    Args:
        width: the model's width d.
        heads: attention heads; divides ``width``. The first half of them are pointers.
        n_pairs: ``L·M``, pairs of places whose tokens may be equal.
        n_hops: number of ``hops`` that :meth:`attend` is given.
        links: pairs by which new pointers link, assigned to them in turn.
        meeting: give the other heads the attention of the pointers.
        dropout: see :class:`~ia_gym.networks.blocks.Block`.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        n_pairs: int,
        n_hops: int,
        links: Sequence[int],
        meeting: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(width, heads, dropout)
        self.pointers, self.n_hops = heads // 2, n_hops
        self.shared = AdamWParameter(torch.randn(heads, n_pairs) / SHARED)
        with torch.no_grad():
            self.shared[: self.pointers] = 0
            for pointer in range(self.pointers):
                self.shared[pointer, links[pointer % len(links)]] = LINK / SHARED
        self.meets: nn.Parameter | None = None
        if meeting:
            self.meets = AdamWParameter(torch.zeros(heads - self.pointers, self.pointers))
            with torch.no_grad():
                for head in range(heads - self.pointers):
                    self.shared[self.pointers + head, links[head % len(links)]] = LINK / SHARED
                    self.meets[head, (head + 1) % self.pointers] = MEET / SHARED
        self.moves = nn.Linear(width, self.pointers * (2 + n_hops))
        self.moves.weight = AdamWParameter(self.moves.weight.data)
        nn.init.zeros_(self.moves.weight)
        # At first a fact's pointers hop, a question's stay or hop, and none attend anew.
        leaning = torch.tensor([0.0, READY if n_hops > 1 else 0.0, *[READY] * n_hops])
        with torch.no_grad():
            self.moves.bias.copy_(leaning.repeat(self.pointers))
        self.out = nn.Linear(width + heads * n_pairs, width, bias=False)
        nn.init.zeros_(self.out.weight)

    def attend(
        self,
        x: Tensor,
        memory: Memory | None,
        relation: SharedTokens,
        before: Tensor | None,
        hops: Sequence[Tensor],
    ) -> tuple[Tensor, Tensor]:
        """Apply the block.

        Args:
            x: features of the rows, ``(B, T, d)``.
            memory: keys and values of the facts; None if the rows are the facts.
            relation: the tokens that the rows share with the facts.
            before: attention of the pointers in the block before, ``(B, pointers, T, F)``; None in
                the first block.
            hops: attention of the facts' pointers, ``(B, pointers, F, F)`` each.

        Returns:
            Features ``(B, T, d)``, and the attention of the pointers ``(B, pointers, T, F)``.
        """
        batch, rows, _ = x.shape
        normed = self.norm_in(x)
        key, value = self.project_memory(normed) if memory is None else memory
        query = self._split(self.query(normed))
        weights = torch.cat(
            [SHARED * self.shared, self.shared.new_full((self.heads, 1), HIDDEN)], 1
        )
        scores = torch.bmm(weights.expand(batch, -1, -1), relation.scored)
        scores = torch.baddbmm(
            scores.view(batch * self.heads, rows, -1),
            query.flatten(0, 1),
            key.flatten(0, 1).transpose(1, 2),
            alpha=1 / math.sqrt(query.shape[-1]),
        )
        scores = scores.view(batch, self.heads, rows, -1)
        pointing = scores[:, : self.pointers].softmax(dim=-1)
        if before is not None:
            moves = self.moves(normed).view(batch, rows, self.pointers, -1).softmax(dim=-1)
            moves = moves.permute(3, 0, 2, 1)[..., None]
            pointing = moves[0] * pointing + moves[1] * before
            for move, hop in zip(moves[2:], hops, strict=True):
                pointing = pointing + move * (before @ hop)
        others = scores[:, self.pointers :]
        if self.meets is not None:
            met = SHARED * self.meets @ rescale_log(pointing).flatten(2)
            others = others + met.view_as(others)
        looks = torch.cat([pointing, others.softmax(dim=-1)], dim=1)
        read = (looks @ value).transpose(1, 2).flatten(-2)
        shared = rescale_log(looks.transpose(1, 2) @ relation.read)
        return self.add(x, self.out(torch.cat([read, shared.flatten(-2)], dim=-1))), pointing


def rescale_log(shares: Tensor) -> Tensor:
    """Rescale attention weights logarithmically to 0..1: small ones too count as reached."""
    return 1 - torch.log(shares + SMALLEST) / math.log(SMALLEST)
