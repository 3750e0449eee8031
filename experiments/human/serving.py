"""What ``ia-gym human`` does: serve the pages, or report on, export and learn from records.

What takes torch is imported where it is needed, so that a server with the oracle's help starts at
once.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import uvicorn
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from ia_gym.amplification.assistants import Assistant, Oracle
from ia_gym.experiments.human.agreement import compare_people
from ia_gym.experiments.human.decomposing import Decomposer
from ia_gym.experiments.human.export import write_csv, write_jsonl
from ia_gym.experiments.human.judging import Judge
from ia_gym.experiments.human.questions import QuestionBook
from ia_gym.experiments.human.records import open_records, read_records
from ia_gym.experiments.human.security import is_loopback
from ia_gym.experiments.human.server import make_app
from ia_gym.experiments.reports.formatting import format_number, format_percent
from ia_gym.files import write_text
from ia_gym.validation import check_range

ORACLE, HAND = "oracle", "hand"
"""Assistants that are no models: the truth, and the person herself."""
HEADINGS = {
    "people": "What people did",
    "pairs": "Agreement between people",
    "judgements": "Verdicts",
    "judging_pairs": "Agreement on verdicts",
}
"""Of the tables of a report."""
COUNTS = ("answered", "skipped", "both", "judged", "interactions")
"""Columns of whole numbers."""
NUMBERS = ("steps",)
"""Columns of other numbers, in the table of people; all others are percentages."""


def serve(
    env_id: str,
    path: str | os.PathLike[str],
    assistant: str = ORACLE,
    agents: Sequence[str] = (),
    compares: bool = False,
    show_truth: bool = False,
    host: str = "127.0.0.1",
    port: int = 8017,
    token: str | None = None,
    seed: int = 0,
) -> None:
    """Serve the pages until Ctrl-C or SIGTERM.

    Args:
        env_id: the environment that asks the questions.
        path: the file of records; made if there is none.
        assistant: who answers sub-questions: "oracle", "hand", or the path of a trained agent.
        agents: one or two whose answers are judged, as for ``assistant`` but "hand"; none for no
            such page.
        compares: compare two answers, see :class:`~ia_gym.experiments.human.judging.Judge`.
        show_truth: tell people after each question what was right.
        host: address to listen at; any but the loopback's demands a token.
        port: 1..65535.
        token: demanded of every request; default none on the loopback, else one drawn at random.
        seed: of the questions that are not in the records yet.

    Raises:
        ValueError: for an unknown id or agent, or a number out of range.
    """
    check_range("port", port, 1, 65535)
    if token is not None and not (token.isascii() and token.isprintable() and len(token) >= 16):
        raise ValueError("token must have at least 16 printable ASCII characters")
    if token is None and not is_loopback(host):
        token = secrets.token_urlsafe(24)
    book = QuestionBook(env_id, seed)
    helper = None if assistant == HAND else load_assistant(assistant, book)
    judge = None
    if agents:
        judge = Judge(book, {name: load_assistant(name, book) for name in agents}, compares)
    elif compares:
        raise ValueError("compare needs judge, which names whose answers are compared")
    engine = open_records(path)
    decomposer = Decomposer(book, helper, assistant, show_truth)
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{port}/" + (f"?token={quote(token)}" if token else "")
    print(f"people decompose questions of {book.env_id} at {address}", flush=True)
    print(f"records: {path}; Ctrl-C ends", flush=True)
    app = make_app(engine, decomposer, judge, token)
    try:
        uvicorn.run(app, host=host, port=port, log_level="warning", server_header=False)
    finally:
        engine.dispose()


def load_assistant(name: str, book: QuestionBook) -> Assistant:
    """The oracle, or a trained agent by its path.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it does not fit the environment.
    """
    if name == ORACLE:
        return Oracle(book.domain)
    from ia_gym.agents.assistants.policy_assistant import PolicyAssistant
    from ia_gym.experiments.saved_agents import check_fit, load_agent

    model = load_agent(name)
    check_fit(model, book.env_id)
    return PolicyAssistant(model, domain=book.domain)


def print_report(env_id: str, path: str | os.PathLike[str]) -> None:
    """Print how far people agree with each other, with the script and with the truth.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no file of records.
    """
    book, engine = QuestionBook(env_id), open_records(path, create=False)
    try:
        with read_records(engine) as session:
            tables = compare_people(session, book)
    finally:
        engine.dispose()
    if not any(tables.values()):
        print(f"no records of {book.env_id} in {path}")
    for name, rows in tables.items():
        if rows:
            print_table(HEADINGS[name], rows, NUMBERS if name == "people" else ())


def export_records(path: str | os.PathLike[str], out: str | os.PathLike[str]) -> None:
    """Write all records to a file whose name ends in ``.jsonl`` or ``.csv``.

    Raises:
        FileNotFoundError: if there are no records.
        ValueError: for another ending.
    """
    writers = {".jsonl": write_jsonl, ".csv": write_csv}
    ending = Path(out).suffix
    if ending not in writers:
        raise ValueError(f"export must be a file that ends in .jsonl or .csv, got {out}")
    engine = open_records(path, create=False)
    try:
        with read_records(engine) as session:
            write_text(Path(out), writers[ending](session))
    finally:
        engine.dispose()


def print_learning(
    env_id: str,
    path: str | os.PathLike[str],
    people: Sequence[str],
    counts: Sequence[int],
    out: str | os.PathLike[str] | None = None,
    seed: int = 0,
) -> None:
    """Print what a human predictor learns from the records of each person.

    Args:
        env_id: the environment.
        path: the file of records.
        people: their names.
        counts: of interactions.
        out: a CSV file to write the same to; None for none.
        seed: of the predictor.

    Raises: see :func:`~ia_gym.experiments.human.learning.measure_learning`.
    """
    import pandas as pd

    from ia_gym.experiments.human.learning import measure_learning

    rows = []
    for row in measure_learning(path, env_id, people, counts, seed):
        rows.append(row)
        print(
            f"{row['env_id']}: {row['person']}, {row['interactions']} interactions of up to "
            f"{row['steps']} sub-questions: {row['accuracy']:.1%} right with the oracle's help",
            flush=True,
        )
        if out is not None:
            write_text(Path(out), pd.DataFrame(rows).to_csv(index=False))


def print_table(heading: str, rows: Sequence[dict[str, Any]], numbers: Sequence[str]) -> None:
    """Print a table of a report: counts, numbers, and percentages."""
    table = Table(title=heading, title_justify="left", box=SIMPLE_HEAD)
    for column in rows[0]:
        texts = isinstance(rows[0][column], str)
        share = not texts and column not in (*COUNTS, *numbers)
        table.add_column(
            f"{column.replace('_', ' ')}{', %' if share else ''}",
            justify="left" if texts else "right",
        )
    for row in rows:
        table.add_row(*(format_cell(column, value, numbers) for column, value in row.items()))
    Console(markup=False, highlight=False, emoji=False).print(table)


def format_cell(column: str, value: Any, numbers: Sequence[str]) -> str:
    """A cell of :func:`print_table`."""
    if isinstance(value, str) or column in COUNTS:
        return str(value)
    return format_number(value, 1) if column in numbers else format_percent(value)
