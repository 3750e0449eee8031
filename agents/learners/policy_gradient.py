"""The policy gradient of answers to questions: of sampled answers, or of all of them at once."""

from __future__ import annotations

from torch import Tensor


def sample_answers(log_p: Tensor, n_samples: int) -> Tensor:
    """Sample answers by their log-probabilities.

    Args:
        log_p: ``(B, Q, n_answers)``.
        n_samples: answers to each question.

    Returns:
        int64 ``(B, Q, n_samples)``.
    """
    drawn = log_p.detach().exp().flatten(0, 1).multinomial(n_samples, replacement=True)
    return drawn.view(*log_p.shape[:2], -1)


def compute_gains(
    log_p: Tensor, answers: Tensor, scores: Tensor, is_sampled: bool
) -> tuple[Tensor, Tensor]:
    """What to maximize, so that its gradient is that of the expected score.

    With several sampled answers to a question, the baseline of each is the mean score of the others
    (Kool et al., 2019): less variance, and no bias.

    Args:
        log_p: ``(B, Q, n_answers)``, log-probabilities of the policy.
        answers: int64 ``(B, Q, S)``, those that are scored.
        scores: ``(B, Q, S)``.
        is_sampled: whether the answers are samples of the policy; else they are all answers that
            can have a score other than 0, each once.

    Returns:
        The gains ``(B, Q)``, and the mean or expected scores ``(B, Q)``, without gradient.
    """
    chosen = log_p.gather(-1, answers)
    if not is_sampled:
        expected = (chosen.exp() * scores).sum(dim=-1)
        return expected, expected.detach()
    mean, n = scores.mean(dim=-1), scores.shape[-1]
    advantages = scores
    if n > 1:
        advantages = scores - (mean[..., None] * n - scores) / (n - 1)
    return (advantages * chosen).mean(dim=-1), mean
