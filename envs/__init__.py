"""Gymnasium environments whose reward is the amplified overseer's approval."""

from ia_gym.envs.question_env import QuestionEnv, QuestionVectorEnv
from ia_gym.envs.vector_checker import check_vector_env
from ia_gym.envs.wrappers import CurriculumVectorWrapper, CurriculumWrapper, OneHot

__all__ = [
    "CurriculumVectorWrapper",
    "CurriculumWrapper",
    "OneHot",
    "QuestionEnv",
    "QuestionVectorEnv",
    "check_vector_env",
]
