"""A person judges an agent's answers: whether one is right, or which of two is better."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ia_gym.amplification.amplify import amplify
from ia_gym.amplification.assistants import Assistant
from ia_gym.amplification.overseers import ScriptedOverseer
from ia_gym.domains import Contexts
from ia_gym.domains.transcript import IDK, Symbols, Transcript
from ia_gym.experiments.human.errors import RefusedError, refuse_outdated, refuse_unknown
from ia_gym.experiments.human.questions import QuestionBook, to_row
from ia_gym.experiments.human.records import (
    APPROVE,
    PREFER,
    Judgement,
    Person,
    Question,
    now,
)

VERDICTS = {APPROVE: ("not approved", "approved"), PREFER: ("answer A", "answer B")}
"""By kind of judgement, what the verdicts 0 and 1 mean."""


class Judge:
    """Shows people an agent's answers, and records their verdicts.

    Each question is shown with a transcript: the sub-questions that the script asks, and what the
    agent answers to them.

    Args:
        book: the questions.
        agents: one or two agents by name. With two, their answers are compared.
        compares: compare two answers also of one agent: two that it samples or, where these are
            equal, one of them and another drawn at random.

    Raises:
        ValueError: for no agent, or more than two.
    """

    def __init__(
        self, book: QuestionBook, agents: Mapping[str, Assistant], compares: bool = False
    ) -> None:
        if not 1 <= len(agents) <= 2:
            raise ValueError(f"agents must be one or two, got {list(agents)}")
        self.book = book
        self.domain = book.domain
        self.agents = dict(agents)
        self.kind = PREFER if compares or len(agents) == 2 else APPROVE
        self.agent_name = " / ".join(agents)
        self.rng = np.random.default_rng()

    # ---------------------------------------------------------------- what is shown

    def open_judgement(self, session: Session, person: Person) -> Judgement:
        """The answer that a person is to judge: the one she was shown, or her next one."""
        mine = select(Judgement).where(
            Judgement.person_id == person.id, *self._chosen(), Judgement.judged.is_(None)
        )
        shown = session.scalar(mine.join(Question).where(*self._here()))
        if shown is not None:
            return shown
        last = session.scalar(
            select(func.max(Question.number))
            .join(Judgement)
            .where(Judgement.person_id == person.id, *self._chosen(), *self._here())
        )
        question = self.book.get(session, 0 if last is None else last + 1)
        case = self.book.view_of(question).context, to_row(question.question)[None, None]
        answers, transcript = self._make_answers(*case)
        judgement = Judgement(
            person=person,
            question=question,
            kind=self.kind,
            agent=self.agent_name,
            answers=answers,
            answer_texts=[self.domain.answer_text(answer) for answer in answers],
            transcript=list_steps(transcript),
            shown=now(),
        )
        session.add(judgement)
        session.flush()
        return judgement

    def _make_answers(self, contexts: Contexts, questions: Symbols) -> tuple[list[int], Transcript]:
        """The answers to judge, and the transcript of the first agent's help."""
        agents = list(self.agents.values())
        script = ScriptedOverseer(self.domain)
        transcript = amplify(script, agents[0], self.rng, contexts, questions)
        answers = [int(agents[0].answer(contexts, questions)[0, 0])]
        if self.kind == PREFER:
            other = int(agents[-1].answer(contexts, questions)[0, 0])
            if other == answers[0]:
                allowed = np.flatnonzero(self.domain.answer_mask(questions[0, 0]))
                allowed = allowed[(allowed != IDK) & (allowed != other)]
                other = int(self.rng.choice(allowed)) if len(allowed) else IDK
            answers.insert(int(self.rng.integers(2)), other)
        return answers, transcript

    def describe(self, session: Session, judgement: Judgement) -> dict[str, Any]:
        """All that a person is shown of an answer to judge, as JSON holds it."""
        question, view = judgement.question, self.book.view_of(judgement.question)
        steps = [
            {
                "question": asked,
                "words": view.describe(to_row(asked)),
                "answer_words": view.say_answer(to_row(asked), said),
                "text": self.domain.question_text(to_row(asked)),
                "answer": said,
                "answer_text": self.domain.answer_text(said),
            }
            for asked, said in judgement.transcript
        ]
        return {
            "env_id": self.book.env_id,
            "person": {"id": judgement.person_id, "name": judgement.person.name},
            "progress": {"judged": self.count_judged(session, judgement.person)},
            "judgement": judgement.id,
            "kind": judgement.kind,
            "agent": judgement.agent,
            "number": question.number,
            "question": question.question,
            "words": view.describe(to_row(question.question)),
            "text": question.text,
            "context": {"id": question.context_id, "text": view.text},
            "steps": steps,
            "answers": judgement.answers,
            "answer_texts": judgement.answer_texts,
        }

    def count_judged(self, session: Session, person: Person) -> int:
        """How many answers she has judged."""
        found = select(func.count(Judgement.id)).join(Question)
        mine = Judgement.person_id == person.id, Judgement.verdict.is_not(None)
        return session.scalar(found.where(*mine, *self._chosen(), *self._here())) or 0

    # ---------------------------------------------------------------- what she does

    def judge(
        self, session: Session, person: Person, judgement_id: int, verdict: int | None
    ) -> None:
        """Record a verdict.

        Args:
            session: its transaction records the verdict.
            person: who judges.
            judgement_id: what she was shown.
            verdict: 1 to approve or for the second answer, 0 to disapprove or for the first; None
                to leave it.

        Raises:
            RefusedError: for an unknown or earlier judgement, or another verdict.
        """
        judgement = session.get(Judgement, judgement_id)
        if judgement is None or judgement.person_id != person.id:
            raise refuse_unknown("answer to judge", judgement_id)
        if judgement.judged is not None:
            raise refuse_outdated()
        if verdict not in (None, 0, 1):
            raise RefusedError(422, f"verdict must be 0 or 1, got {verdict}.")
        judgement.verdict, judgement.judged = verdict, now()

    def _chosen(self) -> tuple[Any, ...]:
        return Judgement.kind == self.kind, Judgement.agent == self.agent_name

    def _here(self) -> tuple[Any, ...]:
        return (Question.env_id == self.book.env_id,)


def list_steps(transcript: Transcript) -> list[Any]:
    """The sub-questions of a transcript ``(1, 1)`` in order, each with its answer."""
    asked, said = transcript.questions[0, 0], transcript.answers[0, 0]
    return [[q.tolist(), int(a)] for q, a in zip(asked, said, strict=True) if q[0]]
