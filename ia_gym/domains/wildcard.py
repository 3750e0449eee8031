"""Sums over wildcards: what does f add up to over a pattern? After Christiano et al. (2018).

=============  ====================================================================
context        f: {0,1}^b → {-1, 0, 1} with N values other than 0, each 1 or -1 at random;
               2^b ≥ ``max_size``
facts          the points where f is not 0, with its value; ``(max_size, b + 1)`` tokens
questions      Σ f over all points that match a pattern such as 0**1*0. The number of
               wildcards is uniform in 1..b; their places and the other bits are random
primitive      a pattern without a wildcard
overseer       replaces the first wildcard by 0 and by 1, asks for both sums, adds them
novice         replaces the last wildcard by 0 and by 1, asks for both sums and, without need,
               for the sum with the first wildcard replaced by 0; adds the first two
depth          number of wildcards, 1..b
lie            every sum with its sign turned around
=============  ====================================================================

Every sum is clipped at ±⌈``max_size`` / 2⌉, those of the two halves before they are added. If
``max_size`` is a power of two, no half can pass the bound, and the answer is the clipped total;
otherwise the truth depends on this order of adding.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ia_gym.domains.batch_arrays import sample_names, take
from ia_gym.domains.domain import Contexts, Domain
from ia_gym.domains.question_forms import Menu, QuestionForm
from ia_gym.domains.templates import Template
from ia_gym.domains.transcript import IDK, Symbols, Transcript
from ia_gym.validation import check_range


class Wildcard(Domain):
    """Sums of a function over patterns with wildcards.

    Symbols: 0 ``idk``; the sums -bound..bound; then "bit 0", "bit 1", "*" and the kind "sum". A
    question is ``(kind, b tokens of the pattern)``. Patterns are numbered in base 3, "*" being 2.

    Args:
        size: points where f is not 0, 2..``max_size``.
        max_size: the most points where f is not 0; default ``size``.

    Raises:
        ValueError: for a value out of range.
    """

    name = "Wildcard"
    kinds = ("sum",)
    subquestions_per_round = (2,)
    templates = (
        Template("first * → 0"),
        Template("first * → 1"),
        Template("last * → 0"),
        Template("last * → 1"),
        Template("{}", is_answer=True),
        Template("{} + {}", is_answer=True),
    )

    def __init__(self, size: int = 8, max_size: int | None = None) -> None:
        super().__init__(size, max_size)
        self.n_bits = b = (self.max_size - 1).bit_length()
        self.bound = (self.max_size + 1) // 2
        self.max_depth = b
        self.fact_shape = (self.max_size, b + 1)
        self.question_length = b + 1
        self.n_answers = 2 * self.bound + 2
        self.zero_symbol = self.bound + 1
        self.bit_symbol = self.n_answers
        self.kind_symbol = self.bit_symbol + 3
        self.n_symbols = self.kind_symbol + 1
        self.weights = 3 ** np.arange(b)[::-1]  # of the tokens of a pattern, first to last
        patterns = np.arange(3**b)[:, None] // self.weights % 3
        self.rows = np.empty((3**b, b + 1), np.int64)  # the question for each pattern
        self.rows[:, 0] = self.kind_symbol
        self.rows[:, 1:] = self.bit_symbol + patterns
        self.wildcards = np.count_nonzero(patterns == 2, axis=1)
        # The two halves of each pattern, by its first wildcard and by its last; a pattern without
        # a wildcard is its own.
        first, last = (patterns == 2).argmax(axis=1), (patterns[:, ::-1] == 2).argmax(axis=1)
        self.halves, self.last_halves = (
            np.arange(3**b)[:, None] - np.outer(self.weights[at] * (self.wildcards > 0), [2, 1])
            for at in (first, b - 1 - last)
        )
        # Sets of b places in order of their size, as the pattern with 1 in those places.
        subsets = np.arange(2**b)[:, None] >> np.arange(b)[::-1] & 1
        self.subset_patterns = subsets @ self.weights
        self.subsets = np.argsort(subsets.sum(axis=1), kind="stable")
        self.subsets_below = np.searchsorted(np.sort(subsets.sum(axis=1)), np.arange(b + 2))
        self.context_dtype = np.dtype(
            [
                ("facts", np.int64, self.fact_shape),
                ("sums", np.int16, (3**b,)),  # over each pattern
            ],
            align=True,
        )

    # ---------------------------------------------------------------- questions

    def parse_questions(self, questions: Symbols) -> Symbols:
        """The pattern that each question asks about; arbitrary for a row that is no question."""
        offset = self.bit_symbol * int(self.weights.sum())
        patterns: Symbols = np.maximum(questions[..., 1:] @ self.weights - offset, 0)
        return patterns

    # ----------------------------------------------------------------- sampling

    def sample_contexts(
        self, rng: np.random.Generator, count: int, size: int | None = None
    ) -> Contexts:
        size = self.size if size is None else check_range("size", size, 2, self.max_size)
        points = sample_names(rng, count, size, 2**self.n_bits) - 1
        values = rng.integers(2, size=(count, size), dtype=np.int16) * np.int16(2) - np.int16(1)
        contexts = np.zeros(count, self.context_dtype)
        bits = points[..., None] >> np.arange(self.n_bits)[::-1] & 1
        contexts["facts"][:, :size, :-1] = self.bit_symbol + bits
        contexts["facts"][:, :size, -1] = self.zero_symbol + values
        f = np.zeros((count, 2**self.n_bits), np.int16)
        np.put_along_axis(f, points, values, axis=1)
        # "*" joins 0 and 1 in one place after another, the last place first.
        sums = f.reshape(count, *[2] * self.n_bits)
        for place in range(self.n_bits, 0, -1):
            zeros, ones = np.split(sums, 2, axis=place)
            both = np.clip(zeros + ones, -self.bound, self.bound)
            sums = np.concatenate([sums, both], axis=place)
        contexts["sums"] = sums.reshape(count, -1)
        return contexts

    def sample_questions(
        self,
        rng: np.random.Generator,
        contexts: Contexts,
        count: int,
        depths: Sequence[int] | None = None,
    ) -> Symbols:
        shape = (len(contexts), count)
        allowed = np.asarray(self.check_depths(depths))
        first = self.subsets_below[allowed]
        sets = self.subsets_below[allowed + 1] - first
        depth = rng.integers(len(allowed), size=shape, dtype=np.int32)
        drawn = rng.random(shape, dtype=np.float32) * sets.astype(np.float32)[depth]
        stars = self.subsets[first[depth] + drawn.astype(np.int64)]
        ones = rng.integers(2**self.n_bits, size=shape, dtype=np.int32) & ~stars
        patterns = 2 * self.subset_patterns[stars] + self.subset_patterns[ones]
        questions: Symbols = self.rows.take(patterns, axis=0)
        return questions

    # -------------------------------------------------------------------- truth

    def sum_pattern(self, contexts: Contexts, questions: Symbols) -> Symbols:
        """Σ f over the pattern of each question, as a symbol."""
        return self.zero_symbol + take(contexts["sums"], self.parse_questions(questions)).astype(
            np.int64
        )

    def truth(self, contexts: Contexts, questions: Symbols) -> Symbols:
        return self.sum_pattern(contexts, questions)

    def depth(self, contexts: Contexts, questions: Symbols) -> Symbols:
        depths: Symbols = self.wildcards[self.parse_questions(questions)]
        return depths

    def dependencies(self, kind: int, depth: int) -> Iterable[tuple[int, int]]:
        return [(0, depth - 1)]

    # ------------------------------------------------------ the overseer's script

    def is_primitive(self, questions: Symbols) -> NDArray[np.bool_]:
        primitive: NDArray[np.bool_] = self.wildcards[self.parse_questions(questions)] == 0
        return primitive

    def is_well_formed(self, questions: Symbols) -> NDArray[np.bool_]:
        tokens = questions[..., 1:] - self.bit_symbol
        in_pattern = np.all((tokens >= 0) & (tokens <= 2), axis=-1)
        formed: NDArray[np.bool_] = (questions[..., 0] == self.kind_symbol) & in_pattern
        return formed

    def look_up(self, rng: np.random.Generator, contexts: Contexts, questions: Symbols) -> Symbols:
        return self.sum_pattern(contexts, questions)

    def ask(
        self,
        rng: np.random.Generator,
        round: int,
        contexts: Contexts,
        questions: Symbols,
        transcript: Transcript,
    ) -> Symbols:
        asked: Symbols = self.rows.take(self.halves[self.parse_questions(questions)], axis=0)
        asked *= (questions[..., 0] != 0)[..., None, None]
        return asked

    def answer(self, contexts: Contexts, questions: Symbols, transcript: Transcript) -> Symbols:
        known = (transcript.answers != IDK).all(axis=-1)
        total = (transcript.answers - self.zero_symbol).sum(axis=-1)
        clipped = np.clip(total, -self.bound, self.bound)
        return np.where(known, self.zero_symbol + clipped, IDK)

    def error(
        self, contexts: Contexts, questions: Symbols, transcript: Transcript, answers: Symbols
    ) -> NDArray[np.float64]:
        own = self.answer(contexts, questions, transcript)
        known = (own != IDK) & (answers != IDK)
        return np.where(known, np.abs(own - answers), np.inf)

    # ------------------------------------------------------------- what goes wrong

    def vary(self, contexts: Contexts, questions: Symbols, numbers: NDArray[np.uint64]) -> Symbols:
        # Other bits between the same wildcards.
        tokens = questions[..., 1:]
        bits = numbers[..., None] >> np.arange(self.n_bits, dtype=np.uint64) & np.uint64(1)
        is_bit = (tokens == self.bit_symbol) | (tokens == self.bit_symbol + 1)
        varied = questions.copy()
        varied[..., 1:] = np.where(is_bit, self.bit_symbol + bits.astype(np.int64), tokens)
        return varied

    def lie(self, contexts: Contexts, questions: Symbols) -> Symbols:
        return 2 * self.zero_symbol - self.sum_pattern(contexts, questions)

    def fill_template(self, template: int, questions: Symbols, *arguments: Symbols) -> Symbols:
        if self.templates[template].is_answer:
            known = np.all([(a > IDK) & (a < self.n_answers) for a in arguments], axis=0)
            total = np.sum([a - self.zero_symbol for a in arguments], axis=0)
            clipped = np.clip(total, -self.bound, self.bound)
            return np.where(known, self.zero_symbol + clipped, IDK)
        halves = (self.halves, self.last_halves)[template // 2][:, template % 2]
        parts = halves[self.parse_questions(questions)]
        filled: Symbols = self.rows.take(parts, axis=0) * (questions[..., :1] != 0)
        return filled

    # --------------------------------------------------------------------- text

    def rules_text(self) -> str:
        return (
            f"f is 1, -1 or 0 at each string of {self.n_bits} bits; where it is not listed it is "
            "0. Σf(p) is the sum of f over all strings that match the pattern p, in which * stands "
            "for either bit. The first * is replaced by 0 and by 1, and both sums are added; every "
            f"sum beyond {self.bound} or -{self.bound} counts as that number. The answer is a "
            "number."
        )

    def question_forms(self, context: Contexts) -> tuple[QuestionForm, ...]:
        tokens = self.bit_symbol + np.arange(3)[:, None]
        menus = tuple(
            Menu(f"place {place + 1}", 1 + place, ("0", "1", "*"), tokens)
            for place in range(self.n_bits)
        )
        pattern = "".join(f"{{{place}}}" for place in range(self.n_bits))
        words = f"What does f add up to over the pattern {pattern}?"
        return (QuestionForm(words, self.rows[0], menus),)

    def fact_text(self, fact: Symbols) -> str:
        if fact[0] == 0:
            return ""
        bits = "".join(map(str, fact[:-1] - self.bit_symbol))
        return f"f({bits}) = {fact[-1] - self.zero_symbol:+d}"

    def question_text(self, question: Symbols) -> str:
        if question[0] == 0:
            return "(no question)"
        return "Σf(" + "".join("01*"[token] for token in question[1:] - self.bit_symbol) + ")"

    def answer_text(self, answer: int) -> str:
        return "idk" if answer == IDK else str(answer - self.zero_symbol)

    def longest_facts(self) -> Symbols:
        facts = np.full((self.size, self.n_bits + 1), self.bit_symbol)
        facts[:, -1] = self.zero_symbol + 1
        facts[0, -1] = self.zero_symbol - 1
        return facts

    def longest_questions(self) -> Symbols:
        return self.rows[-1:]


class NoviceWildcard(Wildcard):
    """Sums over wildcards, decomposed by a novice: the last wildcard, and a useless question.

    If ``max_size`` is no power of two, its sums may be clipped otherwise than the truth's, which
    depends on the order of adding.
    """

    subquestions_per_round = (3,)

    def __init__(self, size: int = 8, max_size: int | None = None) -> None:
        super().__init__(size, max_size)
        self.parts = np.concatenate([self.last_halves, self.halves[:, :1]], axis=1)

    def ask(
        self,
        rng: np.random.Generator,
        round: int,
        contexts: Contexts,
        questions: Symbols,
        transcript: Transcript,
    ) -> Symbols:
        asked: Symbols = self.rows.take(self.parts[self.parse_questions(questions)], axis=0)
        asked *= (questions[..., 0] != 0)[..., None, None]
        return asked

    def answer(self, contexts: Contexts, questions: Symbols, transcript: Transcript) -> Symbols:
        needed = Transcript(transcript.questions[..., :2, :], transcript.answers[..., :2])
        return super().answer(contexts, questions, needed)


Wildcard.novice = NoviceWildcard
