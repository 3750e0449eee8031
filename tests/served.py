"""The server in a process of its own, as the command starts it, to be used and killed."""

import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from urllib.request import urlopen


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
    for _ in range(600):
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
