"""What a person does on the pages is recorded, step by step, and equals what the script records."""

import numpy as np
import pytest
from sqlalchemy import select

from ia_gym.amplification.amplify import amplify
from ia_gym.amplification.overseers import ScriptedOverseer
from ia_gym.domains import DOMAINS
from ia_gym.experiments.human.interactions import read_interactions
from ia_gym.experiments.human.records import Interaction, Question, unpack_context
from ia_gym.experiments.human.simulated_people import HttpPerson, ScriptedPerson

JSON = {"Accept": "application/json"}


class Replay:
    """An assistant that answers as the records say, each answer once."""

    def __init__(self, domain, told):
        self.domain = domain
        self.told = list(told)

    def find(self, question):
        asked = [each for each, _ in self.told]
        assert question.tolist() in asked, f"the person did not ask {question}"
        return self.told.pop(asked.index(question.tolist()))[1]

    def answer(self, contexts, questions):
        due = (questions[..., 0] != 0) & ~self.domain.is_primitive(questions)
        return np.array(
            [[self.find(q) if d else 0 for q, d in zip(*r)] for r in zip(questions, due)]
        )


def record_by_script(domain, row, monkeypatch):
    """The script's interaction about the same question, told what the person was told."""
    replay = Replay(domain, [(step.question, step.answer) for step in row.steps])
    context = unpack_context(row.question.context.value).reshape(1)
    question = np.array(row.question.question)[None, None]

    def look_up(rng, contexts, questions):  # neighbours are drawn at random
        primitive = domain.is_primitive(questions) & (questions[..., 0] != 0)
        return np.array(
            [
                [replay.find(q) if p else 0 for q, p in zip(*each)]
                for each in zip(questions, primitive)
            ]
        )

    monkeypatch.setattr(domain, "look_up", look_up)
    overseer = ScriptedOverseer(domain)
    rng = np.random.default_rng(0)
    transcript = amplify(overseer, replay, rng, context, question, judging=False)
    monkeypatch.undo()
    steps = [
        (q.tolist(), int(a))
        for q, a in zip(transcript.questions[0, 0], transcript.answers[0, 0])
        if q[0]
    ]
    return steps, int(overseer.answer(context, question, transcript)[0, 0])


@pytest.mark.parametrize("name", DOMAINS)
def test_a_person_who_follows_the_script_leaves_the_records_of_the_script(
    name, site, session_of, monkeypatch
):
    pages = site(f"IA-{name}-v0")
    person = HttpPerson(pages.client, "Anna", ScriptedPerson(pages.domain))
    for _ in range(8):
        shown = person.answer_question()
    assert shown["progress"] == {"answered": 8, "skipped": 0}
    rows = session_of(pages).scalars(select(Interaction).where(Interaction.state == "answered"))
    rows = rows.all()
    assert len(rows) == 8
    for row in rows:
        steps, answer = record_by_script(pages.domain, row, monkeypatch)
        assert [(step.question, step.answer) for step in row.steps] == steps
        assert row.answer == answer
    # What the human predictor learns from is the same once more.
    read = read_interactions(pages.path, pages.domain)
    assert read.people == {"Anna": 8}
    for i, row in enumerate(rows):
        used = read.asked[i][read.asked[i, :, 0] != 0]
        assert used.tolist() == [step.question for step in row.steps]
        assert read.answers[i, : len(used)].tolist() == [step.answer for step in row.steps]
        assert read.targets[i] == row.answer


@pytest.mark.parametrize("name", DOMAINS)
def test_pages_show_the_question_the_steps_and_the_forms(name, site):
    pages = site(f"IA-{name}-v0", show_truth=True)
    person = HttpPerson(pages.client, "Anna", ScriptedPerson(pages.domain))
    shown = next(person.take_steps(person.look()))
    text = pages.client.get("/people/1").text
    assert shown["words"] in text
    assert shown["steps"][0]["words"] in text
    assert text.count('class="ask"') == len(shown["forms"])
    person.answer_question()
    assert "That is right" in pages.client.get("/people/1").text
    assert pages.client.get("/people/1/judge").status_code == 200


def start(pages, name="Anna"):
    pages.client.post("/people", data={"name": name}, headers=JSON)
    return pages.client.get("/people/1", headers=JSON).json()


