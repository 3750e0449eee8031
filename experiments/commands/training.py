"""Commands that train agents."""

from __future__ import annotations

from typing import Annotated

import typer

from ia_gym.experiments.commands.options import Address, Engine, EnvId, EvalQuestions
from ia_gym.experiments.errors import describe_error, fail, report_errors
from ia_gym.experiments.inputs import (
    split_names,
    split_numbers,
    split_shares,
)


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
    overseer: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="A saved human predictor (human.safetensors) that decomposes and judges instead "
            "of the script.",
        ),
    ] = None,
    human: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Records of ia-gym human: a human predictor learns from them, and takes the "
            "script's place.",
        ),
    ] = None,
    people: Annotated[
        str | None,
        typer.Option(help="Whose records of --human, with commas between.  [default: all]"),
    ] = None,
    with_script: Annotated[
        bool, typer.Option("--with-script", help="With --human, also query the script.")
    ] = False,
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
      ia-gym train imitation --env IA-ShortestPath-v0 --human anna.sqlite
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
            overseer=overseer,
            human=human,
            people=None if people is None else split_names("people", people),
            with_script=with_script,
        )
    except Interrupted as error:
        fail("train", describe_error(error), 128 + error.signum)
    print(describe_result(result))


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
    engine: Engine = "processes",
    address: Address = None,
) -> None:
    """Train several agents and compare them.

    Leaves the runs, a table, the learning curves and TensorBoard logs in --log-dir.

    Without --resume, runs of the same names in --log-dir are replaced.

    \b
    Examples:
      ia-gym compare
      ia-gym compare --env IA-Wildcard-v0 --agents ppo,imitation --seeds 3
      ia-gym compare --agents ppo,dqn --seeds 16 --engine ray --address auto
    """
    from ia_gym.experiments.compare import compare as run
    from ia_gym.experiments.signals import Interrupted

    names = split_names("agents", agents)
    try:
        run(
            env,
            names,
            seeds,
            log_dir,
            eval_questions,
            jobs,
            timesteps,
            resume,
            engine=engine,
            address=address,
        )
    except Interrupted as error:
        fail("compare", describe_error(error), 128 + error.signum)


@report_errors("tune")
def tune(
    agent: Annotated[
        str,
        typer.Argument(metavar="AGENT", help="One of the agents below.", show_default=False),
    ],
    space: Annotated[
        str,
        typer.Option(
            metavar="FILE",
            help="YAML file: settings to vary, and their values.",
            show_default=False,
        ),
    ],
    env: EnvId = "IA-Permutation-v0",
    trials: Annotated[
        int, typer.Option(help="Trials in all; with --resume, including those so far.")
    ] = 32,
    log_dir: Annotated[str, typer.Option(help="Folder for all results.")] = "runs/tune",
    seed: Annotated[int, typer.Option(help="Seed of the search and of every trial.")] = 0,
    pruner: Annotated[
        str, typer.Option(help="Which trials to stop early: asha, median, none.")
    ] = "asha",
    eval_questions: EvalQuestions = None,
    jobs: Annotated[
        int | None, typer.Option(help="Trials at a time.  [default: one for each core]")
    ] = None,
    timesteps: Annotated[
        int | None, typer.Option(help="Questions to train on.  [default: as tuned]")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the search in --log-dir.")
    ] = False,
    engine: Engine = "processes",
    address: Address = None,
) -> None:
    """Search for an agent's best settings, with Optuna.

    Leaves a folder for every trial, the Optuna study (SQLite) and a table in --log-dir. Settings
    that the space does not name are the tuned ones.

    \b
    A space:
      model.learning_rate: {low: 1.0e-4, high: 1.0e-2, log: true}
      model.n_epochs: {low: 1, high: 4}
      n_envs: [64, 256]

    \b
    Examples:
      ia-gym tune ppo --space space.yaml
      ia-gym tune ppo --space space.yaml --trials 64 --resume
    """
    from ia_gym.experiments.signals import Interrupted
    from ia_gym.experiments.tuning.tune import tune as run

    try:
        run(
            agent,
            env,
            space,
            trials,
            log_dir,
            seed,
            pruner,
            eval_questions,
            jobs,
            timesteps,
            resume,
            engine=engine,
            address=address,
        )
    except Interrupted as error:
        fail("tune", describe_error(error), 128 + error.signum)


@report_errors("failures")
def failures(
    env: EnvId = "IA-Permutation-N4-v0",
    agents: Annotated[
        str, typer.Option(help="Names of agents, with commas between.")
    ] = "imitation-scripted,search,ppo",
    probabilities: Annotated[
        str, typer.Option(help="Probabilities of failure, with commas between.")
    ] = "0,0.1,0.3",
    kinds: Annotated[str, typer.Option(help="random, hashed, or both.")] = "random",
    at: Annotated[
        str, typer.Option(help="What fails: answer, approval or subquestion.")
    ] = "answer",
    votes: Annotated[str, typer.Option(help="Numbers of votes, odd, with commas between.")] = "1",
    seeds: Annotated[int, typer.Option(help="Runs of each case, with seeds 0, 1, ...")] = 1,
    log_dir: Annotated[str, typer.Option(help="Folder for all results.")] = "runs/failures",
    eval_questions: EvalQuestions = None,
    jobs: Annotated[
        int | None, typer.Option(help="Runs at a time.  [default: one for each core]")
    ] = None,
    timesteps: Annotated[
        int | None, typer.Option(help="Questions to train on.  [default: as tuned]")
    ] = None,
) -> None:
    """Train agents on an overseer that fails, and draw their accuracy.

    Finished runs in --log-dir are kept, and drawn together with the new ones.

    \b
    Examples:
      ia-gym failures
      ia-gym failures --agents search --probabilities 0.3 --kinds random,hashed --votes 1,3,5
    """
    from ia_gym.experiments.failures import run_failures
    from ia_gym.experiments.signals import Interrupted

    names, chosen = split_names("agents", agents), split_names("kinds", kinds)
    shares = split_shares("probabilities", probabilities)
    numbers = split_numbers("votes", votes)
    case = env, names, shares, chosen, at, numbers, seeds
    try:
        paths = run_failures(*case, log_dir, eval_questions, jobs, timesteps)
    except Interrupted as error:
        fail("failures", describe_error(error), 128 + error.signum)
    for path in paths:
        print(path)
