"""Records of simulated people, written without a server: to measure what is learned from them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from ia_gym.amplification.assistants import Oracle
from ia_gym.domains import Domain, Permutation, ShortestPath
from ia_gym.domains.transcript import Symbols
from ia_gym.experiments.human.questions import ContextView, QuestionBook, to_row
from ia_gym.experiments.human.records import (
    ANSWERED,
    BY_ASSISTANT,
    LOOKED_UP,
    Interaction,
    Person,
    Question,
    Step,
    now,
    open_records,
)
from ia_gym.experiments.human.simulated_people import (
    EdgePerson,
    OneStepPerson,
    ScriptedPerson,
    SloppyPerson,
)

SLIPS = 0.1
"""Share of a sloppy person's steps that are slips."""
BATCH = 100
"""Questions written in a transaction."""

Way = Callable[[Domain], Any]
WAYS: Mapping[str, Way] = {
    "script": lambda domain: ScriptedPerson(domain),
    "sloppy": lambda domain: SloppyPerson(
        ScriptedPerson(domain), domain, SLIPS, np.random.default_rng(0)
    ),
    "one-step": lambda domain: OneStepPerson(require(domain, Permutation)),
    "edges": lambda domain: EdgePerson(require(domain, ShortestPath)),
}
"""How simulated people work, by name."""


def require(domain: Domain, cls: type[Any]) -> Any:
    """``domain``, if it is of this class.

    Raises:
        ValueError: naming both.
    """
    if not isinstance(domain, cls):
        raise ValueError(f"this person knows {cls.__name__} only, got {domain!r}")
    return domain


def simulate(
    path: str | os.PathLike[str], env_id: str, counts: Mapping[str, int], seed: int = 0
) -> dict[str, float]:
    """Let simulated people answer questions, with the oracle's help, and record it.

    Args:
        path: the file of records; people of these names go on where they left off.
        env_id: the environment.
        counts: by way, one of :data:`WAYS`, how many questions to answer.
        seed: of the questions.

    Returns:
        By way, the share of the answers that are correct.

    Raises:
        ValueError: for an unknown way, or one that does not know the domain.
    """
    if unknown := sorted(set(counts) - set(WAYS)):
        raise ValueError(f"simulate must name some of {list(WAYS)}, got {', '.join(unknown)}")
    book = QuestionBook(env_id, seed)
    people = {name: WAYS[name](book.domain) for name in counts}
    engine = open_records(path)
    try:
        return {
            name: _let_work(engine, book, name, person, counts[name])
            for name, person in people.items()
        }
    finally:
        engine.dispose()


def _let_work(engine: Engine, book: QuestionBook, name: str, way: Any, count: int) -> float:
    """One person answers ``count`` questions; returns the share that is correct."""
    helper, rng, right = Oracle(book.domain), np.random.default_rng(0), 0
    with Session(engine) as session, session.begin():
        person = session.scalar(select(Person).filter_by(name=name))
        if person is None:
            person = Person(name=name, created=now())
            session.add(person)
            session.flush()
        number = person.id
        last = session.scalar(
            select(func.max(Question.number))
            .join(Interaction)
            .where(Interaction.person_id == number, Question.env_id == book.env_id)
        )
    first = 0 if last is None else last + 1
    for start in range(first, first + count, BATCH):
        with Session(engine) as session, session.begin():
            for n in range(start, min(start + BATCH, first + count)):
                question = book.get(session, n)
                view = book.view_of(question)
                way.forms = view.forms
                steps, answer = work_on(view, way, to_row(question.question), helper, rng)
                correct = view.is_correct(to_row(question.question), answer)
                right += correct
                session.add(
                    Interaction(
                        person_id=number,
                        question_id=question.id,
                        state=ANSWERED,
                        assistant="oracle",
                        started=now(),
                        finished=now(),
                        answer=answer,
                        answer_text=book.domain.answer_text(answer),
                        is_correct=correct,
                        steps=steps,
                    )
                )
    return right / count


def work_on(
    view: ContextView, way: Any, question: Symbols, helper: Oracle, rng: np.random.Generator
) -> tuple[list[Step], int]:
    """A simulated person's steps about one question, and her answer."""
    domain = view.domain
    steps: list[Step] = []
    work, said = way.work(question), None
    while True:
        try:
            asked = work.send(said)
        except StopIteration as end:
            return steps, int(end.value)
        primitive = bool(domain.is_primitive(asked))
        if primitive:
            said = view.look_up(rng, asked)
        else:
            said = int(helper.answer(view.context, asked[None, None])[0, 0])
        steps.append(
            Step(
                number=len(steps),
                question=asked.tolist(),
                text=domain.question_text(asked),
                answered_by=LOOKED_UP if primitive else BY_ASSISTANT,
                answer=said,
                answer_text=domain.answer_text(said),
                asked=now(),
            )
        )
