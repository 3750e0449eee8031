"""MkDocs hooks: figures of ``results/`` become part of the site.

Pages link to them as ``../results/FOLDER/FIGURE.png``, which also works where the pages are read
as files of the repository.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
FIGURE = re.compile(r"\]\(\.\./results/([^)]+\.png)\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the figures that pages show, as ``figures/FOLDER/FIGURE.png``."""
    shown = set()
    for page in Path(config["docs_dir"]).glob("*.md"):
        shown |= set(FIGURE.findall(page.read_text("utf-8")))
    for path in sorted(shown):
        figure = ROOT / "results" / path
        files.append(File.generated(config, f"figures/{path}", abs_src_path=str(figure)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Let the page's links lead to those copies."""
    return FIGURE.sub(r"](figures/\1)", markdown)
