"""People judge answers; the records hold what they said, and agree with the script's judgement."""

import numpy as np
import pytest
from sqlalchemy import select

from ia_gym.domains import DOMAINS
from ia_gym.experiments.human.agreement import approve_by_script, compare_people
from ia_gym.experiments.human.records import Judgement

JSON = {"Accept": "application/json"}


class Guesser:
    """Answers anything of the type asked for."""

    def __init__(self, domain):
        self.domain = domain
        self.rng = np.random.default_rng(0)

    def answer(self, contexts, questions):
        asked = questions[..., 0] != 0
        masks = self.domain.answer_mask(questions[asked])
        answers = np.zeros(asked.shape, np.int64)
        answers[asked] = (self.rng.random(masks.shape) * masks).argmax(axis=-1)
        return answers


def judge(pages, choose, count, number=1):
    for _ in range(count):
        shown = pages.client.get(f"/people/{number}/judge", headers=JSON).json()
        data = {"judgement": shown["judgement"], "verdict": choose(shown)}
        assert pages.client.post(f"/people/{number}/judge", data=data).status_code == 200
    return pages.client.get(f"/people/{number}/judge", headers=JSON).json()


@pytest.mark.parametrize("name", DOMAINS)
def test_verdicts_are_recorded_with_all_that_they_rest_on(name, site, session_of):
    pages = site(f"IA-{name}-v0")
    guesser = Guesser(pages.domain)
    again = site(f"IA-{name}-v0", agents={"guesser": guesser}, path=pages.path)
    again.client.post("/people", data={"name": "Anna"})
    shown = judge(again, lambda _: 1, 4)
    assert shown["progress"] == {"judged": 4}
    session = session_of(again)
    rows = session.scalars(select(Judgement).where(Judgement.verdict.is_not(None))).all()
    assert [row.verdict for row in rows] == [1] * 4
    for row in rows:
        view = again.book.view_of(row.question)
        question = np.array(row.question.question)[None, None]
        assert row.answers[0] in np.flatnonzero(again.domain.answer_mask(question)[0, 0])
        # With the oracle's sub-answers strict approval is correctness; with guesses it is not.
        assert approve_by_script(view, row)[0] in (0.0, 1.0)
    tables = compare_people(session, again.book)
    assert tables["judgements"][0]["judged"] == 4


def test_with_true_sub_answers_the_scripts_verdict_is_the_truth(site, session_of):
    pages = site("IA-ShortestPath-v0")
    pages.client.post("/people", data={"name": "Anna"})
    judge(pages, lambda _: 1, 5)  # the oracle's answers: all right
    table = compare_people(session_of(pages), pages.book)["judgements"]
    assert table == [{"person": "Anna", "judged": 5, "script": 1.0, "truth": 1.0}]


def test_two_answers_differ_and_the_better_one_is_chosen(site, session_of):
    pages = site(compares=True)
    pages.client.post("/people", data={"name": "Anna"})
    truths = []

    def choose(shown):
        assert shown["kind"] == "prefer"
        assert shown["answers"][0] != shown["answers"][1]
        question = np.array(shown["question"])[None, None]
        context = pages.book._views[shown["context"]["id"]].context
        truths.append(int(pages.domain.truth(context, question)[0, 0]))
        return shown["answers"].index(truths[-1])

    judge(pages, choose, 6)
    session = session_of(pages)
    rows = session.scalars(select(Judgement).where(Judgement.verdict.is_not(None))).all()
    assert [row.answers[row.verdict] for row in rows] == truths
    table = compare_people(session, pages.book)["judgements"]
    assert (table[0]["script"], table[0]["truth"]) == (1.0, 1.0)
    assert pages.client.get("/people/1/judge").text.count('name="verdict"') == 3


def test_a_verdict_counts_once_and_can_be_left(site):
    pages = site()
    pages.client.post("/people", data={"name": "Anna"})
    first = pages.client.get("/people/1/judge", headers=JSON).json()
    assert pages.client.get("/people/1/judge", headers=JSON).json() == first
    data = {"judgement": first["judgement"], "verdict": ""}
    second = pages.client.post("/people/1/judge", data=data, headers=JSON).json()
    assert (second["number"], second["progress"]["judged"]) == (1, 0)
    assert pages.client.post("/people/1/judge", data=data).status_code == 409
    data = {"judgement": second["judgement"], "verdict": "2"}
    assert pages.client.post("/people/1/judge", data=data).status_code == 422
