"""The evaluator that fits an environment."""

from __future__ import annotations

from typing import Any

from ia_gym.agents.evaluation.decomposition_evaluator import (
    DecompositionEvaluator,
    asks_for_decomposition,
)
from ia_gym.agents.evaluation.episode_evaluator import EpisodeEvaluator, find_game_name
from ia_gym.agents.evaluation.evaluator import Evaluator
from ia_gym.agents.evaluation.question_evaluator import QuestionEvaluator


def find_evaluator_class(env_id: str) -> type[Evaluator]:
    """The class that evaluates agents on ``env_id``; it has labels and a description.

    An id that is not registered here, such as that of another program's domain, is taken to ask
    questions.
    """
    if asks_for_decomposition(env_id):
        return DecompositionEvaluator
    return EpisodeEvaluator if find_game_name(env_id) else QuestionEvaluator


def compute_reference_scores(env_id: str) -> dict[str, float]:
    """Reference scores by name, as reports show them: on 2048 questions, or on episodes."""
    n_questions = None if find_game_name(env_id) else 2048
    evaluator = make_evaluator(env_id, n_questions)
    score = evaluator.labels.score_name
    return {name: scores[score] for name, scores in evaluator.references().items()}


def make_evaluator(
    env_id: str, n_eval_questions: int | None = None, seed: int = 0, **env_kwargs: Any
) -> Evaluator:
    """Make the evaluator for ``env_id``: of held-out questions, decompositions, or whole episodes.

    Args:
        env_id: a registered environment of the suite.
        n_eval_questions: held-out questions; default 4096, or 1024 of those to decompose.
            Environments whose actions are approved of have none.
        seed: another seed, other questions or episodes.
        **env_kwargs: the environment's arguments.

    Raises:
        ValueError: for an argument out of range, or ``n_eval_questions`` without questions.
    """
    if asks_for_decomposition(env_id):
        n_questions = 1024 if n_eval_questions is None else n_eval_questions
        return DecompositionEvaluator(env_id, n_questions, seed, **env_kwargs)
    if not find_game_name(env_id):
        n_questions = 4096 if n_eval_questions is None else n_eval_questions
        return QuestionEvaluator(env_id, n_questions, seed, **env_kwargs)
    if n_eval_questions is not None:
        raise ValueError(
            "n_eval_questions is for environments that ask questions, "
            f"got {n_eval_questions} for {env_id}"
        )
    return EpisodeEvaluator(env_id, seed=seed, **env_kwargs)
