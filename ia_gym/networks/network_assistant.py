"""A network as the assistant that answers sub-questions."""

from __future__ import annotations

import torch

from ia_gym.domains import Contexts
from ia_gym.domains.transcript import IDK, Symbols
from ia_gym.networks.context_network import ContextNetwork
from ia_gym.networks.encoding_cache import EncodingCache
from ia_gym.validation import check_number


class NetworkAssistant:
    """Answers with a network, such as :class:`~ia_gym.networks.answer_network.AnswerNetwork`.

    The last batch of contexts stays encoded for further rounds of questions about it, see
    :class:`~ia_gym.networks.encoding_cache.EncodingCache`.

    Args:
        network: gives logits of answers; used as it is and without gradients.
        temperature: of the softmax that answers are sampled from, in [0, inf). Below 1, likely
            answers are given more often than that; 0 gives the likeliest alone.
        passes: times the facts go through their blocks; default the network's own number.
        min_probability: in [0, 1]. An answer to which the network gives a smaller probability (at
            temperature 1) is replaced by ``idk``.

    Raises:
        ValueError: for a ``temperature`` or ``min_probability`` out of range.
    """

    def __init__(
        self,
        network: ContextNetwork,
        temperature: float = 1.0,
        passes: int | None = None,
        min_probability: float = 0.0,
    ) -> None:
        self.temperature = check_number("temperature", temperature, "[0, inf)")
        self.min_probability = check_number("min_probability", min_probability, "[0, 1]")
        self.passes = passes
        self._cache = EncodingCache(network, trim=network.ignores_padding)

    @property
    def network(self) -> ContextNetwork:
        """The network that answers."""
        return self._cache.network

    @torch.no_grad()
    def compute_logits(self, contexts: Contexts, questions: Symbols) -> torch.Tensor:
        """Logits ``(B, Q, n_answers)`` of the answers to ``questions (B, Q, Lq)``."""
        facts = torch.as_tensor(contexts["facts"], device=self.network.device)
        encoded = self._cache.encode(facts, self.passes)
        logits: torch.Tensor = self.network.read(
            encoded, torch.as_tensor(questions, device=self.network.device)
        )
        return logits

    @torch.no_grad()
    def answer(self, contexts: Contexts, questions: Symbols) -> Symbols:
        """See :class:`~ia_gym.amplification.assistants.Assistant`."""
        logits = self.compute_logits(contexts, questions)
        answers = sample_categorical(logits, self.temperature)
        if self.min_probability:
            likely = logits.softmax(dim=-1).gather(-1, answers[..., None])[..., 0]
            answers[likely < self.min_probability] = IDK
        return answers.cpu().numpy()


def sample_categorical(logits: torch.Tensor, temperature: float) -> torch.Tensor:
    """Sample from a categorical distribution.

    Args:
        logits: ``(..., n)``.
        temperature: the distribution is the softmax of ``logits / temperature``; 0 takes the
            largest.

    Returns:
        int64 ``(...)`` in 0..n - 1.
    """
    if temperature:  # the largest of the logits with Gumbel noise is such a sample
        logits = logits - temperature * torch.empty_like(logits).exponential_().log()
    return logits.argmax(dim=-1)
