"""Programs that act as people, by the server's own addresses: for tests, load and measurements.

A simulated person sees what a page shows, as JSON, and nothing else. Some follow the domain's
script, some have a way of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from ia_gym.domains import Domain, Permutation, ShortestPath
from ia_gym.domains.question_forms import Menu, QuestionForm, find_form
from ia_gym.domains.shortest_path import EDGE, D
from ia_gym.domains.transcript import IDK, Symbols, Transcript

Work = Iterator[Symbols]
"""Asks one sub-question after another; each answer is sent to it, and it returns the answer."""

JSON = {"Accept": "application/json"}


class Client(Protocol):
    """What is needed of an HTTP client, such as httpx's."""

    def get(self, url: str, /, **kwargs: Any) -> Any:
        """Send a GET request."""
        ...

    def post(self, url: str, /, **kwargs: Any) -> Any:
        """Send a POST request."""
        ...


class ScriptedPerson:
    """A person who follows the domain's script.

    Args:
        domain: of the questions.
    """

    def __init__(self, domain: Domain) -> None:
        self.domain = domain

    def work(self, question: Symbols) -> Any:
        """Work on ``question (Lq,)``: a generator of sub-questions, to which answers are sent.

        Its value at the end is the answer.
        """
        domain = self.domain
        slots = sum(domain.subquestions_per_round)
        transcript = Transcript.empty((1, 1), slots, domain.question_length)
        contexts: Any = np.zeros(1, [("facts", np.int64, domain.fact_shape)])  # not looked at
        rng = np.random.default_rng(0)
        asked_about = question[None, None]
        for round in range(len(domain.subquestions_per_round)):
            places = domain.round_slots[round]
            asked = domain.ask(rng, round, contexts, asked_about, transcript)
            transcript.questions[..., places, :] = asked
            for place, row in zip(range(places.start, places.stop), asked[0, 0], strict=True):
                if row[0]:
                    transcript.answers[0, 0, place] = yield row
        return int(domain.answer(contexts, asked_about, transcript)[0, 0])


class OneStepPerson:
    """Permutation: asks σ^(k-1)(x) first, then takes one step more.

    Args:
        domain: of the questions.
    """

    def __init__(self, domain: Permutation) -> None:
        self.domain = domain

    def work(self, question: Symbols) -> Any:
        """See :meth:`ScriptedPerson.work`."""
        name, power = self.domain.parse_questions(question)
        before = yield self.domain.make_questions(name, power - 1)
        if before == IDK:
            return IDK
        return (yield self.domain.make_questions(np.array(before), np.ones_like(power)))


class EdgePerson:
    """ShortestPath: goes by edges only, and never asks which vertex comes first.

    She asks for an edge to the goal; then of every vertex in turn whether an edge leads there and,
    if so, how far it is from there. (A vertex that is not in the context has no edge.)

    Args:
        domain: of the questions.
    """

    def __init__(self, domain: ShortestPath) -> None:
        self.domain = domain

    def work(self, question: Symbols) -> Any:
        """See :meth:`ScriptedPerson.work`."""
        domain = self.domain
        kind, x, y = domain.parse_questions(question)
        one = domain.max_size + 1
        if (yield self._ask(EDGE, x, y)) != IDK:
            return one if kind == D else int(y)
        nearest, least = domain.inf_symbol, domain.inf_symbol
        for z in range(1, domain.max_size + 1):
            if z == y or (yield self._ask(EDGE, x, np.array(z))) == IDK:
                continue
            distance = yield self._ask(D, np.array(z), y)
            if domain.max_size < distance < least:
                nearest, least = z, distance
        return min(least + 1, domain.inf_symbol) if kind == D else nearest

    def _ask(self, kind: int, x: Any, y: Any) -> Symbols:
        return self.domain.make_questions(kind, x, y, np.array(True))


