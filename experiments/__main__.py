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

        try:
            app(prog_name="ia-gym")
        finally:
            flush_output()
    except KeyboardInterrupt:
        print("ia-gym: interrupted", file=sys.stderr)
        sys.exit(130)
    except ModuleNotFoundError as error:
        name = (error.name or "").split(".")[0]
        if name in ("", "ia_gym"):
            raise
        extra = (
            "human" if name in ("anyio", "sqlalchemy", "starlette", "uvicorn") else "experiments"
        )
        print(
            f'ia-gym: the package {name} is missing: pip install "ia-gym[{extra}]"',
            file=sys.stderr,
        )
        sys.exit(2)
    except OSError as error:  # the terminal's or the file's that is printed to
        print(f"ia-gym: {error}", file=sys.stderr)
        sys.exit(1)


def flush_output() -> None:
    """Print what is still held back, unless the reader has gone (``ia-gym envs | head -1``)."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        from ia_gym.experiments.errors import discard_output

        discard_output()  # lest Python tries again at its exit


def replace_unprintable() -> None:
    """Print "?" for characters that the terminal cannot show, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


if __name__ == "__main__":
    main()
