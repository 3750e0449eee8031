"""How far people agree with each other, with the domain's script, and with the truth."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from ia_gym.amplification.overseers import ScriptedOverseer
from ia_gym.domains.transcript import Symbols, Transcript
from ia_gym.experiments.human.questions import ContextView, QuestionBook, to_row
from ia_gym.experiments.human.records import (
    ANSWERED,
    APPROVE,
    PREFER,
    SKIPPED,
    Interaction,
    Judgement,
    Question,
)

Row = dict[str, Any]


def compare_people(session: Session, book: QuestionBook) -> dict[str, list[Row]]:
    """Compare what people did with the questions of one environment.

    Args:
        session: of the records.
        book: the questions.

    Returns:
        Tables, each a list of rows. ``people``: of each person the questions ``answered`` and
        ``skipped``; the mean number of ``steps``; shares of the answers that are ``correct``, and
        that are the ``script``'s, given the replies she got; and ``same_steps``, of questions with
        exactly the script's sub-questions. ``pairs``: of two people the questions ``both``
        answered, and shares of these with the same answer and the same sub-questions.
        ``judgements``: of each person the answers ``judged`` and shares of verdicts that are those
        of the ``script`` and of the ``truth``. ``judging_pairs``: of two people the answers that
        ``both`` judged, and the share with the same verdict. A share of nothing is NaN.
    """
    found = (
        select(Interaction)
        .join(Question)
        .where(Question.env_id == book.env_id)
        .options(selectinload(Interaction.steps))
    )
    by_person: dict[str, list[Interaction]] = defaultdict(list)
    for row in session.scalars(found.order_by(Interaction.id)):
        by_person[row.person.name].append(row)
    judged: dict[str, list[Judgement]] = defaultdict(list)
    verdicts = select(Judgement).join(Question).where(Question.env_id == book.env_id)
    for each in session.scalars(verdicts.where(Judgement.verdict.is_not(None))):
        judged[each.person.name].append(each)
    return {
        "people": [describe_person(name, rows, book) for name, rows in sorted(by_person.items())],
        "pairs": [compare_pair(*pair, by_person) for pair in combinations(sorted(by_person), 2)],
        "judgements": [describe_judge(name, rows, book) for name, rows in sorted(judged.items())],
        "judging_pairs": [
            compare_judges(*pair, judged) for pair in combinations(sorted(judged), 2)
        ],
    }


def describe_person(name: str, rows: list[Interaction], book: QuestionBook) -> Row:
    """A row of the table ``people``."""
    answered = [row for row in rows if row.state == ANSWERED]
    replays = [replay_script(book.view_of(row.question), row) for row in answered]
    steps = [[step.question for step in row.steps] for row in answered]
    return {
        "person": name,
        "answered": len(answered),
        "skipped": sum(row.state == SKIPPED for row in rows),
        "steps": average([len(each) for each in steps]),
        "correct": average([bool(row.is_correct) for row in answered]),
        "script": average(
            [row.answer == answer for row, (_, answer) in zip(answered, replays, strict=True)]
        ),
        "same_steps": average(
            [each == asked for each, (asked, _) in zip(steps, replays, strict=True)]
        ),
    }


def compare_pair(one: str, other: str, by_person: dict[str, list[Interaction]]) -> Row:
    """A row of the table ``pairs``."""
    answered = [
        {row.question_id: row for row in by_person[name] if row.state == ANSWERED}
        for name in (one, other)
    ]
    both = [(answered[0][key], answered[1][key]) for key in answered[0].keys() & answered[1].keys()]
    return {
        "people": f"{one}, {other}",
        "both": len(both),
        "answer": average([a.answer == b.answer for a, b in both]),
        "steps": average(
            [[s.question for s in a.steps] == [s.question for s in b.steps] for a, b in both]
        ),
    }


def describe_judge(name: str, rows: list[Judgement], book: QuestionBook) -> Row:
    """A row of the table ``judgements``."""
    agreed = [(row.verdict == judge_by_script(row, book), is_true(row, book)) for row in rows]
    known = [truth for _, truth in agreed if truth is not None]
    return {
        "person": name,
        "judged": len(rows),
        "script": average([script for script, _ in agreed]),
        "truth": average(known),
    }


def compare_judges(one: str, other: str, judged: dict[str, list[Judgement]]) -> Row:
    """A row of the table ``judging_pairs``."""
    verdicts = [
        {
            (row.question_id, row.kind, tuple(sorted(row.answers))): choose(row)
            for row in judged[name]
        }
        for name in (one, other)
    ]
    both = verdicts[0].keys() & verdicts[1].keys()
    return {
        "people": f"{one}, {other}",
        "both": len(both),
        "verdict": average([verdicts[0][key] == verdicts[1][key] for key in both]),
    }


def choose(row: Judgement) -> int:
    """A verdict as it can be compared: whether to approve, or which answer is better."""
    assert row.verdict is not None
    return int(row.answers[row.verdict]) if row.kind == PREFER else row.verdict


def judge_by_script(row: Judgement, book: QuestionBook) -> int | None:
    """The script's verdict, from the transcript that was shown; None if it has no preference."""
    view = book.view_of(row.question)
    approvals = approve_by_script(view, row)
    if row.kind == APPROVE:
        return int(approvals[0] == 1)
    return None if approvals[0] == approvals[1] else int(np.argmax(approvals))