def act(pages, action, shown, number=1, **fields):
    place = {"interaction": shown["interaction"], "position": shown["position"]}
    return pages.client.post(f"/people/{number}/{action}", data=place | fields, headers=JSON)


def test_without_an_assistant_people_answer_sub_questions_by_hand(site):
    pages = site(by_hand=True)
    shown = start(pages)
    shown = act(pages, "ask", shown, form=0, choice0=0, choice1=3).json()
    assert shown["owes"]
    assert shown["steps"][0]["answer"] is None
    assert act(pages, "ask", shown, form=0, choice0=0, choice1=2).status_code == 409
    assert act(pages, "answer", shown, answer=10**6).status_code == 422
    told = act(pages, "answer", shown, answer=5).json()
    assert not told["owes"]
    assert told["steps"][0]["answer"] == 5
    assert told["steps"][0]["answered_by"] == "person"
    # The form sent a second time answers nothing: not even the question itself.
    assert act(pages, "answer", shown, answer=5).status_code == 409
    assert act(pages, "answer", told, answer=5).json()["progress"]["answered"] == 1


def test_a_form_sent_twice_or_late_changes_nothing(site):
    pages = site()
    shown = start(pages)
    after = act(pages, "ask", shown, form=0, choice0=0, choice1=1)
    assert after.status_code == 200
    for action, fields in (
        ("ask", {"form": 0, "choice0": 0, "choice1": 1}),
        ("answer", {"answer": 1}),
    ):
        assert act(pages, action, shown, **fields).status_code == 409
    assert act(pages, "undo", shown).status_code == 409
    assert pages.client.get("/people/1", headers=JSON).json() == after.json()


def test_undo_takes_back_a_step_and_then_the_answer_before(site):
    pages = site()
    first = start(pages)
    asked = act(pages, "ask", first, form=0, choice0=0, choice1=1).json()
    assert act(pages, "undo", asked).json() == first
    assert act(pages, "undo", first).status_code == 409  # nothing is left
    second = act(pages, "answer", first, answer=0).json()
    assert second["number"] == 1
    again = act(pages, "undo", second).json()
    assert (again["number"], again["progress"]["answered"]) == (0, 0)
    done = act(pages, "answer", again, answer=0).json()
    assert (done["number"], done["progress"]["answered"]) == (1, 1)


def test_who_was_told_what_was_right_cannot_change_the_answer(site):
    pages = site(show_truth=True)
    second = act(pages, "answer", start(pages), answer=0).json()
    assert second["before"]["is_correct"] is False
    assert act(pages, "undo", second).status_code == 409


def test_people_skip_and_resume_and_are_asked_the_same_questions(site):
    pages = site()
    anna = start(pages)
    later = act(pages, "skip", anna).json()
    assert later["progress"] == {"answered": 0, "skipped": 1}
    act(pages, "ask", later, form=0, choice0=0, choice1=1)
    other = site(path=pages.path)  # the server is started again
    resumed = other.client.get("/people/1", headers=JSON).json()
    assert (resumed["number"], len(resumed["steps"])) == (1, 1)
    number = other.client.post("/people", data={"name": "Bob"}, headers=JSON).json()["id"]
    bob = other.client.get(f"/people/{number}", headers=JSON).json()
    assert (bob["question"], bob["context"]) == (anna["question"], anna["context"])
    assert other.client.post("/people", data={"name": " Anna "}, headers=JSON).json()["id"] == 1


def test_records_survive_another_generator(site, session_of, monkeypatch):
    pages = site("IA-ShortestPath-v0")
    shown = start(pages)
    row = session_of(pages).scalar(select(Question).where(Question.number == 0))
    context = unpack_context(row.context.value)
    assert context["facts"].tolist() == row.context.facts

    def sample(*args, **kwargs):
        raise AssertionError("no context is drawn again")

    again = site("IA-ShortestPath-v0", path=pages.path)
    monkeypatch.setattr(type(again.domain), "sample_contexts", sample)
    assert again.client.get("/people/1", headers=JSON).json() == shown
    assert act(again, "ask", shown, form=2, choice0=0, choice1=1).status_code == 200


def test_an_unfinished_question_is_not_learned_from(site):
    pages = site()
    shown = start(pages)
    act(pages, "ask", shown, form=0, choice0=0, choice1=1)
    with pytest.raises(ValueError, match="holds none"):
        read_interactions(pages.path, pages.domain)
