"""A block that sees which tokens two rows share, and can follow where facts look.

A fact is a row of names; what it says, it says by the names it shares with other facts. Attention
has to learn to compare names before it can look anything up, one name at a time. Here it is told
which tokens are equal, in the way that Shaw et al. (2018) tell it how far apart two words are: by
a term in the score, and by a term in what is read.

Half of the heads are *pointers*. A fresh one looks from a fact to the facts that begin where it
ends, the next one back to those that end where it begins; a question's look at the facts that
begin with its first name, or end with its last. From the second block on, a pointer may look by
itself, stay where it looked before, or hop on to where those facts look that it looked at. Facts
that hop double the length of their reach with each block (pointer jumping, as parallel machines
follow lists). A question's pointers hop along with them, or, if they may take any hop, as far in
each block as the facts' pointers come in any: what was learned for shallow questions then stands
less in the way of deep ones.

A question's other heads may be *meeting* ones: they see where its pointers look. A fresh one looks
where both ends meet: at those facts that begin with the question's first name among those that the
pointer from its last name has come to, and the other way round.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ia_gym.networks.blocks import Block, Memory
from ia_gym.networks.optimizers import AdamWParameter

SHARED = 20.0
"""Factor on the scores of shared tokens: Adam's steps are small for numbers that grow to 10."""
HIDDEN = -1e4
"""Score of a row that is padding."""
SMALLEST = 1e-3
"""Shares of attention below it read as this."""
READY = 2.5
"""How much a fresh pointer leans to hopping."""
LINK = 6.0
"""A fresh pointer's score for the tokens it links by: two facts so linked weigh e^6 others."""
MEET = 12.0
"""A fresh meeting head's score for the facts that all of a pointer's attention is on."""


class SharedTokens:
    """Which tokens the rows ``(B, T, L)`` share with the facts ``(B, F, M)``.

    Attributes:
        scored: ``(B, L·M + 1, T·F)``; last comes 1 where the fact is padding, else 0.
        read: ``(B, T, F, L·M)``.
    """

    def __init__(self, rows: Tensor, facts: Tensor) -> None:
        shared = (
            rows.transpose(1, 2)[:, :, None, :, None] == facts.transpose(1, 2)[:, None, :, None]
        )
        shared = shared.flatten(1, 2).float()
        padding = (facts[..., 0] == 0)[:, None, None].expand(-1, 1, rows.shape[1], -1)
        self.scored = torch.cat([shared, padding.float()], dim=1).flatten(2)
        self.read = shared.permute(0, 2, 3, 1).contiguous()


class RelationalBlock(Block):
    """A :class:`~ia_gym.networks.blocks.Block` that is told of shared tokens, with heads that hop.

    Args:
        width: the model's width d.
        heads: attention heads; divides ``width``. The first half of them are pointers.
        n_pairs: ``L·M``, pairs of places whose tokens may be equal.
        n_hops: ways to hop that :meth:`attend` is given.
        links: pairs by which fresh pointers look, dealt out to them in turn.
        meeting: let the other heads see where the pointers look.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        n_pairs: int,
        n_hops: int,
        links: Sequence[int],
        meeting: bool = False,
    ) -> None:
        super().__init__(width, heads)
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
        # A fact's pointer hops at first, a question's stays or hops, and none looks afresh.
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
        """``x (B, T, d)`` attends to ``memory``, or to itself for None.

        Args:
            x: features of the rows.
            memory: of the facts, see :class:`~ia_gym.networks.blocks.Block`.
            relation: of the rows with the facts.
            before: where the pointers looked in the block before, ``(B, pointers, T, F)``; None
                in the first block.
            hops: where pointers of the facts look, ``(B, pointers, F, F)`` each.

        Returns:
            Features ``(B, T, d)``, and where the pointers look now.
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
        x = x + self.out(torch.cat([read, shared.flatten(-2)], dim=-1))
        x = x + self.down(F.gelu(self.up(self.norm_mlp(x))))
        return x, pointing


def rescale_log(shares: Tensor) -> Tensor:
    """Logarithms of shares of attention, about 0..1: 1/64 says nearly what 1 does, "reached"."""
    return 1 - torch.log(shares + SMALLEST) / math.log(SMALLEST)
