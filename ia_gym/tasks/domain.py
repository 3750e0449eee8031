"""What a domain is: contexts, questions, and how the overseer takes a question apart.

A domain is written over batches, without a loop over questions. Arrays carry the axes
``(B, Q)``: ``B`` contexts, ``Q`` questions about each. It knows nothing of environments,
networks or rewards; one subclass of :class:`Domain` in one file says all there is to a domain.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ia_gym.transcript import IDK, Symbols, Transcript

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Contexts = NDArray[np.void]
"""A batch of contexts: a NumPy structured array of shape ``(B,)``.

Its field ``facts`` (int64, ``(F, L)`` a context) is what an agent sees; the other fields are the
domain's own, for looking things up and for the truth."""

MAX_SIZE_LIMIT = 1024


def check_range(name: str, value: Any, low: int, high: int) -> int:
    """``value`` as an int, if it is a whole number in ``low..high``.

    Raises:
        ValueError: if not; the message names the argument, the value and the range.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise ValueError(f"{name} must be a whole number in {low}..{high}, got {value!r}")
    if not low <= value <= high:
        raise ValueError(f"{name} must be in {low}..{high}, got {value}")
    return int(value)


class Domain(ABC):
    """A family of contexts and questions, with H's way of answering them.

    Symbols are numbered from 0: ``idk``, then the symbols that can be answers, then those that
    only stand in facts and questions. Token 0 of a question is its kind; 0 there means that the
    row is no question.

    Args:
        size: names in a context (the paper's N), 2..``max_size``.
        max_size: names in the pool that contexts draw from; default ``size``. Facts are padded
            with rows of zeros to ``max_size`` names, so that spaces do not depend on ``size``.

    Attributes:
        name: of the domain, part of its environments' ids.
        base_size: names in a context of the environment ``IA-<name>-v0``.
        widths: how many sub-questions H may ask in each round.
        fact_shape: ``(F, L)``, rows and tokens a row.
        question_length: ``Lq``, tokens a question.
        n_answers: symbols ``0..n_answers-1`` can be answers.
        n_symbols: symbols in all.
        max_depth: depth of the hardest question.
        n_classes: classes of questions that are trusted or not together; class 0 holds the
            primitive questions.
    """

    name: ClassVar[str]
    base_size: ClassVar[int] = 8
    widths: tuple[int, ...]
    fact_shape: tuple[int, int]
    question_length: int
    n_answers: int
    n_symbols: int
    max_depth: int
    n_classes: int

    def __init__(self, size: int, max_size: int | None = None) -> None:
        if max_size is None:
            self.size = self.max_size = check_range("size", size, 2, MAX_SIZE_LIMIT)
        else:
            self.max_size = check_range("max_size", max_size, 2, MAX_SIZE_LIMIT)
            self.size = check_range("size", size, 2, self.max_size)

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
        """

    def check_depths(self, depths: Sequence[int] | None) -> Sequence[int]:
        """``depths`` itself, or all of them for None.

        Raises:
            ValueError: if there are none, or one lies outside 1..``max_depth``.
        """
        if depths is None:
            return range(1, self.max_depth + 1)
        if len(depths) == 0 or min(depths) < 1 or max(depths) > self.max_depth:
            raise ValueError(
                f"depths must be some of 1..{self.max_depth} for {self!r}, got {list(depths)}"
            )
        return depths

    # ------------------------------------------------------------------- truth

    @abstractmethod
    def truth(self, contexts: Contexts, questions: Symbols) -> Symbols:
        """A right answer to each question, ``(B, Q)``; ``IDK`` where there is none."""

    def correct(
        self, contexts: Contexts, questions: Symbols, answers: Symbols
    ) -> NDArray[np.bool_]:
        """Whether each answer is right, ``(B, Q)``. For measuring only; ``IDK`` never is."""
        right: NDArray[np.bool_] = (answers == self.truth(contexts, questions)) & (answers != IDK)
        return right

    @abstractmethod
    def depth(self, contexts: Contexts, questions: Symbols) -> Symbols:
        """How hard each question is, ``(B, Q)``; 0 for a primitive one."""

    @abstractmethod
    def classes(self, contexts: Contexts, questions: Symbols) -> Symbols:
        """The class (kind and depth) of each question, ``(B, Q)``, for the trust gate."""

    @property
    @abstractmethod
    def rests_on(self) -> NDArray[np.bool_]:
        """``(n_classes, n_classes)``: ``[c, d]`` is true if answers of class c rest on class d."""

    # -------------------------------------------------------------- H's script

    @abstractmethod
    def is_primitive(self, questions: Symbols) -> NDArray[np.bool_]:
        """Which questions H answers itself, by looking at the context; shape of the batch."""

    @abstractmethod
    def look_up(self, rng: np.random.Generator, contexts: Contexts, questions: Symbols) -> Symbols:
        """Answers to primitive questions, ``(B, Q)``; arbitrary where a question is not one."""

    @abstractmethod
    def ask(
        self, round: int, contexts: Contexts, questions: Symbols, transcript: Transcript
    ) -> Symbols:
        """The sub-questions of one round, ``(B, Q, widths[round], Lq)``.

        Args:
            round: 0 is the first.
            contexts: ``(B,)``.
            questions: ``(B, Q, Lq)``, none of them primitive.
            transcript: ``(B, Q)``, with all earlier rounds answered.

        Returns:
            The sub-questions; a row of zeros where nothing need be asked.
        """

    @abstractmethod
    def answer(self, contexts: Contexts, questions: Symbols, transcript: Transcript) -> Symbols:
        """H's own answer, ``(B, Q)``, once all rounds are answered."""

    def judge(
        self, contexts: Contexts, questions: Symbols, transcript: Transcript, answers: Symbols
    ) -> NDArray[np.float64]:
        """How good H finds each answer, ``(B, Q)`` in [0, 1]; 0 for ``IDK``.

        By default an answer is approved if it equals the combination of the sub-answers.
        """
        agrees = answers == self.answer(contexts, questions, transcript)
        approval: NDArray[np.float64] = (agrees & (answers != IDK)).astype(np.float64)
        return approval

    def judge_graded(
        self, contexts: Contexts, questions: Symbols, transcript: Transcript, answers: Symbols
    ) -> NDArray[np.float64]:
        """Like :meth:`judge`, with credit for near misses where the domain has any."""
        return self.judge(contexts, questions, transcript, answers)

    # ----------------------------------------------------------- for the reader

    @abstractmethod
    def answer_mask(self, questions: Symbols) -> NDArray[np.bool_]:
        """Which answers are of the kind asked for, ``(B, Q, n_answers)``; ``IDK`` always is."""

    @abstractmethod
    def context_text(self, context: Contexts) -> str:
        """One context (shape ``()``) as a line or a few lines of text."""

    @abstractmethod
    def fact_text(self, fact: Symbols) -> str:
        """One fact row ``(L,)`` as text; empty for padding."""

    @abstractmethod
    def question_text(self, question: Symbols) -> str:
        """One question row ``(Lq,)`` as text."""

    @abstractmethod
    def answer_text(self, answer: int) -> str:
        """One answer symbol as text."""

    @abstractmethod
    def draw(self, context: Contexts, axes: Axes) -> None:
        """Draw one context (shape ``()``) on matplotlib ``axes``."""

    # -------------------------------------------------------------- derived

    @cached_property
    def rounds(self) -> tuple[slice, ...]:
        """The slots of each round."""
        ends = np.cumsum(self.widths).tolist()
        return tuple(slice(end - width, end) for end, width in zip(ends, self.widths, strict=True))

    @property
    def slots(self) -> int:
        """Sub-questions H may ask about one question, all rounds together."""
        return sum(self.widths)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size}, max_size={self.max_size})"