def approve_by_script(view: ContextView, row: Judgement) -> list[float]:
    """The script's approval of the answers, from the transcript that was shown."""
    domain = view.domain
    question = to_row(row.question.question)[None, None]
    replies = [(list(asked), said) for asked, said in row.transcript]
    n_rounds = len(domain.round_slots)
    transcript = fill_transcript(view, question, replies, n_rounds)
    overseer = ScriptedOverseer(domain)
    case = view.context, question, transcript
    return [float(overseer.judge(*case, np.array([[a]]))[0, 0]) for a in row.answers]


def is_true(row: Judgement, book: QuestionBook) -> bool | None:
    """Whether a verdict is that of the truth; None if the truth has no preference."""
    view, asked = book.view_of(row.question), to_row(row.question.question)
    right = [view.is_correct(asked, answer) for answer in row.answers]
    if row.kind == APPROVE:
        return bool(row.verdict) == right[0]
    return None if right[0] == right[1] else right[row.verdict or 0]


def replay_script(view: ContextView, row: Interaction) -> tuple[list[list[int]], int]:
    """What the script asks, and answers, if it gets the same replies as the person.

    A sub-question that she did not ask is looked up or, if it is not primitive, answered truly.
    """
    domain = view.domain
    question = to_row(row.question.question)[None, None]
    replies = [(step.question, step.answer or 0) for step in row.steps]
    transcript = fill_transcript(view, question, replies, len(domain.subquestions_per_round))
    asked = [q.tolist() for q in transcript.questions[0, 0] if q[0]]
    return asked, int(domain.answer(view.context, question, transcript)[0, 0])


def fill_transcript(
    view: ContextView, question: Symbols, replies: list[tuple[list[int], int]], n_rounds: int
) -> Transcript:
    """The script's transcript, with the replies that were given; others are true."""
    domain, rng = view.domain, np.random.default_rng(0)
    slots = domain.round_slots[n_rounds - 1].stop
    transcript = Transcript.empty((1, 1), slots, domain.question_length)
    left = list(replies)
    for round in range(n_rounds):
        places = domain.round_slots[round]
        asked = domain.ask(rng, round, view.context, question, transcript)
        transcript.questions[..., places, :] = asked
        for place, row in zip(range(places.start, places.stop), asked[0, 0], strict=True):
            if not row[0]:
                continue
            index = next((i for i, (q, _) in enumerate(left) if q == row.tolist()), None)
            if index is not None:
                answer = left.pop(index)[1]
            elif domain.is_primitive(row):
                answer = view.look_up(rng, row)
            else:
                answer = int(domain.truth(view.context, row[None, None])[0, 0])
            transcript.answers[0, 0, place] = answer
    return transcript


def average(values: list[Any]) -> float:
    """The mean; NaN of none."""
    return float(np.mean(values)) if values else float("nan")
