"""How likely an agent finds each answer, for the suite's policies and for those of SB3."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ia_gym.agents.policies.answer_policy import BaseAnswerPolicy


@torch.no_grad()
def read_preferences(policy: Any, observations: Any) -> NDArray[np.float64] | None:
    """Logits, or action values, of every answer.

    Args:
        policy: of an agent.
        observations: a batch of ``n``, as the policy sees them.

    Returns:
        float64 ``(n, n_answers)``: the larger, the sooner the answer is given. None for a policy
        that is neither the suite's, nor of SB3's actor-critic or Q-learning agents.
    """
    if not hasattr(policy, "obs_to_tensor"):
        return None
    inputs, _ = policy.obs_to_tensor(observations)
    if isinstance(policy, BaseAnswerPolicy):
        found = policy.compute_logits(inputs)
    elif hasattr(policy, "get_distribution"):
        found = policy.get_distribution(inputs).distribution.logits
    elif hasattr(policy, "q_net"):
        found = policy.q_net(inputs)
    elif hasattr(policy, "quantile_net"):
        found = policy.quantile_net(inputs).mean(dim=1)
    else:
        return None
    preferences: NDArray[np.float64] = found.double().cpu().numpy()
    return preferences
