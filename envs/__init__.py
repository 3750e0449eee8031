"""Gymnasium environments whose reward is the amplified overseer's approval."""

from ia_gym.envs.question_env import QuestionEnv, QuestionVectorEnv

__all__ = ["QuestionEnv", "QuestionVectorEnv"]
