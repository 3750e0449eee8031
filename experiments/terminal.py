"""Printing to a terminal, a file or a pipe."""

from __future__ import annotations

from rich.console import Console

from ia_gym.experiments.errors import discard_output


class TerminalConsole(Console):
    """Rich's console, but a closed pipe (``ia-gym train ppo | head -1``) does not end the process.

    Nothing more is printed then; training goes on, and its files are written.
    """

    def on_broken_pipe(self) -> None:
        """Send all further output to nowhere."""
        self.quiet = True
        discard_output()
