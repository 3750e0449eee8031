"""Shortest paths in a directed graph: how far, and by which vertex? After Christiano et al. (2018).

=============  ====================================================================
context        a directed graph of N vertices and 2N edges drawn at random; an edge may
               come twice, or lead back to where it starts
facts          the edges (x, y), sorted; ``(2 max_size, 2)`` tokens
questions      D(x, y): length of a shortest walk of at least one edge from x to y;
               S(x, y): the first vertex after x on one. Kind, x and y are uniform; x = y
               asks for a shortest cycle
primitive      edge(x, y)? is 1 or idk; neighbour(x): an out-neighbour of x drawn at random;
               neighbour(x, z): the one after z, in a fixed circle of all
overseer       D: an edge → 1; z = S(x, y); z a vertex → 1 + D(z, y); z ``inf`` → ``inf``.
               S: an edge → y; else the candidate with the least finite D(·, y), or ``inf``.
               Candidates are neighbour(x) and S(x, y), asked twice and kept if an edge
               leads there; in a tie, the neighbour comes first
novice         an edge → 1, y; else asks D(z, y) of all out-neighbours z, one after another: the
               first is neighbour(x), and neighbour(x, z) is the one after z. The least finite
               D(z, y) + 1, or its z; ``inf`` if there is none
judgement      D: an answer is right if it is the overseer's. S: the overseer asks D(z, y) about
               all other out-neighbours z of x; an answer is right if it is one of the
               nearest; ``inf`` if D is ``inf`` for all of them; with an edge, only y
depth          the distance; questions whose answer is ``inf`` have the largest depth
lie            D is one more than it is (the largest finite one ``inf``); S is true
=============  ====================================================================

Distances are capped at 2·⌈log2 ``max_size``⌉: beyond it, or unreachable, D is ``inf``. S is
``inf`` only if no out-neighbour has a D within the cap. S may have several right answers. The
paper writes a vertex as two base-8 digits; here it is one token.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ia_gym.domains.batch_arrays import pick, pick_name, rank_in_groups, sample_names, take
from ia_gym.domains.domain import Contexts
from ia_gym.domains.graph_domain import (
    CANDIDATES,
    END,
    NOVICE_CANDIDATES,
    STEPS,
    GraphDomain,
    find_neighbour_in_turn,
)
from ia_gym.domains.graph_steps import (
    FAR,
    MAX_DEGREE,
    draw_neighbour,
    find_nearest,
    find_next_neighbour,
)
from ia_gym.domains.question_forms import QuestionForm
from ia_gym.domains.symbol_text import format_steps
from ia_gym.domains.templates import Template
from ia_gym.domains.transcript import IDK, Symbols, Transcript
from ia_gym.validation import check_range

D, S, EDGE, NEIGHBOUR = range(4)
"""Kinds of questions, from ``kind_symbol`` on."""


class ShortestPath(GraphDomain):
    """Distances and next steps in a directed graph.

    Symbols: 0 ``idk``; 1..``max_size`` vertices; the distances 1..cap; ``inf``; then the kinds
    "D", "S", "edge" and "neighbour". A question is ``(kind, x, y)``.

    Args:
        size: vertices in a context, 2..``max_size``.
        max_size: vertices in the pool; default ``size``.
        question_kinds: kinds of root questions, some of "D" and "S"; default both. The overseer's
            sub-questions are of both kinds in any case. A trust gate learns from root questions,
            so that it trusts all classes in the end only if both kinds are asked.

    Raises:
        ValueError: for a value out of range.
    """

    name = "ShortestPath"
    kinds = ("D", "S")
    kind_names = ("D", "S", "edge", "neighbour")
    distance_kind, step_kind = D, S
    end_kind, edge_kind, neighbour_kind = EDGE, EDGE, NEIGHBOUR
    templates = (
        Template("D({}, y)"),
        Template("S({}, y)"),
        Template("edge(x, {})"),
        Template("neighbour(x)"),
        Template("neighbour(x, {})"),
        Template("{}", is_answer=True),
        Template("{} + 1", is_answer=True),
        Template("1 step", is_answer=True),
        Template("inf", is_answer=True),
    )
    argument_places = (1, 2)

    def __init__(
        self,
        size: int = 8,
        max_size: int | None = None,
        question_kinds: Sequence[str] | None = None,
    ) -> None:
        super().__init__(size, max_size, question_kinds)
        self.cap = 2 * (self.max_size - 1).bit_length()
        self.max_depth = self.cap + 2  # of S at a distance of cap + 1, then inf
        self.trivial_depths = (self.max_depth,)
        self.fact_shape = (2 * self.max_size, 2)
        self.inf_symbol = self.max_size + self.cap + 1
        self.inconclusive = (IDK, self.inf_symbol)
        self.n_answers = self.inf_symbol + 1
        self.kind_symbol = self.n_answers
        self.n_symbols = self.kind_symbol + 4
        names = self.max_size + 1  # with idk
        self.n_digits = self.max_depth.bit_length()
        self.n_words = self.n_digits * ((self.max_size + 63) // 64)  # digit by digit
        self.context_dtype = np.dtype(
            [
                ("facts", np.int64, self.fact_shape),
                ("vertices", np.int16, (self.max_size,)),  # sorted, padded with 0
                (
                    "neighbours",
                    np.int16,
                    (names, self.max_degree),
                ),  # distinct, padded with 0
                ("degree", np.int16, (names,)),
                # Binary digits of the distances from x: for each digit, a bit for each vertex y.
                ("digits", np.uint64, (names, self.n_words)),
            ],
            align=True,
        )

    # ----------------------------------------------------------------- sampling

    def sample_contexts(
        self, rng: np.random.Generator, count: int, size: int | None = None
    ) -> Contexts:
        size = self.size if size is None else check_range("size", size, 2, self.max_size)
        names = self.max_size + 1
        chosen = sample_names(rng, count, size, self.max_size)
        start, end = rng.integers(0, size, (2, count, 2 * size), dtype=np.int32) + np.int32(1)
        if size < self.max_size:
            start, end = take(chosen, start - 1), take(chosen, end - 1)
        edges = np.sort(start * names + end, axis=1)
        start, end = np.divmod(edges, names)
        contexts = np.zeros(count, self.context_dtype)
        contexts["facts"][:, : 2 * size, 0] = start
        contexts["facts"][:, : 2 * size, 1] = end
        contexts["vertices"][:, :size] = chosen
        # The n-th distinct edge out of x goes to place n of x's neighbours.
        is_new = np.ones(edges.shape, bool)
        np.not_equal(edges[:, 1:], edges[:, :-1], out=is_new[:, 1:])
        new = np.flatnonzero(is_new)
        rows, start, end = new // (2 * size), start.ravel()[new], end.ravel()[new]
        source = self.max_size * rows + start - 1  # vertices numbered through the batch
        target = self.max_size * rows + end - 1
        degree = np.bincount(source, minlength=count * self.max_size)
        if degree.max() > MAX_DEGREE:
            return self.sample_contexts(rng, count, size)
        place = rank_in_groups(source, degree)
        contexts["degree"][:, 1:] = degree.reshape(count, -1)
        contexts["neighbours"][rows, start, place] = end
        for word, digits in enumerate(self._encode_distances(source, target, place, degree)):
            contexts["digits"][:, 1:, word] = digits.reshape(count, -1)
        if size < self.max_size:
            absent = np.ones((count, names), bool)
            np.put_along_axis(absent, chosen, False, axis=1)
            contexts["digits"][absent] = 0
            octets = np.packbits(~absent[:, 1:], axis=1, bitorder="little")
            octets = np.pad(octets, ((0, 0), (0, -octets.shape[1] % 8)))
            present = octets.view("<u8").astype(np.uint64)  # a bit for each vertex
            contexts["digits"] &= np.tile(present, self.n_digits)[:, None]
        return contexts

    def sample_questions(
        self,
        rng: np.random.Generator,
        contexts: Contexts,
        count: int,
        depths: Sequence[int] | None = None,
    ) -> Symbols:
        depths, asked = self.check_depths(depths), self.question_kinds
        if len(depths) == self.max_depth:
            kind = asked[rng.integers(len(asked), size=(len(contexts), count))]
            x, y = np.split(pick_name(rng, contexts["vertices"], 2 * count), 2, axis=1)
        else:
            names = np.arange(1, self.max_size + 1)
            kind, x, y = (a.reshape(1, -1) for a in np.meshgrid(asked, names, names, indexing="ij"))
            everything = self.make_questions(kind, x, y, np.ones(kind.shape, bool))
            everything = np.broadcast_to(everything, (len(contexts), *everything.shape[1:]))
            allowed = np.isin(self.depth(contexts, everything), depths)
            allowed &= self.measure_distance(contexts, everything[..., 1], everything[..., 2]) > 0
            picked = pick(rng, allowed, count)
            kind, x, y = kind[0, picked], x[0, picked], y[0, picked]
        return self.make_questions(kind, x, y, np.ones(kind.shape, bool))

    def _encode_distances(
        self, source: Symbols, target: Symbols, place: Symbols, degree: Symbols
    ) -> Iterator[NDArray[np.uint64]]:
        """Yield the words of the field ``digits``, each ``(B · max_size,)``.

        This is a breadth-first search from all vertices at once. The set of vertices that each one
        reaches in so many steps is kept as bits of 64-bit words, and so are the binary digits of
        the distances.

        Args:
            source: vertices, numbered through the batch, that distinct edges leave.
            target: the vertices these edges lead to.
            place: which of the edges out of its source each is.
            degree: ``(B · max_size,)``, how many edges leave each vertex.
        """
        words = (self.max_size + 63) // 64
        # Vertices in order of falling degree: those with an n-th edge then come first.
        order = np.argsort(MAX_DEGREE - degree.astype(np.int8), kind="stable")
        position = np.empty_like(order)
        position[order] = np.arange(len(order))
        lengths = np.bincount(place)
        ends = np.cumsum(lengths)
        along = np.empty_like(target)
        along[(ends - lengths)[place] + position[source]] = position[target]
        layers = list(zip(ends - lengths, ends, lengths, strict=True))

        name = order % self.max_size
        before = np.zeros((words, len(order)), np.uint64)  # at 0 steps: itself
        before[name >> 6, np.arange(len(order))] = np.uint64(1) << (name & 63).astype(np.uint64)
        reached = np.zeros_like(before)
        digits = np.zeros((self.max_depth.bit_length(), *reached.shape), np.uint64)
        spreading = True
        for steps in range(1, self.max_depth + 1):
            if steps < self.max_depth:
                if not spreading:
                    continue
                for word in range(words):
                    for low, high, length in layers:
                        reached[word, :length] |= before[word].take(along[low:high], mode="clip")
                if steps == 1:
                    before[:] = 0
                new = reached & ~before
                before[:] = reached
                spreading = bool(new.any())
            else:
                new = ~reached
            for digit in range(len(digits)):
                if steps >> digit & 1:
                    digits[digit] |= new
        for bits in digits.reshape(self.n_words, -1):
            yield bits.take(position)

    def measure_distance(
        self, contexts: Contexts, x: Symbols, y: Symbols, rows: NDArray[np.intp] | None = None
    ) -> Symbols:
        """Distances from ``x`` to ``y``, arrays of one shape.

        Args:
            contexts: ``(B,)``.
            x: vertices.
            y: vertices.
            rows: the contexts they belong to, as in :func:`~ia_gym.domains.batch_arrays.take`.

        Returns:
            1..cap + 1, cap + 2 for longer ones, and 0 if x or y is no vertex of the context.
        """
        table = contexts["digits"].reshape(len(contexts), (self.max_size + 1) * self.n_words)
        step = self.n_words // self.n_digits  # from digit to digit
        place = x * self.n_words + ((y - 1) >> 6)
        bit = ((y - 1) & 63).astype(np.uint64)
        found = np.zeros(place.shape, np.int64)
        for digit in range(self.n_digits):
            bits = take(table, place + digit * step, rows) >> bit & np.uint64(1)
            found |= bits.astype(np.int64) << digit
        found[y == IDK] = 0
        return found

    # -------------------------------------------------------------------- truth

    def truth(self, contexts: Contexts, questions: Symbols) -> Symbols:
        kind, x, y = self.parse_questions(questions)
        distance = self.measure_distance(contexts, x, y)
        answers = np.where(distance > 0, self.max_size + np.minimum(distance, self.cap + 1), IDK)
        answers = np.where((kind == S) & (distance == 1), y, answers)
        # A next step is any neighbour from which one step less is left.
        rows, columns = np.nonzero((kind == S) & (distance > 1) & (distance < self.max_depth))
        start = x[rows, columns]
        degree = contexts["degree"][rows, start]
        edge = np.repeat(np.arange(len(rows)), degree)
        place = rank_in_groups(edge, degree)
        rows, columns = rows[edge], columns[edge]
        onward = contexts["neighbours"][rows, start[edge], place].astype(np.int64)
        left = self.measure_distance(contexts, onward, y[rows, columns], rows)
        nearer = left == distance[rows, columns] - 1
        answers[rows[nearer], columns[nearer]] = onward[nearer]
        return answers

    def is_correct(
        self, contexts: Contexts, questions: Symbols, answers: Symbols
    ) -> NDArray[np.bool_]:
        # Any neighbour from which one step less is left; everything else has one true answer.
        kind, x, y = self.parse_questions(questions)
        is_step = (kind == S) & self.is_vertex(answers)
        right = np.zeros(answers.shape, bool)
        if not is_step.all():
            right[:] = super().is_correct(contexts, questions, answers)
            right[is_step] = False
        rows, columns = np.nonzero(is_step)
        start, step = x[rows, columns], answers[rows, columns]
        is_edge = self.measure_distance(contexts, start, step, rows) == 1
        rows, columns, step = rows[is_edge], columns[is_edge], step[is_edge]
        if len(rows):
            start, goal = x[rows, columns], y[rows, columns]
            total = self.measure_distance(contexts, start, goal, rows)
            left = self.measure_distance(contexts, step, goal, rows)
            nearer = (left > 0) & (left <= self.cap) & (left == total - 1)
            right[rows, columns] = np.where(total == 1, step == goal, nearer)
        return right

    def has_several_answers(self, questions: Symbols) -> NDArray[np.bool_]:
        several: NDArray[np.bool_] = self.kind(questions) == S
        return several

    def depth(self, contexts: Contexts, questions: Symbols) -> Symbols:
        kind, x, y = self.parse_questions(questions)
        distance = self.measure_distance(contexts, x, y)
        infinite = (kind == D) & (distance > self.cap)
        return np.where(kind > S, 0, np.where(infinite, self.max_depth, distance))

    def depth_text(self, depth: int) -> str:
        return "inf" if depth == self.max_depth else str(depth)

    def dependencies(self, kind: int, depth: int) -> Iterable[tuple[int, int]]:
        if depth == self.max_depth:
            finite = [(other, lower) for other in (D, S) for lower in range(1, depth)]
            return finite if kind == S else [*finite, (S, depth)]
        below = [(D, depth - 1)]
        return below if kind == S else [*below, (S, depth)]

    # ------------------------------------------------------ the overseer's script

    def look_up(self, rng: np.random.Generator, contexts: Contexts, questions: Symbols) -> Symbols:
        kind, x, y = self.parse_questions(questions)
        is_edge = self.measure_distance(contexts, x, y) == 1
        answers = np.where(is_edge, self.max_size + 1, IDK)
        if np.any(kind == NEIGHBOUR):
            drawn = draw_neighbour(rng, contexts, x)
            drawn = np.where(y == IDK, drawn, find_next_neighbour(contexts, x, y))
            answers = np.where(kind == NEIGHBOUR, drawn, answers)
        return answers

    def answer(self, contexts: Contexts, questions: Symbols, transcript: Transcript) -> Symbols:
        kind, _, y = self.parse_questions(questions)
        is_edge = transcript.answers[..., END] != IDK
        step = transcript.answers[..., STEPS.start]
        onward = transcript.answers[..., CANDIDATES.start]
        is_distance = (onward > self.max_size) & (onward <= self.inf_symbol)
        farther = np.where(is_distance, np.minimum(onward + 1, self.inf_symbol), IDK)
        distance = np.where(step == self.inf_symbol, self.inf_symbol, farther)
        asked, said = transcript.questions[..., CANDIDATES, 1], transcript.answers[..., CANDIDATES]
        found, least = find_nearest(asked, self.read_distances(said))
        choice = np.where(least == FAR, self.inf_symbol, found)
        return np.where(
            kind == D,
            np.where(is_edge, self.max_size + 1, distance),
            np.where(is_edge, y, choice),
        )

    def read_distances(self, answers: Symbols) -> Symbols:
        """The distances that ``answers`` stand for; ``FAR`` for ``inf`` and all else."""
        finite = (answers > self.max_size) & (answers < self.inf_symbol)
        return np.where(finite, answers - self.max_size, FAR)

    def is_dead_end(self, asked: Symbols, said: Symbols, answers: Symbols) -> NDArray[np.bool_]:
        none_left = ((asked == IDK) | (said == self.inf_symbol)).all(axis=-1)
        dead_end: NDArray[np.bool_] = none_left & (answers == self.inf_symbol)
        return dead_end

    # ------------------------------------------------------------- what goes wrong

    def lie(self, contexts: Contexts, questions: Symbols) -> Symbols:
        truths = self.truth(contexts, questions)
        longer = np.minimum(truths + 1, self.inf_symbol)
        return np.where((self.kind(questions) == D) & (truths != IDK), longer, truths)

    def fill_template(self, template: int, questions: Symbols, *arguments: Symbols) -> Symbols:
        kind, x, y = self.parse_questions(questions)
        text = self.templates[template].text
        if text == "neighbour(x)":
            return self.make_questions(NEIGHBOUR, x, 0, x != IDK)
        if text == "1 step":
            return np.where(kind == D, self.max_size + 1, IDK)
        if text == "inf":
            return np.full(kind.shape, self.inf_symbol)
        (a,) = arguments
        is_vertex = self.is_vertex(a)
        if template in (D, S):
            return self.make_questions(template, a, y, is_vertex)
        if text in ("edge(x, {})", "neighbour(x, {})"):
            return self.make_questions(EDGE if template == 2 else NEIGHBOUR, x, a, is_vertex)
        is_distance = (a > self.max_size) & (a < self.inf_symbol)
        if text == "{}":
            of_kind = np.where(kind == S, is_vertex, is_distance) | (a == self.inf_symbol)
            return np.where(of_kind, a, IDK)
        return np.where(is_distance & (kind == D), a + 1, IDK)

    # --------------------------------------------------------------------- text

    def question_forms(self, context: Contexts) -> tuple[QuestionForm, ...]:
        return self.make_forms(
            context,
            ("How far is it from {0} to {1}?", D, 2),
            ("Which vertex comes first on a shortest way from {0} to {1}?", S, 2),
            ("Does an edge lead from {0} to {1}?", EDGE, 2),
            ("Name a vertex, drawn at random, that an edge leads to from {0}.", NEIGHBOUR, 1),
        )

    def answer_mask(self, questions: Symbols) -> NDArray[np.bool_]:
        symbols = np.arange(self.n_answers)
        vertex = self.is_vertex(symbols)
        of_kind = np.stack([~vertex, vertex | (symbols == self.inf_symbol)] + 2 * [vertex])
        of_kind[:, IDK] = True
        of_kind[EDGE] = np.isin(symbols, [IDK, self.max_size + 1])
        return of_kind[self.kind(questions)]

    def context_text(self, context: Contexts) -> str:
        lists = []
        for x in context["vertices"][context["vertices"] != IDK]:
            onward = context["neighbours"][x]
            lists.append(f"{x}→{','.join(map(str, onward[onward != IDK])) or '-'}")
        return "  ".join(lists)

    def rules_text(self) -> str:
        return (
            "x → y is an edge from x to y in a directed graph, whose vertices are numbers. D(x, y) "
            "is the number of steps on a shortest walk of at least one edge from x to y; S(x, y) "
            f"is the first vertex after x on one. D is inf if there is none of at most {self.cap} "
            "steps; S is inf if D is inf from every vertex that an edge leads to from x. The "
            'answer to D is a number of steps, such as "2 steps", or inf; the answer to S is a '
            "vertex or inf."
        )

    def fact_text(self, fact: Symbols) -> str:
        return f"{fact[0]} → {fact[1]}" if fact[0] != IDK else ""

    def answer_text(self, answer: int) -> str:
        if answer == self.inf_symbol:
            return "inf"
        if answer > self.max_size:
            return format_steps(answer - self.max_size)
        return "idk" if answer == IDK else str(answer)

    def longest_facts(self) -> Symbols:
        return np.full((2 * self.size, 2), self.max_size)


class NoviceShortestPath(ShortestPath):
    """Shortest paths, searched by a novice who tries all out-neighbours one by one."""

    judged_slots = NOVICE_CANDIDATES

    def __init__(
        self,
        size: int = 8,
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
        _, x, y = self.parse_questions(questions)
        under_way = (transcript.answers[..., END] == IDK) & (x != IDK)
        if round == 0:
            return self.make_questions(EDGE, x, y, x != IDK)[..., None, :]
        if round == 1:
            return self.make_questions(NEIGHBOUR, x, 0, under_way)[..., None, :]
        z, is_new = find_neighbour_in_turn(transcript, round - 2)
        is_new = np.repeat((is_new & under_way)[..., None], 2, axis=-1)
        first, second = np.stack([z, x], axis=-1), np.stack([y, z], axis=-1)
        return self.make_questions(np.array([D, NEIGHBOUR]), first, second, is_new)

    def answer(self, contexts: Contexts, questions: Symbols, transcript: Transcript) -> Symbols:
        kind, _, y = self.parse_questions(questions)
        slots = NOVICE_CANDIDATES
        asked, said = transcript.questions[..., slots, 1], transcript.answers[..., slots]
        found, least = find_nearest(asked, self.read_distances(said))
        none = least == FAR
        distance = np.minimum(self.max_size + 1 + np.where(none, self.cap, least), self.inf_symbol)
        step = np.where(none, self.inf_symbol, found)
        is_edge = transcript.answers[..., END] != IDK
        distance = np.where(is_edge, self.max_size + 1, distance)
        return np.where(kind == D, distance, np.where(is_edge, y, step))


ShortestPath.novice = NoviceShortestPath
