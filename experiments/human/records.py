"""The records of people as overseers: their schema, in SQLite, and how it is opened.

What a person does is written step by step, one transaction each. The file is in write-ahead-log
mode, so that readers (exports, training) need not wait for the server. The version of the schema
stands in the file; a file of an earlier version is brought up to date when it is opened.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import (
    JSON,
    Connection,
    Engine,
    ForeignKey,
    LargeBinary,
    UniqueConstraint,
    create_engine,
    event,
    inspect,
    text,
)
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from ia_gym.domains import Contexts

SCHEMA_VERSION = 2
"""Version of the schema below, in ``PRAGMA user_version``."""

LOOKED_UP, BY_ASSISTANT, BY_HAND = "lookup", "assistant", "person"
"""Who answered a sub-question: it is primitive, the assistant, or the person herself."""

OPEN, ANSWERED, SKIPPED = "open", "answered", "skipped"
"""States of an interaction."""

APPROVE, PREFER = "approve", "prefer"
"""Kinds of judgements: of one answer, or of which of two answers is better."""


READS = "ia_gym_reads"
"""Execution option of connections that only read."""


class Base(DeclarativeBase):
    """All tables."""

    type_annotation_map = {list[int]: JSON, list[Any]: JSON, dict[str, Any]: JSON}  # noqa: RUF012


class Person(Base):
    """Somebody who decomposes and judges."""

    __tablename__ = "people"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    created: Mapped[datetime]


class Context(Base):
    """A context by value: what the questions are about, whatever the generator does later."""

    __tablename__ = "contexts"
    __table_args__ = (UniqueConstraint("env_id", "number"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    env_id: Mapped[str]
    number: Mapped[int]
    domain: Mapped[dict[str, Any]]
    facts: Mapped[list[Any]]
    text: Mapped[str]
    value: Mapped[bytes] = mapped_column(LargeBinary)


class Question(Base):
    """A root question. Its number among those of its environment is the same for all people."""

    __tablename__ = "questions"
    __table_args__ = (UniqueConstraint("env_id", "number"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    env_id: Mapped[str]
    number: Mapped[int]
    context_id: Mapped[int] = mapped_column(ForeignKey("contexts.id"))
    question: Mapped[list[int]]
    text: Mapped[str]
    truth: Mapped[int]
    context: Mapped[Context] = relationship()


class Interaction(Base):
    """One person's work on one question."""

    __tablename__ = "interactions"
    __table_args__ = (UniqueConstraint("person_id", "question_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    question_id: Mapped[int] = mapped_column(ForeignKey("questions.id"), index=True)
    state: Mapped[str]
    assistant: Mapped[str]
    answer: Mapped[int | None]
    answer_text: Mapped[str | None]
    is_correct: Mapped[bool | None]
    started: Mapped[datetime]
    finished: Mapped[datetime | None]
    person: Mapped[Person] = relationship()
    question: Mapped[Question] = relationship()
    steps: Mapped[list[Step]] = relationship(order_by="Step.number", cascade="all, delete-orphan")


class Step(Base):
    """A sub-question and its answer, which is missing while the person owes it."""

    __tablename__ = "steps"
    __table_args__ = (UniqueConstraint("interaction_id", "number"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    interaction_id: Mapped[int] = mapped_column(ForeignKey("interactions.id"), index=True)
    number: Mapped[int]
    question: Mapped[list[int]]
    text: Mapped[str]
    answered_by: Mapped[str]
    answer: Mapped[int | None]
    answer_text: Mapped[str | None]
    asked: Mapped[datetime]


class Judgement(Base):
    """One person's judgement of an answer, or of which of two answers is better."""

    __tablename__ = "judgements"
    __table_args__ = (UniqueConstraint("person_id", "question_id", "kind", "agent"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    question_id: Mapped[int] = mapped_column(ForeignKey("questions.id"), index=True)
    kind: Mapped[str]
    agent: Mapped[str]
    answers: Mapped[list[int]]
    answer_texts: Mapped[list[Any]]
    transcript: Mapped[list[Any]]
    verdict: Mapped[int | None]
    shown: Mapped[datetime]
    judged: Mapped[datetime | None]
    person: Mapped[Person] = relationship()
    question: Mapped[Question] = relationship()


def add_judgements(connection: Connection) -> None:
    """Bring a file of version 1, which had no judgements, to version 2."""
    Base.metadata.tables["judgements"].create(connection)


MIGRATIONS: dict[int, Callable[[Connection], None]] = {1: add_judgements}
"""By version: what brings a file of it to the next one."""


def open_records(path: str | os.PathLike[str], create: bool = True) -> Engine:
    """Open a file of records, and bring its schema up to date.

    Args:
        path: the file.
        create: make the file if there is none.

    Raises:
        FileNotFoundError: if there is none and ``create`` is false.
        ValueError: if it is no file of records, or one of a later version; or if it cannot be made.
    """
    file = Path(path)
    if not os.fspath(path) or file.is_dir():
        raise ValueError(f"records must be a file, got {os.fspath(path)!r}")
    if not file.exists() and not create:
        raise FileNotFoundError(f"records must name a file of records, found none at {path}")
    if not file.parent.is_dir():
        raise ValueError(f"records must be in a folder that exists, got {path}")
    # Statements wait for a writer in another process for up to 30 seconds.
    engine = create_engine(f"sqlite:///{file}", connect_args={"timeout": 30}, pool_size=40)
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    try:
        with engine.begin() as connection:
            _update_schema(connection, path)
    except DatabaseError as error:
        engine.dispose()
        raise ValueError(f"records must be a file of records, got {path}: {error.orig}") from None
    except ValueError:
        engine.dispose()
        raise
    return engine


def read_records(engine: Engine) -> Session:
    """A session that only reads, while others may write."""
    return Session(engine.execution_options(**{READS: True}))


def _configure(connection: Any, _: Any) -> None:
    """Settings of a new connection; transactions begin where :func:`_begin` says so."""
    connection.isolation_level = None
    for setting in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {setting}").close()


def _begin(connection: Connection) -> None:
    """Begin a transaction as a writer, so that it cannot fail for what another wrote meanwhile.

    Readers wait for nobody, and nobody waits for them.
    """
    reads = connection.get_execution_options().get(READS, False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _update_schema(connection: Connection, path: str | os.PathLike[str]) -> None:
    """Make the tables of a new file; apply the migrations that an old one lacks."""
    version = int(connection.execute(text("PRAGMA user_version")).scalar_one())
    if version == 0 and not inspect(connection).get_table_names():
        Base.metadata.create_all(connection)
    elif not 1 <= version <= SCHEMA_VERSION:
        raise ValueError(
            f"records must have a schema of version 1..{SCHEMA_VERSION}, got {path} of {version}"
        )
    else:
        for old in range(version, SCHEMA_VERSION):
            MIGRATIONS[old](connection)
    connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")


def now() -> datetime:
    """The time, in UTC, without its zone: SQLite keeps none."""
    return datetime.now(UTC).replace(tzinfo=None)


def pack_context(context: Contexts) -> bytes:
    """One context (shape ``()``) as the bytes of a ``.npy`` file, which names its fields."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(context), allow_pickle=False)
    return buffer.getvalue()


def unpack_context(value: bytes) -> Contexts:
    """What :func:`pack_context` packed, of shape ``()``. Nothing in it is executed.

    Raises:
        ValueError: if it is damaged.
    """
    context: Contexts = np.lib.format.read_array(io.BytesIO(value), allow_pickle=False)
    return context
