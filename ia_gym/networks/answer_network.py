"""The network that answers questions about a set of facts.

As in Christiano et al. (2018), the facts of a context are encoded once, and any number of questions
then attend to them. Each symbol has one embedding, whatever its role. A row of tokens is embedded
as the concatenation of its tokens' embeddings, mapped to the model's width.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from ia_gym.networks.blocks import Block, Memory
from ia_gym.networks.context_network import ContextNetwork
from ia_gym.networks.digits import DigitEmbedding, DigitHead, make_output, make_table
from ia_gym.networks.relational_attention import RelationalBlock, SharedTokens
from ia_gym.validation import check_number, check_range

MAX_NETWORK_SIZE = 4096
"""Largest width, number of heads or of passes; more is taken for a mistake."""
TOKENIZATIONS = ("symbols", "digits")
"""How a network may read and write symbols: one token each, or two digits."""
MAX_LAYERS = 256
"""Largest number of blocks of one kind."""


class EncodedFacts(NamedTuple):
    """Encoded facts, for questions to attend to.

    Attributes:
        facts: int64 ``(B, F, L)``, the tokens.
        memories: keys and values for each question block.
        pointer_attention: attention of the pointers of each relational fact block,
            ``(B, pointers, F, F)`` each.
    """

    facts: Tensor
    memories: list[Memory]
    pointer_attention: list[Tensor]

    def tensors(self) -> list[Tensor]:
        """All tensors, each with one row for each context."""
        return [
            self.facts,
            *(part for memory in self.memories for part in memory),
            *self.pointer_attention,
        ]


class FactsNetwork(ContextNetwork):
    """Computes a feature vector for each question about a set of facts.

    Args:
        n_symbols: symbols in the vocabulary.
        fact_shape: ``(F, L)``, rows of facts and tokens in a row.
        question_length: ``Lq``, tokens in a question.
        width: features of a question (the model's width d), 1..4096.
        heads: attention heads, 1..4096; divides ``width``.
        fact_layers: blocks in which facts attend to one another, 0..256.
        question_layers: blocks in which a question attends to the facts, 0..256.
        fact_passes: times the facts go through their blocks, with the same weights, 1..4096.
        relational: give attention which tokens are shared, and let pointers hop
            (:mod:`ia_gym.networks.relational_attention`); False for plain attention.
        meeting: give a question's other heads the attention of its pointers, so that they find
            what lies between its names; only if ``relational``.
        any_hop: let a question's pointers hop, in each of its blocks, as far as the facts'
            pointers reach in any of theirs; False for one step, or as far as they reach in the
            block of the same number. Only if ``relational``.
        tokenization: "symbols" for one token a symbol; "digits" for two digits, as the paper
            writes names (:mod:`ia_gym.networks.digits`), only if not ``relational``.
        dropout: share of what each block adds that is left out in training mode, in [0, 1).

    Raises:
        ValueError: for a size out of range, if ``heads`` does not divide ``width``, if a relational
            network has no block for its facts or only one head, for ``meeting`` or ``any_hop``
            without ``relational``, for an unknown ``tokenization``, or for digits if relational.
    """

    ignores_padding: ClassVar[bool] = True

    def __init__(
        self,
        n_symbols: int,
        fact_shape: tuple[int, int],
        question_length: int,
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
        super().__init__()
        check_range("width", width, 1, MAX_NETWORK_SIZE)
        check_range("heads", heads, 1, MAX_NETWORK_SIZE)
        check_range("fact_layers", fact_layers, 0, MAX_LAYERS)
        check_range("question_layers", question_layers, 0, MAX_LAYERS)
        check_range("fact_passes", fact_passes, 1, MAX_NETWORK_SIZE)
        check_number("dropout", dropout, "[0, 1)")
        if width % heads:
            raise ValueError(f"heads must divide width, got heads={heads}, width={width}")
        if relational and (fact_layers < 1 or heads < 2):
            raise ValueError(
                "relational needs fact_layers of at least 1 and heads of at least 2, "
                f"got fact_layers={fact_layers}, heads={heads}"
            )
        for name, wanted in (("meeting", meeting), ("any_hop", any_hop)):
            if wanted and not relational:
                raise ValueError(f"{name} needs relational, got {name}=True, relational=False")
        if tokenization not in TOKENIZATIONS:
            raise ValueError(f"tokenization must be one of {TOKENIZATIONS}, got {tokenization!r}")
        digits = tokenization == "digits"
        if digits and relational:
            raise ValueError('tokenization must be "symbols" if relational, got "digits"')
        self.fact_shape = fact_shape
        self.fact_passes = fact_passes
        self.relational = relational
        self.any_hop = any_hop
        self.embedding = (DigitEmbedding if digits else make_table)(n_symbols, width)
        length, per_symbol = fact_shape[1], 2 if digits else 1
        self.fact_in = nn.Linear(per_symbol * length * width, width, bias=False)
        self.question_in = nn.Linear(per_symbol * question_length * width, width, bias=False)
        last = length - 1

        def block(
            row_length: int, n_hops: int, links: list[tuple[int, int]], meeting: bool = False
        ) -> Block:
            """A block for rows of so many tokens; ``links`` are places of a row and of a fact."""
            if not relational:
                return Block(width, heads, dropout)
            pairs = [place * length + of_fact for place, of_fact in links]
            n_pairs = row_length * length
            return RelationalBlock(width, heads, n_pairs, n_hops, pairs, meeting, dropout)

        self.fact_blocks = nn.ModuleList(
            block(length, 1, [(last, 0), (0, last)]) for _ in range(fact_layers)
        )
        self.fact_norm = nn.RMSNorm(width)
        hops = fact_layers * fact_passes if any_hop else 2
        # Token 0 of a question is its kind.
        self.question_blocks = nn.ModuleList(
            block(question_length, hops, [(1, 0), (question_length - 1, last)], meeting)
            for _ in range(question_layers)
        )
        self.norm_out = nn.RMSNorm(width)

    def encode(self, facts: Tensor, passes: int | None = None) -> EncodedFacts:
        """Encode ``facts`` (int64 ``(B, F, L)``) once, for all questions about them.

        Args:
            facts: the tokens.
            passes: times they go through their blocks; default ``fact_passes``.
        """
        x = self.fact_in(self.embedding(facts).flatten(-2))
        looks: list[Tensor] = []
        relation = SharedTokens(facts, facts, x.dtype) if self.relational else None
        mask = make_padding_mask(facts)
        for block in list(self.fact_blocks) * (passes or self.fact_passes):
            if isinstance(block, RelationalBlock) and relation is not None:
                before = looks[-1] if looks else None
                x, look = block.attend(x, None, relation, before, looks[-1:])
                looks.append(look)
            else:
                x = block(x, None, mask)
        x = self.fact_norm(x)
        memories = [
            block.project_memory(x) for block in self.question_blocks if isinstance(block, Block)
        ]
        return EncodedFacts(facts, memories, looks)

    def read(self, encoded: EncodedFacts, questions: Tensor) -> Tensor:
        """Compute features ``(B, Q, d)`` of ``questions`` (int64 ``(B, Q, Lq)``)."""
        x = self.question_in(self.embedding(questions).flatten(-2))
        relation = SharedTokens(questions, encoded.facts, x.dtype) if self.relational else None
        mask = make_padding_mask(encoded.facts)
        before, looks = None, encoded.pointer_attention
        for i, (block, memory) in enumerate(
            zip(self.question_blocks, encoded.memories, strict=True)
        ):
            if isinstance(block, RelationalBlock) and relation is not None:
                if self.any_hop:  # with fewer passes than in training, the last one is repeated
                    hops = [looks[min(j, len(looks) - 1)] for j in range(block.n_hops)]
                else:  # as far as the facts' pointers reach after as many blocks, or one step
                    hops = [looks[min(i, len(looks)) - 1], looks[0]]
                x, before = block.attend(x, memory, relation, before, hops)
            else:
                x = block(x, memory, mask)
        out: Tensor = self.norm_out(x)
        return out

    def forward(self, facts: Tensor, questions: Tensor, passes: int | None = None) -> Tensor:
        """Features ``(B, Q, d)`` of ``questions (B, Q, Lq)`` about ``facts (B, F, L)``."""
        return self.read(self.encode(trim_padding(facts), passes), questions)


def make_padding_mask(facts: Tensor) -> Tensor:
    """Make a mask ``(B, 1, 1, F)`` to add to attention scores: -infinity for rows of padding."""
    mask = torch.zeros(facts.shape[:2], device=facts.device)
    return mask.masked_fill(facts[..., 0] == 0, -torch.inf)[:, None, None]


def trim_padding(facts: Tensor) -> Tensor:
    """Move the rows of padding of ``facts (B, F, L)`` to the end, and cut off what all share."""
    padding = facts[..., 0] == 0
    order = padding.to(torch.uint8).argsort(dim=1, stable=True)
    longest = int((~padding).sum(dim=1).max())
    return facts.take_along_dim(order[:, :longest, None], dim=1)


class AnswerNetwork(FactsNetwork):
    """A :class:`FactsNetwork` with logits over the answers: ``(B, Q, n_answers)``.

    Args:
        n_symbols: symbols in the vocabulary.
        fact_shape: ``(F, L)``, rows of facts and tokens in a row.
        question_length: ``Lq``, tokens in a question.
        n_answers: answers to choose from.
        width: see :class:`FactsNetwork`, as for all that follow.
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
        n_symbols: int,
        fact_shape: tuple[int, int],
        question_length: int,
        n_answers: int,
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
        super().__init__(
            n_symbols,
            fact_shape,
            question_length,
            width,
            heads,
            fact_layers,
            question_layers,
            fact_passes,
            relational,
            meeting,
            any_hop,
            tokenization,
            dropout,
        )
        # A fresh network answers all questions alike.
        self.head = (DigitHead if tokenization == "digits" else make_output)(width, n_answers)

    def read(self, encoded: EncodedFacts, questions: Tensor) -> Tensor:
        """Compute logits ``(B, Q, n_answers)`` of the answers to ``questions (B, Q, Lq)``."""
        logits: Tensor = self.head(super().read(encoded, questions))
        return logits
