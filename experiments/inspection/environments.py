"""The list of environments that ``ia-gym envs`` prints."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ia_gym.agents.evaluation.evaluator import Evaluator
from ia_gym.agents.evaluation.make_evaluator import find_evaluator_class
from ia_gym.experiments.inputs import list_env_ids
from ia_gym.experiments.terminal import TerminalConsole


def print_environments(console: Console | None = None) -> None:
    """Print a table for each kind of environment, with one row per registered id."""
    console = console or TerminalConsole()
    kinds: dict[type[Evaluator], list[str]] = {}
    for env_id in list_env_ids():
        kinds.setdefault(find_evaluator_class(env_id), []).append(env_id)
    for kind, env_ids in kinds.items():
        rows = [kind.describe(env_id) for env_id in env_ids]
        headings = max(rows, key=len)
        table = Table(
            title=kind.labels.title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0)
        )
        table.add_column("id", no_wrap=True)
        for heading in headings:
            table.add_column(heading, justify="right")
        for env_id, row in zip(env_ids, rows, strict=True):
            table.add_row(*map(escape, (env_id, *(row.get(heading, "") for heading in headings))))
        console.print(table)
