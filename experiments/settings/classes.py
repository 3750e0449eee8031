"""The classes and schedules that a settings file may name."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import stable_baselines3 as sb3

from ia_gym.agents.learners.answer_search import AnswerSearch
from ia_gym.agents.learners.consultancy import Consultancy
from ia_gym.agents.learners.debate import Debate
from ia_gym.agents.learners.expert_iteration import ExpertIteration
from ia_gym.agents.learners.imitation import ImitationIA, IteratedAmplification
from ia_gym.agents.learners.preferences import Preferences
from ia_gym.agents.learners.reinforce import Reinforce
from ia_gym.agents.learners.reinforce_with_demonstrations import ReinforceWithDemonstrations
from ia_gym.agents.learners.reward_modelling import RewardModelling
from ia_gym.agents.learners.schedules import HoldLinear
from ia_gym.agents.learners.supervised import Supervised
from ia_gym.agents.learners.tree_expert_iteration import TreeExpertIteration
from ia_gym.agents.policies.facts_extractor import FactsExtractor
from ia_gym.networks.optimizers import MuonAdamW

CLASSES: dict[str, type] = {
    cls.__name__: cls
    for cls in (
        *(sb3.PPO, sb3.A2C, sb3.DQN),
        *(ImitationIA, IteratedAmplification, Supervised),
        *(Reinforce, AnswerSearch, ReinforceWithDemonstrations),
        *(Debate, Consultancy, RewardModelling, Preferences),
        *(ExpertIteration, TreeExpertIteration),
        *(FactsExtractor, MuonAdamW),
    )
}
"""By name; those of sb3-contrib only where it is installed."""
if find_spec("sb3_contrib"):
    import sb3_contrib

    CLASSES |= {cls.__name__: cls for cls in (sb3_contrib.MaskablePPO, sb3_contrib.QRDQN)}


def resolve(value: Any) -> Any:
    """``value`` with the names of classes and schedules replaced by what they name.

    ``hold_4e-3`` names :class:`~ia_gym.agents.learners.schedules.HoldLinear`: a learning rate of
    4e-3 that falls to 0 in the last third of the training.
    """
    if isinstance(value, dict):
        return {key: resolve(item) for key, item in value.items()}
    if isinstance(value, str) and value in CLASSES:
        return CLASSES[value]
    if isinstance(value, str) and value.startswith("hold_"):
        return HoldLinear(float(value.removeprefix("hold_")))
    return value
