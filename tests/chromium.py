"""Runs a script in a page that headless Chromium has opened, where there is one."""

import json
import re
import shutil
import subprocess
from html import unescape

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

FRAME = """<script>{
  const errors = [], results = {errors};
  window.addEventListener("error", (event) => errors.push(event.message));
  %s
  results.requests = performance.getEntriesByType("resource").map((entry) => entry.name);
  const out = document.createElement("pre");
  out.id = "results";
  out.textContent = JSON.stringify(results);
  document.body.append(out);
}</script>"""


def run_in_page(page, script, folder, width=1280):
    """What ``script`` leaves in its variable ``results``, with ``errors`` and ``requests``.

    Args:
        page: text of the page.
        script: JavaScript, run once the page is loaded.
        folder: for the page and Chromium's own files.
        width: of the window, at least 500.
    """
    path = folder / "page.html"
    path.write_text(page.replace("</html>", f"{FRAME % script}</html>"), "utf-8")
    command = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    command += [f"--user-data-dir={folder / 'profile'}", f"--window-size={width},1200"]
    command += ["--virtual-time-budget=10000", path.as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    return json.loads(unescape(re.search('<pre id="results">(.*?)</pre>', dom, re.S)[1]))
