"""The command line ``ia-gym``."""

from __future__ import annotations

import typer

from ia_gym.experiments.commands import inspection, measuring, people, training
from ia_gym.experiments.commands.options import NAMES

app = typer.Typer(
    help="Gymnasium environments for Iterated Amplification: train, compare and inspect agents.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # it would take "[atari]" in a text for a style
)

app.command(epilog=NAMES)(training.train)
app.command(epilog=NAMES)(training.compare)
app.command(epilog=NAMES)(training.tune)
app.command(epilog=NAMES)(training.failures)
app.command()(inspection.envs)
app.command("eval")(inspection.evaluate)
app.command()(inspection.trace)
app.command()(people.human)
app.command()(inspection.debate)
app.command()(inspection.amplify)
app.command()(inspection.puzzle)
app.command()(measuring.report)
app.command()(measuring.bench)
