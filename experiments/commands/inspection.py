"""Commands that look at environments and trained agents."""

from __future__ import annotations

from typing import Annotated

import typer

from ia_gym.experiments.commands.options import EnvId, Model
from ia_gym.experiments.errors import report_errors
from ia_gym.experiments.inputs import (
    check_output_file,
    split_names,
    split_numbers,
)


@report_errors("envs")
def envs() -> None:
    """List the environments: questions, observations and answers.

    \b
    Example:
      ia-gym envs
    """
    from ia_gym.experiments.inspection.environments import print_environments

    print_environments()


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
    """Evaluate a trained agent on held-out questions.

    Prints its accuracy, and how far the overseer approves of its answers. Of a language model, the
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
