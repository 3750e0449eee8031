"""Assignments against an interpreter."""

import ast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ia_gym.domains import Assignment
from ia_gym.domains.assignment import APPLY, FIRST, SECOND, VALUE
from ia_gym.domains.transcript import IDK, Transcript


def interpret(domain, context):
    """Value and height of every variable, by running the assignments as Python."""
    table = {}
    lines = {}
    for fact in context["facts"]:
        if not fact[0]:
            continue
        x, a, b = map(int, fact)
        if x <= domain.n_values:
            table[x, a] = b
        else:
            lines[f"x{x}"] = str(a) if b == 0 else f"f(x{a}, x{b})"
    used = set()

    def f(a, b):
        used.add((a[0], b[0]))
        return table[a[0], b[0]], 1 + max(a[1], b[1])

    state = {"f": f}
    while len(state) <= len(lines):
        for name, line in lines.items():
            names = {node.id for node in ast.walk(ast.parse(line)) if isinstance(node, ast.Name)}
            if name not in state and names <= set(state):
                value = eval(line, state)
                state[name] = (value, 0) if isinstance(value, int) else value
        state.pop("__builtins__", None)
    assert used == set(table)  # the table holds what is needed, and no more
    return {int(name[1:]): value for name, value in state.items() if name != "f"}


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(0, 2**32 - 1))
def test_values_and_depths_are_the_interpreters(data, seed):
    max_size = data.draw(st.integers(2, 40))
    domain = Assignment(data.draw(st.integers(2, max_size)), max_size)
    contexts = domain.sample_contexts(np.random.default_rng(seed), 3)
    every = np.tile(np.arange(domain.kind_symbol), (3, 1))
    asked = np.ones(every.shape, bool)
    questions = domain.make_questions(VALUE, every, 0, asked)
    truth, depth = domain.truth(contexts, questions), domain.depth(contexts, questions)
    for row, context in enumerate(contexts):
        expected = interpret(domain, context)
        assert len(expected) == domain.size
        for symbol in range(domain.kind_symbol):
            value, height = expected.get(symbol, (IDK, -1))
            assert truth[row, symbol] == value
            assert depth[row, symbol] == height + 1
        heights = [height for _, height in expected.values()]
        assert heights.count(0) == int(domain.size**0.5)


def test_lookups_are_the_facts():
    domain, rng = Assignment(9, 12), np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 20)
    for context, row in zip(contexts, contexts["facts"], strict=True):
        known = {}
        for x, a, b in row[row[:, 0] != 0].tolist():
            if x <= domain.n_values:
                known[APPLY, x, a] = b
            else:
                known[FIRST, x, 0], known[SECOND, x, 0] = a, b or a
        every = [(kind, x, 0) for kind in (FIRST, SECOND) for x in range(domain.kind_symbol)]
        every += [(APPLY, a, b) for a in range(domain.kind_symbol) for b in range(4)]
        kind, a, b = np.array(every).T[:, None]
        questions = domain.make_questions(kind, a, b, np.ones(kind.shape, bool))
        found = domain.look_up(rng, context[None], questions)
        assert found[0].tolist() == [known.get(case, IDK) for case in every]


def test_names_do_not_tell_the_order_and_values_are_even():
    domain, rng = Assignment(16), np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 4000)
    depth = contexts["depth"][:, domain.n_answers :]
    np.testing.assert_allclose((depth == 1).mean(axis=0), 4 / 16, atol=0.03)
    questions = domain.sample_questions(rng, contexts, 20)
    assert abs((domain.depth(contexts, questions) == 1).mean() - 4 / 16) < 0.01
    constants = contexts["value"][:, domain.n_answers :][depth == 1]
    np.testing.assert_allclose(np.bincount(constants)[1:] / len(constants), 1 / 4, atol=0.02)


def test_depths_are_distributed_as_the_definition_implies():
    size, n = 16, 4000
    domain, rng = Assignment(size), np.random.default_rng(1)
    contexts = domain.sample_contexts(rng, n)
    depths = contexts["depth"][:, domain.n_answers :]
    expected = np.zeros(size)
    for _ in range(n):
        heights = [0] * 4
        while len(heights) < size:
            y, z = rng.integers(len(heights), size=2)
            heights.append(1 + max(heights[y], heights[z]))
        expected += np.bincount(heights, minlength=size) / n / size
    shares = np.bincount(depths.ravel(), minlength=size + 1)[1:] / depths.size
    np.testing.assert_allclose(shares, expected, atol=0.01)


def test_texts():
    domain = Assignment(4)
    context = domain.sample_contexts(np.random.default_rng(0), 1)
    text = domain.context_text(context[0])
    assert text.count(":=") == 4
    assert ":= f(x" in text
    rows = domain.make_questions(np.array([VALUE, FIRST]), np.array([3, 4]), 0, np.ones(2, bool))
    assert [domain.question_text(row) for row in rows] == ["value(x1)", "first(x2)"]
    assert [domain.answer_text(answer) for answer in range(3)] == ["idk", "a", "b"]


def test_sub_questions():
    """Both arguments; the values of variables among them; f of two values."""
    domain, rng = Assignment(9), np.random.default_rng(0)
    v = domain.n_values
    question = domain.make_questions(VALUE, np.array([[v + 2]]), 0, np.ones((1, 1), bool))
    transcript = Transcript.empty((1, 1), domain.n_slots, 3)
    contexts = domain.sample_contexts(rng, 1)

    def ask(round, *answers):
        transcript.answers[0, 0, : len(answers)] = answers
        rows = domain.ask(rng, round, contexts, question, transcript)[0, 0]
        return [tuple(row - [domain.kind_symbol, 0, 0]) if row[0] else None for row in rows]

    assert ask(0) == [(FIRST, v + 2, 0), (SECOND, v + 2, 0)]
    assert ask(1, v + 1, v + 5) == [(VALUE, v + 1, 0), (VALUE, v + 5, 0)]
    assert ask(1, v, v) == ask(1, IDK, IDK) == [None, None]
    assert ask(2, v + 1, v + 5, 1, v) == [(APPLY, 1, v)]
    for wrong in ((v + 1, 1), (1, v + 1), (IDK, 1), (1, IDK)):
        assert ask(2, v + 1, v + 5, *wrong) == [None]
    transcript.answers[:] = 2, 2, 0, 0, 0
    assert domain.answer(contexts, question, transcript) == 2  # a value: that is it
    transcript.answers[:] = v + 1, v + 1, 1, 1, 3
    assert domain.answer(contexts, question, transcript) == 3


@pytest.mark.parametrize(("size", "depth"), [(2, 2), (8, 7), (9, 7), (64, 57)])
def test_the_deepest_question_is_of_a_chain(size, depth):
    """⌊√N⌋ values, then every variable depends on the one before."""
    assert Assignment(size).max_depth == depth
