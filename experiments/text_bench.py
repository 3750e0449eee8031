"""Measurements of prompts and rewards for language models: ``ia-gym bench --prompts``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from rich.box import SIMPLE_HEAD
from rich.table import Table

from ia_gym.agents.evaluation.evaluator import format_count
from ia_gym.agents.language.procedural_dataset import QuestionDataset
from ia_gym.agents.language.rewards import ApprovalReward
from ia_gym.domains import DOMAINS
from ia_gym.envs.questions.numbered_questions import BLOCK, NumberedQuestions
from ia_gym.experiments.bench import measure_rate
from ia_gym.experiments.terminal import TerminalConsole

N_ANSWERS = 8
"""Answers to each question of a batch."""
N_PROMPTS = 64
"""Questions of a batch."""
OTHERS = ("course_schedule", "family_relationships", "graph_color", "largest_island",
          "quantum_lock", "shortest_path")  # fmt: skip
"""Data sets of reasoning-gym on graphs and grids."""


def bench_prompts(seconds: float) -> None:
    """Print prompts and rewards a second, beside reasoning-gym's, and where training time goes.

    Prompts are new ones each time. Rewards are those of 64 questions with 8 answers each, all
    sub-answers true, of which half the answers are.

    Args:
        seconds: time to spend on each figure.

    Raises:
        ImportError: if a package of ``ia-gym[trl,reasoning-gym]`` is missing.
    """
    try:
        import reasoning_gym
        import transformers  # noqa: F401
    except ModuleNotFoundError as error:
        raise ImportError(
            f'prompts needs the package {error.name}: pip install "ia-gym[trl,reasoning-gym]"'
        ) from error
    torch.set_num_threads(1)
    console = TerminalConsole()
    table = make_table("Prompts and rewards (one thread)", ("prompts/s", "entries/s", "rewards/s"))
    rates = {}
    for name in DOMAINS:
        questions = NumberedQuestions(f"IA-{name}-v0", assistant="oracle")
        rates[name] = measure_rate(make_prompts(questions), seconds)
        entries = measure_rate(make_entries(QuestionDataset(f"IA-{name}-v0", 10**9)), seconds)
        rewards = measure_rate(make_rewards(questions), seconds)
        table.add_row(f"IA-{name}-v0", *map(format_count, (rates[name], entries, rewards)))
    console.print(table)
    table = make_table("reasoning-gym's own generators", ("prompts/s", "IA-ShortestPath-v0 is"))
    for name in OTHERS:
        data = reasoning_gym.create_dataset(name, size=10**6, seed=0)
        rate = measure_rate(make_entries(data), seconds)
        table.add_row(name, format_count(rate), f"{rates['ShortestPath'] / rate:.0f} × as fast")
    console.print(table)
    console.print(measure_shares(seconds))


def make_table(title: str, columns: tuple[str, ...]) -> Table:
    """A table whose first column has names, and whose others have numbers."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("")
    for column in columns:
        table.add_column(column, justify="right")
    return table


def make_prompts(questions: NumberedQuestions) -> Callable[[], int]:
    """Write a block of prompts that has not been written before."""
    blocks = iter(range(10**9))

    def work() -> int:
        first = BLOCK * next(blocks)
        return len(questions.describe(range(first, first + BLOCK)))

    return work


def make_entries(data: Any) -> Callable[[], int]:
    """Make entries of a procedural data set, ten at a time."""
    indices = iter(range(10**9))

    def work() -> int:
        for _ in range(10):
            data[next(indices)]
        return 10

    return work


def make_rewards(questions: NumberedQuestions) -> Callable[[], int]:
    """Reward a batch of answers, every second of them true."""
    approval, domain = ApprovalReward(questions), questions.domain
    contexts, asked = questions.find(range(N_PROMPTS))
    truths = domain.truth(contexts, asked[:, None])[:, 0].tolist()
    ids = [questions.make_id(number) for number in range(N_PROMPTS) for _ in range(N_ANSWERS)]
    texts = [domain.answer_text(truth) if i % 2 else "1" for truth in truths
             for i in range(N_ANSWERS)]  # fmt: skip

    def work() -> int:
        return len(approval(texts, ids))

    return work


def measure_shares(seconds: float) -> Table:
    """Where the time of a step of GRPO goes, with the model of ``examples/trl_grpo.py``.

    Its prompts, its completions, the sub-answers of its copy, the rest of the reward, and a forward
    and backward pass.

    Args:
        seconds: time to spend on each figure.
    """
    from ia_gym.agents.language.causal_assistant import CausalAssistant
    from ia_gym.agents.language.tiny_model import make_tiny_model, make_tokenizer

    questions = NumberedQuestions("IA-Permutation-N4-v0", observation="text", trust=None)
    tokenizer = make_tokenizer(questions.encoding)
    model = make_tiny_model(tokenizer, layers=2)
    kwargs: dict[str, Any] = {"max_new_tokens": 1, "temperature": 1.0, "batch_size": 512}
    agent = CausalAssistant(model, tokenizer, questions.domain, "text", **kwargs)
    prompts = questions.describe(range(N_PROMPTS)) * N_ANSWERS
    batch = tokenizer(prompts, return_tensors="pt", padding=True)
    contexts, asked = questions.find(np.arange(N_PROMPTS))
    halves = asked[:, None].copy()

    def generate() -> int:
        return len(agent.write(prompts))

    def assist() -> int:
        agent.answer(contexts, halves)  # as many sub-questions as questions, twice
        agent.answer(contexts, halves)
        return len(prompts)

    def learn() -> int:
        logits = model(**batch).logits
        logits.logsumexp(dim=-1).mean().backward()
        model.zero_grad()
        return len(prompts)

    works = {
        "prompts": make_prompts(questions),
        "completions of the model": generate,
        "sub-answers of its copy": assist,
        "reading, overseer, approval": make_rewards(
            NumberedQuestions("IA-Permutation-N4-v0", observation="text", assistant="oracle")
        ),
        "forward and backward pass": learn,
    }
    costs = {name: 1 / measure_rate(work, seconds) for name, work in works.items()}
    costs["prompts"] /= N_ANSWERS
    table = make_table(
        f"One completion of {model.num_parameters():,} parameters, {N_ANSWERS} a prompt",
        ("microseconds", "share"),
    )
    total = sum(costs.values())
    for name, cost in costs.items():
        table.add_row(name, f"{1e6 * cost:.0f}", f"{cost / total:.1%}")
    return table
