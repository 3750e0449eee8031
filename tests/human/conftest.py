"""What the tests of the pages share: records in a temporary file, and a client of the pages."""

from contextlib import ExitStack
from types import SimpleNamespace

import pytest

pytest.importorskip("starlette")
pytest.importorskip("sqlalchemy")

from starlette.testclient import TestClient

from ia_gym.amplification.assistants import Oracle
from ia_gym.experiments.human.decomposing import Decomposer
from ia_gym.experiments.human.judging import Judge
from ia_gym.experiments.human.questions import QuestionBook
from ia_gym.experiments.human.records import open_records, read_records
from ia_gym.experiments.human.server import make_app

ADDRESS = "http://127.0.0.1:8017"
JSON = {"Accept": "application/json"}


@pytest.fixture
def site(tmp_path):
    """Makes the pages: ``site(env_id="IA-...", by_hand=False, token=None, ...)``."""
    with ExitStack() as stack:

        def make(
            env_id="IA-Permutation-v0",
            by_hand=False,
            show_truth=False,
            agents=None,
            compares=False,
            token=None,
            path=tmp_path / "records.sqlite",
        ):
            engine = open_records(path)
            stack.callback(engine.dispose)
            book = QuestionBook(env_id)
            oracle = Oracle(book.domain)
            helper = None if by_hand else oracle
            judge = Judge(book, {"oracle": oracle} if agents is None else agents, compares)
            app = make_app(engine, Decomposer(book, helper, "a", show_truth), judge, token)
            client = stack.enter_context(TestClient(app, base_url=ADDRESS))
            return SimpleNamespace(
                client=client, book=book, domain=book.domain, engine=engine, path=path
            )

        yield make


@pytest.fixture
def session_of():
    """A session that reads the records of a site."""
    with ExitStack() as stack:
        yield lambda site: stack.enter_context(read_records(site.engine))
