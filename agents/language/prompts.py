"""An endless data set of prompts, in the form of TRL's trainers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

from datasets import IterableDataset

from ia_gym.envs.questions.numbered_questions import NumberedQuestions


def make_prompt_dataset(
    questions: NumberedQuestions, conversational: bool = False, start: int = 0
) -> IterableDataset:
    """Questions as rows of ``prompt`` and ``question_id``, by their numbers, without end.

    The reward functions of :mod:`ia_gym.agents.language.rewards` find a question by its id. TRL
    needs ``max_steps`` with it.

    Args:
        questions: the questions.
        conversational: each prompt is a message of the user, for models that chat.
        start: number of the first question.
    """
    return IterableDataset.from_generator(
        iterate_rows,
        gen_kwargs={"questions": questions, "conversational": conversational, "start": start},
    )


def iterate_rows(
    questions: NumberedQuestions, conversational: bool, start: int
) -> Iterator[dict[str, Any]]:
    """The rows of :func:`make_prompt_dataset`."""
    for number in count(start):
        prompt: Any = questions.describe([number])[0]
        if conversational:
            prompt = [{"role": "user", "content": prompt}]
        yield {"prompt": prompt, "question_id": questions.make_id(number)}
