"""What a domain is: contexts, questions, and how the overseer takes a question apart.

A domain is written over batches, without a loop over questions. Arrays carry the axes
``(B, Q)``: ``B`` contexts, ``Q`` questions about each. It knows nothing of environments,
networks or rewards; one subclass of :class:`Domain` in one file says all there is to a domain.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from functools import cached_property
from textwrap import fill
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from ia_gym.domains.transcript import IDK, Symbols, Transcript
from ia_gym.validation import check_range

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Contexts = NDArray[np.void]
"""A batch of contexts: a NumPy structured array of shape ``(B,)``.

Its field ``facts`` (int64, ``(F, L)`` a context) is what an agent sees; the other fields are the
domain's own, for looking things up and for the truth."""

MAX_SIZE_LIMIT = 1024

RARE = 0.01
"""Depths of a kind with less than this share of the root questions join the class below."""


class Domain(ABC):
    """A family of contexts and questions, with H's way of answering them.

    Symbols are numbered from 0: ``idk``, then the symbols that can be answers, then those that
    only stand in facts and questions. Token 0 of a question is its kind; 0 there means that the
    row is no question. The kinds of root questions are numbered from ``kind_symbol`` on.

    H asks in rounds. The first rounds, of ``subquestions_per_round`` sub-questions, are those H needs for an answer
    of its own; then come those of ``judge_subquestions_per_round``, which only the judge of another's answer needs.

    Args:
        size: names in a context (the paper's N), 2..``max_size``.
        max_size: names in the pool that contexts draw from; default ``size``. Facts are padded
            with rows of zeros to ``max_size`` names, so that spaces do not depend on ``size``.

    Attributes:
        name: of the domain, part of its environments' ids.
        base_size: names in a context of the environment ``IA-<name>-v0``.
        kinds: names of the kinds of root questions.
        kind_symbol: symbol of the first of them; the others follow.
        subquestions_per_round: how many sub-questions H may ask in each round, on the way to its own answer.
        judge_subquestions_per_round: the same for the rounds after these, which only the judge needs.
        fact_shape: ``(F, L)``, rows and tokens a row.
        question_length: ``Lq``, tokens a question.
        n_answers: symbols ``0..n_answers-1`` can be answers.
        n_symbols: symbols in all.
        max_depth: depth of the hardest question.
        trivial_depths: depths whose questions do not hold a curriculum up, since answering them
            says little about the others.
        inconclusive: answers that tell only that nothing was found; taken apart further, such a
            question may turn out to have another.
    """

    name: ClassVar[str]
    base_size: ClassVar[int] = 8
    kinds: ClassVar[tuple[str, ...]]
    kind_symbol: int
    subquestions_per_round: tuple[int, ...]
    judge_subquestions_per_round: tuple[int, ...] = ()
    fact_shape: tuple[int, int]
    question_length: int
    n_answers: int
    n_symbols: int
    max_depth: int
    trivial_depths: tuple[int, ...] = ()
    inconclusive: tuple[int, ...] = (IDK,)

    def __init__(self, size: int, max_size: int | None = None) -> None:
        if max_size is None:
            self.size = self.max_size = check_range("size", size, 2, MAX_SIZE_LIMIT)
        else:
            self.max_size = check_range("max_size", max_size, 2, MAX_SIZE_LIMIT)
            try:
                self.size = check_range("size", size, 2, self.max_size)
            except ValueError as error:
                raise ValueError(f"{error} (max_size is {self.max_size})") from None

    # ---------------------------------------------------------------- sampling

    @abstractmethod
    def sample_contexts(
        self, rng: np.random.Generator, count: int, size: int | None = None
    ) -> Contexts:
        """Draw ``count`` contexts of ``size`` names (default ``self.size``): shape ``(count,)``."""

    @abstractmethod
    def sample_questions(
        self,
        rng: np.random.Generator,
        contexts: Contexts,
        count: int,
        depths: Sequence[int] | None = None,
    ) -> Symbols:
        """Draw ``count`` root questions about each context: ``(B, count, Lq)``.

        Args:
            rng: where all randomness comes from.
            contexts: ``(B,)``.
            count: questions a context.
            depths: draw only questions of these depths (1..``max_depth``); default all. The
                distribution is that of the domain, conditional on the depth.

        Raises:
            ValueError: if a context has no question of these depths.
        """

    def check_depths(self, depths: Sequence[int] | None) -> Sequence[int]:
        """``depths`` in order, each once; all of them for None.

        Raises:
            ValueError: if there are none, or one lies outside 1..``max_depth``.
        """
        if depths is None:
            return range(1, self.max_depth + 1)
        if len(depths) == 0 or min(depths) < 1 or max(depths) > self.max_depth:
            raise ValueError(
                f"depths must be some of 1..{self.max_depth} for {self!r}, got {list(depths)}"
            )
        return sorted(set(depths))

    # ------------------------------------------------------------------- truth

    @abstractmethod
    def truth(self, contexts: Contexts, questions: Symbols) -> Symbols:
        """A right answer to each question, ``(B, Q)``; ``IDK`` where there is none."""

    def is_correct(
        self, contexts: Contexts, questions: Symbols, answers: Symbols
    ) -> NDArray[np.bool_]:
        """Whether each answer is right, ``(B, Q)``. For measuring only; ``IDK`` never is."""
        right: NDArray[np.bool_] = (answers == self.truth(contexts, questions)) & (answers != IDK)
        return right

    @abstractmethod
    def depth(self, contexts: Contexts, questions: Symbols) -> Symbols:
        """How hard each question is, ``(B, Q)``; 0 for a primitive one."""

    @abstractmethod
    def dependencies(self, kind: int, depth: int) -> Iterable[tuple[int, int]]:
        """What an answer to a question of this kind and depth rests on: kinds and depths.

        A depth of 0 stands for primitive questions. Depths beyond those that occur do no harm.
        """

    # -------------------------------------------------------------- H's script

    @abstractmethod
    def is_primitive(self, questions: Symbols) -> NDArray[np.bool_]:
        """Which questions H answers itself, by looking at the context; shape of the batch."""

    def is_well_formed(self, questions: Symbols) -> NDArray[np.bool_]:
        """Which rows of tokens (any in ``0..n_symbols-1``) are questions; shape of the batch.

        Only these are put to anyone by an overseer that has learned to ask.
        """
        formed: NDArray[np.bool_] = questions[..., 0] >= self.kind_symbol
        return formed

    @abstractmethod
    def look_up(self, rng: np.random.Generator, contexts: Contexts, questions: Symbols) -> Symbols:
        """Answers to primitive questions, ``(B, Q)``; arbitrary where a question is not one."""

    @abstractmethod
    def ask(
        self,
        rng: np.random.Generator,
        round: int,
        contexts: Contexts,
        questions: Symbols,
        transcript: Transcript,
    ) -> Symbols:
        """The sub-questions of one round, ``(B, Q, width, Lq)``.

        Args:
            rng: for an order or a choice of H's own.
            round: 0 is the first; those of ``judge_subquestions_per_round`` come last.
            contexts: ``(B,)``.
            questions: ``(B, Q, Lq)``, none of them primitive.
            transcript: ``(B, Q)``, with all earlier rounds answered.

        Returns:
            The sub-questions; a row of zeros where nothing need be asked.
        """

    @abstractmethod
    def answer(self, contexts: Contexts, questions: Symbols, transcript: Transcript) -> Symbols:
        """H's own answer, ``(B, Q)``, once the rounds of ``subquestions_per_round`` are answered."""

    def error(
        self, contexts: Contexts, questions: Symbols, transcript: Transcript, answers: Symbols
    ) -> NDArray[np.float64]:
        """How far off H finds each answer, ``(B, Q)``: 0 if right, infinite if wrong altogether.

        All rounds are answered, those of ``judge_subquestions_per_round`` too. By default an answer is right if it
        is H's own, the combination of the sub-answers; ``IDK`` is always wrong.
        """
        right = (answers == self.answer(contexts, questions, transcript)) & (answers != IDK)
        return np.where(right, 0.0, np.inf)

    # ----------------------------------------------------------- for the reader

    def answer_mask(self, questions: Symbols) -> NDArray[np.bool_]:
        """Which answers are of the kind asked for, ``(B, Q, n_answers)``; ``IDK`` always is."""
        return np.ones((*questions.shape[:-1], self.n_answers), bool)

    def symbol_text(self, symbol: int) -> str:
        """A symbol as text; by default its number."""
        return "idk" if symbol == IDK else str(symbol)

    def answer_text(self, answer: int) -> str:
        """One answer symbol as text."""
        return self.symbol_text(answer)

    def fact_text(self, fact: Symbols) -> str:
        """One fact row ``(L,)`` as text; empty for padding."""
        return " ".join(self.symbol_text(int(symbol)) for symbol in fact) if fact[0] else ""

    def question_text(self, question: Symbols) -> str:
        """One question row ``(Lq,)`` as text."""
        return " ".join(self.symbol_text(int(symbol)) for symbol in question)

    def context_text(self, context: Contexts) -> str:
        """One context (shape ``()``) as a line or a few lines of text; by default its facts."""
        return "  ".join(text for text in map(self.fact_text, context["facts"]) if text)

    def draw(self, context: Contexts, axes: Axes) -> None:
        """Draw one context (shape ``()``) on matplotlib ``axes``; by default its text."""
        axes.text(0, 1, fill(self.context_text(context), 76), va="top", family="monospace")
        axes.axis("off")

    # -------------------------------------------------------------- derived

    @cached_property
    def round_slots(self) -> tuple[slice, ...]:
        """The slots of each round, the judge's included."""
        subquestions_per_round = self.subquestions_per_round + self.judge_subquestions_per_round
        ends = np.cumsum(subquestions_per_round).tolist()
        return tuple(
            slice(end - width, end) for end, width in zip(ends, subquestions_per_round, strict=True)
        )

    @property
    def n_slots(self) -> int:
        """Sub-questions H may ask about one question, all rounds together."""
        return sum(self.subquestions_per_round) + sum(self.judge_subquestions_per_round)

    def depth_text(self, depth: int) -> str:
        """A depth as text."""
        return str(depth)

    def kind(self, questions: Symbols) -> Symbols:
        """The kind of each root question, ``(B, Q)``: an index into ``kinds``."""
        return questions[..., 0] - self.kind_symbol

    @property
    def n_classes(self) -> int:
        """Classes of questions: one a kind and depth, and 0 for primitive questions."""
        return 1 + len(self.kinds) * self.max_depth

    def classes(self, contexts: Contexts, questions: Symbols) -> Symbols:
        """The class of each question, ``(B, Q)``."""
        depth = self.depth(contexts, questions)
        return np.where(depth > 0, self.kind(questions) * self.max_depth + depth, 0)

    @cached_property
    def depends_on(self) -> NDArray[np.bool_]:
        """``(n_classes, n_classes)``: ``[c, d]`` is true if answers of class c rest on class d."""
        rests = np.zeros((self.n_classes, self.n_classes), bool)
        for kind in range(len(self.kinds)):
            for depth in range(1, self.max_depth + 1):
                for other, lower in self.dependencies(kind, depth):
                    below = other * self.max_depth + lower if lower else 0
                    rests[kind * self.max_depth + depth, below] = True
        return rests

    @cached_property
    def merged_into(self) -> Symbols:
        """For each class the one it is trusted and reported with, ``(n_classes,)``.

        That is itself, or, if it holds less than ``RARE`` of the root questions (by a fixed
        sample), the next lower depth of its kind that holds more.
        """
        rng = np.random.default_rng(0)
        contexts = self.sample_contexts(rng, 128)
        classes = self.classes(contexts, self.sample_questions(rng, contexts, 128))
        common = np.bincount(classes.ravel(), minlength=self.n_classes) >= RARE * classes.size
        common[0] = True
        common[1 :: self.max_depth] = True
        leaders: Symbols = np.maximum.accumulate(np.where(common, np.arange(self.n_classes), 0))
        return leaders

    def class_name(self, cls: int) -> str:
        """The kind (if there are several) and depths of a class and of all it goes with."""
        cls = int(self.merged_into[cls])
        if cls == 0:
            return "primitive"
        kind, depth = divmod(cls - 1, self.max_depth)
        deepest = np.flatnonzero(self.merged_into == cls)[-1] - kind * self.max_depth
        texts = dict.fromkeys([self.depth_text(depth + 1), self.depth_text(int(deepest))])
        name = self.kinds[kind] + " " if len(self.kinds) > 1 else ""
        return f"{name}depth {'-'.join(texts)}"

    @cached_property
    def trivial_classes(self) -> NDArray[np.bool_]:
        """Which classes do not hold a curriculum up, ``(n_classes,)``."""
        depths = np.tile(np.arange(1, self.max_depth + 1), len(self.kinds))
        return np.isin(np.concatenate([[0], depths]), self.trivial_depths)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size}, max_size={self.max_size})"
