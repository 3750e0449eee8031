"""The pages on which people decompose and judge, as a web application.

Each page also comes as JSON, to a client that asks for it (``Accept: application/json``): programs
that act as people use the same addresses as browsers. Forms without a script do all that matters;
the script adds that names can be clicked in the picture.

=====================================  ===========================================================
``GET /``                              people, and a form for a new name
``POST /people``                       ``name``: go on as this person
``GET /people/ID``                     the question that this person is at
``POST /people/ID/ask``                ``interaction``, ``position``, ``form``, ``choice0``, ...
``POST /people/ID/answer``             ``interaction``, ``position``, ``answer``
``POST /people/ID/undo``, ``/skip``    ``interaction``, ``position``
``GET /people/ID/judge``               the answer that this person is to judge
``POST /people/ID/judge``              ``judgement``, ``verdict``: 0, 1, or empty to leave it
``GET /export.jsonl``, ``.csv``        all records
=====================================  ===========================================================
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qsl

from anyio import CapacityLimiter, to_thread
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session, sessionmaker
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from ia_gym.experiments.human.decomposing import Decomposer
from ia_gym.experiments.human.errors import RefusedError, refuse_unknown
from ia_gym.experiments.human.export import write_csv, write_jsonl
from ia_gym.experiments.human.judging import VERDICTS, Judge
from ia_gym.experiments.human.picture import make_picture
from ia_gym.experiments.human.questions import ContextView
from ia_gym.experiments.human.records import ANSWERED, Interaction, Person, now
from ia_gym.experiments.human.security import Guard

LONGEST_NAME = 40
LARGEST_NUMBER = 2**62
"""Larger ids are not looked for: SQLite has none."""
Shown = tuple[dict[str, Any], ContextView]
"""What a page shows, and the context that it is about."""
Describe = Callable[[Session, Person], Shown]
"""Finds what is shown to a person."""
Act = Callable[[Session, Person], None]
"""What a person does."""
CACHED_PICTURES = 512
ASSETS = {"page.css": "text/css", "page.js": "text/javascript"}
"""Files that the pages load, beside them in the package."""


def make_app(
    engine: Engine, decomposer: Decomposer, judge: Judge | None = None, token: str | None = None
) -> Starlette:
    """The application.

    Args:
        engine: the records, see :func:`~ia_gym.experiments.human.records.open_records`.
        decomposer: asks the questions.
        judge: shows answers to judge; None for no such page.
        token: see :class:`~ia_gym.experiments.human.security.Guard`.
    """
    pages = Pages(engine, decomposer, judge)
    routes = [
        Route("/", pages.start),
        Route("/people", pages.enter, methods=["POST"]),
        Route("/people/{person}", pages.show_question),
        Route("/people/{person}/judge", pages.show_answer),
        Route("/people/{person}/judge", pages.judge_answer, methods=["POST"]),
        Route("/people/{person}/{action}", pages.act, methods=["POST"]),
        Route("/export.{ending}", pages.export),
        Route("/{asset}", pages.load_asset),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(Guard, token=token)],
        exception_handlers={RefusedError: pages.report, HTTPException: pages.report},
    )


class Pages:
    """What the application answers.

    One thread does all work on records, so that steps come one after another, and neither a network
    nor a random generator is used by two at a time.

    Args: those of :func:`make_app`.
    """

    def __init__(self, engine: Engine, decomposer: Decomposer, judge: Judge | None) -> None:
        self.decomposer = decomposer
        self.judge = judge
        self.sessions = sessionmaker(engine, expire_on_commit=False)
        self.limiter = CapacityLimiter(1)
        self.assets = {name: read_page(name) for name in ASSETS}
        self.pictures: dict[ContextView, Markup] = {}
        self.templates = Environment(
            loader=PackageLoader("ia_gym.experiments.human", "pages"),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=StrictUndefined,
        )
        self.templates.globals |= {
            "env_id": decomposer.book.env_id,
            "has_judge": judge is not None,
            "verdicts": VERDICTS,
        }
        self.templates.filters["split_words"] = split_words

    async def work(self, task: Callable[[Session], Any]) -> Any:
        """Do a task in a transaction of its own."""

        def run() -> Any:
            with self.sessions.begin() as session:
                return task(session)

        return await to_thread.run_sync(run, limiter=self.limiter)

    # ------------------------------------------------------------------- pages

    async def start(self, request: Request) -> Response:
        """The people, and a form for a new name."""

        def task(session: Session) -> Any:
            answered = func.count(Interaction.id).filter(Interaction.state == ANSWERED)
            found = select(Person, answered).outerjoin(Interaction).group_by(Person.id)
            rows = session.execute(found.order_by(Person.name))
            return [{"id": p.id, "name": p.name, "answered": n} for p, n in rows]

        people = await self.work(task)
        if wants_json(request):
            return JSONResponse({"people": people})
        return self.render("start.html", people=people)

    async def enter(self, request: Request) -> Response:
        """Go on as the person of this name, who may be new."""
        name = check_name((await read_form(request)).get("name", ""))

        def task(session: Session) -> int:
            person = session.scalar(select(Person).filter_by(name=name))
            if person is None:
                person = Person(name=name, created=now())
                session.add(person)
                session.flush()
            return person.id

        number = await self.work(task)
        if wants_json(request):
            return JSONResponse({"id": number, "name": name})
        return RedirectResponse(f"/people/{number}", 303)

    async def show_question(self, request: Request) -> Response:
        """The question that a person is at."""
        return await self.show(request, self.describe_question, "decompose.html")

    async def show_answer(self, request: Request) -> Response:
        """The answer that a person is to judge."""
        return await self.show(request, self.describe_answer, "judge.html")

    def describe_question(self, session: Session, person: Person) -> Shown:
        """What the page of a question shows."""
        interaction = self.decomposer.open_question(session, person)
        shown = self.decomposer.describe(session, interaction)
        return shown, self.decomposer.book.view_of(interaction.question)

    def describe_answer(self, session: Session, person: Person) -> Shown:
        """What the page of an answer shows."""
        judge = self.find_judge()
        judgement = judge.open_judgement(session, person)
        return judge.describe(session, judgement), judge.book.view_of(judgement.question)

    def find_judge(self) -> Judge:
        """What shows answers to judge."""
        if self.judge is None:
            raise RefusedError(404, "There are no answers to judge: start with --judge MODEL.")
        return self.judge

    async def show(self, request: Request, describe: Describe, template: str) -> Response:
        """A page of one person's."""
        number = read_number("person", request.path_params["person"])
        as_json = wants_json(request)

        def task(session: Session) -> tuple[dict[str, Any], Markup]:
            shown, view = describe(session, find_person(session, number))
            return shown, Markup() if as_json else self.draw(view)

        shown, picture = await self.work(task)
        if as_json:
            return JSONResponse(shown)
        last_form = request.query_params.get("form", "")
        return self.render(template, picture=picture, last_form=last_form, **shown)

    async def follow(self, request: Request, act: Act, describe: Describe, page: str) -> Response:
        """Do what a person asks for, and go on to the page that shows what follows."""
        number = read_number("person", request.path_params["person"])
        as_json = wants_json(request)

        def task(session: Session) -> dict[str, Any] | None:
            person = find_person(session, number)
            act(session, person)
            session.flush()
            return describe(session, person)[0] if as_json else None

        shown = await self.work(task)
        return JSONResponse(shown) if as_json else RedirectResponse(page, 303)

    async def act(self, request: Request) -> Response:
        """One step of a person: ask, answer, undo or skip."""
        form, decomposer = await read_form(request), self.decomposer
        name = request.path_params["action"]
        at = [read_number(key, form.get(key, "")) for key in ("interaction", "position")]
        used = ""
        arguments: list[Any] = at
        if name == "ask":
            chosen = [
                read_number(key, form[key])
                for key in (f"choice{i}" for i in range(len(form)))
                if key in form
            ]
            used = str(read_number("form", form.get("form", "")))
            arguments = [*at, int(used), chosen]
        elif name == "answer":
            arguments = [*at, read_number("answer", form.get("answer", ""))]
        elif name not in ("undo", "skip"):
            raise RefusedError(404, "There is no such page.")
        do = getattr(decomposer, name)
        person = request.path_params["person"]
        return await self.follow(
            request,
            lambda session, person: do(session, person, *arguments),
            self.describe_question,
            f"/people/{person}" + (f"?form={used}" if used else ""),
        )

    async def judge_answer(self, request: Request) -> Response:
        """A verdict."""
        form, judge = await read_form(request), self.find_judge()
        number = read_number("judgement", form.get("judgement", ""))
        said = form.get("verdict", "")
        verdict = None if said == "" else read_number("verdict", said)
        return await self.follow(
            request,
            lambda session, person: judge.judge(session, person, number, verdict),
            self.describe_answer,
            f"/people/{request.path_params['person']}/judge",
        )

    async def export(self, request: Request) -> Response:
        """All records, as a file."""
        ending = request.path_params["ending"]
        if ending not in ("jsonl", "csv"):
            raise RefusedError(404, "There is no such page.")
        write = write_jsonl if ending == "jsonl" else write_csv
        content = await self.work(write)
        kind = "application/jsonl" if ending == "jsonl" else "text/csv"
        name = {"Content-Disposition": f'attachment; filename="records.{ending}"'}
        return Response(content, media_type=kind, headers=name)

    async def load_asset(self, request: Request) -> Response:
        """The style sheet, or the script."""
        name = request.path_params["asset"]
        if name not in ASSETS:
            raise RefusedError(404, "There is no such page.")
        return Response(self.assets[name], media_type=ASSETS[name])

    # ------------------------------------------------------------------ output

    def draw(self, view: ContextView) -> Markup:
        """The picture of a context, as HTML."""
        if view not in self.pictures:
            if len(self.pictures) >= CACHED_PICTURES:
                self.pictures.clear()
            sketch = view.sketch
            picture = make_picture(sketch) if sketch.vertices else None
            template = self.templates.get_template("picture.html")
            shown = template.render(sketch=sketch, picture=picture, text=view.text)
            self.pictures[view] = Markup(shown)
        return self.pictures[view]

    def render(self, template: str, status: int = 200, **shown: Any) -> Response:
        """A page."""
        return HTMLResponse(self.templates.get_template(template).render(**shown), status)

    async def report(self, request: Request, error: Exception) -> Response:
        """What was refused, and why."""
        if isinstance(error, RefusedError):
            status, message = error.status, error.message
        else:
            assert isinstance(error, HTTPException)
            status, message = error.status_code, f"{error.detail}."
        if wants_json(request):
            return JSONResponse({"error": message}, status)
        back = re.match(r"/people/\d+(/judge)?", request.url.path)
        return self.render(
            "refused.html", status, message=message, back=back.group() if back else "/"
        )


