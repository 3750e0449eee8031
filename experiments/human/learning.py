"""What a human predictor learns from the records of each person, by how many of them it has."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ia_gym.agents.evaluation.question_evaluator import QuestionEvaluator
from ia_gym.agents.learners.human_predictor_trainer import train_on_recorded
from ia_gym.agents.learners.recorded_interactions import RecordedInteractions
from ia_gym.amplification.amplify import amplify
from ia_gym.amplification.assistants import Oracle
from ia_gym.experiments.human.interactions import read_interactions
from ia_gym.networks.learned_overseer import LearnedOverseer


def measure_learning(
    path: str | os.PathLike[str],
    env_id: str,
    people: Sequence[str],
    counts: Sequence[int],
    seed: int = 0,
    n_eval_questions: int = 2048,
) -> Iterator[dict[str, Any]]:
    """Train a human predictor on the first so many interactions of each person.

    Args:
        path: the file of records.
        env_id: the environment.
        people: their names.
        counts: of interactions.
        seed: of the predictor.
        n_eval_questions: held-out questions.

    Yields:
        ``env_id``, ``person``, ``interactions``, ``accuracy`` (of the predictor in the overseer's
        place, with the oracle's help, on held-out questions) and ``steps`` (sub-questions in the
        longest of these interactions).

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a person has fewer interactions.
    """
    evaluator = QuestionEvaluator(env_id, n_eval_questions)
    for name in people:
        everything = read_interactions(path, evaluator.domain, [name])
        for count in counts:
            if count > len(everything.targets):
                raise ValueError(
                    f"learn must be at most {len(everything.targets)} for {name}, got {count}"
                )
            part = select_first(everything, count, name)
            learned = train_on_recorded(evaluator.domain, part, seed)
            yield {
                "env_id": env_id,
                "person": name,
                "interactions": count,
                "accuracy": measure_with_oracle(learned, evaluator),
                "steps": part.steps,
            }


def select_first(everything: RecordedInteractions, count: int, name: str) -> RecordedInteractions:
    """The first interactions of one person's."""
    asked = everything.asked[:count]
    longest = max(int((asked[..., 0] != 0).sum(axis=1).max()), 1)
    return replace(
        everything,
        questions=everything.questions[:count],
        asked=asked[:, :longest],
        answers=everything.answers[:count, :longest],
        targets=everything.targets[:count],
        people={name: count},
    )


def measure_with_oracle(learned: LearnedOverseer, evaluator: QuestionEvaluator) -> float:
    """Accuracy of a human predictor in the overseer's place, with the oracle's help."""
    rng = np.random.default_rng(evaluator.seed)
    case = evaluator.contexts, evaluator.questions
    transcript = amplify(learned, Oracle(learned.domain), rng, *case, judging=False)
    answers = learned.answer(*case, transcript)
    return float(evaluator.score(answers)["accuracy"])
