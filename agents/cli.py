"""The command ``ia-gym``."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(
    help="Gymnasium environments for Iterated Amplification.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.command()
def compare(
    env: Annotated[str, typer.Option(help="Environment id.")] = "IA-Permutation-v0",
    agents: Annotated[
        str, typer.Option(help="Names of settings files, with commas between.")
    ] = "ppo,imitation,supervised",
    seeds: Annotated[int, typer.Option(help="Runs an agent.")] = 1,
    log_dir: Annotated[str, typer.Option(help="Folder for all results.")] = "runs/compare",
    questions: Annotated[int, typer.Option(help="Held-out questions.")] = 4096,
    jobs: Annotated[int | None, typer.Option(help="Runs at a time; default one a core.")] = None,
    timesteps: Annotated[
        int | None, typer.Option(help="Questions to train on; default each agent's own number.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the comparison that --log-dir holds.")
    ] = False,
) -> None:
    """Train agents side by side; table, curves and TensorBoard logs.

    Example: ia-gym compare --env IA-Permutation-v0 --agents ppo,imitation --seeds 3
    """
    from ia_gym.agents.comparison import compare as run

    try:
        run(env, agents.split(","), seeds, log_dir, questions, jobs, timesteps, resume)
    except ValueError as error:
        typer.echo(f"ia-gym compare: {error}", err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


@app.command()
def bench(
    sizes: Annotated[str, typer.Option(help="Names in a context, with commas between.")] = (
        "8,16,32,64,128,256"
    ),
    seconds: Annotated[float, typer.Option(help="Time for each figure.", min=0.01)] = 1.0,
    domains: Annotated[
        str | None, typer.Option(help="Domains, with commas between; default all.")
    ] = None,
    train: Annotated[bool, typer.Option(help="Also time ImitationIA on its smallest case.")] = True,
) -> None:
    """Measure the suite's speed on this machine.

    Example: ia-gym bench --sizes 8,64 --seconds 5
    """
    from ia_gym.agents.bench import bench as run

    try:
        names = None if domains is None else domains.split(",")
        run([int(size) for size in sizes.split(",")], seconds, train, names)
    except ValueError as error:
        typer.echo(f"ia-gym bench: {error}", err=True)
        raise typer.Exit(2) from None


if __name__ == "__main__":
    app()
