"""A check of your own domain: whether its methods return what its attributes declare."""

from __future__ import annotations

from typing import Any

import numpy as np

from ia_gym.amplification.amplify import amplify
from ia_gym.amplification.assistants import Oracle
from ia_gym.amplification.overseers import ScriptedOverseer
from ia_gym.domains.checks import ANY, check_array
from ia_gym.domains.domain import Contexts, Domain
from ia_gym.domains.transcript import IDK, Symbols

CONTEXTS, QUESTIONS = 3, 4
"""How many of each are drawn, questions a context."""


def check_domain(domain: Domain) -> None:
    """Draw a few contexts and questions, and check what a domain's methods return for them.

    What the overseer's script returns is checked at every call; here it is called once, with the
    truth as sub-answers.

    Raises:
        ValueError: naming the domain, the attribute or method, what it gave and what is allowed.
    """
    check_declaration(domain)
    try:
        _try(domain)
    except Exception as error:
        if f"of {domain.name} must" in str(error):
            raise
        raise ValueError(
            f"the methods of {domain.name} must fit what it declares, but one failed: {error!r}"
        ) from error


def _try(domain: Domain) -> None:
    rng, top = np.random.default_rng(0), domain.n_symbols - 1
    contexts = domain.sample_contexts(rng, CONTEXTS)
    fields = getattr(getattr(contexts, "dtype", None), "names", None) or ()
    if "facts" not in fields or contexts.shape != (CONTEXTS,):
        raise ValueError(
            f"sample_contexts() of {domain.name} must return a structured array of shape "
            f"({CONTEXTS},) with a field facts, got {contexts!r}"
        )
    facts = (CONTEXTS, *domain.fact_shape)
    check_array(domain, "sample_contexts", contexts["facts"], facts, top)
    questions = domain.sample_questions(rng, contexts, QUESTIONS)
    rows = (CONTEXTS, QUESTIONS, domain.question_length)
    check_array(domain, "sample_questions", questions, rows, top)
    last = domain.kind_symbol + len(domain.kinds) - 1
    first = questions[..., 0]
    check_array(domain, "sample_questions", first, rows[:2], last, low=domain.kind_symbol)
    check_array(domain, "is_primitive", domain.is_primitive(questions), rows[:2], 0, kinds="b")
    check_questions(domain, contexts, questions, least_depth=1)
    check_masks(domain, contexts, questions)
    check_dependencies(domain)
    overseer = ScriptedOverseer(domain)
    transcript = amplify(overseer, Oracle(domain), rng, contexts, questions)
    answers = overseer.answer(contexts, questions, transcript)
    overseer.judge(contexts, questions, transcript, answers)
    asked = transcript.questions.reshape(CONTEXTS, -1, domain.question_length)
    check_questions(domain, contexts, asked * ~domain.is_primitive(asked)[..., None])


def check_declaration(domain: Domain) -> None:
    """Refuse attributes that are missing or out of range.

    Raises:
        ValueError: naming the domain and the attribute.
    """
    for name, low in (("n_answers", 2), ("n_symbols", 3), ("question_length", 1), ("max_depth", 1)):
        check_integer(domain, name, getattr(domain, name, None), low)
    check_integer(
        domain, "kind_symbol", getattr(domain, "kind_symbol", None), 1, domain.n_symbols - 1
    )
    for name, low, high in (
        ("subquestions_per_round", 1, 99),
        ("judge_subquestions_per_round", 0, 99),
        ("fact_shape", 2, 2),
    ):
        sizes = getattr(domain, name, None)
        if not isinstance(sizes, tuple) or not low <= len(sizes) <= high:
            words = f"{low}..{high}" if low < high else str(low)
            raise ValueError(
                f"{name} of {domain.name} must be a tuple of {words} sizes, got {sizes!r}"
            )
        for size in sizes:
            check_integer(domain, name, size, 1)
    if domain.n_answers > domain.n_symbols:
        raise ValueError(
            f"n_answers of {domain.name} must be at most n_symbols, {domain.n_symbols}, got "
            f"{domain.n_answers}"
        )


def check_questions(
    domain: Domain, contexts: Contexts, questions: Symbols, least_depth: int = 0
) -> None:
    """Refuse a truth that is no answer, or a depth out of range.

    Raises:
        ValueError: naming the domain and the method.
    """
    shape = questions.shape[:2]
    check_array(domain, "truth", domain.truth(contexts, questions), shape, domain.n_answers - 1)
    depths = domain.depth(contexts, questions)
    check_array(domain, "depth", depths, shape, ANY)  # arbitrary where there is no question
    depths = depths * (questions[..., 0] != 0)
    check_array(domain, "depth", depths, shape, domain.max_depth, low=least_depth)


def check_masks(domain: Domain, contexts: Contexts, questions: Symbols) -> None:
    """Refuse a mask that leaves an agent nothing to answer, or not the truth.

    Raises:
        ValueError: naming the domain.
    """
    allowed = domain.answer_mask(questions)
    shape = (*questions.shape[:2], domain.n_answers)
    check_array(domain, "answer_mask", allowed, shape, 1, kinds="b")
    wrong = ~allowed[..., IDK] | (allowed.sum(axis=-1) < 2)
    if wrong.any():
        raise ValueError(
            f"answer_mask() of {domain.name} must allow idk (symbol {IDK}) and another answer to "
            f"each question, got the symbols {np.flatnonzero(allowed[wrong][0]).tolist()}"
        )
    truth = domain.truth(contexts, questions)
    if not np.take_along_axis(allowed, truth[..., None], axis=-1).all():
        raise ValueError(f"answer_mask() of {domain.name} must allow what truth() returns")


def check_dependencies(domain: Domain) -> None:
    """Refuse a domain in which a class of questions depends on itself: it could never be trusted.

    Raises:
        ValueError: naming the domain and such a class, whether it depends on itself directly or by
            way of others.
    """
    kinds, depths = range(len(domain.kinds)), range(1, domain.max_depth + 1)
    for kind, depth in ((kind, depth) for kind in kinds for depth in depths):
        for other, lower in domain.dependencies(kind, depth):
            if other not in kinds or not 0 <= lower <= domain.max_depth:
                raise ValueError(
                    f"dependencies() of {domain.name} must give kinds in 0..{len(kinds) - 1} with "
                    f"depths in 0..{domain.max_depth}, got {(other, lower)}"
                )
    depends_on = domain.depends_on
    left = np.ones(len(depends_on), bool)
    while left.any():
        ready = left & ~(depends_on & left).any(axis=1)
        if not ready.any():
            kind, depth = divmod(int(left.argmax()) - 1, domain.max_depth)
            raise ValueError(
                f"dependencies() of {domain.name} must not lead from a class back to itself, as "
                f"from kind {domain.kinds[kind]} at depth {depth + 1}"
            )
        left &= ~ready


def check_integer(domain: Domain, name: str, value: Any, low: int, high: int = 2**31) -> None:
    """Refuse an attribute that is no whole number in ``low..high``.

    Raises:
        ValueError: naming the domain and the attribute.
    """
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or not low <= value <= high:
        raise ValueError(
            f"{name} of {domain.name} must be of whole numbers in {low}..{high}, got {value!r}"
        )
