"""The puzzle of the post on RL-based amplification, computed exactly: which answers must improve?

For RL-based amplification to make progress, an agent that is better at "what is the best action?"
should make the overseer better at "how good is it to take this action?". Here the agent is two
tables on FrozenLake, one per question; the overseer's expectations are taken over the environment's
own transition table; and each of the two tables either learns or stays as it was.
"""

from __future__ import annotations

import os
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ia_gym.actions.overseer import ActionOverseer
from ia_gym.actions.transition_table import TabularAssistant, TransitionTable
from ia_gym.envs.actions.games import make_frozen_lake
from ia_gym.experiments.provenance import describe_command, describe_commit
from ia_gym.files import write_json
from ia_gym.validation import check_range

LEARNING = {
    "both learn": (True, True),
    "GoodAction learns": (True, False),
    "HowGood learns": (False, True),
}
"""Which of the agent's answers learn: GoodAction, HowGood."""
DEPTHS = (0, 1, 2, 3)
"""How often the overseer is amplified."""


def learn_tables(
    depth: int, good_action: bool, how_good: bool, n_rounds: int, seed: int = 0
) -> dict[str, list[float]]:
    """Judge every action in every state, learn from the judgements, and repeat.

    GoodAction learns by RL: its preferences move by the approval of each action less the mean over
    actions, the natural policy gradient of the expected approval. HowGood takes over the overseer's
    answer.

    Args:
        depth: how often the overseer is amplified.
        good_action: whether GoodAction learns; else it stays as drawn.
        how_good: whether HowGood learns; else it stays 0.
        n_rounds: rounds of judging.
        seed: of the initial preferences.

    Returns:
        One value per round: ``error`` (root mean square of the overseer's answers less the optimal
        action values) and ``value`` (discounted, of the agent's policy from the start); and, as the
        only entry of ``optimal``, the largest possible value.
    """
    base: Any = make_frozen_lake().unwrapped
    table = TransitionTable(base.P)
    n_states, n_actions = table.weights.shape[:2]
    states = np.repeat(np.arange(n_states), n_actions)
    actions = np.tile(np.arange(n_actions), n_states)
    simulator = TransitionTable(base.P, states)
    overseer = ActionOverseer(look_ahead=depth, information=("rollout",))
    best = table.solve_optimal_values(overseer.discount)
    rng = np.random.default_rng(seed)
    assistant = TabularAssistant(
        np.zeros((n_states, n_actions)), preferences=rng.normal(0, 1e-3, (n_states, n_actions))
    )
    curves: dict[str, list[float]] = {"error": [], "value": []}
    for _ in range(n_rounds):
        judged = overseer.judge(simulator, states, actions, assistant, rng)
        answers = judged.approvals.reshape(n_states, n_actions)
        curves["error"].append(round(float(np.sqrt(np.mean((answers - best) ** 2))), 6))
        policy = assistant.preferences.argmax(axis=1)
        start = np.asarray(base.initial_state_distrib, float)
        curves["value"].append(
            round(float(start @ table.evaluate_policy(policy, overseer.discount)), 6)
        )
        if good_action:
            assistant.preferences = (
                assistant.preferences + answers - answers.mean(axis=1, keepdims=True)
            )
        if how_good:
            assistant.values = answers
    curves["optimal"] = [float(start @ best.max(axis=1))]
    return curves


def run_puzzle(folder: str | os.PathLike[str], n_rounds: int = 300) -> list[Path]:
    """Run every combination of depth and of which answers learn.

    Writes ``puzzle.csv`` (the curves, one row per round), ``puzzle.json`` (their last values, and
    the first round at 99 % of the optimal value, if any) and ``puzzle.png``.

    Args:
        folder: where to write.
        n_rounds: rounds of judging.

    Returns:
        The files written.

    Raises:
        ValueError: for a number out of range.
    """
    check_range("n_rounds", n_rounds, 1, 10**6)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    runs = {
        f"{name}, depth {depth}": learn_tables(depth, *LEARNING[name], n_rounds)
        for name, depth in product(LEARNING, DEPTHS)
    }
    written = [folder / f"puzzle.{ending}" for ending in ("csv", "json", "png")]
    columns = {
        f"{name}: {key}": curves[key] for name, curves in runs.items() for key in ("error", "value")
    }
    pd.DataFrame(columns).to_csv(written[0], index_label="round")
    ends = {name: summarize(curves) for name, curves in runs.items()}
    write_json(
        written[1], {"command": describe_command(), "commit": describe_commit(), "runs": ends}
    )
    draw_curves(runs, written[2])
    return written


def summarize(curves: dict[str, list[float]]) -> dict[str, float | int | None]:
    """The last values of the curves of :func:`learn_tables`, and the first round near optimal."""
    optimal = curves["optimal"][0]
    reached = [i for i, value in enumerate(curves["value"]) if value >= 0.99 * optimal]
    return {
        "error": curves["error"][-1],
        "value": curves["value"][-1],
        "optimal": optimal,
        "rounds_to_99": reached[0] if reached else None,
    }


def draw_curves(runs: dict[str, dict[str, list[float]]], path: Path) -> None:
    """Draw a column per choice of what learns: errors above, values below, a curve per depth."""
    figure = Figure(figsize=(11, 6), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, len(LEARNING), sharex=True, sharey="row")
    for column, name in enumerate(LEARNING):
        for depth in DEPTHS:
            curves = runs[f"{name}, depth {depth}"]
            axes[0, column].plot(curves["error"], label=f"depth {depth}")
            axes[1, column].plot(curves["value"], label=f"depth {depth}")
        axes[1, column].axhline(curves["optimal"][0], color="0.5", linestyle=":", linewidth=1)
        axes[0, column].set_title(name, fontsize=10)
        for axis in axes[:, column]:
            axis.grid(alpha=0.3)
    axes[0, 0].set_ylabel("error of the overseer (rms)")
    axes[1, 0].set_ylabel("value of the agent's policy")
    axes[1, 1].set_xlabel("rounds of judging every action in every state", fontsize=10)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    figure.savefig(path)
