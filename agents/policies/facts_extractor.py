"""The features extractor that lets SB3's agents read facts and questions."""

from __future__ import annotations

from typing import Any

import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor

from ia_gym.envs.questions.spaces import FactsBox
from ia_gym.networks.answer_network import FactsNetwork
from ia_gym.networks.context_network import ContextNetwork
from ia_gym.networks.encoding_cache import EncodingCache, is_tracing


class FactsExtractor(BaseFeaturesExtractor):
    """A transformer over the facts, to which the question attends: one feature vector a question.

    SB3 passes flat batches of (facts, question) pairs, in which many pairs share a context: each
    distinct context is encoded once. Use it in PPO, A2C or DQN by
    ``policy_kwargs=dict(features_extractor_class=FactsExtractor)``.

    Args:
        observation_space: of a question environment.
        width: features of a question; see
            :class:`~ia_gym.networks.answer_network.FactsNetwork`, as for all that follow.
        heads: see there.
        fact_layers: see there.
        question_layers: see there.
        fact_passes: see there.
        relational: see there.
        meeting: see there.
        any_hop: see there.
        tokenization: see there.
        dropout: see there.

    Raises:
        ValueError: if the observation space is not that of a question environment.
    """

    def __init__(
        self,
        observation_space: spaces.Dict,
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
        facts, question = read_spaces(observation_space)
        super().__init__(observation_space, width)
        self.network = FactsNetwork(
            int(facts.high.max()) + 1,
            (facts.rows, facts.row_length),
            question.shape[0],
            width=width,
            heads=heads,
            fact_layers=fact_layers,
            question_layers=question_layers,
            fact_passes=fact_passes,
            relational=relational,
            meeting=meeting,
            any_hop=any_hop,
            tokenization=tokenization,
            dropout=dropout,
        )
        self.cache = EncodingCache(self.network)

    def forward(self, observations: dict[str, Tensor]) -> Tensor:
        """Features ``(n, width)`` of ``facts (n, F·L)`` and ``question (n, Lq)``."""
        if not is_tracing():
            check_symbols(observations)
        facts, questions = observations["facts"].long(), observations["question"].long()
        contexts = facts.view(-1, *self.network.fact_shape)
        if is_tracing():  # row by row, since a graph must not depend on which contexts are equal
            return self.network.read(self.network.encode(contexts), questions[:, None])[:, 0]
        if not torch.is_grad_enabled() and self._is_rollout(contexts, facts):
            return self.network.read(self.cache.encode(contexts), questions[:, None])[:, 0]
        return read_pairs(self.network, facts, questions)

    def _is_rollout(self, contexts: Tensor, facts: Tensor) -> bool:
        """Whether this is the batch of a vector environment: a context a row, most of them kept."""
        if self.cache.has_shape(contexts.shape):
            return True
        return 2 * len(find_distinct_rows(facts)[0]) > len(facts)


def read_pairs(
    network: ContextNetwork, facts: Tensor, questions: Tensor, passes: int | None = None
) -> Tensor:
    """Apply a network to pairs of facts and question; each distinct context is encoded once.

    Args:
        network: a network that returns features or logits of questions.
        facts: int64 ``(n, F·L)``.
        questions: int64 ``(n, Lq)``, row i about row i of ``facts``.
        passes: times the facts go through their blocks; default the network's own number.

    Returns:
        ``(n, d)``, features or logits.
    """
    first, inverse = find_distinct_rows(facts)
    contexts = facts[first].view(-1, *network.fact_shape)
    # Lay each context's questions side by side: (contexts, most questions of one, Lq).
    order = inverse.argsort(stable=True)
    counts = torch.bincount(inverse)
    starts = counts.cumsum(0) - counts
    rank = torch.empty_like(inverse)
    rank[order] = torch.arange(len(order), device=order.device) - starts[inverse[order]]
    grid = questions.new_zeros(len(first), int(counts.max()), questions.shape[1])
    grid[inverse, rank] = questions
    out: Tensor = network(contexts, grid, passes)
    return out[inverse, rank]


def check_symbols(observations: dict[str, Tensor]) -> None:
    """Refuse observations that are no symbols any more.

    Raises:
        ValueError: for numbers that are not whole, such as VecNormalize makes.
    """
    for name in ("facts", "question"):
        symbols = observations[name]
        if symbols.is_floating_point() and not torch.equal(symbols, symbols.round()):
            raise ValueError(
                f"{name} must hold symbols, whole numbers, got others: leave observations as they "
                "are (VecNormalize takes norm_obs=False)"
            )


def read_spaces(observation_space: spaces.Space[Any]) -> tuple[FactsBox, spaces.Box]:
    """Read the spaces of facts and question from the observation space of a question environment.

    Raises:
        ValueError: if ``observation_space`` is another environment's.
    """
    if isinstance(observation_space, spaces.Dict):
        facts = observation_space.spaces.get("facts")
        question = observation_space.spaces.get("question")
        if isinstance(facts, FactsBox) and isinstance(question, spaces.Box):
            return facts, question
    raise ValueError(
        "observation_space must be Dict(facts=FactsBox, question=Box), as question environments "
        f'with observation="tokens" have it, got {observation_space}'
    )


def find_distinct_rows(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Find the distinct rows of ``rows (n, k)``, int64.

    Rows are compared by a random 64-bit fingerprint, since sorting one number a row is far faster
    than sorting rows; two of 10,000 rows share one by chance once in 10^11 times.

    Returns:
        ``(m,)``, indices of one row of each distinct kind, and ``(n,)``, the kind of each row.
    """
    generator = torch.Generator().manual_seed(0)
    factors = torch.randint(-(2**62), 2**62, (rows.shape[1],), generator=generator) * 2 + 1
    fingerprints = (rows * factors.to(rows.device)).sum(dim=1)
    kinds, inverse = torch.unique(fingerprints, return_inverse=True)
    first = torch.empty(len(kinds), dtype=torch.long, device=rows.device)
    first[inverse] = torch.arange(len(rows), device=rows.device)
    return first, inverse
