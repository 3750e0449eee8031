"""Writes the page of each domain from its docstrings, spaces and pictures: ``make docs``."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import typer
from matplotlib.image import imsave

import ia_gym  # noqa: F401  (registers the ids)
from ia_gym.agents.evaluation.question_evaluator import list_class_names
from ia_gym.domains import DOMAINS, Domain

SUFFIXES = ("", "-N4", "-N16", "-N32", "-N8of64", "-N16of64", "-N64")


def split_module_docstring(domain: type[Domain]) -> tuple[str, list[tuple[str, str]], str]:
    """First line, table rows, and remarks of the docstring of a domain's module."""
    title, *blocks = inspect.cleandoc(sys.modules[domain.__module__].__doc__ or "").split("\n\n")
    lines = blocks[0].splitlines()
    column = lines[0].index(" ")
    rows: list[tuple[str, str]] = []
    for line in lines[1:-1]:
        name, text = line[:column].strip(), line[column:].strip()
        if name:
            rows.append((name, text))
        else:
            rows[-1] = rows[-1][0], f"{rows[-1][1]} {text}"
    return title, rows, "\n\n".join(blocks[1:])


def split_class_docstring(domain: type[Domain]) -> tuple[str, list[tuple[str, str]]]:
    """The paragraph on symbols, and the arguments, in the docstring of a domain's class."""
    text = inspect.cleandoc(domain.__doc__ or "")
    symbols = text.split("\n\n")[1].replace("\n", " ")
    arguments = text.partition("Args:\n")[2].partition("\n\n")[0]
    entries = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", arguments, re.M)
    return symbols, [(name, re.sub(r"\s+", " ", entry)) for name, entry in entries]


def to_markdown(text: str) -> str:
    """Docstring markup as Markdown, for a cell of a table."""
    return text.replace("``", "`").replace("*", r"\*").replace("|", r"\|")


def format_table(left: str, right: str, rows: list[tuple[str, str]]) -> str:
    """A Markdown table of two columns."""
    lines = [(left, right), ("---", "---"), *rows]
    return "\n".join(f"| {a} | {b} |" for a, b in lines)


def measure_shares(domain: Domain) -> list[tuple[str, str]]:
    """The share of each class among the root questions."""
    rng = np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 500)
    classes = domain.classes(contexts, domain.sample_questions(rng, contexts, 100))
    shares = np.bincount(domain.merged_into[classes].ravel()) / classes.size
    return [(name, f"{100 * shares[c]:.0f} %") for c, name in list_class_names(domain).items()]


def play_question(env_id: str, picture: Path | None) -> str:
    """One question of some depth, answered correctly, as text; ``picture`` is drawn too.

    Of several kinds it is the one for which the overseer asks most.
    """
    modes = ("ansi",) if picture is None else ("ansi", "rgb_array")
    envs = [gym.make(env_id, assistant="oracle", render_mode=mode) for mode in modes]
    domain: Domain = envs[0].unwrapped.domain  # type: ignore[attr-defined]
    hardest = next((kind for kind in ("S", "P") if kind in domain.kinds), domain.kinds[0])
    wanted = [
        c
        for c in range(1, domain.n_classes)
        if domain.class_name(c).startswith(hardest if len(domain.kinds) > 1 else "")
        and (c - 1) % domain.max_depth > 0
        and not domain.trivial_classes[c]
    ]
    infos = [env.reset(seed=2)[1] for env in envs]
    while infos[0]["class"] not in wanted:
        infos = [env.reset()[1] for env in envs]
    for env in envs:
        env.step(infos[0]["truth"])
    if picture is not None:
        imsave(picture, envs[1].render())
    return str(envs[0].render())


def write_page(name: str, pictures: Path | None) -> str:
    """The page of one domain; its pictures are written into ``pictures``, unless it is None."""
    domain = DOMAINS[name]
    ids = [f"IA-{name}{suffix}-v0" for suffix in SUFFIXES]
    title, rows, remarks = split_module_docstring(domain)
    symbols, arguments = split_class_docstring(domain)
    text = play_question(ids[0], pictures and pictures / f"{name}.png")
    if pictures is not None:
        play_question(ids[-1], pictures / f"{name}-N64.png")
    spaces = []
    for env_id in ids:
        env = gym.make(env_id)
        built = env.unwrapped.domain
        slots = sum(built.subquestions_per_round), sum(built.judge_subquestions_per_round)
        spaces.append(
            f"| `{env_id}` | {built.fact_shape[0]} × {built.fact_shape[1]} "
            f"| {built.question_length} | 0..{built.n_symbols - 1} "
            f"| `Discrete({env.action_space.n})` "
            f"| {slots[0]} + {slots[1]} | {built.max_depth} |"
        )
    base = gym.make(ids[0]).unwrapped.domain
    parts = [
        f"# {name}",
        "<!-- Written by docs/domain_pages.py (`make docs`): change the docstrings instead. -->",
        to_markdown(title),
        f"Rules: `ia_gym/domains/{Path(inspect.getfile(domain)).name}`. Class: "
        f"[`ia_gym.domains.{name}`](../reference/domains.md).",
        format_table("", "", [(name, to_markdown(text)) for name, text in rows]),
        to_markdown(remarks),
        "## A question",
        f"```\n{text}\n```",
        f"![{ids[0]}]({name}.png)",
        f"At N = 64:\n\n![{ids[-1]}]({name}-N64.png)",
        "## Spaces",
        "Facts are rows of tokens, as the question is. How they are shown: "
        "[Observations](../environments.md#observations).",
        "\n".join(
            [
                "| id | facts | question | tokens | action | sub-questions | max. depth |",
                "| --- | --- | --- | --- | --- | --- | --- |",
                *spaces,
            ]
        ),
        "Sub-questions: the most that the overseer asks for an answer of its own, plus those it "
        "asks only to judge another's answer.",
        to_markdown(symbols),
        "## Arguments",
        "Besides those of [every question environment](../environments.md):",
        "\n".join(
            [
                "| argument | |",
                "| --- | --- |",
                *(f"| `{a}` | {to_markdown(b)} |" for a, b in arguments),
            ]
        ),
        "## Root questions",
        f"Shares at N = {base.size}. Depths under 1 % count with the depth below.",
        format_table("class", "share", measure_shares(base)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def main(folder: Path = Path(__file__).parent / "domains") -> None:
    """Write the pages of all domains, with their pictures, into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in DOMAINS:
        (folder / f"{name}.md").write_text(write_page(name, folder), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
