"""The commands of ``ia-gym``: their options and help; the work is done in other modules.

These are imported inside of the commands, so that ``--help`` answers at once.
"""

from __future__ import annotations

import textwrap
from typing import Annotated

import typer

from ia_gym.experiments.errors import describe_error, fail, report_errors
from ia_gym.experiments.inputs import (
    check_output_file,
    list_env_ids,
    split_names,
    split_numbers,
)
from ia_gym.experiments.settings import list_agents

app = typer.Typer(
    help="Gymnasium environments for Iterated Amplification: train, compare and inspect agents.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # it would take "[atari]" in a text for a style
)


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


@app.command(epilog=NAMES)
@report_errors("train")
def train(
    agent: Annotated[
        str,
        typer.Argument(
            metavar="AGENT",
            help="One of the agents below; or the run.json of an earlier run, to train as it did.",
            show_default=False,
        ),
    ],
    env: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Environment id.  [default: IA-Permutation-v0]"),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of agent and environment.  [default: 0]")
    ] = None,
    log_dir: Annotated[
        str | None, typer.Option(help="Folder of the run.  [default: runs/ID/AGENT_seedSEED]")
    ] = None,
    eval_questions: EvalQuestions = None,
    timesteps: Annotated[
        int | None, typer.Option(help="Questions to train on.  [default: as tuned]")
    ] = None,
    target_accuracy: Annotated[
        float | None, typer.Option(help="Stop at this held-out accuracy, in (0, 1].")
    ] = None,
    patience: Annotated[
        int | None, typer.Option(help="Stop after this many evaluations without a better one.")
    ] = None,
    size: Annotated[
        int | None, typer.Option(help="Names in a context, out of the environment's pool.")
    ] = None,
    max_depth: Annotated[
        int | None,
        typer.Option(help="Deepest questions to train on; the evaluation asks all depths."),
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="Where to compute: auto, cpu, cuda, cuda:1.")
    ] = None,
    threads: Annotated[int, typer.Option(help="CPU threads.")] = 1,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run in --log-dir.")
    ] = False,
) -> None:
    """Train one agent with its tuned settings.

    Leaves the model, its learning curve and TensorBoard logs in the run's folder. Ctrl-C or SIGTERM
    stops the training; with --resume, the suite's own learners continue from their last checkpoint,
    and SB3's agents (ppo, a2c, dqn and their variants) start over.

    \b
    Examples:
      ia-gym train ppo
      ia-gym train imitation-relational --env IA-Permutation-N64-v0 --log-dir runs/mine
      ia-gym train imitation-relational --env IA-Permutation-N64-v0 --log-dir runs/mine --resume
      ia-gym train runs/mine/run.json --log-dir runs/again
    """
    from ia_gym.experiments.signals import Interrupted
    from ia_gym.experiments.train import describe_result, train_agent

    try:
        result = train_agent(
            agent,
            env_id=env,
            seed=seed,
            log_dir=log_dir,
            n_eval_questions=eval_questions,
            resume=resume,
            threads=threads,
            size=size,
            max_depth=max_depth,
            device=device,
            n_timesteps=timesteps,
            target_accuracy=target_accuracy,
            patience=patience,
        )
    except Interrupted as error:
        fail("train", describe_error(error), 128 + error.signum)
    print(describe_result(result))


@app.command(epilog=NAMES)
@report_errors("compare")
def compare(
    env: EnvId = "IA-Permutation-v0",
    agents: Annotated[
        str, typer.Option(help="Names of agents, with commas between.")
    ] = "ppo,imitation,supervised",
    seeds: Annotated[int, typer.Option(help="Runs of each agent, with seeds 0, 1, ...")] = 1,
    log_dir: Annotated[str, typer.Option(help="Folder for all results.")] = "runs/compare",
    eval_questions: EvalQuestions = None,
    jobs: Annotated[
        int | None, typer.Option(help="Runs at a time.  [default: one for each core]")
    ] = None,
    timesteps: Annotated[
        int | None, typer.Option(help="Questions to train on.  [default: as tuned]")
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Keep finished runs in --log-dir, and continue the others."),
    ] = False,
) -> None:
    """Train several agents and compare them.

    Leaves the runs, a table, the learning curves and TensorBoard logs in --log-dir.

    Without --resume, runs of the same names in --log-dir are replaced.

    \b
    Examples:
      ia-gym compare
      ia-gym compare --env IA-Wildcard-v0 --agents ppo,imitation --seeds 3
    """
    from ia_gym.experiments.compare import compare as run
    from ia_gym.experiments.signals import Interrupted

    names = split_names("agents", agents)
    try:
        run(env, names, seeds, log_dir, eval_questions, jobs, timesteps, resume)
    except Interrupted as error:
        fail("compare", describe_error(error), 128 + error.signum)


@app.command()
@report_errors("envs")
def envs() -> None:
    """List the environments: questions, observations and answers.

    \b
    Example:
      ia-gym envs
    """
    from ia_gym.experiments.inspection.environments import print_environments

    print_environments()


