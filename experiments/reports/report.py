"""A report on finished runs: figures and tables, as Markdown and as one HTML page."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

import pandas as pd

from ia_gym.experiments.reports.figures import EPISODE_FIGURES, FIGURES, plot, plot_depths
from ia_gym.experiments.reports.finished_runs import by_agent, read_runs
from ia_gym.experiments.reports.tables import (
    command_table,
    depth_table,
    main_table,
    markdown,
    overview,
)

END = "<!-- /report -->"
"""Between ``<!-- report FOLDER -->`` and this the overview stands in a Markdown file."""
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 80rem; padding: 0 1rem; }
div { overflow-x: auto; } img { max-width: 100%; }
table { border-collapse: collapse; font-size: 13px; margin: 1rem 0; }
th, td { border: 1px solid #ccc; padding: .2rem .5rem; text-align: left; }
th { background: #f4f4f4; }
"""


def report(
    folder: str | os.PathLike[str], readme: str | os.PathLike[str] | None = None
) -> list[Path]:
    """Draw figures and write tables of all finished runs under ``folder``, into that folder.

    Args:
        folder: where the runs are, each in a folder of its own.
        readme: a Markdown file, in which what stands between the marks ``<!-- report FOLDER -->``
            and ``<!-- /report -->`` is replaced by the overview; None for none.

    Returns:
        The files written: PNGs, ``report.md``, ``report.html`` (which needs no other file), and the
        ``readme``.

    Raises:
        ValueError: if there are no finished runs, or the marks are missing.
    """
    folder = Path(folder)
    groups = by_agent(read_runs(folder))
    with_depths = any(group.labels.has_depths for group in groups)
    drawn = FIGURES if with_depths else EPISODE_FIGURES
    figures = [folder / f"{name}.png" for name in drawn]
    for path, (x, y) in zip(figures, drawn.values(), strict=True):
        plot(groups, x, y, path)
    tables = {"Overview": overview(groups), "Agents": main_table(groups)}
    if with_depths:
        figures.append(folder / "accuracy_by_depth.png")
        plot_depths(groups, figures[-1])
        tables["By depth"] = depth_table(groups)
    tables["Runs"] = command_table(groups)
    told = "\n\n".join(f"## {name}\n\n{markdown(table)}" for name, table in tables.items())
    pictures = "\n".join(f"![{path.stem}]({path.name})" for path in figures)
    written = [*figures, folder / "report.md", folder / "report.html"]
    title = f"Runs in {folder.name}"
    written[-2].write_text(f"# {title}\n\n{told}\n\n{pictures}\n", encoding="utf-8")
    written[-1].write_text(page(title, tables, figures), encoding="utf-8")
    if readme is not None:
        path = Path(readme)
        begin = f"<!-- report {folder.as_posix()} -->"
        before, mark, rest = path.read_text("utf-8").partition(begin)
        _, end, after = rest.partition(END)
        if not mark or not end:
            raise ValueError(f"readme must hold the marks {begin} and {END}, got {readme}")
        text = markdown(tables["Overview"])
        path.write_text(f"{before}{mark}\n{text}\n{end}{after}", encoding="utf-8")
        written.append(path)
    return written


def page(title: str, tables: Mapping[str, pd.DataFrame], figures: Sequence[Path]) -> str:
    """One HTML page that holds tables and figures, and needs nothing else."""
    parts = [
        f"<h2>{escape(name)}</h2><div>{table.to_html(index=False, border=0)}</div>"
        for name, table in tables.items()
    ]
    for path in figures:
        data = base64.b64encode(path.read_bytes()).decode()
        parts.append(f'<p><img alt="{escape(path.stem)}" src="data:image/png;base64,{data}"></p>')
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)}</title>"
        f"<style>{STYLE}</style><h1>{escape(title)}</h1>{''.join(parts)}</html>\n"
    )
