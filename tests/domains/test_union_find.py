"""Labelled forests against networkx, and against the paper's way of drawing them."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ia_gym.amplification.amplify import amplify
from ia_gym.amplification.overseers import ScriptedOverseer
from ia_gym.domains import UnionFind
from ia_gym.domains import union_find as union_find_module
from ia_gym.domains.transcript import IDK, Transcript
from ia_gym.domains.union_find import EDGE, LABEL, NEIGHBOUR, D, P, V


def forest(domain, context):
    """Its graph and the labels that vertices carry, from the facts alone."""
    facts = context["facts"][context["facts"][:, 0] != 0]
    graph = nx.Graph()
    graph.add_nodes_from(context["vertices"][context["vertices"] != IDK].tolist())
    graph.add_edges_from(facts[facts[:, 1] <= domain.max_size].tolist())
    return graph, dict(facts[facts[:, 1] > domain.max_size].tolist())


def ask(domain, kind, x, y=0):
    return domain.make_questions(kind, x, y, np.ones(np.shape(x), bool))


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(0, 2**32 - 1))
def test_labels_steps_and_distances_are_those_of_networkx(data, seed):
    max_size = data.draw(st.integers(2, 40))
    domain = UnionFind(data.draw(st.integers(2, max_size)), max_size)
    contexts = domain.sample_contexts(np.random.default_rng(seed), 2)
    x = np.tile(np.arange(1, max_size + 1), (2, 1))
    truth = {kind: domain.truth(contexts, ask(domain, kind, x)) for kind in (V, P, D)}
    depth = domain.depth(contexts, ask(domain, V, x))
    for row, context in enumerate(contexts):
        graph, labels = forest(domain, context)
        assert len(graph) == domain.size
        assert nx.is_forest(graph)
        assert len(set(labels.values())) == len(labels) <= int(domain.size**0.5)
        trees = [labels.keys() & tree for tree in nx.connected_components(graph)]
        assert [len(carriers) for carriers in trees] == [1] * len(trees)
        for vertex in range(1, max_size + 1):
            place = row, vertex - 1
            if vertex not in graph:
                assert truth[V][place] == truth[P][place] == truth[D][place] == IDK
                continue
            (carrier,) = labels.keys() & nx.node_connected_component(graph, vertex)
            path = nx.shortest_path(graph, vertex, carrier)
            assert truth[V][place] == labels[carrier]
            assert truth[P][place] == path[min(1, len(path) - 1)]
            assert truth[D][place] == domain.zero_symbol + len(path) - 1
            assert depth[place] == len(path)


def test_lookups_are_the_facts():
    domain, rng = UnionFind(9, 12), np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 30)
    pairs = np.array([(x, y) for x in range(14) for y in range(14) if x <= 12]).T[:, None]
    names = np.arange(1, 13)[None]
    often = ask(domain, NEIGHBOUR, np.repeat(names, 200, axis=1))
    for context in contexts:
        graph, labels = forest(domain, context)
        found = domain.look_up(rng, context[None], ask(domain, EDGE, *pairs))
        wanted = [domain.zero_symbol + 1 if graph.has_edge(x, y) else IDK for x, y in pairs[:, 0].T]
        assert found[0].tolist() == wanted
        found = domain.look_up(rng, context[None], ask(domain, LABEL, names))
        assert found[0].tolist() == [labels.get(x, IDK) for x in range(1, 13)]
        drawn = domain.look_up(rng, context[None], often).reshape(12, 200)
        for x, some in zip(range(1, 13), drawn, strict=True):
            around = set(graph.neighbors(x)) if graph.has_node(x) else set()
            assert set(some) == (around or {IDK})


def test_labels_and_kinds_are_distributed_as_the_definition_implies():
    size = 16
    domain, rng = UnionFind(size), np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 4000)
    questions = domain.sample_questions(rng, contexts, 30)
    kinds = np.bincount(domain.kind(questions).ravel())
    np.testing.assert_allclose(kinds / kinds.sum(), 1 / 3, atol=0.01)
    # A label is used unless all vertices join others; each used one is carried by one vertex.
    carriers = 4 * (1 - (3 / 4) ** size) / size
    assert abs((domain.depth(contexts, questions) == 1).mean() - carriers) < 0.01
    labels = np.bincount(contexts["label"][:, 1:].ravel())[size + 1 :]
    np.testing.assert_allclose(labels / labels.sum(), 1 / 4, atol=0.01)
    by_name = (contexts["depth"][:, 1:] == 1).mean(axis=0)
    np.testing.assert_allclose(by_name, carriers, atol=0.03)


def paper_tree(rng, low, high):
    """Edges of a random tree on low..high-1: cut in two, join, continue within the parts."""
    if high - low > 1:
        cut = rng.integers(low + 1, high)
        yield rng.integers(low, cut), rng.integers(cut, high)
        yield from paper_tree(rng, low, cut)
        yield from paper_tree(rng, cut, high)


def test_trees_are_drawn_as_the_paper_draws_them():
    """Shares of degrees and depths, against the recursion done one tree at a time."""
    size, n = 30, 3000
    domain, rng = UnionFind(size), np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, n)
    degrees, depths = np.zeros(size), np.zeros(size)
    for _ in range(n):
        labels = np.sort(rng.integers(5, size=size))
        graph = nx.Graph()
        for label in range(5):
            low, high = np.searchsorted(labels, [label, label + 1])
            if low < high:
                graph.add_nodes_from(range(low, high))
                graph.add_edges_from(paper_tree(rng, low, high))
                lengths = nx.single_source_shortest_path_length(graph, rng.integers(low, high))
                depths += np.bincount(list(lengths.values()), minlength=size)
        degrees += np.bincount([degree for _, degree in graph.degree], minlength=size)
    ours = np.bincount(contexts["degree"][:, 1:].ravel(), minlength=size)
    np.testing.assert_allclose(ours / ours.sum(), degrees / degrees.sum(), atol=0.006)
    ours = np.bincount(contexts["depth"][:, 1:].ravel() - 1, minlength=size)
    np.testing.assert_allclose(ours / ours.sum(), depths / depths.sum(), atol=0.006)


def test_a_parent_that_is_no_vertex_and_a_value_of_the_wrong_kind_are_not_believed():
    domain, rng = UnionFind(10), np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 40)
    overseer = ScriptedOverseer(domain)

    class Says:
        def __init__(self, parent, rest):
            self.parent, self.rest = parent, rest

        def answer(self, contexts, questions):
            answers = np.where(domain.kind(questions) == P, self.parent, self.rest)
            return answers * (questions[..., 0] != 0)

    label, number, vertex = domain.max_size + 1, domain.zero_symbol, 3
    for kind, good, bad in ((V, label, number), (D, number, label)):
        questions = ask(domain, kind, np.tile(np.arange(1, 11), (40, 1)))
        deep = domain.depth(contexts, questions) > 1
        cases = [(label, good), (number, good), (IDK, good), (vertex, bad), (vertex, vertex)]
        for parent, rest in [*cases, (vertex, IDK)]:
            transcript = amplify(overseer, Says(parent, rest), rng, contexts, questions)
            assert (overseer.answer(contexts, questions, transcript)[deep] == IDK).all()
        transcript = amplify(overseer, Says(vertex, good), rng, contexts, questions)
        assert (overseer.answer(contexts, questions, transcript)[deep] != IDK).all()


@pytest.mark.parametrize("kinds", [["V"], ["P", "D"]])
def test_kinds_can_be_restricted(kinds):
    domain, rng = UnionFind(10, question_kinds=kinds), np.random.default_rng(0)
    questions = domain.sample_questions(rng, domain.sample_contexts(rng, 50), 20)
    assert {domain.kinds[kind] for kind in np.unique(domain.kind(questions))} == set(kinds)


def test_texts():
    domain = UnionFind(10)
    context = domain.sample_contexts(np.random.default_rng(0), 1)
    words = domain.context_text(context[0]).split()
    assert len(words) == 10
    assert sum(":" in word for word in words) == int((context["depth"] == 1).sum())
    rows = ask(domain, np.array([V, P, D, EDGE]), np.array([3, 4, 5, 6]), np.array([0, 0, 0, 7]))
    texts = [domain.question_text(row) for row in rows]
    assert texts == ["V(3)", "P(4)", "D(5)", "edge(6, 7)"]
    facts = [domain.fact_text(np.array(fact)) for fact in ([3, 7], [3, 11], [0, 0])]
    assert facts == ["3-7", "3:A", ""]
    symbols = (0, 10, 11, 13, 14, 15, 16)
    assert [domain.answer_text(s) for s in symbols] == [
        "idk", "10", "A", "C", "0 steps", "1 step", "2 steps"
    ]  # fmt: skip


def test_sub_questions():
    """For a label or a distance one step; for a step three candidates."""
    domain, rng = UnionFind(10), np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 1)
    deepest = int(contexts["depth"][0].argmax())
    rows = {}
    for kind in (V, P, D):
        question = ask(domain, kind, np.array([[deepest]]))
        transcript = Transcript.empty((1, 1), domain.n_slots, 3)
        transcript.answers[..., 1:4] = 2, 3, 3
        transcript.answers[..., 4:6] = domain.zero_symbol + 1  # as if edges led there
        for round in range(4):
            asked = domain.ask(rng, round, contexts, question, transcript)[0, 0]
            rows[kind, round] = [domain.question_text(row) for row in asked if row[0]]
            assert not asked[asked[:, 0] != domain.kind_symbol + EDGE, 2].any()
    x = deepest
    for kind in (V, P, D):
        assert rows[kind, 0] == [f"label({x})"]
    assert rows[V, 1] == rows[D, 1] == [f"P({x})"]
    assert rows[P, 1] == [f"P({x})", f"P({x})", f"neighbour({x})"]
    assert rows[V, 2] == rows[D, 2] == []
    assert rows[P, 2] == [f"edge({x}, 2)", f"edge({x}, 3)"]
    assert (rows[V, 3], rows[D, 3], rows[P, 3]) == (["V(2)"], ["D(2)"], ["D(3)", "D(2)"])


def test_a_labelled_vertex_needs_no_more_asking():
    domain, rng = UnionFind(10), np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 1)
    x = int((contexts["depth"][0] == 1).argmax())
    label = int(contexts["label"][0, x])
    for kind, wanted in ((V, label), (P, x), (D, domain.zero_symbol)):
        question = ask(domain, kind, np.array([[x]]))
        transcript = Transcript.empty((1, 1), domain.n_slots, 3)
        transcript.answers[..., 0] = label
        for round in range(1, 5):
            assert not domain.ask(rng, round, contexts, question, transcript).any()
        assert domain.answer(contexts, question, transcript) == wanted
        for answer in range(domain.n_answers):
            error = domain.error(contexts, question, transcript, np.array([[answer]]))[0, 0]
            if kind == D and answer >= domain.zero_symbol:
                assert error == answer - domain.zero_symbol
            else:
                assert error == (0 if answer == wanted else np.inf)


def test_answers_of_the_kind_that_is_asked_for():
    domain = UnionFind(4)
    texts = [domain.answer_text(answer) for answer in range(domain.n_answers)]
    vertices, steps = {"1", "2", "3", "4"}, {"0 steps", "1 step", "2 steps", "3 steps"}
    expected = {V: {"A", "B"}, P: vertices, D: steps, LABEL: {"A", "B"}, EDGE: {"1 step"}}
    for kind, words in {**expected, NEIGHBOUR: vertices}.items():
        mask = domain.answer_mask(ask(domain, kind, np.array([1])))[0]
        assert {texts[answer] for answer in np.flatnonzero(mask)} == words | {"idk"}


def test_a_context_with_too_many_neighbours_is_drawn_again(monkeypatch):
    monkeypatch.setattr(union_find_module, "MAX_DEGREE", 2)
    domain, rng = UnionFind(6, 8), np.random.default_rng(0)
    most = set()
    for _ in range(20):
        contexts = domain.sample_contexts(rng, 3, 6)
        assert len(contexts) == 3
        most.add(int(contexts["degree"].max()))
        assert ((contexts["vertices"] != IDK).sum(axis=1) == 6).all()
    assert max(most) == 2
