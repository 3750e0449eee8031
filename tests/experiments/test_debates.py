"""`ia-gym debate`: the debate about a held-out question, in the terminal and as a page."""

import io
import re

import gymnasium as gym
import numpy as np
import pytest
from rich.console import Console

from ia_gym.agents import Debate, ImitationIA, QuestionEvaluator
from ia_gym.amplification.assistants import Oracle
from ia_gym.debate.debate_trace import trace_debate
from ia_gym.debate.rules import count_levels
from ia_gym.domains import DOMAINS
from ia_gym.experiments.inspection.debates import print_debate

BASE = "IA-Permutation-v0"
SMALL = {"width": 16, "heads": 2}


@pytest.fixture
def folder(tmp_path):
    """Two untrained agents, the first with a challenger."""
    for cls in (Debate, ImitationIA):
        model = cls(env=gym.make(BASE), policy_kwargs=SMALL, seed=0)
        model.save(tmp_path / cls.__name__, resumable=False)
    return tmp_path


def show(*arguments, **options):
    console = Console(file=io.StringIO(), width=200)
    print_debate(*arguments, console=console, **options)
    return console.file.getvalue()


def test_a_debate_is_printed_and_written_as_a_page(folder):
    model, page = folder / "Debate.safetensors", folder / "debate.html"
    text = show(model, BASE, number=3, falsehood=True, html=page)
    evaluator = QuestionEvaluator(BASE)
    question = evaluator.domain.question_text(evaluator.questions[0, 3])
    assert f"{question} = " in text
    assert "the answer falls, and is false" in text or "the answer stands, and is false" in text
    html = page.read_text()
    marks = re.findall(r"<span class=origin>(.*?)</span>", html)
    assert any(mark.startswith(("falls", "stands")) for mark in marks)
    assert "what the challenger picks, and where the debate ends," in html
    assert "the answer" in show(model, BASE)  # the first wrong one
    with pytest.raises(ValueError, match=r"^model must hold a debate or consultancy agent"):
        show(folder / "ImitationIA.safetensors", BASE)
    with pytest.raises(ValueError, match=r"^number must be"):
        show(model, BASE, number=10**6)


class SlipsOnce(Oracle):
    """Tells the truth about all questions but one."""

    def __init__(self, domain, question):
        super().__init__(domain)
        self.question = question

    def answer(self, contexts, questions):
        answers = super().answer(contexts, questions)
        slip = (questions == self.question).all(axis=-1)
        return np.where(slip, answers % self.domain.max_size + 1, answers)


class Knowing:
    def __init__(self, domain):
        self.domain = domain

    def score(self, contexts, questions, answers):
        return 1.0 - self.domain.is_correct(contexts, questions, answers)


def test_the_tree_follows_a_lie_to_where_it_falls():
    """σ^11(x) with a wrong claim about σ^5(x): the path goes there, and ends there."""
    domain, rng = DOMAINS["Permutation"](16), np.random.default_rng(0)
    context = domain.sample_contexts(rng, 1)
    x = context["facts"][:, :1, 0]
    root = domain.make_questions(x, np.array([[11]]))
    half = domain.make_questions(x, np.array([[5]]))
    liar = SlipsOnce(domain, half[0, 0])
    wrong = int(liar.answer(context, half)[0, 0])
    onward = domain.truth(context, domain.make_questions(np.array([[wrong]]), np.array([[6]])))
    case = context, root[0, 0], int(onward[0, 0])
    node = trace_debate(domain, liar, Knowing(domain), *case, count_levels(domain))
    assert not node.right
    assert node.verdict  # the claims bear it out
    assert node.marks == []
    picked = [child for child in node.children if child.challenged]
    assert [child.question for child in picked] == [domain.question_text(half[0, 0])]
    assert picked[0].verdict is False
    assert picked[0].marks == ["challenged", "falls: its claims do not bear it out"]
    assert all(child.right for child in picked[0].children)
    assert [child.looked_up for child in node.children] == [False, False, True]
    honest = trace_debate(domain, Oracle(domain), Knowing(domain), context, root[0, 0],
                          int(domain.truth(context, root)[0, 0]), count_levels(domain))  # fmt: skip
    assert all(each.verdict is not False for each in honest.walk())
    assert [each.marks[-1:] for each in honest.walk() if each.last] == [
        ["stands: the debate ends here"]
    ]
