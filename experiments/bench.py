"""Measurements of speed: ``ia-gym bench``.

Every figure is the median of several repetitions on one thread. Rates are units a second of
processor time, which does not go on while other programs run.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from rich.box import SIMPLE_HEAD
from rich.table import Table

import ia_gym
from ia_gym.agents.evaluation.evaluator import format_count
from ia_gym.agents.evaluation.question_evaluator import QuestionEvaluator
from ia_gym.agents.learners.imitation import ImitationIA
from ia_gym.agents.sb3.evaluation_callback import EvaluationCallback
from ia_gym.amplification.amplify import amplify
from ia_gym.amplification.assistants import Oracle
from ia_gym.amplification.overseers import ScriptedOverseer
from ia_gym.domains import DOMAINS
from ia_gym.experiments.terminal import TerminalConsole

N_ENVS = 1024
N_CONTEXTS = 256
N_QUESTIONS = 64
REPETITIONS = 5
"""Measurements behind the median of each figure."""
COMPARED_WITH = "CartPole-v1"
"""The environment of gymnasium beside which single environments are measured."""


def measure_rate(work: Callable[[], int], seconds: float) -> float:
    """Median units a second of ``work``, which returns how many it did, over 5 repetitions.

    Args:
        work: called over and over for ``seconds / 5`` in each repetition, after a warm-up.
        seconds: time to spend.
    """
    work()
    rates = []
    for _ in range(REPETITIONS):
        done, started = 0, time.process_time()
        while (elapsed := time.process_time() - started) < seconds / REPETITIONS:
            done += work()
        rates.append(done / elapsed)
    return statistics.median(rates)


def measure_domain(name: str, size: int, seconds: float) -> Iterator[tuple[str, float]]:
    """Rates of one domain at one size: (what, units a second).

    Args:
        name: a domain in ``DOMAINS``.
        size: names in a context.
        seconds: time to spend on each figure.
    """
    domain = DOMAINS[name](size)
    rng = np.random.default_rng(0)
    overseer, oracle = ScriptedOverseer(domain), Oracle(domain)
    contexts = domain.sample_contexts(rng, N_CONTEXTS)
    questions = domain.sample_questions(rng, contexts, N_QUESTIONS)

    def generate() -> int:
        fresh = domain.sample_contexts(rng, N_CONTEXTS)
        return domain.sample_questions(rng, fresh, N_QUESTIONS)[..., 0].size

    def truth() -> int:
        return domain.truth(contexts, questions).size

    def generate_and_truth() -> int:
        fresh = domain.sample_contexts(rng, N_CONTEXTS)
        return domain.truth(fresh, domain.sample_questions(rng, fresh, N_QUESTIONS)).size

    def decompose() -> int:
        transcript = amplify(overseer, oracle, rng, contexts, questions, judging=False)
        return overseer.answer(contexts, questions, transcript).size

    yield "generate, questions/s", measure_rate(generate, seconds)
    yield "truth, questions/s", measure_rate(truth, seconds)
    yield "generate + truth", measure_rate(generate_and_truth, seconds)
    yield "decompose, questions/s", measure_rate(decompose, seconds)
    env_id = f"IA-{name}-v0"
    vec = gym.make_vec(env_id, num_envs=N_ENVS, size=size, assistant="oracle")
    vec.reset(seed=0)
    actions = np.zeros(N_ENVS, np.int64)

    def vector_steps() -> int:
        vec.step(actions)
        return N_ENVS

    yield f"VectorEnv × {N_ENVS}, steps/s", measure_rate(vector_steps, seconds)
    vec.close()
    for assistant in ("oracle", "inline"):
        env = gym.make(env_id, size=size, assistant=assistant)
        env.reset(seed=0)

        def single_step(env: gym.Env = env) -> int:
            env.step(0)
            env.reset()
            return 1

        yield f"Env, {assistant}, steps/s", measure_rate(single_step, seconds)
        env.close()


def make_steps(env_id: str) -> Callable[[], int]:
    """A hundred random steps of ``gym.make(env_id)``, with a reset after each episode.

    Args:
        env_id: of an environment with discrete actions.

    Returns:
        A function that takes the steps and returns how many it took.
    """
    env = gym.make(env_id)
    assert isinstance(env.action_space, gym.spaces.Discrete)
    actions = np.random.default_rng(0).integers(env.action_space.n, size=100).tolist()
    env.reset(seed=0)

    def steps() -> int:
        for action in actions:
            _, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                env.reset()
        return len(actions)

    return steps


def compare_rates(
    one: Callable[[], int], other: Callable[[], int], seconds: float, repetitions: int = 20
) -> tuple[float, float, float]:
    """Median rates of two kinds of work done in turn, and the median of their ratios.

    What slows the processor down slows both down alike, so that the ratio can be trusted where the
    rates cannot.

    Args:
        one: returns how many units it did.
        other: the same.
        seconds: time to spend.
        repetitions: how often they take turns.

    Returns:
        Units a second of ``one``, of ``other``, and how many times as fast ``other`` is.
    """
    rates = []
    for _ in range(repetitions):
        share = seconds / repetitions / 2 / REPETITIONS
        rates.append((measure_rate(one, share), measure_rate(other, share)))
    return (
        statistics.median(rate for rate, _ in rates),
        statistics.median(rate for _, rate in rates),
        statistics.median(there / here for here, there in rates),
    )


def compare_environments(domains: Iterable[str], seconds: float) -> Table:
    """A table of single environments at their defaults beside ``CartPole-v1``, random actions.

    Args:
        domains: names in ``DOMAINS``.
        seconds: time to spend on each.
    """
    table = Table(
        title=f"Steps of gym.make(...), random actions, beside {COMPARED_WITH} (one thread)",
        title_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("environment")
    for column in ("steps/s", f"{COMPARED_WITH}, steps/s", f"{COMPARED_WITH} is faster by"):
        table.add_column(column, justify="right")
    reference = make_steps(COMPARED_WITH)
    for name in domains:
        env_id = f"IA-{name}-v0"
        own, other, ratio = compare_rates(make_steps(env_id), reference, seconds)
        table.add_row(env_id, format_count(own), format_count(other), f"{ratio:.1f} ×")
    return table


def time_imitation(seed: int = 0) -> tuple[float, float]:
    """Train ``ImitationIA`` on permutations of 4 names, k < 8, the smallest known public case.

    Returns:
        Seconds until 95 % accuracy on held-out questions (infinity if never reached), and the final
        accuracy.
    """
    arguments: dict[str, Any] = {"size": 4, "max_power": 8}
    env = gym.make("IA-Permutation-v0", **arguments)
    model = ImitationIA(env=env, n_contexts=32, seed=seed)
    held_out = QuestionEvaluator("IA-Permutation-v0", 1024, **arguments)
    evaluation = EvaluationCallback(held_out, eval_freq=10_000)
    model.learn(400_000, callback=evaluation)
    reached = [row for row in evaluation.history if row["eval/accuracy"] >= 0.95]
    seconds = 60 * reached[0]["time/minutes"] if reached else float("inf")
    return seconds, evaluation.history[-1]["eval/accuracy"]


def bench(sizes: list[int], seconds: float, train: bool, domains: list[str] | None = None) -> None:
    """Print the whole table. Torch is left at one thread.

    Args:
        sizes: names in a context.
        seconds: time to spend on each figure; five times as long on each comparison with CartPole.
        train: also time the training of ``ImitationIA`` on its smallest case.
        domains: names in ``DOMAINS``; default all.

    Raises:
        ValueError: for an unknown domain, or a size that a domain refuses.
    """
    unknown = set(domains or ()) - set(DOMAINS)
    if unknown:
        raise ValueError(f"domains must be some of {list(DOMAINS)}, got {sorted(unknown)}")
    for name in domains or DOMAINS:  # before anything is measured
        for size in sizes:
            DOMAINS[name](size)
    console = TerminalConsole()
    torch.set_num_threads(1)
    console.print(compare_environments(domains or DOMAINS, 5 * seconds))
    for name in domains or DOMAINS:
        table = Table(
            title=f"{name} (ia-gym {ia_gym.__version__}, one thread), by N",
            title_justify="left",
            box=SIMPLE_HEAD,
            padding=(0, 1, 0, 0),
        )
        table.add_column("figure")
        columns = []
        for size in sizes:
            table.add_column(str(size), justify="right")
            columns.append(dict(measure_domain(name, size, seconds)))
        for figure in columns[0]:
            table.add_row(figure, *(format_count(column[figure]) for column in columns))
        console.print(table)
    if train:
        reached, accuracy = time_imitation()
        console.print(
            f"ImitationIA, permutation of 4 names, k < 8, one thread: 95 % accuracy after "
            f"{reached:.1f} s; final accuracy {accuracy:.1%}"
        )
