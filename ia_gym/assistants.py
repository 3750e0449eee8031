"""X, the assistant: whoever answers H's sub-questions."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ia_gym.models import AnswerNetwork, Encoded, without_padding
from ia_gym.tasks.domain import Contexts, Domain, check_number
from ia_gym.transcript import IDK, Symbols


class Assistant(Protocol):
    """Anything that answers questions about contexts."""

    def answer(self, contexts: Contexts, questions: Symbols) -> Symbols:
        """Answers ``(B, Q)`` to ``questions (B, Q, Lq)`` about ``contexts (B,)``.

        A row of zeros is no question; whatever stands there in the answers is ignored. An
        assistant that learns looks at ``contexts["facts"]`` alone.
        """
        ...


class Oracle:
    """Answers with the truth: the ceiling that no learner can pass."""

    def __init__(self, domain: Domain) -> None:
        self.domain = domain

    def answer(self, contexts: Contexts, questions: Symbols) -> Symbols:
        """See :class:`Assistant`."""
        return self.domain.truth(contexts, questions)


class KnowNothing:
    """Answers ``idk`` to everything: the floor, where H has only its own lookups."""

    def answer(self, contexts: Contexts, questions: Symbols) -> Symbols:
        """See :class:`Assistant`."""
        return np.full(questions.shape[:2], IDK)


class NetworkAssistant:
    """Answers with an :class:`~ia_gym.models.AnswerNetwork`, each context encoded once.

    The encoding of the last batch of contexts is kept for further rounds of questions about it.

    Args:
        network: the network; used as it is, without gradients.
        temperature: of the softmax that answers are sampled from. Below 1, what is likely is said
            more often than that; at 0 the likeliest alone.
        passes: times the facts go through their blocks; default the network's own number.
        certainty: an answer that the network finds less likely than this, in [0, 1], is not given:
            ``idk`` stands in its place. The likelihood is that of temperature 1.
    """

    def __init__(
        self,
        network: AnswerNetwork,
        temperature: float = 1.0,
        passes: int | None = None,
        certainty: float = 0.0,
    ) -> None:
        self.network = network
        self.temperature = check_number("temperature", temperature, "[0, inf)")
        self.certainty = check_number("certainty", certainty, "[0, 1]")
        self.passes = passes
        self._contexts: Contexts | None = None
        self._encoded: Encoded
        self._stamp: torch.Tensor

    @torch.no_grad()
    def answer(self, contexts: Contexts, questions: Symbols) -> Symbols:
        """See :class:`Assistant`."""
        # Any update of the network moves this vector too.
        stamp = self.network.fact_norm.weight
        if self._contexts is not contexts or not self._stamp.equal(stamp):
            facts = torch.as_tensor(contexts["facts"], device=self.network.device)
            self._encoded = self.network.encode(without_padding(facts), self.passes)
            self._contexts, self._stamp = contexts, stamp.clone()
        asked = torch.as_tensor(questions, device=self.network.device)
        logits = self.network.read(self._encoded, asked)
        answers = choose(logits, self.temperature)
        if self.certainty:
            likely = logits.softmax(dim=-1).gather(-1, answers[..., None])[..., 0]
            answers[likely < self.certainty] = IDK
        return answers.cpu().numpy()


def choose(logits: torch.Tensor, temperature: float) -> torch.Tensor:
    """A symbol sampled by the softmax of ``logits / temperature (..., n)``: ``(...)``."""
    if temperature:  # adding Gumbel noise and taking the largest samples the softmax
        logits = logits - temperature * torch.empty_like(logits).exponential_().log()
    return logits.argmax(dim=-1)


def polyak_average(module: torch.nn.Module, horizon: float) -> AveragedModel:
    """A slow copy of ``module``: its Polyak average over about ``horizon`` updates.

    Call ``update_parameters(module)`` on it after each update; ``.module`` is the copy. A horizon
    of 1 makes it a snapshot, equal to the module at the last update.

    Raises:
        ValueError: if ``horizon`` is below 1.
    """
    rule = get_ema_multi_avg_fn(1 - 1 / check_number("horizon", horizon, "[1, inf)"))  # type: ignore[no-untyped-call]
    average = AveragedModel(module, multi_avg_fn=rule)
    average.requires_grad_(False)
    return average
