"""Records as interactions for a human predictor to learn from."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from ia_gym.agents.learners.recorded_interactions import RecordedInteractions
from ia_gym.domains import Domain
from ia_gym.experiments.human.questions import describe_vocabulary
from ia_gym.experiments.human.records import ANSWERED, Interaction, open_records, read_records


def read_interactions(
    path: str | os.PathLike[str], domain: Domain, people: Sequence[str] | None = None
) -> RecordedInteractions:
    """Read the answered questions of a file of records.

    Args:
        path: the file.
        domain: of the questions to read; those of other vocabularies are left out.
        people: names of those whose interactions to read; None for all.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no file of records, or holds no such interactions.
    """
    engine = open_records(path, create=False)
    try:
        with read_records(engine) as session:
            found = select(Interaction).where(Interaction.state == ANSWERED)
            found = found.options(selectinload(Interaction.steps)).order_by(Interaction.id)
            rows = [
                row
                for row in session.scalars(found)
                if is_same_vocabulary(row.question.context.domain, domain)
                and (people is None or row.person.name in people)
            ]
            if not rows:
                whose = "" if people is None else f" of {', '.join(people)}"
                raise ValueError(
                    f"human must hold answered questions{whose} about {domain!r}, {path} holds none"
                )
            return make_interactions(rows, domain)
    finally:
        engine.dispose()


def is_same_vocabulary(recorded: dict[str, Any], domain: Domain) -> bool:
    """Whether the symbols of a recorded context mean the same in ``domain``.

    The number of names in a context may differ: a model learns from contexts of any.
    """
    known = describe_vocabulary(domain)
    return all(recorded.get(key) == known[key] for key in known if key != "size")


def make_interactions(rows: Sequence[Interaction], domain: Domain) -> RecordedInteractions:
    """Arrange answered questions as arrays."""
    steps = max(max(len(row.steps) for row in rows), 1)
    asked = np.zeros((len(rows), steps, domain.question_length), np.int64)
    answers = np.zeros((len(rows), steps), np.int64)
    for i, row in enumerate(rows):
        for j, step in enumerate(row.steps):
            asked[i, j] = step.question
            answers[i, j] = step.answer or 0
    return RecordedInteractions(
        questions=np.array([row.question.question for row in rows], np.int64),
        asked=asked,
        answers=answers,
        targets=np.array([row.answer for row in rows], np.int64),
        people=dict(Counter(row.person.name for row in rows)),
    )
