"""Learners with SB3's interface, what SB3's own agents need, and the evaluation of both.

- ``learners``: the suite's learners, one algorithm a file.
- ``policies``: their policy, and the features extractor for SB3's agents.
- ``sb3``: the bridge to batched environments, and callbacks.
- ``assistants``: trained agents as assistants of the overseer.
- ``language``: language models as agents: rewards, assistants, data sets.
- ``evaluation``: held-out evaluation of any agent.
- ``ray``: batches from several processes, and RLlib; needs ``pip install "ia-gym[ray]"``.
"""

from ia_gym.agents.assistants.action_assistant import LearnedActionAssistant
from ia_gym.agents.assistants.policy_assistant import PolicyAssistant
from ia_gym.agents.evaluation.episode_evaluator import EpisodeEvaluator
from ia_gym.agents.evaluation.evaluator import Evaluator
from ia_gym.agents.evaluation.make_evaluator import make_evaluator
from ia_gym.agents.evaluation.question_evaluator import QuestionEvaluator
from ia_gym.agents.learners.answer_search import AnswerSearch
from ia_gym.agents.learners.consultancy import Consultancy
from ia_gym.agents.learners.debate import Debate
from ia_gym.agents.learners.expert_iteration import ExpertIteration
from ia_gym.agents.learners.imitation import ImitationIA, IteratedAmplification
from ia_gym.agents.learners.learned_decomposition import LearnedDecomposition
from ia_gym.agents.learners.preferences import Preferences
from ia_gym.agents.learners.reinforce import Reinforce
from ia_gym.agents.learners.reinforce_with_demonstrations import ReinforceWithDemonstrations
from ia_gym.agents.learners.reward_modelling import RewardModelling
from ia_gym.agents.learners.supervised import Supervised
from ia_gym.agents.learners.tree_expert_iteration import TreeExpertIteration
from ia_gym.agents.policies.facts_extractor import FactsExtractor
from ia_gym.agents.sb3.amplification_callback import AmplificationCallback
from ia_gym.agents.sb3.approval_callback import ApprovalCallback
from ia_gym.agents.sb3.bridge import GymnasiumVecEnv, make_sb3_vec_env
from ia_gym.agents.sb3.collapse_monitor import CollapseMonitor
from ia_gym.agents.sb3.curriculum_callback import CurriculumCallback
from ia_gym.agents.sb3.evaluation_callback import EvaluationCallback
from ia_gym.agents.sb3.human_predictor_callback import HumanPredictorCallback
from ia_gym.agents.sb3.maskable_dqn import MaskableDQN

__all__ = [
    "AmplificationCallback",
    "AnswerSearch",
    "ApprovalCallback",
    "CollapseMonitor",
    "Consultancy",
    "CurriculumCallback",
    "Debate",
    "EpisodeEvaluator",
    "EvaluationCallback",
    "Evaluator",
    "ExpertIteration",
    "FactsExtractor",
    "GymnasiumVecEnv",
    "HumanPredictorCallback",
    "ImitationIA",
    "IteratedAmplification",
    "LearnedActionAssistant",
    "LearnedDecomposition",
    "MaskableDQN",
    "PolicyAssistant",
    "Preferences",
    "QuestionEvaluator",
    "Reinforce",
    "ReinforceWithDemonstrations",
    "RewardModelling",
    "Supervised",
    "TreeExpertIteration",
    "make_evaluator",
    "make_sb3_vec_env",
]
