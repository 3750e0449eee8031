"""Shortest paths against networkx and scipy."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import shortest_path

from ia_gym.amplification.amplify import amplify
from ia_gym.amplification.assistants import Oracle
from ia_gym.amplification.overseers import ScriptedOverseer
from ia_gym.domains import ShortestPath
from ia_gym.domains import shortest_path as shortest_path_module
from ia_gym.domains.graph_steps import list_candidates
from ia_gym.domains.shortest_path import EDGE, NEIGHBOUR, D, S
from ia_gym.domains.transcript import IDK, Transcript


def walks(context):
    """The graph of a context, and the length of a shortest non-empty walk from x to y."""
    graph = nx.DiGraph([tuple(edge) for edge in context["facts"] if edge[0]])
    graph.add_nodes_from(context["vertices"][context["vertices"] != IDK])
    lengths = dict(nx.all_pairs_shortest_path_length(graph))

    def walk(x, y):
        onward = [lengths[z][y] for z in graph.successors(x) if y in lengths[z]]
        return 1 + min(onward, default=np.inf)

    return graph, walk


def ask_all(domain, contexts, kind):
    names = np.arange(1, domain.max_size + 1)
    x, y = (part.reshape(1, -1) for part in np.meshgrid(names, names, indexing="ij"))
    x, y = np.broadcast_arrays(x, y, np.empty((len(contexts), 1)))[:2]
    return domain.make_questions(kind, x, y, np.ones(x.shape, bool))


@settings(max_examples=40, deadline=None)
@given(st.data(), st.integers(0, 2**32 - 1))
def test_distances_steps_and_edges_are_those_of_networkx(data, seed):
    max_size = data.draw(st.integers(2, 20))
    domain = ShortestPath(data.draw(st.integers(2, max_size)), max_size)
    contexts = domain.sample_contexts(np.random.default_rng(seed), 2)
    questions = {kind: ask_all(domain, contexts, kind) for kind in (D, S, EDGE)}
    truth = {kind: domain.truth(contexts, questions[kind]) for kind in (D, S)}
    edges = domain.look_up(np.random.default_rng(0), contexts, questions[EDGE])
    every = np.arange(domain.n_answers)[:, None, None]
    right = np.array(
        [
            domain.is_correct(contexts, questions[S], np.broadcast_to(a, truth[S].shape))
            for a in every
        ]
    )
    for row, context in enumerate(contexts):
        graph, walk = walks(context)
        assert len(graph) == domain.size
        for column, (_, x, y) in enumerate(questions[D][row]):
            place = row, column
            if x not in graph or y not in graph:
                assert truth[D][place] == truth[S][place] == edges[place] == IDK
                assert not right[:, row, column].any()
                continue
            length = walk(x, y)
            in_cap = length <= domain.cap
            assert truth[D][place] == (domain.max_size + length if in_cap else domain.inf_symbol)
            assert edges[place] == (domain.max_size + 1 if graph.has_edge(x, y) else IDK)
            left = {z: 0 if z == y and length == 1 else walk(z, y) for z in graph.successors(x)}
            if length == 1:  # to y itself, though other ways may be as short
                steps = {y}
            else:
                steps = {z for z, d in left.items() if d == length - 1 and d <= domain.cap}
            assert set(np.flatnonzero(right[:, row, column])) == (steps or {domain.inf_symbol})
            assert right[truth[S][place], row, column]


def test_the_cap_is_where_inf_begins():
    """On one long chain, D ends at the cap, and S one step later."""
    domain = ShortestPath(32)
    context = domain.sample_contexts(np.random.default_rng(0), 1)
    chain = np.arange(31)
    context["digits"][:, 1:] = np.stack(
        list(
            domain._encode_distances(
                chain, chain + 1, 0 * chain, np.eye(32)[:31].sum(axis=0).astype(int)
            )
        )
    ).T
    context["degree"][:, 1:] = np.arange(32) < 31
    context["neighbours"] = 0
    context["neighbours"][:, 1:32, 0] = np.arange(2, 33)
    y = np.array([[domain.cap + 1, domain.cap + 2, domain.cap + 3]])
    x, asked = np.ones_like(y), np.ones(y.shape, bool)
    far, step = domain.make_questions(D, x, y, asked), domain.make_questions(S, x, y, asked)
    inf = domain.inf_symbol
    assert domain.truth(context, far).tolist() == [[inf - 1, inf, inf]]
    assert domain.truth(context, step).tolist() == [[2, 2, inf]]
    assert domain.depth(context, far).tolist() == [[domain.cap, domain.max_depth, domain.max_depth]]
    assert domain.depth(context, step).tolist() == [[domain.cap, domain.cap + 1, domain.max_depth]]
    for questions in (far, step):
        overseer, rng = ScriptedOverseer(domain), np.random.default_rng(0)
        transcript = amplify(overseer, Oracle(domain), rng, context, questions)
        answers = overseer.answer(context, questions, transcript)
        assert domain.is_correct(context, questions, answers).all()


def test_depths_and_kinds_are_distributed_as_the_definition_implies():
    size, n_graphs = 16, 2000
    domain, rng = ShortestPath(size), np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, n_graphs)
    questions = domain.sample_questions(rng, contexts, 50)
    depths, kinds = domain.depth(contexts, questions), domain.kind(questions)
    assert abs(kinds.mean() - 0.5) < 0.01
    x, y = questions[..., 1], questions[..., 2]
    assert abs((x == y).mean() - 1 / size) < 0.01
    no_edge = (1 - 1 / size**2) ** (2 * size)
    assert abs((depths == 1).mean() - (1 - no_edge)) < 0.005
    # The same from scipy, on graphs drawn here.
    shares = np.zeros(domain.max_depth + 1)
    for _ in range(n_graphs):
        ends = rng.integers(size, size=(2, 2 * size))
        edge = csr_array((np.ones(2 * size), ends), (size, size))
        steps = shortest_path(edge, unweighted=True)
        first = np.where(edge.toarray() > 0, 1, np.inf)  # x = y asks for a cycle
        walk = np.min(first[:, :, None] + steps[None], axis=1)
        walk[walk > domain.cap] = domain.max_depth
        shares += np.bincount(walk.astype(int).ravel(), minlength=len(shares)) / n_graphs / size**2
    of_d = np.bincount(depths[kinds == D], minlength=len(shares)) / (kinds == D).sum()
    np.testing.assert_allclose(of_d, shares, atol=0.01)


def test_random_neighbours_are_drawn_evenly():
    domain, rng = ShortestPath(8), np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 1)
    graph, _ = walks(contexts[0])
    x = max(graph, key=graph.out_degree)
    shape = (1, 20_000)
    rows = domain.make_questions(
        NEIGHBOUR, np.full(shape, x), np.zeros(shape, int), np.ones(shape, bool)
    )
    drawn = domain.look_up(rng, contexts, rows)
    shares = np.bincount(drawn[0], minlength=9) / drawn.size
    assert set(np.flatnonzero(shares)) == set(graph.successors(x))
    np.testing.assert_allclose(shares[shares > 0], 1 / graph.out_degree(x), atol=0.02)


def test_candidates_keep_their_places_and_are_named_once():
    cases = np.array([[[1, 2, 3], [4, 4, 4], [5, 6, 5], [6, 6, 7], [8, 9, 0]]])
    are_edges = np.where(cases[..., :2] == 5, IDK, 1)
    named = list_candidates(cases[..., :2], are_edges, cases[..., 2])
    assert named[0].tolist() == [[3, 1, 2], [4, 0, 0], [5, 0, 6], [7, 6, 0], [0, 8, 9]]


def small(kind, x, y, edges):
    """A graph of 4 vertices given by its edges, and one question about it."""
    domain = ShortestPath(4)
    context = domain.sample_contexts(np.random.default_rng(0), 1)
    context["degree"] = 0
    context["neighbours"] = 0
    context["facts"] = 0
    for i, (start, end) in enumerate(edges):
        context["neighbours"][0, start, context["degree"][0, start]] = end
        context["degree"][0, start] += 1
        context["facts"][0, i] = start, end
    rows = np.array(edges) - 1
    place = np.array([[e for e in edges if e[0] == s].index((s, t)) for s, t in edges])
    digits = domain._encode_distances(
        rows[:, 0], rows[:, 1], place, context["degree"][0, 1:].astype(int)
    )
    context["digits"][0, 1:] = np.stack(list(digits)).T
    return (
        domain,
        context,
        domain.make_questions(kind, np.array([[x]]), np.array([[y]]), True | np.ones((1, 1), bool)),
    )


def test_the_overseer_drops_candidates_without_an_edge_or_a_finite_distance():
    edges = [(1, 2), (1, 3), (3, 4)]
    domain, context, question = small(S, 1, 4, edges)
    far = domain.max_size

    class Says:
        """Suggests a vertex that no edge leads to; D is inf from 2, one step from 3."""

        def answer(self, contexts, questions):
            kind, x, _ = domain.parse_questions(questions)
            distance = np.where(x == 3, far + 1, domain.inf_symbol)
            return np.where(kind == S, 4, distance) * (questions[..., 0] != 0)

    chosen = set()
    for seed in range(20):
        overseer, rng = ScriptedOverseer(domain), np.random.default_rng(seed)
        transcript = amplify(overseer, Says(), rng, context, question)
        assert 4 not in transcript.questions[0, 0, 6:, 1]  # not asked about: no edge leads there
        chosen.add(int(overseer.answer(context, question, transcript)[0, 0]))
        approval = {
            answer: overseer.judge(context, question, transcript, np.array([[answer]]))[0, 0]
            for answer in range(domain.n_answers)
        }
        assert [answer for answer, value in approval.items() if value] == [3]
    assert chosen == {3, domain.inf_symbol}  # by the neighbour drawn


@pytest.mark.parametrize(
    ("said", "expected"),
    [("idk", "idk"), ("2", "idk"), ("inf", "inf"), ("1 step", "2 steps"), ("4 steps", "inf")],
)
def test_the_overseer_adds_one_or_does_not_know(said, expected):
    domain, context, question = small(D, 1, 4, [(1, 2), (2, 3), (3, 4)])
    texts = [domain.answer_text(answer) for answer in range(domain.n_answers)]
    transcript = Transcript.empty((1, 1), domain.n_slots, domain.question_length)
    transcript.answers[..., 1] = 2
    transcript.answers[..., 6] = texts.index(said)
    assert domain.answer(context, question, transcript) == texts.index(expected)


def test_kinds_can_be_restricted():
    rng = np.random.default_rng(0)
    domain = ShortestPath(8, question_kinds=["S"])
    contexts = domain.sample_contexts(rng, 20)
    for depths in (None, [1, 2]):
        questions = domain.sample_questions(rng, contexts, 20, depths)
        assert (domain.kind(questions) == S).all()


@pytest.mark.parametrize("kinds", [[], ["X"], "D", ["D", "V"]])
def test_unknown_kinds_are_refused(kinds):
    with pytest.raises(ValueError, match=r"question_kinds must be some of \['D', 'S'\], got"):
        ShortestPath(8, question_kinds=kinds)


def test_texts():
    domain, context, question = small(S, 1, 4, [(1, 2), (1, 3), (3, 4)])
    assert domain.context_text(context[0]) == "1→2,3  2→-  3→4  4→-"
    assert domain.fact_text(context["facts"][0, 0]) == "1 → 2"
    assert domain.question_text(question[0, 0]) == "S(1, 4)"
    assert domain.depth_text(domain.max_depth) == "inf"
    kinds = domain.make_questions(
        np.array([D, EDGE, NEIGHBOUR]), np.array([1, 2, 3]), np.array([4, 4, 0]), np.ones(3, bool)
    )
    texts = [domain.question_text(row) for row in kinds]
    assert texts == ["D(1, 4)", "edge(2, 4)", "neighbour(3)"]


def test_sub_questions():
    """For a distance one step and how far it is; for a step three candidates."""
    rows = {}
    for kind in (D, S):
        domain, context, question = small(kind, 1, 4, [(1, 2), (1, 3), (3, 4)])
        transcript = Transcript.empty((1, 1), domain.n_slots, 3)
        transcript.answers[..., 1:4] = 2, 3, 3  # X suggests 2 and 3, the neighbour drawn is 3
        transcript.answers[..., 4:6] = domain.max_size + 1  # edges lead there
        rng = np.random.default_rng(0)
        for round in range(len(domain.round_slots)):
            asked = domain.ask(rng, round, context, question, transcript)[0, 0]
            transcript.questions[0, 0, domain.round_slots[round]] = asked
            rows[kind, round] = [domain.question_text(row) for row in asked if row[0]]
    assert rows[D, 0] == rows[S, 0] == ["edge(1, 4)"]
    assert rows[D, 1] == ["S(1, 4)"]
    assert rows[S, 1] == ["S(1, 4)", "S(1, 4)", "neighbour(1)"]
    assert rows[D, 2] == rows[D, 4] == rows[S, 4] == []
    assert rows[S, 2] == ["edge(1, 2)", "edge(1, 3)"]
    assert rows[D, 3] == ["D(2, 4)"]
    assert rows[S, 3] == ["D(3, 4)", "D(2, 4)"]


def test_answers_of_the_kind_that_is_asked_for():
    domain = ShortestPath(3)
    ones = np.ones(1, bool)
    texts = [domain.answer_text(answer) for answer in range(domain.n_answers)]
    expected = {
        D: {"idk", "1 step", "2 steps", "3 steps", "4 steps", "inf"},
        S: {"idk", "1", "2", "3", "inf"},
        EDGE: {"idk", "1 step"},
        NEIGHBOUR: {"idk", "1", "2", "3"},
    }
    for kind, words in expected.items():
        mask = domain.answer_mask(domain.make_questions(kind, np.array([1]), np.array([2]), ones))[
            0
        ]
        assert {texts[answer] for answer in np.flatnonzero(mask)} == words


def test_a_context_with_too_many_neighbours_is_drawn_again(monkeypatch):
    monkeypatch.setattr(shortest_path_module, "MAX_DEGREE", 3)
    domain, rng = ShortestPath(4, 6), np.random.default_rng(0)
    most = set()
    for _ in range(20):
        contexts = domain.sample_contexts(rng, 3, 4)
        assert len(contexts) == 3
        most.add(int(contexts["degree"].max()))
        assert ((contexts["vertices"] != IDK).sum(axis=1) == 4).all()
    assert max(most) == 3
