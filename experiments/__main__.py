"""The entry point of the command ``ia-gym``, and of ``python -m ia_gym.experiments``.

It imports nothing that the package's core does not need, so that it can say what is missing.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line."""
    replace_unprintable()
    try:
        from ia_gym.experiments.cli import app

        app(prog_name="ia-gym")
    except KeyboardInterrupt:
        print("ia-gym: interrupted", file=sys.stderr)
        sys.exit(130)
    except ModuleNotFoundError as error:
        name = (error.name or "").split(".")[0]
        if name in ("", "ia_gym"):
            raise
        print(
            f'ia-gym: the package {name} is missing: pip install "ia-gym[experiments]"',
            file=sys.stderr,
        )
        sys.exit(2)


def replace_unprintable() -> None:
    """Print "?" for characters that the terminal cannot show, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


if __name__ == "__main__":
    main()
