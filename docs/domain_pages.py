"""Writes a page a domain, from the domain's own docstrings, spaces and pictures: ``make docs``."""

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
from ia_gym.agents.evaluation.question_evaluator import class_names
from ia_gym.domains import DOMAINS, Domain

SUFFIXES = ("", "-N16", "-N32", "-N64")


def module_parts(domain: type[Domain]) -> tuple[str, list[tuple[str, str]], str]:
    """Of the docstring of a domain's module: first line, table rows, and what comes after."""
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


def class_parts(domain: type[Domain]) -> tuple[str, list[tuple[str, str]]]:
    """Of a domain's own docstring: what it says of symbols, and its arguments."""
    text = inspect.cleandoc(domain.__doc__ or "")
    symbols = text.split("\n\n")[1].replace("\n", " ")
    arguments = text.partition("Args:\n")[2].partition("\n\n")[0]
    entries = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", arguments, re.M)
    return symbols, [(name, re.sub(r"\s+", " ", entry)) for name, entry in entries]


def markdown(text: str) -> str:
    """Docstring markup as Markdown's, fit for a table's cell."""
    return text.replace("``", "`").replace("*", r"\*").replace("|", r"\|")


def table(left: str, right: str, rows: list[tuple[str, str]]) -> str:
    """A table of two columns."""
    lines = [(left, right), ("---", "---"), *rows]
    return "\n".join(f"| {a} | {b} |" for a, b in lines)


def question_shares(domain: Domain) -> list[tuple[str, str]]:
    """What share of the root questions is of each class."""
    rng = np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 500)
    classes = domain.classes(contexts, domain.sample_questions(rng, contexts, 100))
    shares = np.bincount(domain.merged_into[classes].ravel()) / classes.size
    return [(name, f"{100 * shares[c]:.0f} %") for c, name in class_names(domain).items()]


def example(env_id: str, picture: Path) -> str:
    """One question of some depth, played with the truth, as text; ``picture`` is drawn too.

    Of several kinds it is the one on which H works hardest.
    """
    shows = [gym.make(env_id, assistant="oracle", render_mode=m) for m in ("ansi", "rgb_array")]
    domain: Domain = shows[0].unwrapped.domain  # type: ignore[attr-defined]
    hardest = next((kind for kind in ("S", "P") if kind in domain.kinds), domain.kinds[0])
    wanted = [
        c
        for c in range(1, domain.n_classes)
        if domain.class_name(c).startswith(hardest if len(domain.kinds) > 1 else "")
        and (c - 1) % domain.max_depth > 0
        and not domain.trivial_classes[c]
    ]
    infos = [env.reset(seed=2)[1] for env in shows]
    while infos[0]["class"] not in wanted:
        infos = [env.reset()[1] for env in shows]
    for env in shows:
        env.step(infos[0]["truth"])
    imsave(picture, shows[1].render())
    return str(shows[0].render())


def page(name: str, folder: Path) -> str:
    """The page of one domain; its pictures are written into ``folder``."""
    domain = DOMAINS[name]
    ids = [f"IA-{name}{suffix}-v0" for suffix in SUFFIXES]
    title, rows, remarks = module_parts(domain)
    symbols, arguments = class_parts(domain)
    text = example(ids[0], folder / f"{name}.png")
    example(ids[-1], folder / f"{name}-N64.png")
    spaces = []
    for env_id in ids:
        env = gym.make(env_id)
        built = env.unwrapped.domain
        facts, question = env.observation_space["facts"], env.observation_space["question"]
        spaces.append(
            f"| `{env_id}` | {built.fact_shape[0]} × {built.fact_shape[1]} | {question.shape[0]} "
            f"| 0..{facts.high.max()} | `Discrete({env.action_space.n})` "
            f"| {sum(built.subquestions_per_round)} + {sum(built.judge_subquestions_per_round)} | {built.max_depth} |"
        )
    base = gym.make(ids[0]).unwrapped.domain
    parts = [
        f"# {name}",
        "<!-- Written by docs/domain_pages.py (`make docs`): change the docstrings instead. -->",
        markdown(title),
        f"Rules: [`ia_gym/tasks/{Path(inspect.getfile(domain)).name}`]"
        f"(../../ia_gym/tasks/{Path(inspect.getfile(domain)).name}).",
        table("", "", [(name, markdown(text)) for name, text in rows]),
        markdown(remarks),
        "## A question",
        f"```\n{text}\n```",
        f"![{ids[0]}]({name}.png)",
        f"At N = 64:\n\n![{ids[-1]}]({name}-N64.png)",
        "## Spaces",
        "Observation: `Dict(facts, question)`, flat integer boxes; facts are rows of tokens.",
        "\n".join(
            [
                "| id | facts | question | tokens | action | slots | deepest |",
                "| --- | --- | --- | --- | --- | --- | --- |",
                *spaces,
            ]
        ),
        "Slots: sub-questions H may ask for an answer of its own, and more for its judgement.",
        markdown(symbols),
        "## Arguments",
        "Beside those of every environment (see the README):",
        "\n".join(
            [
                "| argument | |",
                "| --- | --- |",
                *(f"| `{a}` | {markdown(b)} |" for a, b in arguments),
            ]
        ),
        "## Root questions",
        f"Shares at N = {base.size}. Depths that are rare (under 1 %) are trusted and reported "
        "with the one below.",
        table("class", "share", question_shares(base)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def main(folder: Path = Path(__file__).parent / "domains") -> None:
    """Write the pages of all domains into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in DOMAINS:
        (folder / f"{name}.md").write_text(page(name, folder), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
