"""Arguments and options that several commands have."""

from __future__ import annotations

import textwrap
from typing import Annotated

import typer

from ia_gym.experiments.inputs import (
    list_env_ids,
)
from ia_gym.experiments.settings import list_agents


def format_names(heading: str, names: list[str]) -> str:
    """A list for the end of a help text, as click leaves it."""
    lines = textwrap.wrap(", ".join(names), 76, break_on_hyphens=False)
    return "\n".join(["\b", f"{heading}:", *(f"  {line}" for line in lines)])


NAMES = "\n\n".join(
    [format_names("Agents", list_agents()), format_names("Environments", list_env_ids())]
)

SIZES = "8,16,32,64,128,256"
"""Sizes that ``ia-gym bench`` measures."""

EnvId = Annotated[str, typer.Option("--env", metavar="ID", help="Environment id.")]
EvalQuestions = Annotated[
    int | None,
    typer.Option("--eval-questions", help="Held-out questions to ask.  [default: 4096]"),
]
Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL", help="Folder of a run, or a model file in one.", show_default=False
    ),
]

Engine = Annotated[
    str,
    typer.Option(help="What trains the runs: processes of this machine, or ray (a cluster)."),
]
Address = Annotated[
    str | None,
    typer.Option(
        help="Ray cluster, such as auto or HOST:6379.  [default: a new one on this machine]"
    ),
]
