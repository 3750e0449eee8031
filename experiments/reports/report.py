"""A report on finished runs: figures and tables, as Markdown and as one HTML page."""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ia_gym.experiments.reports.collapse_signs import (
    build_collapse_table,
    build_sign_table,
    draw_roc,
)
from ia_gym.experiments.reports.curves import list_curve_plots
from ia_gym.experiments.reports.figures import (
    draw_amplification,
    draw_curves,
    draw_depths,
    save_figure,
)
from ia_gym.experiments.reports.finished_runs import AgentRuns, group_by_agent, read_runs
from ia_gym.experiments.reports.report_page import render_page
from ia_gym.experiments.reports.tables import (
    build_agent_table,
    build_depth_table,
    build_overview,
    build_protocol_table,
    build_run_table,
    format_markdown,
)
from ia_gym.files import write_text

END = "<!-- /report -->"
"""Between ``<!-- report FOLDER -->`` and this the overview stands in a Markdown file."""


def write_report(
    folder: str | os.PathLike[str], readme: str | os.PathLike[str] | None = None
) -> list[Path]:
    """Draw figures and write tables of all finished runs under ``folder``, into that folder.

    Every file is written whole or not at all.

    Args:
        folder: where the runs are, each in a folder of its own.
        readme: a Markdown file, in which what stands between the marks ``<!-- report FOLDER -->``
            and ``<!-- /report -->`` is replaced by the overview; None for none.

    Returns:
        The files written: PNGs, ``report.md``, ``report.html`` (which needs no other file), and the
        ``readme``.

    Raises:
        ValueError: if there are no finished runs, a run's file is broken, or the marks are missing.
        OSError: if ``readme`` cannot be read, or a file cannot be written; ``folder`` is tried
            before any work is done.
    """
    if not os.fspath(folder):
        raise ValueError("folder must hold finished runs, got ''")
    folder = Path(folder)
    runs = read_runs(folder)
    if readme is not None:
        replace_overview(Path(readme), folder, "")
    with tempfile.TemporaryFile(dir=folder):
        pass  # a folder that cannot be written is refused now
    groups = group_by_agent(runs)
    tables = {"Overview": build_overview(groups), "Agents": build_agent_table(groups)}
    depths = build_depth_table(groups)
    if len(depths):
        tables["By depth"] = depths
    protocols = build_protocol_table(groups)
    if len(protocols):
        tables["Judges and the overseer's work"] = protocols
    for name, build in (("Over-approval", build_collapse_table), ("Signs", build_sign_table)):
        if len(table := build(groups)):
            tables[name] = table
    tables["Runs"] = build_run_table(groups)
    figures = write_figures(groups, folder)
    title = f"Runs in {folder.resolve().name}"
    command = shlex.join(["ia-gym", "report", folder.as_posix()])
    sections = "\n\n".join(
        f"## {name}\n\n{format_markdown(frame)}" for name, frame in tables.items()
    )
    pictures = "\n".join(f"![{path.stem.replace('_', ' ')}]({path.name})" for path in figures)
    markdown, page = folder / "report.md", folder / "report.html"
    write_text(markdown, f"# {title}\n\n{sections}\n\n{pictures}\n")
    write_text(page, render_page(title, command, groups, tables))
    written = [*figures, markdown, page]
    if readme is not None:
        path = Path(readme)
        write_text(path, replace_overview(path, folder, format_markdown(tables["Overview"])))
        written.append(path)
    return written


def write_figures(groups: Sequence[AgentRuns], folder: Path) -> list[Path]:
    """The figures of all runs as PNGs: those that share a score share their figures."""
    written: list[Path] = []
    for score in dict.fromkeys(group.labels.score for group in groups):
        alike = [group for group in groups if group.labels.score == score]
        for plot in list_curve_plots(alike):
            name = plot.name
            if folder / f"{name}.png" in written:  # over-approval, which both kinds have
                name = f"{alike[0].labels.score_name}_{name}"
            written.append(folder / f"{name}.png")
            save_figure(draw_curves(alike, plot), written[-1])
    deep = [group for group in groups if len(group.list_accuracies()) > 1]
    if deep:
        written.append(folder / "accuracy_by_depth.png")
        save_figure(draw_depths(deep), written[-1])
        amplification = draw_amplification(deep)
        if amplification is not None:
            written.append(folder / "amplified_by_depth.png")
            save_figure(amplification, written[-1])
    if len(build_sign_table(groups)):
        written.append(folder / "signs_of_collapse.png")
        save_figure(draw_roc(groups), written[-1])
    return written


def replace_overview(path: Path, folder: Path, overview: str) -> str:
    """The text of a Markdown file with ``overview`` between the marks of ``folder``.

    Raises:
        ValueError: if a mark is missing.
        OSError: if the file cannot be read.
    """
    begin = f"<!-- report {folder.as_posix()} -->"
    before, mark, rest = path.read_text("utf-8").partition(begin)
    _, end, after = rest.partition(END)
    if not mark or not end:
        raise ValueError(f"readme must hold the marks {begin} and {END}, got {path}")
    return f"{before}{mark}\n{overview}\n{end}{after}"
