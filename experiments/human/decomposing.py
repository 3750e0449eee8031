"""A person decomposes a question: what she may do, and what is recorded.

Each method is one step of hers, in the transaction of the session that it is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload

from ia_gym.amplification.assistants import Assistant
from ia_gym.domains.domain import MAX_STEPS
from ia_gym.domains.transcript import IDK
from ia_gym.experiments.human.errors import RefusedError, refuse_outdated, refuse_unknown
from ia_gym.experiments.human.questions import ContextView, QuestionBook, to_row
from ia_gym.experiments.human.records import (
    ANSWERED,
    BY_ASSISTANT,
    BY_HAND,
    LOOKED_UP,
    OPEN,
    SKIPPED,
    Interaction,
    Person,
    Question,
    Step,
    now,
)


class Decomposer:
    """Asks people questions, answers their sub-questions, and records both.

    Args:
        book: the questions.
        assistant: answers sub-questions that are not primitive; None to let people answer them by
            hand.
        assistant_name: its name in the records.
        show_truth: whether people are shown, after each question, what was right.
    """

    def __init__(
        self,
        book: QuestionBook,
        assistant: Assistant | None,
        assistant_name: str,
        show_truth: bool = False,
    ) -> None:
        self.book = book
        self.domain = book.domain
        self.assistant = assistant
        self.assistant_name = assistant_name
        self.show_truth = show_truth
        self.rng = np.random.default_rng()  # of lookups that draw at random

    # ---------------------------------------------------------------- what is shown

    def open_question(self, session: Session, person: Person) -> Interaction:
        """The question that a person is at: the one that is open, or her next one."""
        mine = self._interactions(person).options(joinedload(Interaction.question))
        current: Interaction | None = session.scalar(mine.where(Interaction.state == OPEN))
        if current is not None:
            return current
        last = session.scalar(
            select(func.max(Question.number))
            .join(Interaction)
            .where(Interaction.person_id == person.id, Question.env_id == self.book.env_id)
        )
        question = self.book.get(session, 0 if last is None else last + 1)
        interaction = Interaction(
            person=person,
            question=question,
            state=OPEN,
            assistant=self.assistant_name,
            started=now(),
        )
        session.add(interaction)
        session.flush()
        return interaction

    def count_progress(self, session: Session, person: Person) -> dict[str, int]:
        """How many of her questions are answered, and how many skipped."""
        rows = session.execute(
            select(Interaction.state, func.count())
            .join(Question)
            .where(Interaction.person_id == person.id, Question.env_id == self.book.env_id)
            .group_by(Interaction.state)
        ).all()
        counts = {state: count for state, count in rows}  # noqa: C416 (rows are no pairs to mypy)
        return {"answered": counts.get(ANSWERED, 0), "skipped": counts.get(SKIPPED, 0)}

    def describe(self, session: Session, interaction: Interaction) -> dict[str, Any]:
        """All that a person is shown of a question, as JSON holds it."""
        question, view = interaction.question, self.book.view_of(interaction.question)
        row = to_row(question.question)
        owed = find_owed(interaction)
        return {
            "env_id": self.book.env_id,
            "assistant": self.assistant_name,
            "person": {"id": interaction.person_id, "name": interaction.person.name},
            "progress": self.count_progress(session, interaction.person),
            "interaction": interaction.id,
            "number": question.number,
            "position": find_position(interaction),
            "question": question.question,
            "words": view.describe(row),
            "text": question.text,
            "context": {"id": question.context_id, "text": view.text},
            "steps": [self._describe_step(view, step) for step in interaction.steps],
            "owes": owed is not None,
            "may_ask": len(interaction.steps) < MAX_STEPS,
            "answers": view.list_answers(row if owed is None else to_row(owed.question)),
            "forms": view.form_data,
            "before": self._describe_before(session, interaction),
        }

    def _describe_step(self, view: ContextView, step: Step) -> dict[str, Any]:
        row, answer = to_row(step.question), step.answer
        return {
            "question": step.question,
            "words": view.describe(row),
            "answer_words": "?" if answer is None else view.say_answer(row, answer),
            "text": step.text,
            "answered_by": step.answered_by,
            "answer": step.answer,
            "answer_text": step.answer_text,
        }

    def _describe_before(self, session: Session, current: Interaction) -> dict[str, Any] | None:
        """What was right in the question before, if people are shown it."""
        if not self.show_truth:
            return None
        person = current.person
        mine = self._interactions(person).where(Interaction.state == ANSWERED)
        last = session.scalar(mine.order_by(Question.number.desc()).limit(1))
        if last is None:
            return None
        return {
            "text": last.question.text,
            "answer_text": last.answer_text,
            "is_correct": last.is_correct,
            "truth_text": self.domain.answer_text(last.question.truth),
        }

    def _interactions(self, person: Person) -> Any:
        """The interactions of a person with the questions of this environment."""
        return (
            select(Interaction)
            .join(Question)
            .where(Interaction.person_id == person.id, Question.env_id == self.book.env_id)
        )

    # ---------------------------------------------------------------- what she does

    def ask(
        self,
        session: Session,
        person: Person,
        interaction_id: int,
        position: int,
        form: int,
        chosen: Sequence[int],
    ) -> None:
        """Ask a sub-question. It is answered at once, unless by hand.

        Args:
            session: its transaction records the step.
            person: who asks.
            interaction_id: about which question.
            position: how far the question had come when she was shown it, so that a form that is
                sent twice is of no effect.
            form: index of the form.
            chosen: her choices in its menus.

        Raises:
            RefusedError: for another question or position than the current one, or what makes no
                question.
        """
        interaction = self._find_current(session, person, interaction_id, position)
        if find_owed(interaction) is not None:
            raise RefusedError(409, "Answer the sub-question before you ask the next one.")
        number = len(interaction.steps)
        if number >= MAX_STEPS:
            raise RefusedError(422, f"At most {MAX_STEPS} sub-questions can be asked.")
        view = self.book.view_of(interaction.question)
        if not 0 <= form < len(view.forms):
            raise RefusedError(422, f"form must be in 0..{len(view.forms) - 1}, got {form}.")
        try:
            asked = view.forms[form].fill(chosen)
        except ValueError as error:
            raise RefusedError(422, f"{error}.") from error
        if not self.domain.is_well_formed(asked):
            raise RefusedError(422, "This is no question of the domain.")
        answered_by, answer = BY_HAND, None
        if self.domain.is_primitive(asked):
            answered_by, answer = LOOKED_UP, view.look_up(self.rng, asked)
        elif self.assistant is not None:
            given = self.assistant.answer(view.context, asked[None, None])
            answered_by, answer = BY_ASSISTANT, int(given[0, 0])
        interaction.steps.append(
            Step(
                number=number,
                question=asked.tolist(),
                text=self.domain.question_text(asked),
                answered_by=answered_by,
                answer=answer,
                answer_text=None if answer is None else self.domain.answer_text(answer),
                asked=now(),
            )
        )

    def answer(
        self, session: Session, person: Person, interaction_id: int, position: int, answer: int
    ) -> None:
        """Answer the sub-question that she owes an answer to, or else the question itself.

        Args:
            session: its transaction records the step.
            person: who answers.
            interaction_id: which question.
            position: see :meth:`ask`.
            answer: a symbol; 0 for "I don't know".

        Raises:
            RefusedError: for another question or position than the current one, or an answer
                that is not of the type asked for.
        """
        interaction = self._find_current(session, person, interaction_id, position)
        view, owed = self.book.view_of(interaction.question), find_owed(interaction)
        asked = to_row(interaction.question.question if owed is None else owed.question)
        if answer != IDK and answer not in dict(view.list_answers(asked)):
            raise RefusedError(422, "This is no answer to the question.")
        text = self.domain.answer_text(answer)
        if owed is not None:
            owed.answer, owed.answer_text = answer, text
            return
        interaction.state, interaction.finished = ANSWERED, now()
        interaction.answer, interaction.answer_text = answer, text
        interaction.is_correct = view.is_correct(asked, answer)

    def undo(self, session: Session, person: Person, interaction_id: int, position: int) -> None:
        """Take back the last sub-question; if there is none, the answer to the question before.

        Raises:
            RefusedError: for another question or position than the current one; if there is nothing
                to take back; or if she was shown what was right.
        """
        interaction = self._find_current(session, person, interaction_id, position)
        if interaction.steps:
            interaction.steps.pop()
            return
        if self.show_truth:
            raise RefusedError(409, "You were shown what was right: the answer stands.")
        before = self._interactions(person).where(Interaction.state != OPEN)
        last = session.scalar(before.order_by(Question.number.desc()).limit(1))
        if last is None:
            raise RefusedError(409, "There is nothing to undo.")
        session.delete(interaction)
        last.state, last.answer, last.answer_text = OPEN, None, None
        last.is_correct = last.finished = None

    def skip(self, session: Session, person: Person, interaction_id: int, position: int) -> None:
        """Leave the question, with the steps made so far.

        Raises:
            RefusedError: for another question or position than the current one.
        """
        interaction = self._find_current(session, person, interaction_id, position)
        interaction.state, interaction.finished = SKIPPED, now()

    def _find_current(
        self, session: Session, person: Person, interaction_id: int, position: int
    ) -> Interaction:
        """The open interaction of this id, if it has come so far and no farther."""
        interaction = session.get(Interaction, interaction_id)
        if (
            interaction is None
            or interaction.person_id != person.id
            or interaction.question.env_id != self.book.env_id
        ):
            raise refuse_unknown("question", interaction_id)
        if interaction.state != OPEN or find_position(interaction) != position:
            raise refuse_outdated()
        return interaction


def find_owed(interaction: Interaction) -> Step | None:
    """The sub-question that the person has to answer by hand, if there is one."""
    last = interaction.steps[-1] if interaction.steps else None
    return last if last is not None and last.answer is None else None


def find_position(interaction: Interaction) -> int:
    """How far a question has come: two for each sub-question, less one while it has no answer."""
    return 2 * len(interaction.steps) - (find_owed(interaction) is not None)
