"""What a domain is: contexts, questions about them, and how the overseer decomposes a question.

A domain works on batches, without loops over questions: arrays have the axes ``(B, Q)`` for ``B``
contexts and ``Q`` questions about each. It knows nothing of environments, networks or rewards.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ia_gym.domains.question_forms import Menu, QuestionForm
from ia_gym.domains.templates import Template
from ia_gym.domains.transcript import IDK, Symbols, Transcript
from ia_gym.validation import check_range

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Contexts = NDArray[np.void]
"""A batch of contexts: a NumPy structured array of shape ``(B,)``.

Its field ``facts`` (int64, ``(F, L)`` for each context) is what an agent observes. The other fields
are the domain's own, for lookups and for the truth."""

MAX_SIZE_LIMIT = 1024
"""Largest ``max_size`` of a domain."""

MAX_STEPS = 64
"""The most sub-questions that a person may ask about one question."""

RARE = 0.01
"""A class with a smaller share of the root questions is merged into the class below it."""


class Domain(ABC):
    """A family of contexts and questions, with the overseer's script for answering them.

    To write a domain of your own, subclass this class, set the attributes below and implement the
    abstract methods; ``gym.make("IA-Permutation-v0", domain=YourDomain)`` and
    :func:`ia_gym.register_domain` take it from there. What the methods return is checked.

    **Symbols.** A domain has one vocabulary, numbered from 0: first ``idk`` ("I don't know"), then
    the other symbols that can be answers, then those that occur in facts and questions only. A
    fact is a row of ``L`` symbols; facts are padded with rows of zeros. A question is a row of
    ``Lq`` symbols; the first is its kind, and a row of zeros is no question. The kinds of root
    questions (those that an environment asks) are numbered from ``kind_symbol``; those of primitive
    questions, if they have kinds of their own, come after them.

    **Script.** The overseer answers a primitive question by looking at the context
    (:meth:`look_up`). For any other it asks sub-questions, in rounds, each of which may depend on
    the answers to the rounds before it (:meth:`ask`). It answers after the rounds of
    ``subquestions_per_round`` (:meth:`answer`). To judge somebody else's answer it also asks the
    rounds of ``judge_subquestions_per_round``, and says how far off the answer is (:meth:`error`).

    **Depth.** A question's depth says how hard it is, 0 for a primitive one (:meth:`depth`).
    Questions of one kind and depth are a class; trust and curricula go by classes. For each class
    the domain states on which classes its answers depend (:meth:`dependencies`), never itself.

    Args:
        size: names in a context (the paper's N), 2..``max_size``.
        max_size: names in the pool that contexts draw from, 2..1024; default ``size``. Spaces
            depend on ``max_size`` alone, so that networks can be used at different sizes.

    Attributes:
        name: of the domain, part of the ids of its environments.
        novice: the same domain with the script of a novice, who decomposes badly but correctly: a
            subclass with the same contexts, questions, symbols and depths. None if there is none.
        templates: the moves of one who learns to decompose, see :meth:`fill_template`; none by
            default.
        argument_places: places of a question whose symbols can be arguments of templates.
        base_size: names in a context of the environment ``IA-<name>-v0``.
        small_kwargs: further arguments of the domain in ``IA-<name>-N4-v0``.
        kinds: names of the kinds of root questions.
        kind_symbol: the symbol of the first of these kinds.
        subquestions_per_round: the most sub-questions of each round that the overseer needs for
            an answer of its own.
        judge_subquestions_per_round: the same for the rounds after these, which it needs only to
            judge an answer.
        fact_shape: ``(F, L)``, rows of facts and symbols in a row.
        question_length: ``Lq``, symbols in a question.
        n_answers: symbols ``0..n_answers - 1`` can be answers.
        n_symbols: symbols in all.
        max_depth: depth of the hardest question.
        trivial_depths: depths that a curriculum need not wait for, since answering them says
            little about the others.
        steps: None where the overseer follows the script. Else the sub-questions come one at a
            time, at most so many, as a person asks them: see :meth:`with_steps`.
        inconclusive: answers that say only that nothing was found. If the question is decomposed
            again, another answer may turn up.
        interchangeable: groups of symbols that are mere names. If those of a group change places
            in all facts, the question and the answer, the answer is as right as it was.

    Raises:
        ValueError: for a size out of range.
    """

    name: ClassVar[str]
    novice: ClassVar[type[Domain] | None] = None
    templates: ClassVar[tuple[Template, ...]] = ()
    argument_places: ClassVar[tuple[int, ...]] = ()
    base_size: ClassVar[int] = 8
    small_kwargs: ClassVar[Mapping[str, Any]] = {}
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
    steps: int | None = None
    inconclusive: tuple[int, ...] = (IDK,)
    interchangeable: tuple[range, ...] = ()

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
        """Draw contexts.

        Args:
            rng: the only source of randomness.
            count: how many.
            size: names in each, 2..``max_size``; default ``self.size``.

        Returns:
            ``(count,)``, a structured array with a field ``facts``.
        """

    @abstractmethod
    def sample_questions(
        self,
        rng: np.random.Generator,
        contexts: Contexts,
        count: int,
        depths: Sequence[int] | None = None,
    ) -> Symbols:
        """Draw root questions.

        Args:
            rng: the only source of randomness.
            contexts: ``(B,)``.
            count: questions about each context.
            depths: draw only questions of these depths, some of 1..``max_depth``; default all.
                The distribution is that of the domain, conditional on the depth.

        Returns:
            int64 ``(B, count, Lq)``.

        Raises:
            ValueError: if a context has no question of these depths.
        """

    def check_depths(self, depths: Sequence[int] | None) -> Sequence[int]:
        """Sort ``depths`` and leave out repetitions; None stands for all depths.

        Raises:
            ValueError: if there are none, or one is outside 1..``max_depth``.
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
        """A correct answer to each question ``(B, Q, Lq)``: ``(B, Q)``, or ``IDK`` without one.

        It is for measuring, for the supervised baseline and for the oracle.
        """

    def is_correct(
        self, contexts: Contexts, questions: Symbols, answers: Symbols
    ) -> NDArray[np.bool_]:
        """Whether each answer is correct. ``IDK`` never is.

        By default only :meth:`truth` is correct; override it where several answers are.

        Args:
            contexts: ``(B,)``.
            questions: ``(B, Q, Lq)``.
            answers: ``(B, Q)``.

        Returns:
            bool ``(B, Q)``.
        """
        right: NDArray[np.bool_] = (answers == self.truth(contexts, questions)) & (answers != IDK)
        return right

    def has_several_answers(self, questions: Symbols) -> NDArray[np.bool_]:
        """Which questions may have correct answers besides :meth:`truth`.

        It saves calls of :meth:`is_correct`. By default all of them where that method is
        overridden, else none.

        Args:
            questions: ``(..., Lq)``.

        Returns:
            bool ``(...)``.
        """
        overridden = type(self).is_correct is not Domain.is_correct
        return np.full(questions.shape[:-1], overridden)

    @abstractmethod
    def depth(self, contexts: Contexts, questions: Symbols) -> Symbols:
        """How hard each question is: ``(B, Q)`` in 0..``max_depth``, 0 for primitive questions.

        Arbitrary for rows that are no questions.
        """

    @abstractmethod
    def dependencies(self, kind: int, depth: int) -> Iterable[tuple[int, int]]:
        """On which classes an answer to a question of this class depends.

        Args:
            kind: an index into ``kinds``.
            depth: 1..``max_depth``.

        Returns:
            Pairs of kind and depth; a depth of 0 stands for primitive questions. No class may
            depend on itself, directly or by way of others. Classes that do not occur do no harm.
        """

    # ------------------------------------------------------ the overseer's script

    @abstractmethod
    def is_primitive(self, questions: Symbols) -> NDArray[np.bool_]:
        """Which questions the overseer answers by looking at the context.

        Args:
            questions: ``(..., Lq)``.

        Returns:
            bool ``(...)``.
        """

    def is_well_formed(self, questions: Symbols) -> NDArray[np.bool_]:
        """Which rows of symbols, of any in ``0..n_symbols - 1``, are questions: bool ``(...)``.

        An overseer that has learned to ask may produce rows that are none; these are not asked.
        """
        formed: NDArray[np.bool_] = questions[..., 0] >= self.kind_symbol
        return formed

    @abstractmethod
    def look_up(self, rng: np.random.Generator, contexts: Contexts, questions: Symbols) -> Symbols:
        """Answer primitive questions from the context.

        Args:
            rng: for lookups that draw at random.
            contexts: ``(B,)``.
            questions: ``(B, Q, Lq)``.

        Returns:
            int64 ``(B, Q)``; arbitrary where a question is not primitive.
        """

    @abstractmethod
    def ask(
        self,
        rng: np.random.Generator,
        round: int,
        contexts: Contexts,
        questions: Symbols,
        transcript: Transcript,
    ) -> Symbols:
        """The sub-questions of one round.

        Args:
            rng: for choices of the overseer's own.
            round: 0 is the first; those of ``judge_subquestions_per_round`` come last.
            contexts: ``(B,)``.
            questions: ``(B, Q, Lq)``, none of them primitive.
            transcript: ``(B, Q)``, with all earlier rounds answered.

        Returns:
            int64 ``(B, Q, n, Lq)``, ``n`` as declared for the round; a row of zeros where fewer
            are needed.
        """

    @abstractmethod
    def answer(self, contexts: Contexts, questions: Symbols, transcript: Transcript) -> Symbols:
        """The overseer's answer, from the answers to its sub-questions.

        Args:
            contexts: ``(B,)``.
            questions: ``(B, Q, Lq)``.
            transcript: ``(B, Q)``, with the rounds of ``subquestions_per_round`` answered.

        Returns:
            int64 ``(B, Q)``, symbols in ``0..n_answers - 1``.
        """

    def error(
        self, contexts: Contexts, questions: Symbols, transcript: Transcript, answers: Symbols
    ) -> NDArray[np.float64]:
        """How far off the overseer finds each answer. Its approval depends on this alone.

        By default an answer is right if it is the overseer's own (:meth:`answer`).

        Args:
            contexts: ``(B,)``.
            questions: ``(B, Q, Lq)``.
            transcript: ``(B, Q)``, with all rounds answered.
            answers: ``(B, Q)``, the answers to judge.

        Returns:
            float64 ``(B, Q)``: 0 for a right answer, infinity for one that is altogether wrong, as
            ``IDK`` always is.
        """
        right = (answers == self.answer(contexts, questions, transcript)) & (answers != IDK)
        return np.where(right, 0.0, np.inf)

    # -------------------------------------------- what goes wrong, where something does

    def vary(self, contexts: Contexts, questions: Symbols, numbers: NDArray[np.uint64]) -> Symbols:
        """Other questions of the same form: what an overseer asks by mistake.

        Of the same kind, about other names of the context or the like, drawn uniformly from what is
        allowed. Without it there is no ``failure_at="subquestion"``.

        Args:
            contexts: ``(B,)``.
            questions: ``(B, Q, Lq)``, primitive ones among them.
            numbers: uint64 ``(B, Q)``, uniform random numbers: the only source of randomness.

        Returns:
            int64 ``(B, Q, Lq)``; zeros for a row of zeros.
        """
        raise NotImplementedError(f"{self.name} does not say what else could be asked")

    def lie(self, contexts: Contexts, questions: Symbols) -> Symbols:
        """A consistent lie: what an adversarial assistant answers.

        Wrong answers that agree with one another: as far as there are any, the overseer approves of
        each if all of its sub-answers are such lies too. Where none would be approved of, the
        truth. Without it there is no ``adversarial_assistant``.

        Args:
            contexts: ``(B,)``.
            questions: ``(B, Q, Lq)``.

        Returns:
            int64 ``(B, Q)``; arbitrary for primitive questions, which the overseer looks up.
        """
        raise NotImplementedError(f"{self.name} does not say how to lie")

    def fill_template(self, template: int, questions: Symbols, *arguments: Symbols) -> Symbols:
        """Fill in a template: the sub-questions, or the answers, that it stands for.

        Args:
            template: an index into ``templates``.
            questions: ``(..., Lq)``, the root questions.
            *arguments: one array of symbols for each argument of the template, of shapes that
                broadcast to one another and to the batch of ``questions``.

        Returns:
            Sub-questions ``(..., Lq)``, rows of zeros where the arguments are of the wrong kind; or
            for a template that is an answer, answers ``(...)``, and there ``IDK``.

        Raises:
            NotImplementedError: in a domain without templates.
        """
        raise NotImplementedError(f"{self.name} has no templates")

    # -------------------------------------------------- decomposition by a person

    def with_steps(self, steps: int) -> Self:
        """The same domain for an overseer that asks in its own way, not in the script's rounds.

        Its transcripts have ``steps`` rounds of one sub-question each; one that asks fewer leaves
        the last ones empty. Contexts, questions, lookups and truth are those of this domain. The
        script has no place in it: :class:`~ia_gym.amplification.overseers.ScriptedOverseer`
        refuses it.

        Args:
            steps: the most sub-questions about one question, 1..``MAX_STEPS``.

        Raises:
            ValueError: for a number out of range.
        """
        other = copy.copy(self)
        other.steps = check_range("steps", steps, 1, MAX_STEPS)
        other.subquestions_per_round = (1,) * steps
        other.judge_subquestions_per_round = ()
        other.__dict__.pop("round_slots", None)  # cached, of the script's rounds
        return other

    def question_forms(self, context: Contexts) -> tuple[QuestionForm, ...]:
        """The questions that a person may ask about one context (shape ``()``), as forms.

        By default a form for each of ``kinds``, with a menu of all symbols in every place; what
        :meth:`is_well_formed` refuses is not asked.
        """
        symbols = np.arange(self.kind_symbol)
        texts = [self.symbol_text(int(symbol)) for symbol in symbols]
        menus = tuple(
            Menu(f"symbol {place}", place, texts, symbols[:, None])
            for place in range(1, self.question_length)
        )
        places = " ".join(f"{{{index}}}" for index in range(len(menus)))
        forms = []
        for index, kind in enumerate(self.kinds):
            row = np.zeros(self.question_length, np.int64)
            row[0] = self.kind_symbol + index
            forms.append(QuestionForm(f"{kind} {places}", row, menus))
        return tuple(forms)

    # ------------------------------------------------------------ text, pictures

    def answer_mask(self, questions: Symbols) -> NDArray[np.bool_]:
        """Which answers are of the type asked for, e.g. a name or a number.

        Args:
            questions: ``(..., Lq)``.

        Returns:
            bool ``(..., n_answers)``. ``IDK`` and the truth are always allowed.
        """
        return np.ones((*questions.shape[:-1], self.n_answers), bool)

    def symbol_text(self, symbol: int) -> str:
        """A symbol as text; by default its number."""
        return "idk" if symbol == IDK else str(symbol)

    def answer_text(self, answer: int) -> str:
        """One answer symbol as text."""
        return self.symbol_text(answer)

    def depth_text(self, depth: int) -> str:
        """A depth as text."""
        return str(depth)

    def fact_text(self, fact: Symbols) -> str:
        """One fact row ``(L,)`` as text; empty for padding."""
        return " ".join(self.symbol_text(int(symbol)) for symbol in fact) if fact[0] else ""

    def question_text(self, question: Symbols) -> str:
        """One question row ``(Lq,)`` as text."""
        return " ".join(self.symbol_text(int(symbol)) for symbol in question)

    def longest_facts(self) -> Symbols:
        """Facts whose texts, together, are as long as those of any context or longer.

        They bound the texts that ``observation="text"`` shows, and their characters are allowed in
        them, beside digits and those of :meth:`symbol_text`. A domain with a :meth:`fact_text` of
        its own needs to override this.

        Returns:
            ``(n, L)``.
        """
        longest = max(range(1, self.n_symbols), key=lambda symbol: len(self.symbol_text(symbol)))
        return np.full(self.fact_shape, longest)

    def longest_questions(self) -> Symbols:
        """Questions of which one has the longest text of all; see :meth:`longest_facts`.

        Returns:
            ``(n, Lq)``.
        """
        longest = max(range(1, self.n_symbols), key=lambda symbol: len(self.symbol_text(symbol)))
        return np.full((1, self.question_length), longest)

    def rules_text(self) -> str:
        """What facts and questions mean, and what an answer is, in plain words.

        ``observation="prompt"`` shows it before the facts. Empty by default.
        """
        return ""

    def context_text(self, context: Contexts) -> str:
        """One context (shape ``()``) as a line or a few lines of text; by default its facts."""
        return "  ".join(text for text in map(self.fact_text, context["facts"]) if text)

    def draw(self, context: Contexts, axes: Axes) -> None:
        """Draw one context (shape ``()``) on matplotlib ``axes``; by default its text."""
        from ia_gym.domains.drawing import draw_context

        draw_context(self, context, axes)

    # -------------------------------------------------------------- derived

    @cached_property
    def round_slots(self) -> tuple[slice, ...]:
        """The slots of a transcript that each round fills, those of judging included."""
        counts = self.subquestions_per_round + self.judge_subquestions_per_round
        ends = np.cumsum(counts).tolist()
        return tuple(slice(end - n, end) for end, n in zip(ends, counts, strict=True))

    @property
    def n_slots(self) -> int:
        """Slots of a transcript: the most sub-questions about one question, all rounds together."""
        return sum(self.subquestions_per_round) + sum(self.judge_subquestions_per_round)

    def kind(self, questions: Symbols) -> Symbols:
        """The kind of each root question, ``(B, Q)``: an index into ``kinds``."""
        return questions[..., 0] - self.kind_symbol

    @property
    def n_classes(self) -> int:
        """Number of classes: one for each kind and depth, and class 0 for primitive questions."""
        return 1 + len(self.kinds) * self.max_depth

    def classes(self, contexts: Contexts, questions: Symbols) -> Symbols:
        """The class of each question, ``(B, Q)``."""
        return self.classify(questions, self.depth(contexts, questions))

    def classify(self, questions: Symbols, depths: Symbols) -> Symbols:
        """The class of each question, ``(B, Q)``, if its depth is known, also ``(B, Q)``."""
        return np.where(depths > 0, self.kind(questions) * self.max_depth + depths, 0)

    @cached_property
    def depends_on(self) -> NDArray[np.bool_]:
        """Whether class c depends on class d, at ``[c, d]``: bool ``(n_classes, n_classes)``."""
        depends = np.zeros((self.n_classes, self.n_classes), bool)
        for kind in range(len(self.kinds)):
            for depth in range(1, self.max_depth + 1):
                for other, lower in self.dependencies(kind, depth):
                    below = other * self.max_depth + lower if lower else 0
                    depends[kind * self.max_depth + depth, below] = True
        return depends

    @cached_property
    def merged_into(self) -> Symbols:
        """For each class the one with which it is trusted and reported, ``(n_classes,)``.

        That is itself or, if less than ``RARE`` of the root questions (of a fixed sample) belong
        to it, the next lower depth of its kind with a larger share.
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
        """The kind (if there are several) and the depths of a class and of all merged with it."""
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
        """Classes that a curriculum need not wait for: bool ``(n_classes,)``."""
        depths = np.tile(np.arange(1, self.max_depth + 1), len(self.kinds))
        return np.isin(np.concatenate([[0], depths]), self.trivial_depths)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size}, max_size={self.max_size})"
