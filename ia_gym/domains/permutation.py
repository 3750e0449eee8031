"""Permutation powering: what is σ^k(x)? A domain of Christiano et al. (2018).

=============  ====================================================================
context        a permutation σ of N names out of a pool of ``max_size``
facts          the pairs (x, σ(x)), sorted by x; ``(max_size, 2)`` tokens
questions      σ^k(x): a name and k in binary, 2 ≤ k < ``max_power``; the position of
               k's leading bit is uniform, the bits after it are random
primitive      k ≤ 1
overseer       asks y = σ^⌊k/2⌋(x), then z = σ^⌊k/2⌋(y); answers z, or σ(z) if k is odd
novice         asks y = σ^(k-1)(x); answers σ(y)
depth          position of k's leading bit, 1..log2(``max_power``)
lie            σ^k without the two highest bits of k: σ^2(x) = σ^3(x) = x, and what follows
=============  ====================================================================

The paper writes a name as two base-8 digits; here a name is one token.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ia_gym.domains.batch_arrays import choose_name, pick_name, sample_names, take
from ia_gym.domains.domain import Contexts, Domain
from ia_gym.domains.question_forms import Menu, QuestionForm, make_names_menu
from ia_gym.domains.templates import Template
from ia_gym.domains.transcript import IDK, Symbols, Transcript
from ia_gym.validation import check_range

MAX_POWER_LIMIT = 2**16
"""Largest ``max_power``: a row is kept for each power."""


class Permutation(Domain):
    """Powers of a permutation.

    Symbols: 0 ``idk``; 1..``max_size`` names; then "bit 0", "bit 1" and the kind "power".
    A question is ``(kind, x, bits of k from the highest to the lowest)``.

    Args:
        size: names in a context, 2..``max_size``.
        max_size: names in the pool; default ``size``.
        max_power: the powers in questions are below it, 3..65536; default ``max_size``, at least 4.

    Raises:
        ValueError: for a value out of range.
    """

    name = "Permutation"
    small_kwargs = {"max_power": 8}  # noqa: RUF012 (declared as a mapping)
    kinds = ("power",)
    subquestions_per_round = (1, 1, 1)
    templates = (
        Template("σ({})"),
        Template("σ^⌊k/2⌋({})"),
        Template("σ^⌈k/2⌉({})"),
        Template("σ^(k-1)({})"),
        Template("σ^(k-2)({})"),
        Template("{}", is_answer=True),
    )
    argument_places = (1,)

    def __init__(
        self, size: int = 8, max_size: int | None = None, max_power: int | None = None
    ) -> None:
        super().__init__(size, max_size)
        if max_power is None:
            max_power = max(self.max_size, 4)
        self.max_power = check_range("max_power", max_power, 3, MAX_POWER_LIMIT)
        self.n_bits = (self.max_power - 1).bit_length()
        self.bit_values = 1 << np.arange(self.n_bits)[::-1]  # highest first, as in a question
        self.max_depth = self.n_bits - 1
        self.fact_shape = (self.max_size, 2)
        self.question_length = 2 + self.n_bits
        self.n_answers = 1 + self.max_size
        self.bit_symbol = self.n_answers
        self.kind_symbol = self.bit_symbol + 2
        self.n_symbols = self.kind_symbol + 1
        self.interchangeable = (range(1, self.n_answers),)
        # The question for each power, without its name yet; zeros come last.
        powers = np.arange(2**self.n_bits)[:, None]
        self.rows = np.zeros((len(powers) + 1, self.question_length), np.int64)
        self.rows[:-1, 0] = self.kind_symbol
        self.rows[:-1, 2:] = self.bit_symbol + ((powers & self.bit_values) != 0)
        by_name = (np.int16, (self.n_answers,))
        self.context_dtype = np.dtype(
            [
                ("facts", np.int64, self.fact_shape),
                ("image", *by_name),
                # The names, cycle after cycle; then, of each name, the place where its cycle
                # begins, its own place after that, and how long the cycle is.
                ("cycles", *by_name),
                ("begin", *by_name),
                ("place", *by_name),
                ("length", *by_name),
            ],
            align=True,
        )

    # ---------------------------------------------------------------- questions

    def make_questions(self, names: Symbols, powers: Symbols) -> Symbols:
        """Questions for σ^power(name): ``(..., Lq)``; zeros where the name is ``IDK``."""
        rows = self.rows.take(np.where(names == IDK, -1, powers), axis=0)
        rows[..., 1] = names
        return rows

    def parse_questions(self, questions: Symbols) -> tuple[Symbols, Symbols]:
        """Name and power of each question: two arrays of the batch's shape; 0, 0 for zeros."""
        powers = questions[..., 2:] @ self.bit_values - self.bit_symbol * (2**self.n_bits - 1)
        return questions[..., 1], np.maximum(powers, 0)

    # ----------------------------------------------------------------- sampling

    def sample_contexts(
        self, rng: np.random.Generator, count: int, size: int | None = None
    ) -> Contexts:
        size = self.size if size is None else check_range("size", size, 2, self.max_size)
        names = sample_names(rng, count, size, self.max_size)
        # A random row of names is a random permutation, written cycle after cycle, if each name
        # larger than all before it begins a cycle (Foata's correspondence).
        cycles = rng.permuted(names, axis=1)
        begins = cycles == np.maximum.accumulate(cycles, axis=1)
        ends = np.concatenate([begins[:, 1:], begins[:, :1]], axis=1)
        places = np.arange(size)
        begin = np.maximum.accumulate(np.where(begins, places, 0), axis=1)
        end = np.minimum.accumulate(np.where(ends, places, size)[:, ::-1], axis=1)[:, ::-1]
        images = take(cycles, np.where(ends, begin, places + 1))

        contexts = np.zeros(count, self.context_dtype)
        contexts["cycles"][:, :size] = cycles
        contexts["begin"] = self.max_size  # of a name not in the context: where idk stands, alone
        contexts["length"] = 1
        rows = np.arange(count)[:, None]
        for field, values in (
            ("image", images),
            ("begin", begin),
            ("place", places - begin),
            ("length", end - begin + 1),
        ):
            contexts[field][rows, cycles] = values
        contexts["facts"][:, :size, 0] = names
        contexts["facts"][:, :size, 1] = take(contexts["image"], names)
        return contexts

    def sample_questions(
        self,
        rng: np.random.Generator,
        contexts: Contexts,
        count: int,
        depths: Sequence[int] | None = None,
    ) -> Symbols:
        shape = (len(contexts), count)
        names = pick_name(rng, contexts["facts"][:, :, 0], count)
        allowed = np.asarray(self.check_depths(depths))
        leading = 1 << allowed[rng.integers(len(allowed), size=shape)]
        below = np.minimum(leading, self.max_power - leading)  # how many k have this leading bit
        powers = leading + (rng.random(shape) * below).astype(np.int64)
        return self.make_questions(names, powers)

    # -------------------------------------------------------------------- truth

    def truth(self, contexts: Contexts, questions: Symbols) -> Symbols:
        return self.apply_power(contexts, *self.parse_questions(questions))

    def apply_power(self, contexts: Contexts, names: Symbols, powers: Symbols) -> Symbols:
        """σ^power(name), arrays of one shape; ``IDK`` for a name that is not in the context."""
        begin, place, length = (take(contexts[f], names) for f in ("begin", "place", "length"))
        return take(contexts["cycles"], begin + (place + powers) % length).astype(np.int64)

    def depth(self, contexts: Contexts, questions: Symbols) -> Symbols:
        _, powers = self.parse_questions(questions)
        _, exponents = np.frexp(powers)  # powers = mantissa · 2**exponent, mantissa in [0.5, 1)
        return np.maximum(exponents.astype(np.int64) - 1, 0)

    def dependencies(self, kind: int, depth: int) -> Iterable[tuple[int, int]]:
        return [(0, depth - 1)]

    # ------------------------------------------------------ the overseer's script

    def is_primitive(self, questions: Symbols) -> NDArray[np.bool_]:
        _, powers = self.parse_questions(questions)
        primitive: NDArray[np.bool_] = powers <= 1
        return primitive

    def is_well_formed(self, questions: Symbols) -> NDArray[np.bool_]:
        name, bits = questions[..., 1], questions[..., 2:] - self.bit_symbol
        named = (name != IDK) & (name < self.n_answers)
        in_bits = np.all((bits == 0) | (bits == 1), axis=-1)
        formed: NDArray[np.bool_] = (questions[..., 0] == self.kind_symbol) & named & in_bits
        return formed

    def look_up(self, rng: np.random.Generator, contexts: Contexts, questions: Symbols) -> Symbols:
        names, powers = self.parse_questions(questions)
        images = take(contexts["image"], names).astype(np.int64)
        return np.where((powers == 1) | (images == IDK), images, names)

    def ask(
        self,
        rng: np.random.Generator,
        round: int,
        contexts: Contexts,
        questions: Symbols,
        transcript: Transcript,
    ) -> Symbols:
        x, k = self.parse_questions(questions)
        y, z, _ = np.moveaxis(transcript.answers, -1, 0)
        if round == 0:
            asked = self.make_questions(x, k // 2)
        elif round == 1:
            asked = self.make_questions(y, k // 2)
        else:
            asked = self.make_questions(np.where(k % 2, z, IDK), np.ones_like(k))
        return asked[..., None, :]

    def answer(self, contexts: Contexts, questions: Symbols, transcript: Transcript) -> Symbols:
        _, k = self.parse_questions(questions)
        return np.where(k % 2, transcript.answers[..., 2], transcript.answers[..., 1])

    # ------------------------------------------------------------- what goes wrong

    def vary(self, contexts: Contexts, questions: Symbols, numbers: NDArray[np.uint64]) -> Symbols:
        # The same power of another name.
        varied = questions.copy()
        names = choose_name(contexts["facts"][:, :, 0], numbers)
        varied[..., 1] = np.where(questions[..., 0] != 0, names, 0)
        return varied

    def lie(self, contexts: Contexts, questions: Symbols) -> Symbols:
        # f_k with f_2 = f_3 = identity and f_(2k + b) = σ^b ∘ f_k ∘ f_k: as if k had no other bits
        # than those after its two highest.
        names, powers = self.parse_questions(questions)
        low = np.maximum(self.depth(contexts, questions) - 1, 0)
        return self.apply_power(contexts, names, powers & ((1 << low) - 1))

    def fill_template(self, template: int, questions: Symbols, *arguments: Symbols) -> Symbols:
        (name,) = arguments
        _, k = self.parse_questions(questions)
        name = np.where(name < self.n_answers, name, IDK)
        if self.templates[template].is_answer:
            return name
        power = (np.ones_like(k), k // 2, (k + 1) // 2, k - 1, k - 2)[template]
        return self.make_questions(np.where(power > 0, name, IDK), power)

    # --------------------------------------------------------------------- text

    def rules_text(self) -> str:
        return (
            "σ is a permutation of names, which are numbers. σ^k(x) is the name that x becomes if "
            "σ is applied k times. The answer is a name."
        )

    def question_forms(self, context: Contexts) -> tuple[QuestionForm, ...]:
        names = context["facts"][:, 0][context["facts"][:, 0] != IDK]
        name = make_names_menu("name", 1, [self.symbol_text(x) for x in names], names)
        texts = [str(power) for power in range(self.max_power)]
        power = Menu("power", 2, texts, self.rows[: self.max_power, 2:])
        words = "Start at {0} and follow {1} arrows: where do you end?"
        return (QuestionForm(words, self.rows[0], (name, power)),)

    def context_text(self, context: Contexts) -> str:
        cycles = " ".join(
            "(" + " ".join(map(str, cycle)) + ")" for cycle in self.find_cycles(context)
        )
        return f"σ = {cycles}"

    def fact_text(self, fact: Symbols) -> str:
        return f"σ({fact[0]}) = {fact[1]}" if fact[0] != IDK else ""

    def question_text(self, question: Symbols) -> str:
        if question[0] == 0:
            return "(no question)"
        name, power = self.parse_questions(question)
        return f"σ^{power}({name})"

    def longest_facts(self) -> Symbols:
        names = np.arange(self.max_size - self.size, self.max_size) + 1
        return np.stack([names, names], axis=1)

    def longest_questions(self) -> Symbols:
        return self.make_questions(np.array([self.max_size]), np.array([2**self.n_bits - 1]))

    def find_cycles(self, context: Contexts) -> list[list[int]]:
        """The cycles of the permutation of one context (shape ``()``), longest first."""
        image = context["image"]
        left = set(np.flatnonzero(image).tolist())
        cycles = []
        while left:
            cycle = [min(left)]
            while image[cycle[-1]] != cycle[0]:
                cycle.append(int(image[cycle[-1]]))
            left.difference_update(cycle)
            cycles.append(cycle)
        return sorted(cycles, key=len, reverse=True)


class NovicePermutation(Permutation):
    """Powers of a permutation, decomposed by a novice: all steps but one, then that one.

    Decomposed in turn, a question leads to a chain of k - 1 questions instead of a tree of the
    depth log2 k. The third round is the novice's to fill, as it is the script's; it leaves it
    empty.
    """

    def ask(
        self,
        rng: np.random.Generator,
        round: int,
        contexts: Contexts,
        questions: Symbols,
        transcript: Transcript,
    ) -> Symbols:
        x, k = self.parse_questions(questions)
        if round == 0:
            asked = self.make_questions(x, k - 1)
        elif round == 1:
            asked = self.make_questions(transcript.answers[..., 0], np.ones_like(k))
        else:
            asked = np.zeros_like(questions)
        return asked[..., None, :]

    def answer(self, contexts: Contexts, questions: Symbols, transcript: Transcript) -> Symbols:
        return transcript.answers[..., 1]


Permutation.novice = NovicePermutation
