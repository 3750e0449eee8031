"""What ``ia-gym envs``, ``eval`` and ``trace`` print."""

from __future__ import annotations

import os
from pathlib import Path

import gymnasium as gym
import numpy as np
import pandas as pd
import torch
from gymnasium.spaces import Discrete
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from ia_gym.agents.assistants.policy_assistant import PolicyAssistant
from ia_gym.agents.evaluation.episode_evaluator import (
    EpisodeEvaluator,
    evaluation_for,
    game_of,
)
from ia_gym.agents.evaluation.episode_trace import trace_episode
from ia_gym.agents.evaluation.question_evaluator import (
    QUESTIONS_PER_CONTEXT,
    QuestionEvaluator,
)
from ia_gym.amplification.trace import trace
from ia_gym.envs.actions.games import GAMES
from ia_gym.experiments.inputs import check_env_id
from ia_gym.experiments.inspection.trace_page import page
from ia_gym.experiments.inspection.trace_tree import to_tree
from ia_gym.experiments.reports.comparison_tables import print_table
from ia_gym.experiments.saved_agents import check_fit, load_agent, load_assistant, settings_of
from ia_gym.validation import check_range


def print_environments(console: Console | None = None) -> None:
    """One row a registered environment: those that ask questions, then those of actions."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("id", no_wrap=True)
    for heading in ("names", "kinds", "depths", "facts", "question", "answers"):
        table.add_column(heading, justify="right")
    known = [name for name in gym.registry if name.startswith("IA-")]
    for env_id in (name for name in known if not game_of(name)):
        env = gym.make(env_id, reward="truth")
        domain = env.unwrapped.domain  # type: ignore[attr-defined]
        table.add_row(
            env_id,
            str(domain.size),
            ", ".join(domain.kinds),
            str(domain.max_depth),
            " x ".join(map(str, domain.fact_shape)),
            str(domain.question_length),
            str(domain.n_answers),
        )
        env.close()
    console = console or Console()
    console.print(table)
    games = Table(title="approval of actions", title_justify="left", box=SIMPLE_HEAD)
    games.add_column("id", no_wrap=True)
    for heading in ("observation", "actions", "best return"):
        games.add_column(heading, justify="right")
    for env_id in (name for name in known if game_of(name)):
        game = GAMES[game_of(env_id)]
        try:
            env = game.make()
        except ImportError as error:
            games.add_row(env_id, str(error))
            continue
        shown, actions = env.observation_space, env.action_space
        size = f"1 of {shown.n}" if isinstance(shown, Discrete) else f"{shown.shape[0]} numbers"  # type: ignore[index]
        games.add_row(env_id, size, str(actions.n), f"{game.best_return():.2f}")  # type: ignore[attr-defined]
        env.close()
    console.print(games)


def print_evaluation(
    model: str | os.PathLike[str],
    env_id: str,
    n_questions: int = 4096,
    seed: int = 0,
    console: Console | None = None,
) -> dict[str, float]:
    """Evaluate a trained agent, see :meth:`QuestionEvaluator.evaluate`, and print the table.

    Where actions are approved of, see :meth:`EpisodeEvaluator.evaluate`.

    Raises:
        FileNotFoundError: if there is no such model.
        ValueError: if it is none, or one for another environment.
    """
    torch.set_num_threads(1)
    env_id = check_env_id(env_id)
    agent = load_agent(model)
    check_fit(agent, env_id)
    looked = (settings_of(model) or {}).get("env_kwargs", {}) if game_of(env_id) else {}
    held_out = evaluation_for(env_id, n_questions, seed=seed, **looked)
    episodes = isinstance(held_out, EpisodeEvaluator)
    result = held_out.evaluate(agent, *([load_assistant(model, agent)] if episodes else []))
    scores = {tag.removeprefix("eval/"): v for tag, v in result.items() if tag.startswith("eval/")}
    certainty = scores.pop("certainty", np.nan)
    scores |= {"approval": result.get("overseer/approval", np.nan)} if episodes else {}
    lines = [{"agent": name, **each} for name, each in held_out.reference_lines().items()]
    table = pd.DataFrame([{"agent": "X", **scores}, *lines])
    console = console or Console()
    print_table(table, env_id, held_out.n_questions, console)
    if episodes:
        return result
    console.print(
        f"approved of by the overseer, with the agent as its assistant: "
        f"{result['overseer/approval']:.1%}; H's own answers true: "
        f"{result['overseer/target_accuracy']:.1%}; certainty {certainty:.1%}"
    )
    if result["overseer/collapsed"]:
        console.print("COLLAPSED: approved of, and wrong", style="bold red")
    return result


def print_trace(
    model: str | os.PathLike[str],
    env_id: str,
    question: int | None = None,
    levels: int = 4,
    unfold: bool = False,
    html: str | os.PathLike[str] | None = None,
    console: Console | None = None,
) -> None:
    """Trace one held-out question, print it, and if wanted write the page.

    Args:
        model: see :func:`~ia_gym.experiments.saved_agents.load_agent`.
        env_id: the environment.
        question: its number, 0..4095; default the first that is answered wrongly, or 0. Where
            actions are approved of, the number of an episode, whose first steps are told.
        levels: how often to take questions apart.
        unfold: print what holds no error too.
        html: file for the page.
        console: where to print.

    Raises:
        FileNotFoundError: if there is no such model.
        ValueError: if it is none or one for another environment, or for a number out of range.
    """
    torch.set_num_threads(1)
    env_id = check_env_id(env_id)
    agent = load_agent(model)
    check_fit(agent, env_id)
    if game_of(env_id):
        console = console or Console()
        console.print(f"{env_id}, held-out episode {question or 0}")
        answering = load_assistant(model, agent)
        looked = (settings_of(model) or {}).get("env_kwargs", {})
        game = game_of(env_id)
        console.print(trace_episode(game, agent, answering, seed=question or 0, **looked))
        return
    held_out = QuestionEvaluator(env_id)
    domain = held_out.domain
    assistant = PolicyAssistant(agent, deterministic=True, domain=domain)
    if question is None:
        answers = assistant.answer(held_out.contexts, held_out.questions)
        wrong = ~domain.is_correct(held_out.contexts, held_out.questions, answers)
        question = int(wrong.ravel().argmax())
    check_range("question", question, 0, held_out.n_questions - 1)
    row, column = divmod(question, QUESTIONS_PER_CONTEXT)
    context = held_out.contexts[row : row + 1]
    root = trace(domain, assistant, context, held_out.questions[row, column], levels)
    console = console or Console()
    told = domain.context_text(context[0])
    console.print(f"{env_id}, held-out question {question}")
    console.print(told, highlight=False, markup=False)
    console.print(to_tree(root, unfold))
    wrong_below = np.sum([not node.right for node in root.walk()])
    console.print(f"{sum(1 for _ in root.walk())} questions, {wrong_below} answered wrongly")
    if html is not None:
        text = page(root, f"{root.question}: {env_id}, held-out question {question}", told)
        Path(html).write_text(text, encoding="utf-8")
        console.print(f"page: {html}", soft_wrap=True)
