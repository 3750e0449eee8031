"""Sequential assignments: what is the value of x? After Christiano et al. (2018).

=============  ====================================================================
context        N assignments in order: the first ⌊√N⌋ are x := value, the others x := f(y, z)
               for variables y and z drawn from those assigned before. There are
               ⌊√``max_size``⌋ values (at least 2); f is a random table
facts          the assignments (x, value, 0) or (x, y, z), sorted by x, then the entries
               (a, b, f(a, b)) that evaluating them needs, each in a place of its own;
               ``(max_size + values², 3)`` tokens
questions      value(x), x uniform
primitive      first(x) and second(x), the arguments of x, or its value if it has none; f(a, b)
overseer       asks first(x) and second(x); answers first(x) if it is a value; else asks
               value(y) and value(z), and answers f of these
novice         also asks, without need, for the arguments of y and z, and for the value of
               each of these that is a variable
depth          height of x's expression + 1: 1 for x := value
lie            each constant's value is taken for the next value, with all that follows by f
=============  ====================================================================

Names are assigned at random, so that they do not tell the order. The paper writes a variable as
two base-8 digits; here it is one token.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from ia_gym.domains.batch_arrays import (
    choose_name,
    make_rows,
    pick,
    pick_name,
    sample_names,
    take,
)
from ia_gym.domains.domain import Contexts, Domain
from ia_gym.domains.question_forms import Menu, QuestionForm, make_names_menu
from ia_gym.domains.symbol_text import format_letters
from ia_gym.domains.templates import Template
from ia_gym.domains.transcript import IDK, Symbols, Transcript
from ia_gym.validation import check_range

VALUE, FIRST, SECOND, APPLY = range(4)
"""Kinds of questions, from ``kind_symbol`` on."""

ARGUMENTS, VALUES, RESULT = slice(0, 2), slice(2, 4), 4
"""Slots of a transcript: first(x) and second(x); their values; f of these."""


class Assignment(Domain):
    """Values of variables that are assigned one after another.

    Symbols: 0 ``idk``; the values; then the variables and the kinds "value", "first", "second" and
    "f". A question is ``(kind, x, 0)``, or ``(kind, a, b)`` for f(a, b).

    Args:
        size: variables in a context, 2..``max_size``.
        max_size: variables in the pool; default ``size``.

    Raises:
        ValueError: for a value out of range.
    """

    name = "Assignment"
    kinds = ("value",)
    subquestions_per_round: tuple[int, ...] = (2, 2, 1)
    templates = (
        Template("value({})"),
        Template("first({})"),
        Template("second({})"),
        Template("f({}, {})"),
        Template("{}", is_answer=True),
    )
    argument_places = (1,)

    def __init__(self, size: int = 8, max_size: int | None = None) -> None:
        super().__init__(size, max_size)
        self.n_values = v = max(isqrt(self.max_size), 2)
        self.max_depth = self.max_size - isqrt(self.max_size) + 1
        self.fact_shape = (self.max_size + v * v, 3)
        self.question_length = 3
        self.n_answers = 1 + v
        self.kind_symbol = self.n_answers + self.max_size
        self.n_symbols = self.kind_symbol + 4
        self.interchangeable = (range(1, self.n_answers), range(self.n_answers, self.kind_symbol))
        # What stands for each symbol, 0 where it is not a variable of the context.
        by_symbol = (np.int16, (self.kind_symbol,))
        self.context_dtype = np.dtype(
            [
                ("facts", np.int64, self.fact_shape),
                ("variables", np.int16, (self.max_size,)),  # sorted, padded with 0
                ("arguments", np.int16, (2, self.kind_symbol)),
                ("value", *by_symbol),
                ("depth", *by_symbol),
                ("f", np.int16, ((v + 1) ** 2,)),  # of a and b as symbols; 0 where not needed
            ],
            align=True,
        )

    # ---------------------------------------------------------------- questions

    def make_questions(
        self, kind: int | Symbols, a: Symbols, b: Symbols | int, asked: NDArray[np.bool_]
    ) -> Symbols:
        """Questions ``(kind, a, b)`` where ``asked``, zeros elsewhere: ``(..., 3)``."""
        return make_rows(self.kind_symbol + kind, a, b, asked)

    def is_value(self, symbols: Symbols) -> NDArray[np.bool_]:
        """Which symbols are values."""
        value: NDArray[np.bool_] = (symbols > IDK) & (symbols <= self.n_values)
        return value

    # ----------------------------------------------------------------- sampling

    def sample_contexts(
        self, rng: np.random.Generator, count: int, size: int | None = None
    ) -> Contexts:
        size = self.size if size is None else check_range("size", size, 2, self.max_size)
        v, constants, batch = self.n_values, isqrt(size), np.arange(count)
        table = rng.integers(v, size=(count, v * v), dtype=np.int32)
        # Values and heights of the assignments in order: (size, count). Arguments are drawn from
        # the positions before.
        before = np.arange(constants, size, dtype=np.float32)[:, None]
        drawn = rng.random((2, size - constants, count), dtype=np.float32)
        arguments = (drawn * before).astype(np.int64)
        # Values and heights stand in one array, so that both of both arguments are taken at once.
        known = np.zeros((2, size, count), np.int64)
        known[0, :constants] = rng.integers(v, size=(constants, count), dtype=np.int32)
        value, height = known
        first, second = arguments * count + batch
        places = np.stack([first, second, first + value.size, second + value.size], axis=1)
        flat, flat_table, tables = known.reshape(-1), table.ravel(), v * v * batch
        for i, taken in enumerate(places):
            y, z, height_y, height_z = flat.take(taken)
            value[constants + i] = flat_table.take(v * y + z + tables)
            height[constants + i] = np.maximum(height_y, height_z) + 1
        entry = v * flat.take(first) + flat.take(second)

        contexts = np.zeros(count, self.context_dtype)
        chosen = v + sample_names(rng, count, size, self.max_size)
        names = rng.permuted(chosen, axis=1)
        rows = batch[:, None]
        contexts["variables"][:, :size] = chosen
        contexts["value"][rows, names] = 1 + value.T
        contexts["depth"][rows, names] = 1 + height.T
        for place, positions in enumerate(arguments):
            field = contexts["arguments"][:, place]
            field[rows, names[:, :constants]] = 1 + value[:constants].T
            field[rows, names[:, constants:]] = take(names, positions.T)
            contexts["facts"][:, :size, 1 + place] = take(field, chosen)
        contexts["facts"][:, :size, 0] = chosen
        is_constant = take(contexts["depth"], chosen) == 1
        contexts["facts"][:, :size, 2][is_constant] = 0
        # The entries of f that are needed.
        needed = np.zeros((count, v * v), bool)
        needed[rows, entry.T] = True
        a, b = np.arange(v * v) // v + 1, np.arange(v * v) % v + 1
        rules = contexts["facts"][:, self.max_size :]
        rules[..., 0], rules[..., 1], rules[..., 2] = a, b, 1 + table
        rules *= needed[..., None]
        contexts["f"][:, (v + 1) * a + b] = rules[..., 2]
        return contexts

    def sample_questions(
        self,
        rng: np.random.Generator,
        contexts: Contexts,
        count: int,
        depths: Sequence[int] | None = None,
    ) -> Symbols:
        depths = self.check_depths(depths)
        if len(depths) == self.max_depth:
            names = pick_name(rng, contexts["variables"], count)
        else:
            names = pick(rng, np.isin(contexts["depth"], depths), count)
        return self.make_questions(VALUE, names, 0, np.ones(names.shape, bool))

    # -------------------------------------------------------------------- truth

    def truth(self, contexts: Contexts, questions: Symbols) -> Symbols:
        return take(contexts["value"], questions[..., 1]).astype(np.int64)

    def depth(self, contexts: Contexts, questions: Symbols) -> Symbols:
        depths = take(contexts["depth"], questions[..., 1])
        return np.where(self.kind(questions) == VALUE, depths, 0)

    def dependencies(self, kind: int, depth: int) -> Iterable[tuple[int, int]]:
        return [(0, lower) for lower in range(depth)]

    # ------------------------------------------------------ the overseer's script

    def is_primitive(self, questions: Symbols) -> NDArray[np.bool_]:
        primitive: NDArray[np.bool_] = questions[..., 0] > self.kind_symbol + VALUE
        return primitive

    def is_well_formed(self, questions: Symbols) -> NDArray[np.bool_]:
        kind, a, b = np.moveaxis(questions, -1, 0)
        about = (a != IDK) & (a < self.kind_symbol) & (b < self.kind_symbol)
        formed: NDArray[np.bool_] = (kind >= self.kind_symbol) & about
        return formed

    def look_up(self, rng: np.random.Generator, contexts: Contexts, questions: Symbols) -> Symbols:
        kind, a, b = np.moveaxis(questions, -1, 0)
        kind = kind - self.kind_symbol
        arguments = contexts["arguments"].reshape(len(contexts), 2 * self.kind_symbol)
        argument = take(arguments, a + self.kind_symbol * (kind == SECOND))
        applies = (kind == APPLY) & self.is_value(a) & self.is_value(b)
        result = take(contexts["f"], np.where(applies, (self.n_values + 1) * a + b, 0))
        return np.where(kind == APPLY, result, argument).astype(np.int64)

    def ask(
        self,
        rng: np.random.Generator,
        round: int,
        contexts: Contexts,
        questions: Symbols,
        transcript: Transcript,
    ) -> Symbols:
        if round == 0:
            x = questions[..., 1, None]
            asked = np.broadcast_to(x != IDK, (*x.shape[:-1], 2))
            return self.make_questions(np.array([FIRST, SECOND]), x, 0, asked)
        if round == 1:
            arguments = transcript.answers[..., ARGUMENTS]
            return self.make_questions(VALUE, arguments, 0, arguments > self.n_values)
        a, b = np.moveaxis(transcript.answers[..., VALUES], -1, 0)
        return self.make_questions(APPLY, a, b, self.is_value(a) & self.is_value(b))[..., None, :]

    def answer(self, contexts: Contexts, questions: Symbols, transcript: Transcript) -> Symbols:
        first = transcript.answers[..., ARGUMENTS.start]
        return np.where(self.is_value(first), first, transcript.answers[..., RESULT])

    # ------------------------------------------------------------- what goes wrong

    def vary(self, contexts: Contexts, questions: Symbols, numbers: NDArray[np.uint64]) -> Symbols:
        # About another variable; f of other values.
        kind = self.kind(questions)
        variables = choose_name(contexts["variables"], numbers).astype(np.int64)
        values = np.uint64(self.n_values)
        a, b = (1 + (each % values).astype(np.int64) for each in (numbers, numbers // values))
        applies = kind == APPLY
        first, second = np.where(applies, a, variables), np.where(applies, b, 0)
        return self.make_questions(kind, first, second, questions[..., 0] != 0)

    def lie(self, contexts: Contexts, questions: Symbols) -> Symbols:
        value, depth = contexts["value"], contexts["depth"]
        told = np.where(value > 0, value % self.n_values + 1, 0)
        for height in range(2, int(depth.max(initial=1)) + 1):
            rows, names = np.nonzero(depth == height)
            a, b = (told[rows, contexts["arguments"][rows, place, names]] for place in (0, 1))
            found = contexts["f"][rows, (self.n_values + 1) * a + b]
            # An entry of f that is not among the facts: the overseer will not accept any answer.
            told[rows, names] = np.where(found > 0, found, told[rows, names])
        return take(told, questions[..., 1]).astype(np.int64)

    def fill_template(self, template: int, questions: Symbols, *arguments: Symbols) -> Symbols:
        a, *rest = arguments
        if self.templates[template].is_answer:
            return np.where(self.is_value(a), a, IDK)
        if template == APPLY:
            (b,) = rest
            return self.make_questions(APPLY, a, b, self.is_value(a) & self.is_value(b))
        return self.make_questions(template, a, 0, (a > self.n_values) & (a < self.kind_symbol))

    # --------------------------------------------------------------------- text

    def question_forms(self, context: Contexts) -> tuple[QuestionForm, ...]:
        names = context["variables"][context["variables"] != IDK]
        variable = make_names_menu("variable", 1, [self.symbol_text(x) for x in names], names)
        values = np.arange(1, self.n_values + 1)
        letters = [self.symbol_text(int(value)) for value in values]
        arguments = tuple(Menu("value", place, letters, values[:, None]) for place in (1, 2))
        forms = (
            ("What is the value of {0}?", VALUE, (variable,)),
            ("What is the first argument of {0}, or its value?", FIRST, (variable,)),
            ("What is the second argument of {0}, or its value?", SECOND, (variable,)),
            ("What is f({0}, {1})?", APPLY, arguments),
        )
        return tuple(
            QuestionForm(words, np.array([self.kind_symbol + kind, 0, 0]), menus)
            for words, kind, menus in forms
        )

    def symbol_text(self, symbol: int) -> str:
        """A value is a letter, a variable is x and its number."""
        if symbol > self.n_values:
            return f"x{symbol - self.n_values}"
        return "idk" if symbol == IDK else format_letters(symbol).lower()

    def rules_text(self) -> str:
        return (
            "Each variable is assigned a value, which is a letter, or f of two other variables. "
            "The values of f that are needed are listed. value(x) is the value of the variable x. "
            "The answer is a letter."
        )

    def list_assignments(self, context: Contexts) -> list[str]:
        """List the assignments in an order of evaluation, then the entries of f."""
        variables = context["variables"][context["variables"] != IDK]
        facts = context["facts"]
        order = np.argsort(context["depth"][variables], kind="stable")
        assignments = [self.fact_text(fact) for fact in facts[: len(variables)][order]]
        rules = [self.fact_text(fact) for fact in facts[self.max_size :] if fact[0]]
        return [*assignments, *rules]

    def context_text(self, context: Contexts) -> str:
        return "; ".join(self.list_assignments(context))

    def fact_text(self, fact: Symbols) -> str:
        if fact[0] == 0:
            return ""
        x, a, b = (self.symbol_text(int(symbol)) for symbol in fact)
        if fact[0] <= self.n_values:
            return f"f({x}, {a}) = {b}"
        return f"{x} := {a}" if fact[2] == 0 else f"{x} := f({a}, {b})"

    def question_text(self, question: Symbols) -> str:
        if question[0] == 0:
            return "(no question)"
        kind = question[0] - self.kind_symbol
        a, b = (self.symbol_text(int(symbol)) for symbol in question[1:])
        return f"f({a}, {b})" if kind == APPLY else f"{('value', 'first', 'second')[kind]}({a})"

    def longest_facts(self) -> Symbols:
        last, constants = self.kind_symbol - 1, isqrt(self.size)
        assigned = np.full((self.size, 3), last)
        assigned[:, 0] -= np.arange(self.size)
        assigned[:constants, 1:] = self.n_values, 0
        n_rules = min(self.size - constants, self.n_values**2)
        return np.concatenate([assigned, np.full((n_rules, 3), self.n_values)])

    def longest_questions(self) -> Symbols:
        questions = np.full((4, self.question_length), self.kind_symbol - 1)
        questions[:, 0] = self.kind_symbol + np.arange(4)
        return questions


INNER_ARGUMENTS, ALL_VALUES, NOVICE_RESULT = slice(2, 6), slice(6, 12), 12
"""Slots of the novice's transcript after ``ARGUMENTS``: the arguments of these; values of both and
of their arguments; f of the first two."""


class NoviceAssignment(Assignment):
    """Assignments, decomposed by a novice: the value of every variable it sees used, not of two."""

    subquestions_per_round = (2, 4, 6, 1)

    def ask(
        self,
        rng: np.random.Generator,
        round: int,
        contexts: Contexts,
        questions: Symbols,
        transcript: Transcript,
    ) -> Symbols:
        if round == 0:
            return super().ask(rng, round, contexts, questions, transcript)
        seen = transcript.answers[..., : INNER_ARGUMENTS.stop]
        if round == 1:
            outer = np.repeat(seen[..., ARGUMENTS], 2, axis=-1)
            kinds = np.array([FIRST, SECOND, FIRST, SECOND])
            return self.make_questions(kinds, outer, 0, outer > self.n_values)
        if round == 2:
            return self.make_questions(VALUE, seen, 0, seen > self.n_values)
        a, b = np.moveaxis(transcript.answers[..., ALL_VALUES], -1, 0)[:2]
        return self.make_questions(APPLY, a, b, self.is_value(a) & self.is_value(b))[..., None, :]

    def answer(self, contexts: Contexts, questions: Symbols, transcript: Transcript) -> Symbols:
        first = transcript.answers[..., ARGUMENTS.start]
        return np.where(self.is_value(first), first, transcript.answers[..., NOVICE_RESULT])


Assignment.novice = NoviceAssignment
