"""The command by which people take the overseer's place."""

from __future__ import annotations

from typing import Annotated

import typer

from ia_gym.experiments.commands.options import EnvId
from ia_gym.experiments.errors import report_errors
from ia_gym.experiments.inputs import (
    check_output_file,
    split_counts,
    split_names,
    split_numbers,
)


@report_errors("human")
def human(
    env: EnvId,
    records: Annotated[
        str, typer.Option(metavar="FILE", help="SQLite file of the records.", show_default=False)
    ],
    assistant: Annotated[
        str,
        typer.Option(
            metavar="MODEL",
            help="Who answers sub-questions: a trained agent; oracle, the truth; or hand, the "
            "person herself.",
        ),
    ] = "oracle",
    judge: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Also show this agent's answers to be judged; of two, with a comma between, to "
            "be compared.",
        ),
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Compare two answers of the agent of --judge.")
    ] = False,
    show_truth: Annotated[
        bool, typer.Option("--show-truth", help="Tell people after each question what was right.")
    ] = False,
    host: Annotated[
        str, typer.Option(help="Address to listen at; others than this demand a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen at.")] = 8017,
    token: Annotated[
        str | None,
        typer.Option(
            help="Demand this of every request.  [default: on another host, drawn at random]",
            envvar="IA_GYM_TOKEN",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed, other questions.")] = 0,
    report: Annotated[
        bool,
        typer.Option(
            "--report", help="Print how far people agree with each other, script and truth."
        ),
    ] = False,
    export: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write all records to this .jsonl or .csv file."),
    ] = None,
    simulate: Annotated[
        str | None,
        typer.Option(
            metavar="WAY:N,...",
            help="Let simulated people answer N questions each: script, sloppy, one-step, edges.",
        ),
    ] = None,
    learn: Annotated[
        str | None,
        typer.Option(
            metavar="N,...",
            help="Train a human predictor on so many interactions of each of --people, and print "
            "how good it is.",
        ),
    ] = None,
    people: Annotated[
        str | None, typer.Option(help="For --learn: names, with commas between.")
    ] = None,
    out: Annotated[
        str | None, typer.Option(metavar="FILE", help="For --learn: write a CSV file as well.")
    ] = None,
) -> None:
    """Let people decompose and judge, in a browser.

    They take the overseer's place, and what they do is recorded. Serves the pages until Ctrl-C.
    With --report, --export, --simulate or --learn nothing is served.

    \b
    Examples:
      ia-gym human --env IA-ShortestPath-v0 --records anna.sqlite
      ia-gym human --env IA-ShortestPath-v0 --records anna.sqlite --report
      ia-gym train imitation --env IA-ShortestPath-v0 --human anna.sqlite
    """
    from ia_gym.experiments.human.serving import (
        export_records,
        print_learning,
        print_report,
        serve,
    )
    from ia_gym.experiments.human.simulation import simulate as run_simulation

    if (people is None) != (learn is None):
        raise ValueError("learn and people need each other")
    if out is not None and learn is None:
        raise ValueError("out is for learn")
    check_output_file("export", export)
    check_output_file("out", out)
    if simulate is not None:
        for name, share in run_simulation(records, env, split_counts("simulate", simulate)).items():
            print(f"{name}: {share:.1%} of the answers are correct")
    if learn is not None and people is not None:
        names, counts = split_names("people", people), split_numbers("learn", learn)
        print_learning(env, records, names, counts, out)
    if report:
        print_report(env, records)
    if export is not None:
        export_records(records, export)
    if not report and simulate is learn is export is None:
        agents = [] if judge is None else split_names("judge", judge)
        serve(env, records, assistant, agents, compare, show_truth, host, port, token, seed)
