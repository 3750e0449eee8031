"""The file of records: its version, migration, export, and what people agree on."""

import csv
import io
import json
import sqlite3

import numpy as np
import pytest
from sqlalchemy.orm import Session

from ia_gym.domains import Permutation, Wildcard
from ia_gym.experiments.human.agreement import compare_people
from ia_gym.experiments.human.export import protect, write_csv, write_jsonl
from ia_gym.experiments.human.interactions import read_interactions
from ia_gym.experiments.human.records import SCHEMA_VERSION, open_records
from ia_gym.experiments.human.simulated_people import HttpPerson, OneStepPerson, ScriptedPerson
from ia_gym.experiments.human.simulation import simulate

JSON = {"Accept": "application/json"}


def read_pragma(path, name):
    with sqlite3.connect(path) as connection:
        return connection.execute(f"PRAGMA {name}").fetchone()[0]


def list_schema(path):
    with sqlite3.connect(path) as connection:
        return set(connection.execute("SELECT type, name, sql FROM sqlite_master"))


def test_a_new_file_has_the_schema_of_this_version(tmp_path):
    open_records(tmp_path / "new.sqlite").dispose()
    assert read_pragma(tmp_path / "new.sqlite", "user_version") == SCHEMA_VERSION
    assert read_pragma(tmp_path / "new.sqlite", "journal_mode") == "wal"


def test_a_file_of_version_1_is_brought_up_to_date(tmp_path):
    new, old = tmp_path / "new.sqlite", tmp_path / "old.sqlite"
    simulate(new, "IA-Permutation-v0", {"script": 3})
    simulate(old, "IA-Permutation-v0", {"script": 3})
    with sqlite3.connect(old) as connection:  # as version 1 was: without judgements
        connection.execute("DROP TABLE judgements")
        connection.execute("PRAGMA user_version = 1")
    open_records(old).dispose()
    assert read_pragma(old, "user_version") == SCHEMA_VERSION
    assert list_schema(old) == list_schema(new)
    with sqlite3.connect(old) as connection:
        assert connection.execute("SELECT count(*) FROM interactions").fetchone() == (3,)


def test_other_files_are_refused_and_left_alone(tmp_path):
    text = tmp_path / "text.sqlite"
    text.write_text("no database, but long enough to be read as one" * 20)
    with pytest.raises(ValueError, match="file of records"):
        open_records(text)
    later = tmp_path / "later.sqlite"
    open_records(later).dispose()
    with sqlite3.connect(later) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE mine (x)")
    for path in (later, other):
        schema = list_schema(path)
        with pytest.raises(ValueError, match="schema of version"):
            open_records(path)
        assert list_schema(path) == schema
    with pytest.raises(FileNotFoundError, match="found none"):
        open_records(tmp_path / "none.sqlite", create=False)
    for path in ("", tmp_path, tmp_path / "no" / "folder.sqlite"):
        with pytest.raises(ValueError, match="records must be"):
            open_records(path)


def test_exports_hold_everything(site, session_of):
    pages = site()
    anna = HttpPerson(pages.client, "=Anna()", ScriptedPerson(pages.domain))
    for _ in range(3):
        anna.answer_question()
    shown = pages.client.get("/people/1/judge", headers=JSON).json()
    data = {"judgement": shown["judgement"], "verdict": 1}
    pages.client.post("/people/1/judge", data=data)
    session = session_of(pages)
    lines = [json.loads(line) for line in write_jsonl(session).splitlines()]
    kinds = [line["record"] for line in lines]
    assert kinds == ["interaction"] * 4 + ["judgement"] * 2  # the last ones are open
    read = read_interactions(pages.path, pages.domain)
    for i, line in enumerate(lines[:3]):
        assert line["question"] == read.questions[i].tolist()
        asked = [step["question"] for step in line["steps"]]
        assert asked == read.asked[i, : len(asked)].tolist()
        assert line["answer"] == read.targets[i] == line["truth"]
    rows = list(csv.DictReader(io.StringIO(write_csv(session))))
    assert [row["question"] for row in rows] == [line["question_text"] for line in lines]
    assert rows[0]["person"] == "'=Anna()"  # no spreadsheet computes it
    assert protect("σ") == "σ"
    for ending in ("jsonl", "csv"):
        assert pages.client.get(f"/export.{ending}").text.count("\n") == len(lines) + (
            ending == "csv"
        )


def test_agreement_is_counted_from_what_people_did(site, session_of):
    pages = site()
    for name, way in (("script", ScriptedPerson), ("other", OneStepPerson)):
        person = HttpPerson(pages.client, name, way(pages.domain))
        for _ in range(6):
            person.answer_question()
    tables = compare_people(session_of(pages), pages.book)
    other, script = tables["people"]
    assert (other["correct"], script["correct"]) == (1.0, 1.0)
    assert (script["script"], script["same_steps"], script["steps"] >= 2) == (1.0, 1.0, True)
    assert other["steps"] == 2.0
    # σ^(k-1) first is what the script asks too only where k is 2 and the second step is its own.
    powers = [pages.domain.parse_questions(np.array(q.question)) for q in questions(pages, 6)]
    same = np.mean([int(power) == 2 for _, power in powers])
    assert other["same_steps"] == pytest.approx(same)
    (pair,) = tables["pairs"]
    assert (pair["both"], pair["answer"], pair["steps"]) == (6, 1.0, pytest.approx(same))


def questions(pages, count):
    with Session(pages.engine) as reading:
        return [pages.book.get(reading, n) for n in range(count)]


def test_only_records_of_the_same_vocabulary_and_of_those_named_are_read(tmp_path):
    path = tmp_path / "records.sqlite"
    simulate(path, "IA-Permutation-v0", {"script": 4, "one-step": 3})
    simulate(path, "IA-Wildcard-v0", {"script": 2})
    assert read_interactions(path, Permutation(8)).people == {"script": 4, "one-step": 3}
    assert read_interactions(path, Wildcard(8)).people == {"script": 2}
    assert read_interactions(path, Permutation(8), ["one-step"]).people == {"one-step": 3}
    for domain, people in ((Permutation(16), None), (Permutation(8), ["nobody"])):
        with pytest.raises(ValueError, match="holds none"):
            read_interactions(path, domain, people)
