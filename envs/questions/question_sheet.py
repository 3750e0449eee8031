"""Contexts, the root questions about them, and what is known of each question."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ia_gym.domains import Contexts, Domain
from ia_gym.domains.transcript import IDK, Symbols

N_KNOWN = 3
TRUTH, DEPTH, CLASS = range(-N_KNOWN, 0)
"""Columns of a sheet that stand behind the question's own."""


class QuestionSheet:
    """Slots, each with a context and the root questions about it.

    A question and what is known of it stand side by side in one row, so that both are fetched at
    once. Root question ``number`` of slot ``slot`` is at *place* ``slot * questions_per_context +
    number``.

    Args:
        domain: of the questions.
        n_slots: number of contexts.
        questions_per_context: root questions about each.

    Attributes:
        contexts: ``(n_slots,)``.
        rows: int64 ``(places, Lq + 3)``: question, true answer, depth and class.
        masks: int8 ``(places, n_answers)``, 1 for the answers of the kind asked for.
    """

    contexts: Contexts

    def __init__(self, domain: Domain, n_slots: int, questions_per_context: int) -> None:
        self.domain = domain
        self.n_slots = n_slots
        self.questions_per_context = questions_per_context
        places = n_slots * questions_per_context
        self.rows = np.zeros((places, domain.question_length + N_KNOWN), np.int64)
        self.masks = np.zeros((places, domain.n_answers), np.int8)

    @property
    def by_slot(self) -> Symbols:
        """``rows``, as ``(n_slots, questions_per_context, Lq + 3)``."""
        return self.rows.reshape(self.n_slots, self.questions_per_context, -1)

    @property
    def roots(self) -> Symbols:
        """All root questions, ``(n_slots, questions_per_context, Lq)``."""
        return self.by_slot[..., :-N_KNOWN]

    def draw(
        self,
        rng: np.random.Generator,
        slots: NDArray[np.intp],
        size: int,
        max_depth: int,
        one_by_one: bool,
    ) -> None:
        """Draw new contexts and root questions.

        Args:
            rng: the source of randomness.
            slots: where to put them; in order.
            size: names in a context.
            max_depth: of the questions.
            one_by_one: draw the questions of one context before the next context, so that they do
                not depend on how many are drawn; else all contexts at once, which is faster.
        """
        domain, k = self.domain, self.questions_per_context
        depths = range(1, max_depth + 1)
        drawn = []
        for _ in range(len(slots) if one_by_one else 1):
            contexts = domain.sample_contexts(rng, 1 if one_by_one else len(slots), size)
            drawn.append((contexts, domain.sample_questions(rng, contexts, k, depths)))
        contexts, roots = drawn[0]
        if len(drawn) > 1:
            contexts = np.empty(len(slots), contexts.dtype)
            for i, (context, _) in enumerate(drawn):
                contexts[i] = context[0]
            roots = np.concatenate([roots for _, roots in drawn])
        if len(slots) == self.n_slots:
            self.contexts = contexts
        else:
            self.contexts[slots] = contexts
        self.by_slot[slots] = self.describe(contexts, roots, domain.truth(contexts, roots))
        self.masks.reshape(self.n_slots, k, -1)[slots] = self.mask(roots)

    def describe(self, contexts: Contexts, questions: Symbols, truths: Symbols) -> Symbols:
        """Rows ``(B, Q, Lq + 3)`` for questions ``(B, Q, Lq)`` with true answers ``(B, Q)``."""
        rows = np.empty((*truths.shape, self.rows.shape[1]), np.int64)
        rows[..., :-N_KNOWN] = questions
        rows[..., TRUTH] = truths
        rows[..., DEPTH] = depths = self.domain.depth(contexts, questions)
        rows[..., CLASS] = self.domain.classify(questions, depths)
        return rows

    def mask(self, questions: Symbols) -> NDArray[np.bool_]:
        """Which answers are of the kind asked for, ``(..., n_answers)``.

        Raises:
            ValueError: if the domain allows no answer to a question.
        """
        mask = self.domain.answer_mask(questions)
        if not mask[..., IDK].all() and not mask.any(axis=-1).all():  # the first is faster
            question = questions[~mask.any(axis=-1)][0]
            raise ValueError(
                f"answer_mask() of {self.domain.name} must allow an answer to every question, "
                f"allows none to {self.domain.question_text(question)}"
            )
        return mask