def find_person(session: Session, number: int) -> Person:
    """The person of an id.

    Raises:
        RefusedError: if there is none.
    """
    person = session.get(Person, number)
    if person is None:
        raise refuse_unknown("person", number)
    return person


def wants_json(request: Request) -> bool:
    """Whether a client asks for JSON instead of a page."""
    return "application/json" in request.headers.get("accept", "")


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form that was sent; of several of one name, the last.

    Raises:
        RefusedError: if the body is none.
    """
    body = await request.body()
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=100))
    except ValueError:
        raise RefusedError(422, "The form cannot be read.") from None


def read_number(name: str, text: str) -> int:
    """A whole number of at least 0 that was sent.

    Raises:
        RefusedError: if it is none.
    """
    if not re.fullmatch(r"[0-9]{1,19}", text) or int(text) > LARGEST_NUMBER:
        raise RefusedError(422, f"{name} must be a whole number.")
    return int(text)


def check_name(name: str) -> str:
    """A person's name, in one of its spellings, without space around it.

    Raises:
        RefusedError: if it is empty, too long, or cannot be printed.
    """
    name = unicodedata.normalize("NFC", name).strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise RefusedError(422, f"A name has 1 to {LONGEST_NAME} characters that can be printed.")
    return name


def read_page(name: str) -> str:
    """The text of a file of the pages."""
    return files("ia_gym.experiments.human").joinpath("pages", name).read_text("utf-8")


def split_words(words: str) -> list[tuple[str, int | None]]:
    """A form's sentence in parts: each a text, and the index of the menu after it, or None."""
    parts = re.split(r"\{(\d+)\}", words)
    return [
        (text, int(parts[2 * i + 1]) if 2 * i + 1 < len(parts) else None)
        for i, text in enumerate(parts[::2])
    ]
