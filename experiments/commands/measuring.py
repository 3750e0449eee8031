"""Commands that make reports and measure speed."""

from __future__ import annotations

from typing import Annotated

import typer

from ia_gym.experiments.commands.options import SIZES
from ia_gym.experiments.errors import report_errors
from ia_gym.experiments.inputs import (
    check_output_file,
    split_names,
    split_numbers,
)


@report_errors("report")
def report(
    folder: Annotated[
        str, typer.Argument(metavar="FOLDER", help="Folder that holds finished runs.")
    ] = "results/N64",
    readme: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Markdown file in which to replace the table between its marks "
            "<!-- report FOLDER --> and <!-- /report -->.",
        ),
    ] = None,
) -> None:
    """Write a report on finished runs.

    Figures (PNG), tables as Markdown, and an HTML page with interactive curves.

    \b
    Example:
      ia-gym report runs/compare
    """
    from ia_gym.experiments.reports.report import write_report as run

    check_output_file("readme", readme)
    for path in run(folder, readme):
        print(path)


@report_errors("bench")
def bench(
    sizes: Annotated[str, typer.Option(help="Names in a context, with commas between.")] = SIZES,
    seconds: Annotated[float, typer.Option(help="Time for each figure.", min=0.01)] = 1.0,
    domains: Annotated[
        str | None, typer.Option(help="Domains, with commas between.  [default: all]")
    ] = None,
    train: Annotated[bool, typer.Option(help="Also time ImitationIA on its smallest case.")] = True,
    prompts: Annotated[
        bool,
        typer.Option(
            "--prompts", help="Only prompts and rewards for language models, beside reasoning-gym."
        ),
    ] = False,
) -> None:
    """Measure the suite's speed on this machine.

    \b
    Example:
      ia-gym bench --sizes 8,64 --seconds 5
    """
    if prompts:
        ignored = {"sizes": sizes != SIZES, "domains": domains is not None, "train": not train}
        if any(ignored.values()):
            name = next(name for name, given in ignored.items() if given)
            raise ValueError(f"{name} has no effect with --prompts: leave it out")
        from ia_gym.experiments.text_bench import bench_prompts

        bench_prompts(seconds)
        return
    from ia_gym.experiments.bench import bench as run

    names = None if domains is None else split_names("domains", domains)
    run(split_numbers("sizes", sizes), seconds, train, names)
