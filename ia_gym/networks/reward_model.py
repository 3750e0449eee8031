"""A reward model: how good the overseer finds an answer, learned from its judgements.

Leike et al. (2018), section 2.2, and Christiano et al. (2017), section 2.2.3. Each answer a to a
question has a score s(a). By the model of Bradley and Terry (1952) the overseer prefers a to b with
probability σ(s(a) - s(b)). "I don't know" has the score 0, and an answer is approved of if it is
preferred to that: with probability σ(s(a)). So approvals and comparisons have one loss.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ia_gym.domains.transcript import IDK
from ia_gym.networks.context_network import ContextNetwork

Feedback = Literal["approval", "comparisons"]
"""What the overseer says: its approval of single answers, or which of two it prefers."""


class RewardModel(nn.Module):
    """Scores of all answers to a question about a set of facts: r(context, question, ·).

    Args:
        network: gives a number for each answer, such as
            :class:`~ia_gym.networks.answer_network.AnswerNetwork`.
    """

    def __init__(self, network: ContextNetwork) -> None:
        super().__init__()
        self.network = network

    @property
    def device(self) -> torch.device:
        """Device of the parameters."""
        return self.network.device

    def forward(self, facts: Tensor, questions: Tensor) -> Tensor:
        """Compute the scores ``(B, Q, n_answers)``; that of ``IDK`` is 0.

        Args:
            facts: int64 ``(B, F, L)``.
            questions: int64 ``(B, Q, Lq)``.
        """
        scores: Tensor = self.network(facts, questions)
        is_known = torch.arange(scores.shape[-1], device=scores.device) != IDK
        return scores * is_known


def compute_margins(scores: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Log-odds that the overseer prefers one answer to another.

    Args:
        scores: ``(..., n_answers)``.
        first: int64 ``(..., K)``, answers.
        second: int64 ``(..., K)``, those they are compared with; ``IDK`` for mere approval.

    Returns:
        ``(..., K)``, the differences of their scores.
    """
    return scores.gather(-1, first) - scores.gather(-1, second)


def compute_judgement_loss(margins: Tensor, verdicts: Tensor, counted: Tensor) -> Tensor:
    """Mean cross-entropy of the overseer's verdicts.

    Args:
        margins: ``(..., K)``, see :func:`compute_margins`.
        verdicts: ``(..., K)`` in [0, 1]: 1 where the first answer is preferred, 1/2 where neither
            is (Christiano et al., 2017); for mere approval, the approval.
        counted: bool ``(..., K)``, which of them there are.
    """
    losses = F.binary_cross_entropy_with_logits(margins, verdicts, reduction="none")
    return (losses * counted).sum() / counted.sum().clamp(min=1)


def compute_rewards(scores: Tensor, allowed: Tensor, feedback: Feedback) -> Tensor:
    """The reward of each answer, in [0, 1]: what the agent is trained on.

    It is the probability that the overseer approves of the answer or, where it compares, that it
    prefers the answer to another one, drawn at random. This does not change when a number is added
    to all scores of a question, about which comparisons say nothing.

    Args:
        scores: ``(..., n_answers)``.
        allowed: bool ``(..., n_answers)``: answers of the type that the question asks for. All
            others earn 0.
        feedback: "approval" or "comparisons".
    """
    if feedback == "approval":
        return scores.sigmoid() * allowed
    wins = (scores[..., :, None] - scores[..., None, :]).sigmoid() * allowed[..., None, :]
    wins = wins.sum(dim=-1) - 0.5 * allowed  # an answer is not compared with itself
    others = allowed.sum(dim=-1, keepdim=True) - 1
    return wins / others.clamp(min=1) * allowed
