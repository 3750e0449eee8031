"""Consultancy: a debate without a challenger, in which chance picks the claim that is checked."""

from __future__ import annotations

from ia_gym.agents.learners.debate_learner import DebateLearner
from ia_gym.debate.challengers import Challenger, RandomChallenger
from ia_gym.domains import Domain


class Consultancy(DebateLearner):
    """The agent backs its answers with claims, one of which, drawn at random, is debated further.

    A false answer stands whenever the path happens to miss the false claim behind it; debate sends
    somebody to look for it.

    Args: those of :class:`~ia_gym.agents.learners.debate_learner.DebateLearner`.
    """

    def _make_challenger(self, domain: Domain) -> Challenger:
        return RandomChallenger()