class SloppyPerson:
    """A person who makes slips: now and then she does something else that she might do.

    Args:
        person: what she means to do.
        domain: of the questions.
        share: of her steps that are slips, in [0, 1].
        rng: decides when, and what she does instead.
    """

    def __init__(self, person: Any, domain: Domain, share: float, rng: np.random.Generator) -> None:
        self.person = person
        self.domain = domain
        self.share = share
        self.rng = rng
        self.forms: Sequence[QuestionForm] = ()

    def work(self, question: Symbols) -> Any:
        """See :meth:`ScriptedPerson.work`."""
        work = self.person.work(question)
        said: int | None = None
        while True:
            slips = self.rng.random() < self.share
            try:
                asked = work.send(said)
            except StopIteration as end:
                allowed = np.flatnonzero(self.domain.answer_mask(question))
                if slips:
                    return int(self.rng.choice(allowed))
                return end.value if end.value in allowed else IDK
            # After a slip she may mean to ask what makes no question.
            if slips or find_form(self.forms, asked) is None:
                form = self.forms[int(self.rng.integers(len(self.forms)))]
                asked = form.fill([int(self.rng.integers(len(m.texts))) for m in form.menus])
            said = yield asked


class HttpPerson:
    """Works at the server's pages in the way of a simulated person.

    Args:
        client: an HTTP client with the server's address.
        name: of the person.
        way: how she works.

    Attributes:
        number: the id of the person.
        steps: requests so far that changed the records.
    """

    def __init__(self, client: Client, name: str, way: Any) -> None:
        self.client = client
        self.way = way
        self.steps = 0
        self.number: int = self._send("/people", {"name": name})["id"]

    @property
    def address(self) -> str:
        """Her page."""
        return f"/people/{self.number}"

    def look(self) -> dict[str, Any]:
        """What her page shows."""
        return read_response(self.client.get(self.address, headers=JSON))

    def answer_question(self) -> dict[str, Any]:
        """Work on the question that she is at, from where it stands.

        Returns:
            What her page shows then: the next question.
        """
        shown = self.look()
        for _ in self.take_steps(shown):
            pass
        return self.look()

    def take_steps(self, shown: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Work on the question that her page shows, one request after another.

        Yields:
            What her page shows after each.
        """
        forms = read_forms(shown)
        self.way.forms = forms
        work = self.way.work(np.array(shown["question"], np.int64))
        done = [step["answer"] for step in shown["steps"]]  # she goes on where she left off
        said: int | None = None
        try:
            while True:
                asked = work.send(said)
                if done:
                    said = done.pop(0)
                    continue
                found = find_form(forms, asked)
                assert found is not None, f"no form makes {asked}"
                fields = {f"choice{i}": choice for i, choice in enumerate(found[1])}
                shown = self._act("ask", shown, form=found[0], **fields)
                yield shown
                said = shown["steps"][-1]["answer"]
        except StopIteration as end:
            yield self._act("answer", shown, answer=end.value)

    def _act(self, action: str, shown: dict[str, Any], **fields: Any) -> dict[str, Any]:
        place = {"interaction": shown["interaction"], "position": shown["position"]}
        return self._send(f"{self.address}/{action}", {**place, **fields})

    def _send(self, address: str, fields: dict[str, Any]) -> dict[str, Any]:
        shown = read_response(self.client.post(address, data=fields, headers=JSON))
        self.steps += 1
        return shown


def read_response(response: Any) -> dict[str, Any]:
    """The JSON of a response.

    Raises:
        ValueError: if the server has refused the request.
    """
    if response.status_code != 200:
        raise ValueError(f"the server says {response.status_code}: {response.text}")
    content: dict[str, Any] = response.json()
    return content


def read_forms(shown: dict[str, Any]) -> list[QuestionForm]:
    """The forms that a page shows."""
    return [
        QuestionForm(
            form["words"],
            np.array(form["row"], np.int64),
            tuple(
                Menu(m["label"], m["start"], m["texts"], np.array(m["symbols"], np.int64))
                for m in form["menus"]
            ),
        )
        for form in shown["forms"]
    ]
