"""What a trained agent can do beyond its training: amplified at test time, and at other sizes.

Both questions are those of Christiano et al. (2018): does the overseer with the agent's help answer
better than the agent alone, and does what was learned on small and shallow problems hold on large
and deep ones?
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from ia_gym.agents.evaluation.question_evaluator import QuestionEvaluator
from ia_gym.amplification.amplified_assistants import AmplifiedAssistant
from ia_gym.amplification.assistants import Assistant
from ia_gym.amplification.overseers import ScriptedOverseer
from ia_gym.experiments.inputs import check_env_id
from ia_gym.experiments.reports.finished_runs import split_tag
from ia_gym.experiments.saved_agents import load_learner
from ia_gym.experiments.terminal import TerminalConsole
from ia_gym.files import write_json
from ia_gym.networks.network_assistant import NetworkAssistant
from ia_gym.validation import check_range


def measure_amplification(
    model: str | os.PathLike[str],
    env_id: str,
    sizes: Sequence[int] | None = None,
    levels: int = 3,
    n_eval_questions: int = 2048,
    passes: int | None = None,
    out: str | os.PathLike[str] | None = None,
) -> dict[str, Any]:
    """Accuracies of the agent, and of the overseer with its help, for several sizes of contexts.

    Level 0 is the agent, always giving its best answer; level n is the scripted overseer with
    level n - 1 as its assistant.

    Args:
        model: a learner's model file, as ``ia-gym train`` writes it.
        env_id: the environment it was trained on.
        sizes: names in a context, out of the environment's pool; default its own size.
        levels: the highest level.
        n_eval_questions: held-out questions of each size.
        passes: passes of the facts through the network's blocks; default as in evaluations. Only
            a network whose passes share weights (``fact_passes``) is made for more.
        out: JSON file to write; None for none.

    Returns:
        ``env_id``, ``model``, ``n_eval_questions``, ``passes`` and ``scores``: by size and level,
        what :meth:`~ia_gym.agents.evaluation.question_evaluator.QuestionEvaluator.score` gives.

    Raises:
        FileNotFoundError: if there is no such model.
        ValueError: for a model, an id or a size that does not fit.
    """
    env_id = check_env_id(env_id)
    if passes is not None:
        check_range("passes", passes, 1, 1000)
    spec = gym.spec(env_id).kwargs
    if "size" not in spec:
        raise ValueError(f"env_id must be of an environment that has a size, got {env_id}")
    learner = load_learner(model)
    pool = spec.get("max_size") or spec["size"]
    scores: dict[str, dict[str, dict[str, float]]] = {}
    for size in sizes or [spec["size"]]:
        evaluator = QuestionEvaluator(env_id, n_eval_questions, size=size, max_size=pool)
        network = learner.policy.average_network
        if network.fact_shape != evaluator.domain.fact_shape:
            raise ValueError(f"model must have been trained on {env_id}, got {model}")
        n_passes = learner.policy.answer_passes if passes is None else passes
        assistant = NetworkAssistant(network, temperature=0, passes=n_passes)
        scores[str(size)] = score_levels(assistant, evaluator, levels)
    result = {
        "env_id": env_id,
        "model": Path(model).name,
        "n_eval_questions": n_eval_questions,
        "passes": passes,
        "scores": scores,
    }
    if out is not None:
        write_json(Path(out), result)
    print_accuracies(result, TerminalConsole())
    return result


def score_levels(
    assistant: Assistant, evaluator: QuestionEvaluator, levels: int
) -> dict[str, dict[str, float]]:
    """Scores of an assistant on held-out questions, and of the overseer with its help, by level.

    Args:
        assistant: level 0.
        evaluator: asks the questions.
        levels: the highest level.
    """
    rng = np.random.default_rng(evaluator.seed)
    asked = evaluator.contexts, evaluator.questions
    scores = {"0": evaluator.score(assistant.answer(*asked))}
    for level in range(1, levels + 1):
        assistant = AmplifiedAssistant(ScriptedOverseer(evaluator.domain), assistant, rng)
        scores[str(level)] = evaluator.score(assistant.answer(*asked))
    return scores


def print_accuracies(result: dict[str, Any], console: Console) -> None:
    """Print a table per kind of questions: sizes and levels down, depths across, in per cent."""
    scores = result["scores"]
    tags = list(dict.fromkeys(tag for size in scores.values() for s in size.values() for tag in s))
    for kind in dict.fromkeys(split_tag(tag)[0] for tag in tags):
        of_kind = [tag for tag in tags if split_tag(tag)[0] == kind]
        # A title would wrap at the table's width.
        console.print(f"{result['env_id']} {kind}".strip(), markup=False)
        table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        table.add_column("N, level", no_wrap=True)
        for tag in of_kind:
            table.add_column(split_tag(tag)[1] or "all", justify="right")
        for size, by_level in scores.items():
            for level, score in by_level.items():
                # "100", not "100.0": a dozen depths must fit 80 columns.
                cells = (f"{100 * score[tag]:.3g}" if tag in score else "" for tag in of_kind)
                table.add_row(f"{size}, {level}", *cells)
        console.print(table)
