"""Learners with SB3's face, the bridge to SB3's own agents, and what compares them."""

from ia_gym.agents.action_assistant import LearnedAssistant
from ia_gym.agents.answer_search import AnswerSearch
from ia_gym.agents.assistants import PolicyAssistant
from ia_gym.agents.callbacks import (
    AmplificationCallback,
    CurriculumCallback,
    EvaluationCallback,
    HumanPredictorCallback,
)
from ia_gym.agents.episodes import Episodes
from ia_gym.agents.evaluation import HeldOut
from ia_gym.agents.features import FactsExtractor
from ia_gym.agents.imitation import ImitationIA, IteratedAmplification
from ia_gym.agents.mixed import Mixed
from ia_gym.agents.reinforce import Reinforce
from ia_gym.agents.sb3_bridge import GymnasiumVecEnv, make_sb3_vec_env
from ia_gym.agents.supervised import Supervised

__all__ = [
    "AmplificationCallback",
    "AnswerSearch",
    "CurriculumCallback",
    "Episodes",
    "EvaluationCallback",
    "FactsExtractor",
    "GymnasiumVecEnv",
    "HeldOut",
    "HumanPredictorCallback",
    "ImitationIA",
    "IteratedAmplification",
    "LearnedAssistant",
    "Mixed",
    "PolicyAssistant",
    "Reinforce",
    "Supervised",
    "make_sb3_vec_env",
]
