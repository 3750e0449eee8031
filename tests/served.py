"""The server of ``ia-gym human``: in a process of its own, to be killed, or in a thread."""

import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from urllib.request import urlopen

import uvicorn

from ia_gym.amplification.assistants import Oracle
from ia_gym.experiments.human.decomposing import Decomposer
from ia_gym.experiments.human.judging import Judge
from ia_gym.experiments.human.questions import QuestionBook
from ia_gym.experiments.human.records import open_records
from ia_gym.experiments.human.server import make_app


def find_port():
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_server(env_id, records, port, *options):
    """Start ``ia-gym human``, and wait until it answers."""
    command = [sys.executable, "-m", "ia_gym.experiments", "human", "--env", env_id]
    command += ["--records", str(records), "--port", str(port), *options]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    for _ in range(3000):  # it imports torch first
        try:
            urlopen(f"http://127.0.0.1:{port}/").close()
            return server
        except OSError:
            assert server.poll() is None, "the server has ended"
            time.sleep(0.1)
    raise AssertionError("the server does not answer")


@contextmanager
def serve(env_id, records, *options):
    """A server while the block runs; its address."""
    port = find_port()
    server = start_server(env_id, records, port, *options)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


@contextmanager
def serve_in_thread(path, env_id, compares=False):
    """The server in a thread, with the oracle as assistant and judged agent.

    Yields:
        Its address, the questions and the records.
    """
    book, engine, port = QuestionBook(env_id), open_records(path), find_port()
    oracle = Oracle(book.domain)
    judge = Judge(book, {"oracle": oracle}, compares)
    app = make_app(engine, Decomposer(book, oracle, "oracle", show_truth=True), judge)
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    try:
        yield f"http://127.0.0.1:{port}", book, engine
    finally:
        server.should_exit = True
        thread.join()
        engine.dispose()
