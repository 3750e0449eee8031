"""Takes the pictures of the pages of ``ia-gym human`` for the docs: ``docs/images/human/*.png``.

    python docs/human_pages.py

It takes Playwright (``pip install "ia-gym[browser,human]"``), a Chromium on the path, and Pillow.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "images" / "human"
sys.path.insert(0, str(ROOT / "tests"))

from served import serve_in_thread  # noqa: E402

from ia_gym.domains import DOMAINS  # noqa: E402
from ia_gym.experiments.human.simulated_people import HttpPerson, ScriptedPerson  # noqa: E402

STEPS = 3
"""Sub-questions asked on a page that is pictured."""


def take_pictures(browser: Browser, name: str, folder: Path) -> None:
    """The pages of one domain, with some questions answered."""
    env_id, records = f"IA-{name}-v0", folder / f"{name}.sqlite"
    with serve_in_thread(records, env_id, compares=True) as (address, book, _):
        with httpx2.Client(base_url=address, timeout=60) as client:
            person = HttpPerson(client, "Anna", ScriptedPerson(book.domain))
            person.answer_question()
            for _, shown in zip(range(STEPS), person.take_steps(person.look()), strict=False):
                if shown["number"] > 1:
                    break
        page = f"{address}{person.address}"
        views = {
            f"decompose-{name}": (page, 1280, "light"),
            f"decompose-{name}-400": (page, 400, "light"),
            f"decompose-{name}-dark": (page, 1280, "dark"),
            f"compare-{name}": (f"{page}/judge", 1280, "light"),
        }
        if name == "Permutation":
            views |= {
                "start": (address, 1280, "light"),
                "start-400-dark": (address, 400, "dark"),
                "refused": (f"{address}/people/99", 1280, "light"),
                f"compare-{name}-400-dark": (f"{page}/judge", 400, "dark"),
            }
        for title, (url, width, scheme) in views.items():
            take_picture(browser, title, url, width, scheme)
    with serve_in_thread(records, env_id) as (address, _, _):
        page = f"{address}{person.address}/judge"
        take_picture(browser, f"judge-{name}", page, 1280, "light")


def take_picture(browser: Browser, title: str, url: str, width: int, scheme: str) -> None:
    """One picture, of few colours, so that the file is small."""
    size = {"width": width, "height": 640}
    tab = browser.new_page(viewport=size, color_scheme=scheme)
    tab.goto(url, timeout=300_000)
    path = FOLDER / f"{title}.png"
    tab.screenshot(path=path, full_page=True)
    tab.close()
    Image.open(path).convert("RGB").quantize(64).save(path, optimize=True)


def main() -> None:
    """Take all pictures."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name in sys.argv[1:] or DOMAINS:
            take_pictures(browser, name, Path(folder))
        browser.close()


if __name__ == "__main__":
    main()
