"""A network as the assistant that answers sub-questions."""

from __future__ import annotations

import torch

from ia_gym.domains import Contexts
from ia_gym.domains.transcript import IDK, Symbols
from ia_gym.networks.answer_network import AnswerNetwork, EncodedFacts, trim_padding
from ia_gym.validation import check_number


class NetworkAssistant:
    """Answers with an :class:`~ia_gym.networks.answer_network.AnswerNetwork`, each context encoded once.

    The encoding of the last batch of contexts is kept for further rounds of questions about it.

    Args:
        network: the network; used as it is, without gradients.
        temperature: of the softmax that answers are sampled from. Below 1, what is likely is said
            more often than that; at 0 the likeliest alone.
        passes: times the facts go through their blocks; default the network's own number.
        min_probability: an answer that the network finds less likely than this, in [0, 1], is not given:
            ``idk`` stands in its place. The likelihood is that of temperature 1.
    """

    def __init__(
        self,
        network: AnswerNetwork,
        temperature: float = 1.0,
        passes: int | None = None,
        min_probability: float = 0.0,
    ) -> None:
        self.network = network
        self.temperature = check_number("temperature", temperature, "[0, inf)")
        self.min_probability = check_number("min_probability", min_probability, "[0, 1]")
        self.passes = passes
        self._contexts: Contexts | None = None
        self._encoded: EncodedFacts
        self._stamp: torch.Tensor

    @torch.no_grad()
    def answer(self, contexts: Contexts, questions: Symbols) -> Symbols:
        """See :class:`Assistant`."""
        # Any update of the network moves this vector too.
        stamp = self.network.fact_norm.weight
        if self._contexts is not contexts or not self._stamp.equal(stamp):
            facts = torch.as_tensor(contexts["facts"], device=self.network.device)
            self._encoded = self.network.encode(trim_padding(facts), self.passes)
            self._contexts, self._stamp = contexts, stamp.clone()
        asked = torch.as_tensor(questions, device=self.network.device)
        logits = self.network.read(self._encoded, asked)
        answers = sample_categorical(logits, self.temperature)
        if self.min_probability:
            likely = logits.softmax(dim=-1).gather(-1, answers[..., None])[..., 0]
            answers[likely < self.min_probability] = IDK
        return answers.cpu().numpy()


def sample_categorical(logits: torch.Tensor, temperature: float) -> torch.Tensor:
    """A symbol sampled by the softmax of ``logits / temperature (..., n)``: ``(...)``."""
    if temperature:  # adding Gumbel noise and taking the largest samples the softmax
        logits = logits - temperature * torch.empty_like(logits).exponential_().log()
    return logits.argmax(dim=-1)
