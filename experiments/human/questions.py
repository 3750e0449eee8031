"""The questions that people are asked: the same for all, drawn once and then kept by value."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from ia_gym.domains import Contexts, Domain
from ia_gym.domains.drawing.sketch import Sketch, sketch_context
from ia_gym.domains.question_forms import QuestionForm, find_form
from ia_gym.domains.transcript import IDK, Symbols
from ia_gym.experiments.human.records import Context, Question, pack_context, unpack_context
from ia_gym.experiments.inputs import check_env_id
from ia_gym.validation import check_range

QUESTIONS_PER_CONTEXT = 4
"""Questions about a context before the next one, so that a person can get used to it."""
CACHED_CONTEXTS = 512


class ContextView:
    """A context as the pages show it.

    Args:
        domain: of its questions.
        context: of shape ``(1,)``.
    """

    def __init__(self, domain: Domain, context: Contexts) -> None:
        self.domain = domain
        self.context = context
        self.forms: tuple[QuestionForm, ...] = domain.question_forms(context[0])

    @cached_property
    def sketch(self) -> Sketch:
        """As vertices and arrows, lines or a table."""
        return sketch_context(self.domain, self.context[0])

    @cached_property
    def text(self) -> str:
        """As text."""
        return self.domain.context_text(self.context[0])

    @cached_property
    def form_data(self) -> list[dict[str, Any]]:
        """The forms as JSON holds them."""
        return [
            {
                "words": form.words,
                "row": form.row.tolist(),
                "menus": [
                    {
                        "label": menu.label,
                        "start": menu.start,
                        "texts": list(menu.texts),
                        "symbols": menu.symbols.tolist(),
                        "clickable": menu.clickable,
                    }
                    for menu in form.menus
                ],
            }
            for form in self.forms
        ]

    def describe(self, question: Symbols) -> str:
        """A question ``(Lq,)`` in words."""
        found = find_form(self.forms, question)
        if found is None:
            return self.domain.question_text(question)
        return self.forms[found[0]].describe(found[1])

    def list_answers(self, question: Symbols) -> list[tuple[int, str]]:
        """The answers of the type that a question ``(Lq,)`` asks for: symbol and text, no idk."""
        allowed = np.flatnonzero(self.domain.answer_mask(question))
        return [(int(a), self.domain.answer_text(int(a))) for a in allowed if a != IDK]

    def say_answer(self, question: Symbols, answer: int) -> str:
        """The answer to a sub-question ``(Lq,)`` in words: a lookup that finds nothing says no."""
        if answer == IDK:
            return "no" if self.domain.is_primitive(question) else "I don’t know"
        return self.domain.answer_text(answer)

    def look_up(self, rng: np.random.Generator, question: Symbols) -> int:
        """The answer to a primitive question ``(Lq,)``."""
        return int(self.domain.look_up(rng, self.context, question[None, None])[0, 0])

    def is_correct(self, question: Symbols, answer: int) -> bool:
        """Whether an answer to ``question (Lq,)`` is correct."""
        case = self.context, question[None, None], np.array([[answer]])
        return bool(self.domain.is_correct(*case)[0, 0])


class QuestionBook:
    """The questions of one environment, numbered from 0.

    A question is drawn when the first person comes to it, and kept in the records with its context.

    Args:
        env_id: an environment that asks questions.
        seed: of the contexts and questions that are not in the records yet.

    Attributes:
        domain: of the questions.

    Raises:
        ValueError: for an unknown id, or an environment that asks no questions.
    """

    def __init__(self, env_id: str, seed: int = 0) -> None:
        self.env_id = check_env_id(env_id)
        self.seed = check_range("seed", seed, 0, 2**32 - 1)
        self.domain = find_domain(self.env_id)
        self._views: dict[int, ContextView] = {}

    def get(self, session: Session, number: int) -> Question:
        """Question ``number``, drawn now if it is not in the records."""
        known = session.scalar(select(Question).filter_by(env_id=self.env_id, number=number))
        if known is not None:
            return known
        context_number, place = divmod(number, QUESTIONS_PER_CONTEXT)
        rng = np.random.default_rng([self.seed, context_number])
        drawn = self.domain.sample_contexts(rng, 1)
        questions = self.domain.sample_questions(rng, drawn, QUESTIONS_PER_CONTEXT)
        row = session.scalar(select(Context).filter_by(env_id=self.env_id, number=context_number))
        if row is None:
            row = Context(
                env_id=self.env_id,
                number=context_number,
                domain=describe_vocabulary(self.domain),
                facts=drawn["facts"][0].tolist(),
                text=self.domain.context_text(drawn[0]),
                value=pack_context(drawn[0]),
            )
            session.add(row)
            session.flush()
        context = unpack_context(row.value).reshape(1)
        question = questions[0, place]
        new = Question(
            env_id=self.env_id,
            number=number,
            context_id=row.id,
            question=question.tolist(),
            text=self.domain.question_text(question),
            truth=int(self.domain.truth(context, question[None, None])[0, 0]),
        )
        session.add(new)
        session.flush()
        return new

    def view_of(self, question: Question) -> ContextView:
        """The context that a question is about; read from the records once."""
        found = self._views.get(question.context_id)
        if found is None:
            if len(self._views) >= CACHED_CONTEXTS:
                self._views.clear()
            context = unpack_context(question.context.value).reshape(1)
            found = self._views[question.context_id] = ContextView(self.domain, context)
        return found


def find_domain(env_id: str) -> Domain:
    """The domain that an environment asks about.

    Raises:
        ValueError: for an environment that asks no questions.
    """
    env = gym.make(env_id)
    domain = getattr(env.unwrapped, "domain", None)
    env.close()
    if not isinstance(domain, Domain):
        raise ValueError(f"env must be an environment that asks questions, got {env_id}")
    return domain


def describe_vocabulary(domain: Domain) -> dict[str, Any]:
    """What two domains must have in common for the symbols of one to mean the same in the other."""
    return {
        "name": domain.name,
        "size": domain.size,
        "max_size": domain.max_size,
        "n_symbols": domain.n_symbols,
        "n_answers": domain.n_answers,
        "question_length": domain.question_length,
        "fact_shape": list(domain.fact_shape),
    }


def to_row(question: list[int]) -> NDArray[np.int64]:
    """A question of the records as an array ``(Lq,)``."""
    return np.array(question, np.int64)
