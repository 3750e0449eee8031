"""Kills a server of ``ia-gym human`` and its client at random moments, and looks at the records."""

import json
import random
import signal
import sqlite3
import subprocess
import sys
import time

from served import find_port, start_server

PERSON = """
import sys, httpx2
from ia_gym.experiments.human.questions import find_domain
from ia_gym.experiments.human.simulated_people import HttpPerson, ScriptedPerson
with httpx2.Client(base_url=sys.argv[1], timeout=60) as client:
    person = HttpPerson(client, "Anna", ScriptedPerson(find_domain(sys.argv[2])))
    shown = person.look()
    while True:
        for shown in person.take_steps(shown):
            print(shown["number"], shown["position"], flush=True)
"""
"""A person who says which steps the server has acknowledged, until she or it is gone."""


def kill_again_and_again(folder, env_id, kills, seed=0):
    """Let a person work; kill the server, or her browser too, at random moments.

    Asserts after each kill that every acknowledged step is recorded and that no half record is.

    Returns:
        The number of acknowledged steps.
    """
    chance, records = random.Random(seed), folder / "records.sqlite"
    acknowledged = 0
    for _ in range(kills):
        port = find_port()
        server = start_server(env_id, records, port)
        command = [sys.executable, "-c", PERSON, f"http://127.0.0.1:{port}", env_id]
        with (folder / "out").open("w") as out:
            person = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL)
            wait_for_step(folder / "out", person)
            time.sleep(chance.uniform(0, 0.5))
            if chance.random() < 0.3:
                person.kill()
                person.wait()
            server.send_signal(signal.SIGKILL)
            server.wait()
            person.kill()
            person.wait()
        lines = (folder / "out").read_text().splitlines(keepends=True)
        seen = [tuple(map(int, line.split())) for line in lines if line.endswith("\n")]
        acknowledged += len(seen)
        check_records(records, seen)
    return acknowledged


def wait_for_step(path, person):
    for _ in range(1200):
        if path.read_text() or person.poll() is not None:
            break
        time.sleep(0.05)
    assert path.read_text(), "no step was acknowledged"


def check_records(records, seen):
    """Every acknowledged step is there; what is there is whole."""
    with sqlite3.connect(records) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        rows = connection.execute(
            "SELECT q.number, i.state, i.answer, i.is_correct, i.finished, i.id "
            "FROM interactions i JOIN questions q ON q.id = i.question_id ORDER BY q.number"
        ).fetchall()
        states = []
        for number, state, answer, correct, finished, key in rows:
            steps = connection.execute(
                "SELECT number, question, answer FROM steps WHERE interaction_id = ? ORDER BY 1",
                (key,),
            ).fetchall()
            assert [step[0] for step in steps] == list(range(len(steps)))
            assert all(json.loads(step[1]) and step[2] is not None for step in steps)
            done = state == "answered"
            assert done == (answer is not None) == (correct is not None) == (finished is not None)
            states.append((number, 2 * len(steps), done))
    assert [state[0] for state in states] == list(range(len(states)))  # none is missing
    assert all(done for _, _, done in states[:-1])
    if seen:
        number, position = seen[-1]
        last = states[-1]
        assert (last[0], last[1]) >= (number, position)  # at most the step after it is there too
