"""The pages people look at, opened in a real browser; skipped where there is none."""

import shutil
import socket
import subprocess
import sys
import time
from urllib.request import urlopen

import pytest

from ia_gym.amplification.trace import TraceNode
from ia_gym.experiments.inspection.trace_page import render_page
from ia_gym.experiments.train import train_agent

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for agent in ("supervised", "search"):
        train_agent(agent, log_dir=folder / f"{agent}_seed0", n_eval_questions=64, n_timesteps=4096)
    return folder


@pytest.fixture(scope="module")
def tensorboard(runs):
    """The address of a TensorBoard that serves the runs."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(runs), "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://localhost:{port}"
    for _ in range(300):
        try:
            urlopen(address).close()
            break
        except OSError:
            time.sleep(0.2)
    yield address
    server.terminate()
    server.wait()


@pytest.mark.parametrize("plugin", ["timeseries", "custom_scalars", "hparams"])
def test_tensorboard_shows_every_run(plugin, tensorboard, browser):
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    tab.goto(f"{tensorboard}/#{plugin}")
    for run in ("supervised_seed0", "search_seed0"):
        tab.get_by_text(run).first.wait_for(timeout=60_000)
    tab.close()


def deep(depth):
    """A tree of 3^depth leaves; one answer in it is wrong."""
    node = TraceNode(f"q{depth}", "1", "1", right=True, looked_up=depth == 0)
    node.children = [deep(depth - 1) for _ in range(3)] if depth else []
    return node


def test_a_trace_of_thousands_of_questions_folds_and_filters(browser, tmp_path):
    root = deep(8)
    last = root
    while last.children:
        last.right = False
        last = last.children[1]
    path = tmp_path / "trace.html"
    path.write_text(render_page(root, "deep", "context"), encoding="utf-8")
    assert sum(1 for _ in root.walk()) == 9841
    requests = []
    tab = browser.new_page()
    tab.on("request", lambda request: requests.append(request.url))
    tab.goto(path.as_uri())
    assert tab.locator("details[open]").count() == 8  # the way to the error
    tab.get_by_text("unfold all").click()
    assert tab.locator("details[open]").count() == (3**8 - 1) // 2
    tab.get_by_text("fold all", exact=True).click()
    assert tab.locator("details[open]").count() == 0
    tab.get_by_text("unfold all").click()
    tab.get_by_label("only wrong answers").check()
    assert tab.locator("summary:visible").count() == 8
    assert requests == [path.as_uri()]
    tab.close()
