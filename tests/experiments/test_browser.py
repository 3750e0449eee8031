"""TensorBoard, opened in a real browser; skipped where there is none."""

import socket
import subprocess
import sys
import time
from urllib.request import urlopen

import pytest
from chromium import CHROMIUM, needs_chromium

from ia_gym.experiments.train import train_agent

sync_api = pytest.importorskip("playwright.sync_api")
pytestmark = needs_chromium


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
