"""Gymnasium environments whose reward is the amplified overseer's approval.

- ``questions``: environments that ask the questions of a domain.
- ``decomposition``: environments in which the agent decomposes such questions.
- ``actions``: approval of actions in other environments.
- ``arguments.py``: kinds of reward, and checks of arguments and actions, for both.
- ``wrappers.py``: environments that follow a curriculum.
- ``text_actions.py``: environments that are answered in text.
- ``batched_vector.py``: what vectors share whose environments are one object.
- ``rendered_envs.py``: how environments show their questions.
- ``autoreset.py``: the autoreset mode of vectors, and their final observations.
- ``debate_v0.py``: debate as a PettingZoo environment for two players; import it by itself.
- ``vector_checker.py``: a checker for vector environments.
"""

from ia_gym.envs.actions.action_approval import ActionApproval, ActionApprovalVectorEnv
from ia_gym.envs.actions.games import make_action_env, make_action_vec
from ia_gym.envs.decomposition.decomposition_env import DecompositionEnv
from ia_gym.envs.decomposition.decomposition_vector_env import DecompositionVectorEnv
from ia_gym.envs.questions.config import make_evaluation_kwargs
from ia_gym.envs.questions.question_env import QuestionEnv
from ia_gym.envs.questions.question_vector_env import QuestionVectorEnv
from ia_gym.envs.text_actions import TextActions, TextActionsVectorWrapper
from ia_gym.envs.vector_checker import check_vector_env
from ia_gym.envs.wrappers import CurriculumVectorWrapper, CurriculumWrapper

__all__ = [
    "ActionApproval",
    "ActionApprovalVectorEnv",
    "CurriculumVectorWrapper",
    "CurriculumWrapper",
    "DecompositionEnv",
    "DecompositionVectorEnv",
    "QuestionEnv",
    "QuestionVectorEnv",
    "TextActions",
    "TextActionsVectorWrapper",
    "check_vector_env",
    "make_action_env",
    "make_action_vec",
    "make_evaluation_kwargs",
]
