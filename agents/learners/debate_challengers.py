"""Challengers with a network: one that has learned which claims fall, and the agent's own doubt."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ia_gym.agents.learners.learner_files import add_prefix, select_prefix
from ia_gym.domains import Contexts, Domain
from ia_gym.domains.transcript import IDK, Symbols
from ia_gym.networks.answer_network import AnswerNetwork
from ia_gym.networks.context_network import ContextNetwork, check_parameters
from ia_gym.networks.network_assistant import NetworkAssistant
from ia_gym.networks.optimizers import MuonAdamW


class DoubtfulChallenger:
    """Challenges the claims that the answering side itself finds least likely.

    Args:
        network: of the answering side.
    """

    def __init__(self, network: ContextNetwork) -> None:
        self.reader = NetworkAssistant(network)

    def score(
        self, contexts: Contexts, questions: Symbols, answers: Symbols
    ) -> NDArray[np.floating]:
        """One less the probability of each claim, see ``ia_gym.debate.challengers.Challenger``."""
        likely = self.reader.compute_logits(contexts, questions).softmax(dim=-1)
        claims = torch.as_tensor(answers, device=likely.device)[..., None]
        return 1 - likely.gather(-1, claims)[..., 0].double().cpu().numpy()


class LearnedChallenger:
    """Challenges the claims that are likeliest to fall, as a network of its own estimates.

    The network reads the facts and a question, and gives for each answer the logit of the
    probability that a challenge of it wins.

    Args:
        domain: of the questions.
        device: where the network is computed.
        max_grad_norm: gradients are clipped to this norm.
        **sizes: of the :class:`~ia_gym.networks.answer_network.AnswerNetwork`.

    Raises:
        ValueError: for a size out of range.
        TypeError: for a size of another name.
    """

    def __init__(
        self, domain: Domain, device: torch.device, max_grad_norm: float, **sizes: Any
    ) -> None:
        shape = domain.n_symbols, domain.fact_shape, domain.question_length, domain.n_answers
        check_parameters(lambda: AnswerNetwork(*shape, **sizes))
        self.network = AnswerNetwork(*shape, **sizes).to(device)
        self.optimizer = MuonAdamW(self.network.parameters())
        self.reader = NetworkAssistant(self.network)
        self.max_grad_norm = max_grad_norm

    def score(
        self, contexts: Contexts, questions: Symbols, answers: Symbols
    ) -> NDArray[np.floating]:
        """The probability of winning, see ``ia_gym.debate.challengers.Challenger``."""
        falls = self.reader.compute_logits(contexts, questions).sigmoid()
        claims = torch.as_tensor(answers, device=falls.device)[..., None]
        scores = falls.gather(-1, claims)[..., 0].double().cpu().numpy()
        return np.where(answers == IDK, 1.0, scores)  # "I don't know" never stands

    def learn(
        self,
        facts: Symbols,
        questions: Symbols,
        answers: Tensor,
        falls: Tensor,
        certain: Tensor,
        rate: float,
    ) -> float:
        """Take one gradient step on which answers fell.

        Args:
            facts: int64 ``(B, F, L)``.
            questions: int64 ``(B, Q, Lq)``; zeros for none.
            answers: int64 ``(B, Q, S)``, answers under debate.
            falls: float32 ``(B, Q, S)``, 1 where one fell.
            certain: float32 ``(B, Q, S)``, 0 where that is not known.
            rate: the learning rate.

        Returns:
            The mean cross-entropy.
        """
        device = answers.device
        logits = self.network(
            *(torch.as_tensor(each, device=device) for each in (facts, questions))
        )
        losses = F.binary_cross_entropy_with_logits(
            logits.gather(-1, answers), falls, reduction="none"
        )
        asked = torch.as_tensor(questions[..., :1] != 0, device=device)
        weights = certain * asked
        loss = (losses * weights).sum() / weights.sum().clamp(min=1)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.max_grad_norm)
        self.optimizer.step()
        return float(loss.item())

    def tensors(self) -> dict[str, Tensor]:
        """All that :meth:`learn` has changed, as a flat dict for a file of tensors."""
        return {
            **add_prefix(self.network.state_dict(), "network"),
            **add_prefix(self.optimizer.tensors(), "optimizer"),
        }

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Restore what :meth:`tensors` gave."""
        self.network.load_state_dict(select_prefix(tensors, "network"))
        self.optimizer.load_tensors(select_prefix(tensors, "optimizer"))
