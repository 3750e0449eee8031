"""The evaluation of a causal language model that ``ia-gym eval --hf`` prints."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch
from rich.console import Console

from ia_gym.agents.evaluation.question_evaluator import QuestionEvaluator
from ia_gym.agents.language.causal_assistant import CausalAssistant
from ia_gym.experiments.inputs import check_env_id
from ia_gym.experiments.inspection.amplification_levels import print_accuracies, score_levels
from ia_gym.experiments.terminal import TerminalConsole
from ia_gym.files import write_json
from ia_gym.validation import check_range


def evaluate_language_model(
    path: str | os.PathLike[str],
    env_id: str,
    n_eval_questions: int = 512,
    seed: int = 0,
    levels: int = 2,
    observation: str = "prompt",
    max_new_tokens: int = 64,
    out: str | os.PathLike[str] | None = None,
    console: Console | None = None,
) -> dict[str, Any]:
    """Accuracies of a language model, and of the overseer with its help, by depth of the questions.

    Level 0 is the model, always writing its likeliest answer; level n is the scripted overseer with
    level n - 1 as its assistant.

    Args:
        path: a local folder, as ``save_pretrained`` writes it; nothing is downloaded, and no code
            in it is run.
        env_id: the environment.
        n_eval_questions: held-out questions.
        seed: another seed, other questions.
        levels: the highest level, 0..5.
        observation: "prompt" or "text".
        max_new_tokens: of each answer.
        out: JSON file to write; None for none.
        console: where to print.

    Returns:
        ``env_id``, ``model``, ``n_eval_questions``, ``scores`` by size and level, and the shares
        ``unparsed`` and ``too_long`` of all that was put to the model.

    Raises:
        FileNotFoundError: if there is no such folder.
        ImportError: if ``transformers`` is not installed.
        ValueError: if the folder holds no causal model with its tokenizer; for an argument out of
            range, or an environment that asks no questions.
    """
    env_id = check_env_id(env_id)
    levels = check_range("levels", levels, 0, 5)
    model, tokenizer = load_causal_model(path)
    evaluator = QuestionEvaluator(env_id, n_eval_questions, seed)
    assistant = CausalAssistant(
        model, tokenizer, evaluator.domain, observation, max_new_tokens=max_new_tokens
    )
    scores = score_levels(assistant, evaluator, levels)
    result = {
        "env_id": env_id,
        "model": Path(path).name,
        "n_eval_questions": n_eval_questions,
        "observation": observation,
        "scores": {str(gym.spec(env_id).kwargs.get("size", evaluator.domain.size)): scores},
        "unparsed": assistant.n_unparsed / assistant.n_answers,
        "too_long": assistant.n_too_long / assistant.n_answers,
    }
    if out is not None:
        write_json(Path(out), result)
    console = console or TerminalConsole()
    print_accuracies(result, console)
    console.print(
        f"{assistant.n_answers} questions put to the model; answers that could not be read "
        f"{result['unparsed']:.1%}, prompts too long for it {result['too_long']:.1%}",
        highlight=False,
    )
    return result


def load_causal_model(path: str | os.PathLike[str]) -> tuple[Any, Any]:
    """Load a model and its tokenizer from a local folder.

    Raises:
        FileNotFoundError: see :func:`evaluate_language_model`.
        ImportError: see there.
        ValueError: see there.
    """
    if not Path(path).is_dir():
        raise FileNotFoundError(f"hf must be a folder with a model, found none at {path}")
    try:
        from transformers import AutoModelForCausalLM, AutoTokenizer
    except ModuleNotFoundError as error:
        raise ImportError('hf needs the package transformers: pip install "ia-gym[trl]"') from error
    torch.set_num_threads(1)
    try:
        tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True)
        model = AutoModelForCausalLM.from_pretrained(path, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(
            f"hf must be a folder with a causal model and its tokenizer, got {path}: {reason}"
        ) from error
    return model.eval(), tokenizer
