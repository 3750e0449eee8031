"""Traces: the tree is what the overseer did, and an error is found where it begins."""

import io
import json
import re

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from ia_gym.agents.evaluation.question_trace import to_tree
from ia_gym.amplification.assistants import Oracle
from ia_gym.amplification.trace import trace
from ia_gym.domains import DOMAINS, Permutation
from ia_gym.experiments.cli import app
from ia_gym.experiments.inspection.trace_page import render_page
from ia_gym.experiments.train import train_agent

ENV_ID = "IA-Permutation-v0"


class WrongOnce:
    """Knows all but one question, which it answers with a name that is not the right one."""

    def __init__(self, domain, question):
        self.domain, self.question = domain, question

    def answer(self, contexts, questions):
        truths = Oracle(self.domain).answer(contexts, questions)
        return np.where((questions == self.question).all(axis=-1), 1 + truths % 8, truths)


def power(domain, x, k):
    """σ^k(x) as a question."""
    bits = [k >> place & 1 for place in reversed(range(domain.n_bits))]
    return np.array([domain.kind_symbol, x, *(domain.bit_symbol + bit for bit in bits)])


def one_context(domain):
    return domain.sample_contexts(np.random.default_rng(0), 1)


@pytest.mark.parametrize("name", DOMAINS)
def test_with_an_oracle_everything_is_right(name):
    domain = DOMAINS[name](8)
    context = one_context(domain)
    question = domain.sample_questions(np.random.default_rng(1), context, 1)[0, 0]
    root = trace(domain, Oracle(domain), context, question, levels=3)
    assert all(node.right and node.target_right for node in root.walk())
    assert root.answer == domain.answer_text(int(domain.truth(context, question[None, None])[0, 0]))
    assert root.children


def test_an_error_is_found_where_it_begins():
    domain = Permutation(8, max_power=16)
    context, question = one_context(domain), power(domain, 3, 9)
    middle = domain.truth(context, power(domain, 3, 4)[None, None])[0, 0]
    culprit = power(domain, int(middle), 4)  # the second half of the way
    root = trace(domain, WrongOnce(domain, culprit), context, question, levels=3)
    origins = [node for node in root.walk() if node.is_origin]
    assert {node.question for node in origins} == {domain.question_text(culprit)}
    assert root.right
    assert not root.target_right  # the overseer's answer depends on it
    assert all(node.right for node in root.walk() if node.looked_up)
    assert root.children[0].children  # taken apart as well
    assert trace(domain, Oracle(domain), context, question, levels=0).children == []
    few = trace(domain, Oracle(domain), context, question, levels=9, max_nodes=4)
    assert len(list(few.walk())) < len(list(root.walk()))


def test_what_holds_no_error_is_folded():
    domain = Permutation(8, max_power=16)
    context, question = one_context(domain), power(domain, 3, 8)
    root = trace(domain, WrongOnce(domain, power(domain, 3, 2)), context, question, levels=3)
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(to_tree(root))
    folded = console.export_text()
    console.print(to_tree(root, unfold=True))
    assert "an error begins here" in folded
    assert re.search(r"\d more, all right", folded)
    assert len(console.export_text().splitlines()) > len(folded.splitlines())


def test_the_page_holds_every_question_once_and_nothing_from_elsewhere():
    domain = Permutation(8, max_power=16)
    context, question = one_context(domain), power(domain, 3, 9)
    root = trace(domain, WrongOnce(domain, power(domain, 3, 2)), context, question, levels=3)
    text = render_page(root, "<σ>", "a & b")
    nodes = list(root.walk())
    assert text.count("<summary>") + text.count('class="leaf') == len(nodes)
    assert text.count("<details") == text.count("</details>")
    assert text.count("<span class=origin>an") == sum(node.is_origin for node in nodes)
    assert "&lt;σ&gt;" in text
    assert "a &amp; b" in text
    assert not re.search(r"https?:|src=|@import", text)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for agent in ("search", "ppo"):
        train_agent(agent, ENV_ID, log_dir=folder / agent, n_eval_questions=64, n_timesteps=4096)
    return folder


@pytest.mark.parametrize("agent", ["search", pytest.param("ppo", marks=pytest.mark.slow)])
def test_trained_agents_are_evaluated_and_traced(agent, runs, tmp_path):
    result = json.loads((runs / agent / "result.json").read_text())
    given = CliRunner().invoke(
        app, ["eval", str(runs / agent), "--env", ENV_ID, "--eval-questions", "64"]
    )
    assert given.exit_code == 0, given.output
    assert f"{100 * result['final']['eval/accuracy']:.1f}" in given.output
    html = tmp_path / "trace.html"
    given = CliRunner().invoke(
        app, ["trace", str(runs / agent), "--env", ENV_ID, "--html", str(html)]
    )
    assert given.exit_code == 0, given.output
    assert "answered wrongly" in given.output
    assert html.read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{}/none", "--env", ENV_ID], "found nothing at"),
        (["{}", "--env", ENV_ID], "model must hold one of"),
        (["{}/search/curve.csv", "--env", ENV_ID], "must name a saved learner"),
        (["{}/search", "--env", "IA-Wildcard-v0"], "model must fit IA-Wildcard-v0"),
        (["{}/search", "--env", "IA-Permutation-N16-v0"], "model must fit IA-Permutation-N16-v0"),
        (["{}/search", "--env", "Chess-v0"], "env_id must be one of"),
        (["{}/search", "--env", ENV_ID, "--number", "5000"], "number must be in 0..4095"),
    ],
)
def test_bad_input_is_reported_in_one_line(arguments, message, runs):
    filled = [each.format(runs) for each in arguments]
    for command in ("trace", "eval") if len(filled) == 3 else ("trace",):
        given = CliRunner().invoke(app, [command, *filled])
        assert given.exit_code == 2
        assert message in given.output
        assert len(given.output.strip().splitlines()) == 1


def test_the_environments_are_listed():
    given = CliRunner().invoke(app, ["envs"], env={"COLUMNS": "80"})
    assert given.exit_code == 0
    assert "IA-UnionFind-N64-v0" in given.output
