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
    split_counts,
    split_names,
    split_numbers,
    split_shares,
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


@app.command(epilog=NAMES)
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


@app.command(epilog=NAMES)
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
    overseers: Annotated[
        str | None,
        typer.Option(
            help="Decompose the question as each of these does, side by side: scripted, novice, or "
            "the human.safetensors of a run, with commas between."
        ),
    ] = None,
) -> None:
    """Show where the error in an answer begins.

    Decomposes the question with the agent as the assistant, then its sub-questions.

    \b
    Example:
      ia-gym trace runs/mine --env IA-Permutation-v0 --html trace.html
      ia-gym trace runs/mine --env IA-Permutation-v0 --overseers novice,runs/mine/human.safetensors
    """
    from ia_gym.experiments.inspection.traces import print_trace

    check_output_file("html", html)
    names = None if overseers is None else split_names("overseers", overseers)
    print_trace(model, env, number, levels, unfold, html, overseers=names)


@app.command()
@report_errors("human")
def human(
    env: EnvId,
    records: Annotated[
        str, typer.Option(metavar="FILE", help="SQLite file of the records.", show_default=False)
    ],
    assistant: Annotated[
        str,
        typer.Option(
            metavar="MODEL",
            help="Who answers sub-questions: a trained agent; oracle, the truth; or hand, the "
            "person herself.",
        ),
    ] = "oracle",
    judge: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Also show this agent's answers to be judged; of two, with a comma between, to "
            "be compared.",
        ),
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Compare two answers of the agent of --judge.")
    ] = False,
    show_truth: Annotated[
        bool, typer.Option("--show-truth", help="Tell people after each question what was right.")
    ] = False,
    host: Annotated[
        str, typer.Option(help="Address to listen at; others than this demand a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen at.")] = 8017,
    token: Annotated[
        str | None,
        typer.Option(
            help="Demand this of every request.  [default: on another host, drawn at random]",
            envvar="IA_GYM_TOKEN",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed, other questions.")] = 0,
    report: Annotated[
        bool,
        typer.Option(
            "--report", help="Print how far people agree with each other, script and truth."
        ),
    ] = False,
    export: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write all records to this .jsonl or .csv file."),
    ] = None,
    simulate: Annotated[
        str | None,
        typer.Option(
            metavar="WAY:N,...",
            help="Let simulated people answer N questions each: script, sloppy, one-step, edges.",
        ),
    ] = None,
    learn: Annotated[
        str | None,
        typer.Option(
            metavar="N,...",
            help="Train a human predictor on so many interactions of each of --people, and print "
            "how good it is.",
        ),
    ] = None,
    people: Annotated[
        str | None, typer.Option(help="For --learn: names, with commas between.")
    ] = None,
    out: Annotated[
        str | None, typer.Option(metavar="FILE", help="For --learn: write a CSV file as well.")
    ] = None,
) -> None:
    """Let people take the overseer's place, in a browser, and record what they do.

    Serves pages on which they decompose questions and judge answers, until Ctrl-C. With --report,
    --export, --simulate or --learn nothing is served.

    \b
    Examples:
      ia-gym human --env IA-ShortestPath-v0 --records anna.sqlite
      ia-gym human --env IA-ShortestPath-v0 --records anna.sqlite --report
      ia-gym train imitation --env IA-ShortestPath-v0 --human anna.sqlite
    """
    from ia_gym.experiments.human.serving import (
        export_records,
        print_learning,
        print_report,
        serve,
    )
    from ia_gym.experiments.human.simulation import simulate as run_simulation

    if (people is None) != (learn is None):
        raise ValueError("learn and people need each other")
    if out is not None and learn is None:
        raise ValueError("out is for learn")
    check_output_file("export", export)
    check_output_file("out", out)
    if simulate is not None:
        for name, share in run_simulation(records, env, split_counts("simulate", simulate)).items():
            print(f"{name}: {share:.1%} of the answers are correct")
    if learn is not None and people is not None:
        names, counts = split_names("people", people), split_numbers("learn", learn)
        print_learning(env, records, names, counts, out)
    if report:
        print_report(env, records)
    if export is not None:
        export_records(records, export)
    if not report and simulate is learn is export is None:
        agents = [] if judge is None else split_names("judge", judge)
        serve(env, records, assistant, agents, compare, show_truth, host, port, token, seed)


@app.command()
@report_errors("debate")
def debate(
    model: Model,
    env: EnvId,
    number: Annotated[
        int | None,
        typer.Option(help="Held-out question.  [default: the first wrong one, or 0]"),
    ] = None,
    falsehood: Annotated[
        bool,
        typer.Option("--falsehood", help="Argue for the false answer the agent finds likeliest."),
    ] = False,
    html: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write an HTML page to this file as well.")
    ] = None,
) -> None:
    """Show the debate about a question, claim by claim.

    For agents trained by debate or consultancy. Marks what the challenger picks, and where the
    answer falls.

    \b
    Example:
      ia-gym debate runs/mine --env IA-Permutation-v0 --falsehood --html debate.html
    """
    from ia_gym.experiments.inspection.debates import print_debate

    check_output_file("html", html)
    print_debate(model, env, number, falsehood, html)


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
