"""What the two domains of graphs share: their questions, and how the overseer answers them.

A question is a row ``(kind, x, y)``. One kind asks for the next vertex on the way from x to a goal.
The other kinds ask for what follows from the same question about that vertex: its distance to the
goal is one less, its label the same.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ia_gym.domains.batch_arrays import choose_name, make_rows
from ia_gym.domains.domain import Contexts, Domain
from ia_gym.domains.graph_steps import (
    MAX_DEGREE,
    list_candidates,
    list_other_neighbours,
    measure_detour,
    measure_difference,
)
from ia_gym.domains.question_forms import QuestionForm, make_names_menu
from ia_gym.domains.transcript import IDK, Symbols, Transcript

END, STEPS, RANDOM, ARE_EDGES, CANDIDATES, ALL = (
    0,  # the primitive question that tells whether the goal is reached
    slice(1, 3),  # the next vertex; two suggestions where the question asks for it
    3,  # neighbour(x)
    slice(4, 6),  # do edges lead from x to these vertices?
    slice(6, 9),  # distances of the candidates; or the same question about the next vertex
    slice(6, None),  # these, and for judging the distances of all other neighbours
)
"""Slots of a transcript."""


NOVICE_FIRST, NOVICE_CANDIDATES, NOVICE_NEXT = 1, slice(2, None, 2), slice(3, None, 2)
"""Slots of a novice's transcript after ``END``: neighbour(x); then, a round for each neighbour,
what the novice asks about it, and which neighbour is next."""


class GraphDomain(Domain):
    """A domain whose contexts are graphs. Vertices are the symbols 1..``max_size``.

    Contexts have fields ``vertices`` (sorted, padded with 0), ``neighbours`` (of each vertex,
    distinct, padded with 0) and ``degree``.

    Args:
        size: vertices in a context, 2..``max_size``.
        max_size: vertices in the pool; default ``size``.
        question_kinds: kinds of root questions, some of ``kinds``; default all.

    Attributes:
        max_degree: the most neighbours that a vertex may have.
        kind_names: names of all kinds, those of primitive questions last.
        step_kind: the kind that asks for the next vertex.
        distance_kind: the kind that asks how far the goal is.
        end_kind: the primitive kind that tells whether the goal is reached.
        edge_kind: the primitive kind that tells whether an edge leads from x to y.
        neighbour_kind: the primitive kind that draws a neighbour of x; or names the one that
            follows y in a fixed circle of x's neighbours, if there is a y.
        judged_slots: slots of a transcript with the neighbours that a next vertex is judged by.

    Raises:
        ValueError: for a value out of range, or an unknown kind.
    """

    question_length = 3
    subquestions_per_round: tuple[int, ...] = (1, 3, 2, 3)
    kind_names: ClassVar[tuple[str, ...]]
    step_kind: ClassVar[int]
    distance_kind: ClassVar[int]
    end_kind: ClassVar[int]
    edge_kind: ClassVar[int]
    neighbour_kind: ClassVar[int]
    judged_slots: ClassVar[slice] = ALL

    def __init__(
        self, size: int, max_size: int | None, question_kinds: Sequence[str] | None
    ) -> None:
        super().__init__(size, max_size)
        self.question_kinds = check_kinds(question_kinds, self.kinds)
        self.interchangeable = (range(1, self.max_size + 1),)
        self.max_degree = min(MAX_DEGREE, self.max_size)
        self.judge_subquestions_per_round = (self.max_degree,)

    # ---------------------------------------------------------------- questions

    def make_questions(
        self, kind: int | Symbols, x: Symbols, y: Symbols | int, asked: NDArray[np.bool_]
    ) -> Symbols:
        """Questions ``(kind, x, y)`` where ``asked``, zeros elsewhere: ``(..., 3)``."""
        return make_rows(self.kind_symbol + kind, x, y, asked)

    def parse_questions(self, questions: Symbols) -> tuple[Symbols, Symbols, Symbols]:
        """Kind, x and y of each question: three arrays of the batch's shape."""
        return self.kind(questions), questions[..., 1], questions[..., 2]

    def is_vertex(self, symbols: Symbols) -> NDArray[np.bool_]:
        """Which symbols are vertices (of the pool)."""
        vertex: NDArray[np.bool_] = (symbols > IDK) & (symbols <= self.max_size)
        return vertex

    @abstractmethod
    def read_distances(self, answers: Symbols) -> Symbols:
        """The distances that ``answers`` stand for; ``FAR`` for all else."""

    # ------------------------------------------------------ the overseer's script

    def is_primitive(self, questions: Symbols) -> NDArray[np.bool_]:
        primitive: NDArray[np.bool_] = questions[..., 0] >= self.kind_symbol + len(self.kinds)
        return primitive

    def is_well_formed(self, questions: Symbols) -> NDArray[np.bool_]:
        kind, x, y = self.parse_questions(questions)
        formed: NDArray[np.bool_] = (kind >= 0) & self.is_vertex(x) & (y <= self.max_size)
        return formed

    def ask(
        self,
        rng: np.random.Generator,
        round: int,
        contexts: Contexts,
        questions: Symbols,
        transcript: Transcript,
    ) -> Symbols:
        kind, x, y = (part[..., None] for part in self.parse_questions(questions))
        is_step = kind == self.step_kind
        steps = transcript.answers[..., STEPS]
        if round == 0:
            return self.make_questions(self.end_kind, x, y, x != IDK)
        under_way = (transcript.answers[..., END, None] == IDK) & (x != IDK)
        if round == 1:
            kinds = np.array([self.step_kind, self.step_kind, self.neighbour_kind])
            asked = under_way & (is_step | np.array([True, False, False]))
            return self.make_questions(kinds, x, y * np.array([1, 1, 0]), asked)
        if round == 2:
            return self.make_questions(self.edge_kind, x, steps, is_step & self.is_vertex(steps))
        if round == 3:
            are_edges, drawn = (transcript.answers[..., slots] for slots in (ARE_EDGES, RANDOM))
            onward = np.where(self.is_vertex(steps[..., :1]), steps[..., :1], IDK)
            candidates = list_candidates(steps, are_edges, drawn)
            vertices = np.where(is_step, candidates, onward * np.array([1, 0, 0]))
        else:
            neighbours = contexts["neighbours"][np.arange(len(x))[:, None], x[..., 0]]
            others = list_other_neighbours(neighbours, transcript.questions[..., CANDIDATES, 1])
            vertices = np.where(is_step & under_way, others, IDK)
        kinds = np.where(is_step, self.distance_kind, kind)
        return self.make_questions(kinds, vertices, y, vertices != IDK)

    def error(
        self, contexts: Contexts, questions: Symbols, transcript: Transcript, answers: Symbols
    ) -> NDArray[np.float64]:
        """The difference of distances; for a next vertex, how much longer the way by it is."""
        kind, _, _ = self.parse_questions(questions)
        own = self.answer(contexts, questions, transcript)
        distances = self.read_distances(own), self.read_distances(answers)
        of_value = measure_difference(own, answers, *distances)
        slots = self.judged_slots
        asked, said = transcript.questions[..., slots, 1], transcript.answers[..., slots]
        of_step = measure_detour(asked, self.read_distances(said), answers)
        of_step[self.is_dead_end(asked, said, answers)] = 0
        at_end = transcript.answers[..., END] != IDK
        of_step = np.where(at_end, np.where(answers == own, 0, np.inf), of_step)
        return np.where(kind == self.step_kind, of_step, of_value)

    def is_dead_end(self, asked: Symbols, said: Symbols, answers: Symbols) -> NDArray[np.bool_]:
        """Where an answer rightly says that no neighbour leads to the goal: bool ``(B, Q)``.

        Args:
            asked: ``(B, Q, n)``, the neighbours asked about.
            said: ``(B, Q, n)``, the answers about their distances.
            answers: ``(B, Q)``, the answers to judge.
        """
        return np.zeros(answers.shape, bool)

    # ------------------------------------------------------------- what goes wrong

    def vary(self, contexts: Contexts, questions: Symbols, numbers: NDArray[np.uint64]) -> Symbols:
        # About other vertices.
        vertices = contexts["vertices"].astype(np.int64)
        kind, _, y = self.parse_questions(questions)
        drawn = [choose_name(vertices, each) for each in (numbers, numbers >> np.uint64(32))]
        asked = questions[..., 0] != 0
        return self.make_questions(kind, drawn[0], np.where(y != 0, drawn[1], 0), asked)

    # --------------------------------------------------------------------- text

    def make_forms(
        self, context: Contexts, *forms: tuple[str, int, int]
    ) -> tuple[QuestionForm, ...]:
        """Forms of questions about the vertices of one context (shape ``()``).

        Args:
            context: the context.
            forms: the words, the kind and the number of vertices of each.
        """
        names = context["vertices"][context["vertices"] != IDK]
        texts = [str(name) for name in names]
        menus = tuple(make_names_menu("vertex", place, texts, names) for place in (1, 2))
        return tuple(
            QuestionForm(words, np.array([self.kind_symbol + kind, 0, 0]), menus[:count])
            for words, kind, count in forms
        )

    def question_text(self, question: Symbols) -> str:
        if question[0] == 0:
            return "(no question)"
        kind, x, y = (int(part) for part in self.parse_questions(question))
        return f"{self.kind_names[kind]}({x}, {y})" if y else f"{self.kind_names[kind]}({x})"

    def longest_questions(self) -> Symbols:
        questions = np.full((len(self.kind_names), self.question_length), self.max_size)
        questions[:, 0] = self.kind_symbol + np.arange(len(questions))
        return questions


def find_neighbour_in_turn(
    transcript: Transcript, number: int
) -> tuple[Symbols, NDArray[np.bool_]]:
    """The neighbour that a novice comes to in a round, going through them one by one.

    Args:
        transcript: ``(B, Q)``, with the slots of a novice.
        number: which neighbour, from 0.

    Returns:
        ``(B, Q)``, and whether there is one that was not asked about before.
    """
    first = transcript.answers[..., NOVICE_FIRST]
    if number == 0:
        return first, first != IDK
    vertex = transcript.answers[..., NOVICE_NEXT][..., number - 1]
    return vertex, (vertex != IDK) & (vertex != first)


def check_kinds(kinds: Sequence[str] | None, known: tuple[str, ...]) -> Symbols:
    """The indices in ``known`` of the kinds to ask; None stands for all.

    Raises:
        ValueError: for a kind not in ``known``, or none at all.
    """
    if kinds is None:
        return np.arange(len(known))
    if isinstance(kinds, str) or len(kinds) == 0 or not set(kinds) <= set(known):
        raise ValueError(f"question_kinds must be some of {list(known)}, got {kinds!r}")
    return np.array(sorted(known.index(kind) for kind in set(kinds)))
