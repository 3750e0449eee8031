"""All records as JSON, one object a line, or as a table."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ia_gym.experiments.human.records import OPEN, Interaction, Judgement

COLUMNS = (
    *("record", "env_id", "person", "number", "question", "assistant", "state", "steps", "answer"),
    *("is_correct", "started", "finished"),
)
"""Of the table."""


def list_records(session: Session) -> Iterator[dict[str, Any]]:
    """Every interaction, open ones too, then every judgement, in the order in which they began."""
    for row in session.scalars(select(Interaction).order_by(Interaction.id)):
        question, context = row.question, row.question.context
        yield {
            "record": "interaction",
            "env_id": question.env_id,
            "person": row.person.name,
            "number": question.number,
            "domain": context.domain,
            "facts": context.facts,
            "context": context.text,
            "question": question.question,
            "question_text": question.text,
            "truth": question.truth,
            "assistant": row.assistant,
            "state": row.state,
            "steps": [
                {
                    "question": step.question,
                    "text": step.text,
                    "answered_by": step.answered_by,
                    "answer": step.answer,
                    "answer_text": step.answer_text,
                }
                for step in row.steps
            ],
            "answer": row.answer,
            "answer_text": row.answer_text,
            "is_correct": row.is_correct,
            "started": format_time(row.started),
            "finished": format_time(row.finished),
        }
    for judged in session.scalars(select(Judgement).order_by(Judgement.id)):
        question, context = judged.question, judged.question.context
        yield {
            "record": "judgement",
            "env_id": question.env_id,
            "person": judged.person.name,
            "number": question.number,
            "domain": context.domain,
            "facts": context.facts,
            "context": context.text,
            "question": question.question,
            "question_text": question.text,
            "truth": question.truth,
            "kind": judged.kind,
            "agent": judged.agent,
            "answers": judged.answers,
            "answer_texts": judged.answer_texts,
            "transcript": judged.transcript,
            "verdict": judged.verdict,
            "shown": format_time(judged.shown),
            "judged": format_time(judged.judged),
        }


def write_jsonl(session: Session) -> str:
    """Every record as a JSON object, one a line."""
    lines = (json.dumps(record, ensure_ascii=False) for record in list_records(session))
    return "".join(f"{line}\n" for line in lines)


def write_csv(session: Session) -> str:
    """Every record as a row of a table, in words."""
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(COLUMNS)
    for record in list_records(session):
        row = make_row(record)
        table.writerow([protect(row[column]) for column in COLUMNS])
    return text.getvalue()


def make_row(record: dict[str, Any]) -> dict[str, Any]:
    """A record of :func:`list_records` as a row of the table."""
    if record["record"] == "interaction":
        steps = [(step["text"], step["answer_text"] or "") for step in record["steps"]]
        return {
            **record,
            "question": record["question_text"],
            "answer": record["answer_text"],
            "steps": "; ".join(f"{asked} = {said}" for asked, said in steps),
        }
    verdict = record["verdict"]
    return {
        **record,
        "question": record["question_text"],
        "assistant": record["agent"],
        "state": record["kind"] if record["judged"] else OPEN,
        "steps": " or ".join(record["answer_texts"]),
        "answer": "" if verdict is None else verdict,
        "is_correct": "",
        "started": record["shown"],
        "finished": record["judged"],
    }


def protect(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return value


def format_time(time: datetime | None) -> str | None:
    """A time of the records, which are in UTC."""
    return None if time is None else f"{time.isoformat(timespec='milliseconds')}Z"
