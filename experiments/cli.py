"""The command ``ia-gym``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer


@contextmanager
def told(command: str) -> Iterator[None]:
    """Tell of bad input in one line, with exit status 2."""
    try:
        yield
    except (ValueError, FileNotFoundError) as error:
        typer.echo(f"ia-gym {command}: {error}", err=True)
        raise typer.Exit(2) from None


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
    questions: Annotated[int | None, typer.Option(help="Held-out questions; default 4096.")] = None,
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
    from ia_gym.experiments.comparison import compare as run

    try:
        run(env, agents.split(","), seeds, log_dir, questions, jobs, timesteps, resume)
    except ValueError as error:
        typer.echo(f"ia-gym compare: {error}", err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


@app.command()
def train(
    agent: Annotated[
        str, typer.Argument(help="Name of a settings file, such as imitation; or a run.json.")
    ],
    env: Annotated[
        str | None, typer.Option(help="Environment id; default IA-Permutation-v0.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of everything random; default 0.")] = None,
    log_dir: Annotated[
        str | None, typer.Option(help="Folder of the run; default runs/ENV/AGENT_seedSEED.")
    ] = None,
    questions: Annotated[int | None, typer.Option(help="Held-out questions; default 4096.")] = None,
    timesteps: Annotated[
        int | None, typer.Option(help="Questions to train on; default the agent's own number.")
    ] = None,
    target_accuracy: Annotated[
        float | None, typer.Option(help="Stop at this held-out accuracy, in (0, 1].")
    ] = None,
    patience: Annotated[
        int | None, typer.Option(help="Stop after so many evaluations without a better one.")
    ] = None,
    size: Annotated[
        int | None, typer.Option(help="Names in a context, out of the environment's pool.")
    ] = None,
    max_depth: Annotated[
        int | None, typer.Option(help="Deepest questions to train on; the held-out ones stay.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="Where to compute: cpu, cuda.")] = None,
    threads: Annotated[int, typer.Option(help="CPU threads.")] = 1,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoint in --log-dir.")
    ] = False,
) -> None:
    """Train one agent, with checkpoints; Ctrl-C or SIGTERM ends it so that --resume can go on.

    Example: ia-gym train imitation --env IA-Permutation-N64-v0

    Example: ia-gym train runs/mine/run.json --log-dir runs/again
    """
    from ia_gym.agents.evaluation.make_evaluator import evaluator_class
    from ia_gym.experiments.training import Interrupted, train_once

    try:
        result = train_once(
            agent,
            env,
            seed,
            log_dir,
            questions,
            resume,
            threads,
            size,
            max_depth,
            device,
            n_timesteps=timesteps,
            target_accuracy=target_accuracy,
            patience=patience,
        )
    except ValueError as error:
        typer.echo(f"ia-gym train: {error}", err=True)
        raise typer.Exit(2) from None
    except Interrupted as error:
        typer.echo(f"ia-gym train: {error}; --resume goes on", err=True)
        raise typer.Exit(128 + error.signum) from None
    except OSError as error:  # as on a full disk
        typer.echo(f"ia-gym train: {error}; --resume goes on from the last checkpoint", err=True)
        raise typer.Exit(1) from None
    final = result["final"]
    labels = evaluator_class(result["env_id"]).labels
    typer.echo(
        f"{result['agent']} on {result['env_id']}: {labels.score_label} {final[labels.score]:.1%} "
        f"on {result['n_questions']} held-out {labels.unit} after training on "
        f"{final['timesteps']} {labels.trained_on} with "
        f"{final['overseer/human_interactions']:.0f} queries to the overseer; "
        f"stopped by {result['stopped_by']}"
    )


@app.command()
def envs() -> None:
    """List the environments: names, questions, and what an agent sees and answers.

    Example: ia-gym envs
    """
    from ia_gym.experiments.inspection.commands import print_environments

    print_environments()


@app.command("eval")
def evaluate(
    model: Annotated[str, typer.Argument(help="A run's folder, or a model in it.")],
    env: Annotated[str, typer.Option(help="Environment id.")],
    questions: Annotated[int | None, typer.Option(help="Held-out questions; default 4096.")] = None,
    seed: Annotated[int, typer.Option(help="Another seed, other questions.")] = 0,
) -> None:
    """Ask a trained agent held-out questions, and let H judge it with the agent as assistant.

    Example: ia-gym eval runs/mine --env IA-Permutation-v0
    """
    from ia_gym.experiments.inspection.commands import print_evaluation

    with told("eval"):
        print_evaluation(model, env, questions, seed)


@app.command()
def trace(
    model: Annotated[str, typer.Argument(help="A run's folder, or a model in it.")],
    env: Annotated[str, typer.Option(help="Environment id.")],
    number: Annotated[
        int | None,
        typer.Option(
            help="Of the held-out question or episode; default the first wrong one, or 0."
        ),
    ] = None,
    levels: Annotated[
        int | None, typer.Option(help="Levels of sub-questions; default 4.", min=0, max=30)
    ] = None,
    unfold: Annotated[bool, typer.Option("--unfold", help="Show what holds no error too.")] = False,
    html: Annotated[str | None, typer.Option(help="Write a page to this file as well.")] = None,
) -> None:
    """Follow an answer down to its sub-questions, and find where an error comes in.

    Example: ia-gym trace runs/mine --env IA-Permutation-v0 --html trace.html
    """
    from ia_gym.experiments.inspection.commands import print_trace

    with told("trace"):
        print_trace(model, env, number, levels, unfold, html)


@app.command()
def study(
    model: Annotated[str, typer.Argument(help="A network that `ia-gym train` has left.")],
    env: Annotated[str, typer.Option(help="Environment id.")] = "IA-Permutation-N64-v0",
    sizes: Annotated[
        str | None, typer.Option(help="Names in a context, with commas between.")
    ] = None,
    levels: Annotated[int, typer.Option(help="How often to amplify.", min=0, max=5)] = 3,
    questions: Annotated[int, typer.Option(help="Held-out questions.")] = 2048,
    passes: Annotated[
        int | None, typer.Option(help="Times that facts go through X's blocks; default its own.")
    ] = None,
    out: Annotated[str | None, typer.Option(help="JSON file to write.")] = None,
) -> None:
    """Ask a trained X, and X amplified once and more, about contexts of several sizes.

    Example: ia-gym study runs/mine/model.safetensors --env IA-Permutation-N64-v0 --sizes 16,32,64
    """
    from ia_gym.experiments.inspection.test_time_amplification import study as run

    with told("study"):
        chosen = None if sizes is None else [int(size) for size in sizes.split(",")]
        run(model, env, chosen, levels, questions, passes, out)


@app.command("study-actions")
def study_actions(
    out: Annotated[str, typer.Option(help="Folder to write to.")] = "results/puzzle",
    rounds: Annotated[int, typer.Option(help="Of judging every action in every state.")] = 300,
) -> None:
    """Work out which of X's answers makes the overseer of actions better, and at which depth.

    Example: ia-gym study-actions --out results/puzzle
    """
    from ia_gym.experiments.inspection.puzzle import study_actions as run

    with told("study-actions"):
        for path in run(out, rounds):
            typer.echo(str(path))


@app.command()
def report(
    folder: Annotated[str, typer.Argument(help="Where the finished runs are.")] = "results/N64",
    readme: Annotated[
        str | None, typer.Option(help="Markdown file to put the tables into, between its marks.")
    ] = None,
) -> None:
    """Draw accuracy over steps and over questions put to H, and write the tables.

    Example: ia-gym report results/N64 --readme README.md
    """
    from ia_gym.experiments.reports.report import write_report as run

    with told("report"):
        for path in run(folder, readme):
            typer.echo(str(path))


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
    from ia_gym.experiments.bench import bench as run

    try:
        names = None if domains is None else domains.split(",")
        run([int(size) for size in sizes.split(",")], seconds, train, names)
    except ValueError as error:
        typer.echo(f"ia-gym bench: {error}", err=True)
        raise typer.Exit(2) from None


if __name__ == "__main__":
    app()
