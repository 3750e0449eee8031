"""Union by labels: which label does x's tree carry? After Christiano et al. (2018).

=============  ====================================================================
context        an undirected forest of N vertices. Each vertex joins one of ⌊√N⌋ labels at
               random; the vertices of a label form a tree (split in two at random, join a
               random vertex of either side, and so on within the sides); a random one of
               them carries the label
facts          the edges (x, y), x < y, and the labels (x, label); ``(max_size, 2)`` tokens,
               sorted
questions      V(x): the label of x's tree; P(x): the next vertex on the way to the labelled
               one (x itself if it is that one); D(x): how far it is. Kind and x are uniform
primitive      label(x): what x itself carries, or idk; edge(x, y)? is 1 or idk;
               neighbour(x): a neighbour of x drawn at random; neighbour(x, z): the one after z,
               in a fixed circle of all
overseer       x carries a label → V: the label, P: x, D: 0. Else
               V: V(P(x)). D: 1 + D(P(x)). P: the candidate with the least D, or idk.
               Candidates are neighbour(x) and P(x), asked twice and kept if an edge leads
               there; in a tie, the neighbour comes first
novice         x carries a label → as above. Else draws z = neighbour(x). V: V(z). D: D(z) - 1 if
               P(z) is x, else D(z) + 1. P: goes on to neighbour(x, z), the one after z, and so
               on, until P(z) is not x; answers that z
judgement      V, D: an answer is right if it is the overseer's. P: the overseer asks D about all
               other neighbours of x; an answer is right if it is the nearest
depth          distance to the label + 1
lie            V is the next label of the pool, D one more than it is; P is true
=============  ====================================================================

Labels come from a pool of ⌊√``max_size``⌋. The paper writes a vertex as two base-8 digits; here it
is one token.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from ia_gym.domains.batch_arrays import pick, pick_name, rank_in_groups, sample_names, take
from ia_gym.domains.domain import Contexts
from ia_gym.domains.graph_domain import (
    CANDIDATES,
    END,
    NOVICE_CANDIDATES,
    NOVICE_FIRST,
    GraphDomain,
    find_neighbour_in_turn,
)
from ia_gym.domains.graph_steps import (
    FAR,
    MAX_DEGREE,
    draw_neighbour,
    find_nearest,
    find_next_neighbour,
    measure_difference,
)
from ia_gym.domains.question_forms import QuestionForm
from ia_gym.domains.symbol_text import format_letters, format_steps
from ia_gym.domains.templates import Template
from ia_gym.domains.transcript import IDK, Symbols, Transcript
from ia_gym.validation import check_range

V, P, D, LABEL, EDGE, NEIGHBOUR = range(6)
"""Kinds of questions, from ``kind_symbol`` on."""


class UnionFind(GraphDomain):
    """Labels, next steps and distances in a labelled forest.

    Symbols: 0 ``idk``; 1..``max_size`` vertices; labels; the distances 0..``max_size`` - 1; then
    the kinds "V", "P", "D", "label", "edge" and "neighbour". A question is ``(kind, x, 0)``, or
    ``(kind, x, y)`` for edge(x, y).

    Args:
        size: vertices in a context, 2..``max_size``; the paper starts at 10.
        max_size: vertices in the pool; default ``size``.
        question_kinds: kinds of root questions, some of "V", "P" and "D"; default all. The
            overseer's sub-questions are of kinds P and D in any case. A trust gate learns from
            root questions, so that it trusts all classes in the end only if these are asked.

    Raises:
        ValueError: for a value out of range.
    """

    name = "UnionFind"
    base_size = 10
    kinds = ("V", "P", "D")
    kind_names = ("V", "P", "D", "label", "edge", "neighbour")
    distance_kind, step_kind = D, P
    end_kind, edge_kind, neighbour_kind = LABEL, EDGE, NEIGHBOUR
    templates = (
        Template("V({})"),
        Template("P({})"),
        Template("D({})"),
        Template("label({})"),
        Template("neighbour(x)"),
        Template("neighbour(x, {})"),
        Template("{}", is_answer=True),
        Template("{} + 1", is_answer=True),
        Template("{} - 1", is_answer=True),
        Template("0 steps", is_answer=True),
    )
    argument_places = (1,)

    def __init__(
        self,
        size: int = 10,
        max_size: int | None = None,
        question_kinds: Sequence[str] | None = None,
    ) -> None:
        super().__init__(size, max_size, question_kinds)
        self.n_labels = isqrt(self.max_size)
        self.max_depth = self.max_size
        self.fact_shape = (self.max_size, 2)
        self.zero_symbol = self.max_size + self.n_labels + 1
        self.n_answers = self.zero_symbol + self.max_size
        self.kind_symbol = self.n_answers
        self.n_symbols = self.kind_symbol + 6
        self.interchangeable += (range(self.max_size + 1, self.zero_symbol),)  # labels
        by_name = (np.int16, (self.max_size + 1,))  # with idk
        self.context_dtype = np.dtype(
            [
                ("facts", np.int64, self.fact_shape),
                ("vertices", np.int16, (self.max_size,)),  # sorted, padded with 0
                ("neighbours", np.int16, (self.max_size + 1, self.max_degree)),
                ("degree", *by_name),
                ("label", *by_name),  # of a vertex's tree, as a symbol
                ("parent", *by_name),  # the next vertex; itself if it carries the label
                ("depth", *by_name),
            ],
            align=True,
        )

    # ---------------------------------------------------------------- questions

    def is_label(self, symbols: Symbols) -> NDArray[np.bool_]:
        """Which symbols are labels (of the pool)."""
        label: NDArray[np.bool_] = (symbols > self.max_size) & (symbols < self.zero_symbol)
        return label

    # ----------------------------------------------------------------- sampling

    def sample_contexts(
        self, rng: np.random.Generator, count: int, size: int | None = None
    ) -> Contexts:
        size = self.size if size is None else check_range("size", size, 2, self.max_size)
        # Vertices are numbered through the batch; in a context those of one label stand together.
        label = np.sort(rng.integers(isqrt(size), size=(count, size)), axis=1)
        first, second = draw_trees(rng, label)
        root = draw_members(rng, label)
        parent, depth = direct_edges(root, first, second, label.size)

        chosen = sample_names(rng, count, size, self.max_size)
        name = rng.permuted(chosen, axis=1).ravel()
        labels = self.max_size + sample_names(rng, count, isqrt(size), self.n_labels)
        label = take(rng.permuted(labels, axis=1), label).ravel()
        source, target = np.concatenate([first, second]), np.concatenate([second, first])
        degree = np.bincount(source, minlength=label.size)
        if degree.max() > MAX_DEGREE:
            return self.sample_contexts(rng, count, size)
        contexts = np.zeros(count, self.context_dtype)
        contexts["vertices"][:, :size] = chosen
        row = np.repeat(np.arange(count), size)
        for field, values in (
            ("label", label), ("parent", name[parent]), ("depth", depth), ("degree", degree)
        ):  # fmt: skip
            contexts[field][row, name] = values
        # The n-th edge at x goes to place n of x's neighbours.
        order = np.argsort(source, kind="stable")
        source, target = source[order], target[order]
        place = rank_in_groups(source, degree)
        contexts["neighbours"][row[source], name[source], place] = name[target]

        low, high = np.minimum(name[first], name[second]), np.maximum(name[first], name[second])
        symbols = self.zero_symbol  # more than any symbol in a fact
        edges = (row[first] * symbols + low) * symbols + high
        carried = (row[root] * symbols + name[root]) * symbols + label[root]
        facts = np.sort(np.concatenate([edges, carried])).reshape(count, size)
        contexts["facts"][:, :size, 0] = facts // symbols % symbols
        contexts["facts"][:, :size, 1] = facts % symbols
        return contexts

    def sample_questions(
        self,
        rng: np.random.Generator,
        contexts: Contexts,
        count: int,
        depths: Sequence[int] | None = None,
    ) -> Symbols:
        depths, asked = self.check_depths(depths), self.question_kinds
        kind = asked[rng.integers(len(asked), size=(len(contexts), count))]
        if len(depths) == self.max_depth:
            x = pick_name(rng, contexts["vertices"], count)
        else:
            x = pick(rng, np.isin(contexts["depth"], depths), count)
        return self.make_questions(kind, x, 0, np.ones(kind.shape, bool))

    # -------------------------------------------------------------------- truth

    def truth(self, contexts: Contexts, questions: Symbols) -> Symbols:
        kind, x, _ = self.parse_questions(questions)
        depth = take(contexts["depth"], x)
        distance = np.where(depth > 0, self.zero_symbol + depth.astype(np.int64) - 1, IDK)
        label_or_parent = np.where(
            kind == V, take(contexts["label"], x), take(contexts["parent"], x)
        )
        return np.where(kind == D, distance, label_or_parent)

    def depth(self, contexts: Contexts, questions: Symbols) -> Symbols:
        kind, x, _ = self.parse_questions(questions)
        return np.where(kind > D, 0, take(contexts["depth"], x))

    def dependencies(self, kind: int, depth: int) -> Iterable[tuple[int, int]]:
        if depth == 1:
            return [(kind, 0)]
        return [(D, depth - 1)] if kind == P else [(P, depth), (kind, depth - 1)]

    # ------------------------------------------------------ the overseer's script

    def look_up(self, rng: np.random.Generator, contexts: Contexts, questions: Symbols) -> Symbols:
        kind, x, y = self.parse_questions(questions)
        parent, depth = take(contexts["parent"], x), take(contexts["depth"], x)
        of_y = take(contexts["parent"], np.where(self.is_vertex(y), y, IDK))
        # In a tree every edge leads from a vertex to its parent.
        is_edge = (x != y) & (x != IDK) & (y != IDK) & ((parent == y) | (of_y == x))
        own_label = np.where(depth == 1, take(contexts["label"], x), IDK)
        answers = np.where(kind == LABEL, own_label, np.where(is_edge, self.zero_symbol + 1, IDK))
        if np.any(kind == NEIGHBOUR):
            drawn = draw_neighbour(rng, contexts, x)
            drawn = np.where(y == IDK, drawn, find_next_neighbour(contexts, x, y))
            answers = np.where(kind == NEIGHBOUR, drawn, answers)
        return answers.astype(np.int64)

    def answer(self, contexts: Contexts, questions: Symbols, transcript: Transcript) -> Symbols:
        kind, x, _ = self.parse_questions(questions)
        own_label = transcript.answers[..., END]
        onward = transcript.answers[..., CANDIDATES.start]
        label = np.where(self.is_label(onward), onward, IDK)
        most = self.n_answers - 1
        distance = np.where(onward >= self.zero_symbol, np.minimum(onward + 1, most), IDK)
        asked, said = transcript.questions[..., CANDIDATES, 1], transcript.answers[..., CANDIDATES]
        step, _ = find_nearest(asked, self.read_distances(said))
        there = np.choose(kind, [own_label, x, self.zero_symbol], mode="clip")
        onward = np.choose(kind, [label, step, distance], mode="clip")
        return np.where(own_label != IDK, there, onward)

    def read_distances(self, answers: Symbols) -> Symbols:
        """The distances that ``answers`` stand for; ``FAR`` for all else."""
        return np.where(answers >= self.zero_symbol, answers - self.zero_symbol, FAR)

    # ------------------------------------------------------------- what goes wrong

    def lie(self, contexts: Contexts, questions: Symbols) -> Symbols:
        kind, truths = self.kind(questions), self.truth(contexts, questions)
        other = self.max_size + 1 + (truths - self.max_size) % self.n_labels
        farther = np.minimum(truths + 1, self.n_answers - 1)
        lies = np.choose(kind, [other, truths, farther], mode="clip")
        return np.where(truths != IDK, lies, IDK)

    def fill_template(self, template: int, questions: Symbols, *arguments: Symbols) -> Symbols:
        kind, x, _ = self.parse_questions(questions)
        text = self.templates[template].text
        if text == "neighbour(x)":
            return self.make_questions(NEIGHBOUR, x, 0, x != IDK)
        if text == "0 steps":
            return np.where(kind == D, self.zero_symbol, IDK)
        (a,) = arguments
        is_vertex = self.is_vertex(a)
        if template in (V, P, D, LABEL):
            return self.make_questions(template, a, 0, is_vertex)
        if text == "neighbour(x, {})":
            return self.make_questions(NEIGHBOUR, x, a, is_vertex)
        is_distance = (a >= self.zero_symbol) & (a < self.n_answers) & (kind == D)
        if text == "{}":
            of_kind = np.where(kind == V, self.is_label(a), is_vertex & (kind == P))
            return np.where(of_kind | is_distance, a, IDK)
        moved = a + (1 if text == "{} + 1" else -1)
        in_range = (moved >= self.zero_symbol) & (moved < self.n_answers)
        return np.where(is_distance & in_range, moved, IDK)

    # --------------------------------------------------------------------- text

    def question_forms(self, context: Contexts) -> tuple[QuestionForm, ...]:
        return self.make_forms(
            context,
            ("Which label does the tree of {0} carry?", V, 1),
            ("Which vertex comes next on the way from {0} to the label?", P, 1),
            ("How far is it from {0} to the label?", D, 1),
            ("Which label does {0} itself carry?", LABEL, 1),
            ("Is there an edge between {0} and {1}?", EDGE, 2),
            ("Name a neighbour, drawn at random, of {0}.", NEIGHBOUR, 1),
        )

    def answer_mask(self, questions: Symbols) -> NDArray[np.bool_]:
        symbols = np.arange(self.n_answers)
        label, vertex = self.is_label(symbols), self.is_vertex(symbols)
        distance = symbols >= self.zero_symbol
        of_kind = np.stack(
            [label, vertex, distance, label, symbols == self.zero_symbol + 1, vertex]
        )
        of_kind[:, IDK] = True
        return of_kind[self.kind(questions)]

    def symbol_text(self, symbol: int) -> str:
        """A vertex is a number, a label a capital letter, a distance a number of steps."""
        if symbol >= self.zero_symbol:
            return format_steps(symbol - self.zero_symbol)
        if symbol > self.max_size:
            return format_letters(symbol - self.max_size)
        return "idk" if symbol == IDK else str(symbol)

    def rules_text(self) -> str:
        return (
            "x-y is an edge between x and y in a forest, whose vertices are numbers. x:A says that "
            "x carries the label A; one vertex of each tree carries a label. V(x) is the label in "
            "the tree of x; P(x) is the next vertex on the way from x to the vertex that carries "
            "it, or x itself if x does; D(x) is the number of steps on that way. The answer to V "
            'is a letter, to P a vertex, to D a number of steps, such as "2 steps".'
        )

    def fact_text(self, fact: Symbols) -> str:
        if fact[0] == 0:
            return ""
        sign = "-" if fact[1] <= self.max_size else ":"
        return f"{fact[0]}{sign}{self.symbol_text(int(fact[1]))}"

    def longest_facts(self) -> Symbols:
        facts = np.full((self.size, 2), self.max_size)
        facts[0, 1] += self.n_labels
        return facts


def draw_trees(rng: np.random.Generator, label: Symbols) -> tuple[Symbols, Symbols]:
    """Draw a tree over the vertices of each label; those of one label stand side by side.

    The paper cuts a row of vertices in two at random, joins a random vertex of either part, and
    continues within the parts. The order of the cuts is a random order of the gaps; here the parts
    are joined again, the last cut first.

    Args:
        rng: the only source of randomness.
        label: ``(B, N)``, sorted by row.

    Returns:
        The two ends of all edges, two arrays; vertices are numbered through the batch.
    """
    count, size = label.shape
    order = rng.random((count, size - 1), dtype=np.float32)
    order[label[:, 1:] != label[:, :-1]] = 2  # labels are joined last, and those edges left out
    gaps = np.argsort(order, axis=1).T + size * np.arange(count)
    begins = np.arange(count * size)  # of the part that ends at a vertex
    ends = begins.copy()  # of the part that begins there
    low, high = np.empty_like(gaps), np.empty_like(gaps)
    for i, gap in enumerate(gaps):
        low[i] = begins.take(gap)
        high[i] = ends.take(gap + 1)
        begins[high[i]] = low[i]
        ends[low[i]] = high[i]
    drawn = rng.random((2, *gaps.shape), dtype=np.float32)
    first = low + (drawn[0] * (gaps - low + 1).astype(np.float32)).astype(np.int64)
    second = gaps + 1 + (drawn[1] * (high - gaps).astype(np.float32)).astype(np.int64)
    flat = label.ravel()
    joined = flat[gaps] == flat[gaps + 1]
    return first[joined], second[joined]


def draw_members(rng: np.random.Generator, label: Symbols) -> Symbols:
    """Draw one vertex of each label of each context uniformly; see :func:`draw_trees`."""
    first = np.flatnonzero(np.diff(label, axis=1, prepend=-1))
    counts = np.diff(first, append=label.size)
    members: Symbols = first + (rng.random(len(first)) * counts).astype(np.int64)
    return members


def direct_edges(
    root: Symbols, first: Symbols, second: Symbols, count: int
) -> tuple[Symbols, Symbols]:
    """Direct the edges of a forest of ``count`` vertices towards its roots.

    Returns:
        For each vertex the next one on the way (itself for a root), and its distance + 1.
    """
    parent, depth = np.zeros(count, np.int64), np.zeros(count, np.int64)
    parent[root], depth[root] = root, 1
    while len(first):
        below_first, below_second = depth[first] > 0, depth[second] > 0
        child, above = np.where(below_first, (second, first), (first, second))
        reached = below_first | below_second
        child, above = child[reached], above[reached]
        parent[child], depth[child] = above, depth[above] + 1
        first, second = first[~reached], second[~reached]
    return parent, depth


class NoviceUnionFind(UnionFind):
    """Labels and ways to them, searched by a novice who walks on to random neighbours.

    Its questions do not always lead nearer to the label: decomposed in turn, they are a random walk
    there.
    """

    def __init__(
        self,
        size: int = 10,
        max_size: int | None = None,
        question_kinds: Sequence[str] | None = None,
    ) -> None:
        super().__init__(size, max_size, question_kinds)
        self.subquestions_per_round = (1, 1, *[2] * self.max_degree)
        self.judge_subquestions_per_round = ()

    def ask(
        self,
        rng: np.random.Generator,
        round: int,
        contexts: Contexts,
        questions: Symbols,
        transcript: Transcript,
    ) -> Symbols:
        kind, x, _ = self.parse_questions(questions)
        under_way = (transcript.answers[..., END] == IDK) & (x != IDK)
        if round == 0:
            return self.make_questions(LABEL, x, 0, x != IDK)[..., None, :]
        if round == 1:
            return self.make_questions(NEIGHBOUR, x, 0, under_way)[..., None, :]
        z, is_new = find_neighbour_in_turn(transcript, round - 2)
        is_new &= under_way & ((kind == P) | (round == 2))
        if round > 2:
            is_new &= self.find_parent(questions, transcript) == IDK
        asks_next = is_new & (kind == P)
        about_z = self.make_questions(kind, z, 0, is_new)
        step = self.make_questions(P, z, 0, is_new & (kind == D))
        following = self.make_questions(NEIGHBOUR, x, z, asks_next)
        return np.stack([about_z, step + following], axis=-2)

    def find_parent(self, questions: Symbols, transcript: Transcript) -> Symbols:
        """The neighbour from which the way does not lead back, ``(B, Q)``; ``IDK`` if none."""
        slots = NOVICE_CANDIDATES
        asked, said = transcript.questions[..., slots, 1], transcript.answers[..., slots]
        onward = self.is_vertex(said) & (said != questions[..., 1, None])
        found = np.take_along_axis(asked, onward.argmax(axis=-1)[..., None], axis=-1)[..., 0]
        return np.where(onward.any(axis=-1), found, IDK)

    def answer(self, contexts: Contexts, questions: Symbols, transcript: Transcript) -> Symbols:
        kind, x, _ = self.parse_questions(questions)
        own_label = transcript.answers[..., END]
        onward, step = np.moveaxis(transcript.answers, -1, 0)[NOVICE_FIRST + 1 : NOVICE_FIRST + 3]
        label = np.where(self.is_label(onward), onward, IDK)
        difference = np.where(step == x, -1, 1)
        moved = np.clip(onward + difference, self.zero_symbol, self.n_answers - 1)
        known = (onward >= self.zero_symbol) & self.is_vertex(step)
        distance = np.where(known, moved, IDK)
        there = np.choose(kind, [own_label, x, self.zero_symbol], mode="clip")
        parent = self.find_parent(questions, transcript)
        onward = np.choose(kind, [label, parent, distance], mode="clip")
        return np.where(own_label != IDK, there, onward)

    def error(
        self, contexts: Contexts, questions: Symbols, transcript: Transcript, answers: Symbols
    ) -> NDArray[np.float64]:
        own = self.answer(contexts, questions, transcript)
        return measure_difference(own, answers, *map(self.read_distances, (own, answers)))


UnionFind.novice = NoviceUnionFind
