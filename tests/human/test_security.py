"""What comes from outside does no harm: tokens, other sites, large bodies, unknown ids, names."""

import sqlite3

import numpy as np
import pytest

from ia_gym.experiments.human.security import MAX_BODY, is_loopback

JSON = {"Accept": "application/json"}
TOKEN = "a-token-of-sixteen-or-more"
PAGES = [
    ("GET", "/"),
    ("GET", "/people/1"),
    ("GET", "/people/1/judge"),
    ("GET", "/export.jsonl"),
    ("GET", "/page.css"),
    ("GET", "/nothing"),
    ("POST", "/people"),
    ("POST", "/people/1/ask"),
]


def list_rows(path):
    with sqlite3.connect(path) as connection:
        tables = ("people", "contexts", "questions", "interactions", "steps", "judgements")
        return {t: connection.execute(f"SELECT * FROM {t} ORDER BY id").fetchall() for t in tables}


@pytest.mark.parametrize(("method", "address"), PAGES)
def test_without_the_token_every_request_is_refused(method, address, site):
    client = site(token=TOKEN).client
    wrong = [{}, {"Authorization": "Bearer wrong"}, {"Cookie": "ia_gym_token=wrong"}]
    for headers in wrong:
        assert client.request(method, address, headers=headers).status_code == 401
    assert client.request(method, f"{address}?token=wrong").status_code == 401


def test_the_token_is_taken_from_the_header_or_once_from_the_address(site):
    client = site(token=TOKEN).client
    assert client.get("/", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    first = client.get(f"/?token={TOKEN}", follow_redirects=False)
    assert first.status_code == 303
    assert first.headers["location"] == "/"  # the token does not stay in the address
    assert "HttpOnly" in first.headers["set-cookie"]
    assert client.get("/").status_code == 200  # by the cookie


def test_pages_of_other_sites_can_neither_read_nor_write(site):
    client = site().client
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 400
    foreign = {"Origin": "http://evil.example"}
    assert client.post("/people", data={"name": "A"}, headers=foreign).status_code == 403
    own = {"Origin": "http://127.0.0.1:8017"}
    assert client.post("/people", data={"name": "A"}, headers=own).status_code == 200
    policy = client.get("/").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy


def test_large_bodies_are_refused(site):
    pages = site()
    name = "x" * 10**6
    assert pages.client.post("/people", data={"name": name}).status_code == 413

    def stream():  # without a length in the header
        for _ in range(100):
            yield b"name=" + b"x" * 10_000

    assert pages.client.post("/people", content=stream()).status_code == 413
    assert pages.client.post("/people", content=b"x" * (MAX_BODY + 1)).status_code == 413
    assert not list_rows(pages.path)["people"]


@pytest.mark.parametrize(
    "name",
    ["'; DROP TABLE people; --", '" OR 1=1', "<script>alert(1)</script>", "{{ 7 * 7 }}", "σ 木"],
)
def test_names_are_text_and_nothing_else(name, site):
    pages = site()
    assert pages.client.post("/people", data={"name": name}).status_code == 200
    assert pages.client.get("/", headers=JSON).json()["people"][0]["name"] == name
    assert "<script>a" not in pages.client.get("/").text + pages.client.get("/people/1").text
    assert [row[1] for row in list_rows(pages.path)["people"]] == [name]


@pytest.mark.parametrize("name", ["", "   ", "x" * 41, "a\nb", "a\x00b", "a‮b"])
def test_names_that_cannot_be_shown_are_refused(name, site):
    pages = site()
    assert pages.client.post("/people", data={"name": name}).status_code == 422
    assert not list_rows(pages.path)["people"]


def test_unknown_ids_and_invalid_fields_change_nothing(site):
    pages = site()
    pages.client.post("/people", data={"name": "Anna"})
    shown = pages.client.get("/people/1", headers=JSON).json()
    pages.client.post("/people", data={"name": "Bob"})
    pages.client.get("/people/1/judge")
    before = list_rows(pages.path)
    rng = np.random.default_rng(0)
    ids = [*rng.integers(3, 2**62, 10).tolist(), 2**63, 10**30, 0]
    place = {"interaction": shown["interaction"], "position": 0}
    for number in ids:
        assert pages.client.get(f"/people/{number}").status_code in (404, 422)
        for action in ("ask", "answer", "undo", "skip"):
            data = {**place, "interaction": number, "form": 0, "choice0": 0, "answer": 0}
            assert pages.client.post(f"/people/1/{action}", data=data).status_code in (404, 422)
        verdict = {"judgement": number, "verdict": 1}
        assert pages.client.post("/people/1/judge", data=verdict).status_code in (404, 422)
    for number in rng.integers(3, 2**62, 100).tolist():
        assert pages.client.get(f"/people/{number}").status_code == 404
    # Another person's question, and fields that are none.
    assert pages.client.post("/people/2/skip", data=place).status_code == 404
    wrong = [
        {"form": 99, "choice0": 0, "choice1": 0},
        {"form": 0, "choice0": 99, "choice1": 0},
        {"form": 0, "choice0": 0},
        {"form": 0, "choice0": "-1", "choice1": "0"},
        {"form": "0; DROP TABLE steps", "choice0": 0, "choice1": 0},
        {},
    ]
    for fields in wrong:
        assert pages.client.post("/people/1/ask", data={**place, **fields}).status_code == 422
    for answer in ("99", "-1", "one", "", "1e3", "1' OR '1'='1"):
        data = {**place, "answer": answer}
        assert pages.client.post("/people/1/answer", data=data).status_code == 422
    assert pages.client.post("/people/1/drop", data=place).status_code == 404
    assert pages.client.post("/people/1/ask", content=b"\xff\xfe=1").status_code == 422
    assert pages.client.get("/../records.sqlite").status_code == 404
    assert list_rows(pages.path) == before


def test_which_addresses_only_this_machine_reaches():
    assert all(is_loopback(host) for host in ("127.0.0.1", "127.3.2.1", "localhost", "::1"))
    assert not any(is_loopback(host) for host in ("0.0.0.0", "::", "192.168.0.2", "example.org"))
