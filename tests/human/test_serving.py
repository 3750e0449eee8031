"""The command ``ia-gym human``: it serves, survives being killed, exports and reports."""

import json
from urllib.request import urlopen

import pytest
from served import serve
from server_kills import kill_again_and_again
from typer.testing import CliRunner

from ia_gym.experiments.cli import app
from ia_gym.experiments.human.serving import serve as run_server


def run(*arguments):
    return CliRunner().invoke(app, ["human", *map(str, arguments)])


def test_killed_servers_lose_no_acknowledged_step(tmp_path):
    assert kill_again_and_again(tmp_path, "IA-Permutation-v0", kills=2) >= 2


def test_the_command_simulates_reports_exports_and_learns(tmp_path):
    records = tmp_path / "records.sqlite"
    here = ["--env", "IA-Permutation-N4-v0", "--records", records]
    done = run(*here, "--simulate", "script:12,one-step:12")
    assert "script: 100.0% of the answers are correct" in done.output
    report = run(*here, "--report").output
    assert "one-step, script" in report
    out = tmp_path / "records.jsonl"
    assert run(*here, "--export", out).exit_code == 0
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(lines) == 24
    assert {line["person"] for line in lines} == {"script", "one-step"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--report"], "found none"),
        (["--simulate", "nobody:3"], "simulate must name some of"),
        (["--simulate", "edges:3"], "knows ShortestPath only"),
        (["--simulate", "script"], "names and numbers"),
        (["--learn", "3"], "need each other"),
        (["--out", "x.csv"], "out is for learn"),
        (["--export", "records.txt"], "ends in .jsonl"),
        (["--assistant", "nowhere"], "found nothing"),
        (["--compare"], "compare needs judge"),
        (["--token", "short"], "at least 16"),
        (["--port", "0"], "port must be in"),
    ],
)
def test_bad_input_is_refused_in_one_line(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run("--env", "IA-Permutation-v0", "--records", tmp_path / "r.sqlite", *arguments)
    assert done.exit_code == 2
    assert message in done.output
    assert len(done.output.strip().splitlines()) == 1


def test_environments_that_ask_nothing_are_refused(tmp_path):
    done = run("--env", "IA-FrozenLake-v0", "--records", tmp_path / "r.sqlite")
    assert "asks questions" in done.output


def test_another_host_demands_a_token(tmp_path, monkeypatch, capsys):
    import uvicorn

    started = {}
    monkeypatch.setattr(uvicorn, "run", lambda app, **kwargs: started.update(kwargs, app=app))
    run_server("IA-Permutation-v0", tmp_path / "r.sqlite", host="0.0.0.0")
    assert "?token=" in capsys.readouterr().out
    (guard,) = started["app"].user_middleware
    assert len(guard.kwargs["token"]) >= 32
    run_server("IA-Permutation-v0", tmp_path / "r.sqlite")
    assert "?token=" not in capsys.readouterr().out
    assert started["host"] == "127.0.0.1"


def test_the_command_serves_pages(tmp_path):
    served = serve("IA-Permutation-v0", tmp_path / "r.sqlite", "--show-truth")
    with served as address, urlopen(address) as page:
        assert b"Who are you?" in page.read()
