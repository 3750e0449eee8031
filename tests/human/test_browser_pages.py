"""The pages in a real browser, skipped where there is none: clicks, keys, widths, dark and light.

``IA_GYM_CLICKED`` questions are answered on each domain, and half as many answers judged;
``make test-long`` sets it to 20.
"""

import os

import numpy as np
import pytest
from browser_person import BrowserPerson
from chromium import CHROMIUM, needs_chromium
from served import serve_in_thread
from sqlalchemy import select

from ia_gym.domains import DOMAINS
from ia_gym.experiments.human.agreement import approve_by_script, compare_people
from ia_gym.experiments.human.records import Judgement, read_records
from ia_gym.experiments.human.simulated_people import ScriptedPerson

sync_api = pytest.importorskip("playwright.sync_api")
pytestmark = needs_chromium
CLICKED = int(os.environ.get("IA_GYM_CLICKED", "2"))


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


def read_question(book, engine, number):
    with read_records(engine) as session:
        question = book.get(session, number)
        return np.array(question.question), book.view_of(question)


@pytest.mark.parametrize("name", DOMAINS)
def test_a_person_clicks_through_questions_and_judges(name, browser, tmp_path):
    with serve_in_thread(tmp_path / "records.sqlite", f"IA-{name}-v0") as (address, book, engine):
        tab = browser.new_page(viewport={"width": 1280, "height": 900})
        problems = []
        tab.on("console", lambda message: problems.append(message.text))
        tab.on("requestfailed", lambda request: problems.append(request.url))
        requested = []
        tab.on("request", lambda request: requested.append(request.url))
        person = BrowserPerson(tab, book, ScriptedPerson(book.domain))
        person.enter(address, "Anna")
        for number in range(CLICKED):
            work = person.work_by_keyboard if number == 1 else person.answer_question
            work(*read_question(book, engine, number))
        tab.get_by_text(f"{CLICKED} answered").wait_for()
        tab.get_by_role("link", name="judge answers").click()
        for number in range(CLICKED // 2):
            tab.get_by_role("button", name="Approve", exact=True).click()
            tab.get_by_text(f"{number + 1} judged").wait_for()
        tab.close()
        assert problems == []
        assert all(url.startswith((address, "data:")) for url in requested)
        with read_records(engine) as session:
            tables = compare_people(session, book)
            found = select(Judgement).where(Judgement.verdict.is_not(None))
            verdicts = session.scalars(found).all()
            for row in verdicts:  # the script approves of the oracle's answers
                assert row.verdict == approve_by_script(book.view_of(row.question), row)[0] == 1
    (anna,) = tables["people"]
    assert anna["answered"] == CLICKED
    # What she asked, in order, and what she answered are the script's.
    assert (anna["same_steps"], anna["script"], len(verdicts)) == (1.0, 1.0, CLICKED // 2)


def test_pages_fit_their_windows_and_have_readable_colours(browser, tmp_path):
    measure = """() => {
      const wide = document.documentElement.scrollWidth > window.innerWidth;
      const numbers = (text) => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
      const shine = (text) => numbers(text).map((x) => {
        x /= 255; return x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4;
      }).reduce((sum, x, i) => sum + x * [0.2126, 0.7152, 0.0722][i], 0);
      const ground = shine(getComputedStyle(document.body).backgroundColor);
      const contrast = (element) => {
        const ink = shine(getComputedStyle(element).color);
        return (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
      };
      const texts = [...document.querySelectorAll("h1, h2, p, a, .quiet, .sentence")];
      return {wide, contrast: Math.min(...texts.map(contrast))};
    }"""
    for name in ("ShortestPath", "Wildcard"):
        with serve_in_thread(tmp_path / f"{name}.sqlite", f"IA-{name}-v0") as (address, _, _):
            for width in (1280, 400):
                for scheme in ("light", "dark"):
                    tab = browser.new_page(
                        viewport={"width": width, "height": 800}, color_scheme=scheme
                    )
                    tab.goto(address)
                    tab.get_by_label("Your name").fill("Anna")
                    with tab.expect_navigation():  # else the next page may be asked for too early
                        tab.keyboard.press("Enter")
                    for address_of_page in (tab.url, f"{tab.url}/judge", address):
                        tab.goto(address_of_page)
                        found = tab.evaluate(measure)
                        assert not found["wide"], (name, width, address_of_page)
                        assert found["contrast"] >= 4.5
                    tab.close()