@app.command("eval")
@report_errors("eval")
def evaluate(
    env: EnvId,
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL", help="Folder of a run, or a model file in one.", show_default=False
        ),
    ] = None,
    eval_questions: Annotated[
        int | None,
        typer.Option(
            "--eval-questions",
            help="Held-out questions to ask.  [default: 4096; 512 with --hf]",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed, other questions.")] = 0,
    hf: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER", help="Instead of MODEL, a causal language model of transformers."
        ),
    ] = None,
    levels: Annotated[
        int | None,
        typer.Option(help="With --hf: how often to amplify it.  [default: 2]", min=0, max=5),
    ] = None,
    observation: Annotated[
        str | None,
        typer.Option(help="With --hf: prompt (with the rules) or text.  [default: prompt]"),
    ] = None,
    max_new_tokens: Annotated[
        int | None, typer.Option(help="With --hf: tokens of an answer.  [default: 64]")
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="With --hf: write the scores to this JSON file."),
    ] = None,
) -> None:
    """Evaluate a trained agent, or a language model, on held-out questions.

    Prints its accuracy, and how far the overseer approves of its answers; of a language model the
    accuracy by depth, alone and amplified.

    \b
    Examples:
      ia-gym eval runs/mine --env IA-Permutation-v0
      ia-gym eval --hf runs/trl --env IA-Permutation-N4-v0 --observation text
    """
    if (model is None) == (hf is None):
        raise ValueError("model must be given, or hf instead of it")
    given = {
        "levels": levels,
        "observation": observation,
        "max_new_tokens": max_new_tokens,
        "out": out,
        "n_eval_questions": eval_questions,
    }
    given = {name: value for name, value in given.items() if value is not None}
    if hf is not None:
        from ia_gym.experiments.inspection.language_model import evaluate_language_model

        check_output_file("out", out)
        evaluate_language_model(hf, env, seed=seed, **given)  # type: ignore[arg-type]
        return
    from ia_gym.experiments.inspection.evaluation import print_evaluation

    given.pop("n_eval_questions", None)
    if given:
        raise ValueError(f"{next(iter(given))} has no effect without --hf: leave it out")
    assert model is not None
    print_evaluation(model, env, eval_questions, seed)


@app.command()
@report_errors("trace")
def trace(
    model: Model,
    env: EnvId,
    number: Annotated[
        int | None,
        typer.Option(help="Held-out question or episode.  [default: the first wrong one, or 0]"),
    ] = None,
    levels: Annotated[
        int | None,
        typer.Option(help="Levels of sub-questions to show.  [default: 4]", min=0, max=30),
    ] = None,
    unfold: Annotated[
        bool, typer.Option("--unfold", help="Show the parts without an error too.")
    ] = False,
    html: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write an HTML page to this file as well.")
    ] = None,
) -> None:
    """Show where the error in an answer begins.

    Decomposes the question with the agent as the assistant, then its sub-questions.

    \b
    Example:
      ia-gym trace runs/mine --env IA-Permutation-v0 --html trace.html
    """
    from ia_gym.experiments.inspection.traces import print_trace

    check_output_file("html", html)
    print_trace(model, env, number, levels, unfold, html)


@app.command()
@report_errors("amplify")
def amplify(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="Model file of one of the suite's learners.",
            show_default=False,
        ),
    ],
    env: EnvId = "IA-Permutation-N64-v0",
    sizes: Annotated[
        str | None,
        typer.Option(help="Names in a context, with commas between.  [default: all names]"),
    ] = None,
    levels: Annotated[int, typer.Option(help="How often to amplify the agent.", min=0, max=5)] = 3,
    eval_questions: Annotated[
        int, typer.Option("--eval-questions", help="Held-out questions of each size.")
    ] = 2048,
    passes: Annotated[
        int | None,
        typer.Option(help="Passes through the blocks for facts.  [default: as in training]"),
    ] = None,
    out: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write the scores to this JSON file.")
    ] = None,
) -> None:
    """Evaluate a trained agent with amplification at test time.

    \b
    Example:
      ia-gym amplify runs/mine/model.safetensors --sizes 16,32,64
    """
    from ia_gym.experiments.inspection.amplification_levels import measure_amplification

    chosen = None if sizes is None else split_numbers("sizes", sizes)
    check_output_file("out", out)
    measure_amplification(model, env, chosen, levels, eval_questions, passes, out)


@app.command()
@report_errors("puzzle")
def puzzle(
    out: Annotated[
        str, typer.Option(metavar="FOLDER", help="Folder to write to.")
    ] = "results/puzzle",
    rounds: Annotated[
        int, typer.Option(help="Rounds of judging every action in every state.")
    ] = 300,
) -> None:
    """Compute on FrozenLake which answers improve the overseer.

    \b
    Example:
      ia-gym puzzle --out runs/puzzle
    """
    from ia_gym.experiments.inspection.puzzle import run_puzzle
    from ia_gym.experiments.run_folder import prepare_folder

    prepare_folder(out, "out")
    for path in run_puzzle(out, rounds):
        print(path)


@app.command()
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


@app.command()
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
