"""The actions of one who decomposes: a template, and where its arguments are copied from."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from ia_gym.domains import Domain
from ia_gym.domains.transcript import Symbols, Transcript

GIVE_UP = 0
"""The action that answers "I don't know"."""


@dataclass(frozen=True)
class Options:
    """What each action means in each of some environments.

    Attributes:
        asked: int64 ``(n, n_actions, Lq)``, the sub-question that it asks; zeros if it answers.
        answers: int64 ``(n, n_actions)``, the answer that it gives; ``IDK`` if it asks.
        allowed: bool ``(n, n_actions)``, whether it is well formed. Giving up always is.
    """

    asked: Symbols
    answers: Symbols
    allowed: NDArray[np.bool_]


class Moves:
    """All actions of a domain: its templates with every choice of places to copy arguments from.

    Places are those of the root question (``Domain.argument_places``), then the answers to the
    sub-questions, in order. Action 0 gives up: it answers "I don't know".

    Args:
        domain: with templates.
        max_questions: the most sub-questions about a question.

    Attributes:
        n_actions: how many actions there are.

    Raises:
        ValueError: if the domain has no templates.
    """

    def __init__(self, domain: Domain, max_questions: int) -> None:
        if not domain.templates:
            raise ValueError(
                f"domain must have templates, the moves of a decomposition; {domain.name} has none"
            )
        self.domain = domain
        self.max_questions = max_questions
        # For each template the places of its arguments, (choices, n_arguments). After the answer to
        # the last sub-question there is none to copy it to.
        self.places: list[Symbols] = []
        for template in domain.templates:
            n_places = len(domain.argument_places) + max_questions - (not template.is_answer)
            n = template.n_arguments
            chosen = list(product(range(n_places), repeat=n))
            self.places.append(np.array(chosen, np.int64).reshape(n_places**n, n))
        sizes = [len(places) for places in self.places]
        self.first_action = np.cumsum([1, *sizes]).tolist()  # of each template
        self.n_actions: int = self.first_action[-1]

    def list_options(self, questions: Symbols, transcript: Transcript) -> Options:
        """What each action means.

        A sub-question is not well formed if its arguments are of the wrong kind, if it is the root
        question itself, or if no more may be asked. An answer is not if it is not of the kind that
        is asked for.

        Args:
            questions: ``(n, Lq)``, the root questions.
            transcript: ``(n,)``, with ``max_questions`` slots, filled from the first on.
        """
        domain, n = self.domain, len(questions)
        known = [questions[:, list(domain.argument_places)], transcript.answers]
        symbols = np.concatenate(known, axis=1)
        n_used = np.count_nonzero(transcript.questions[..., 0], axis=1)
        is_full = n_used == self.max_questions
        asked = np.zeros((n, self.n_actions, domain.question_length), np.int64)
        answers = np.zeros((n, self.n_actions), np.int64)
        for i, (template, places) in enumerate(zip(domain.templates, self.places, strict=True)):
            arguments = [symbols[:, places[:, j]] for j in range(template.n_arguments)]
            filled = domain.fill_template(i, questions[:, None], *arguments)
            actions = slice(self.first_action[i], self.first_action[i + 1])
            (answers if template.is_answer else asked)[:, actions] = filled
        of_kind = np.take_along_axis(domain.answer_mask(questions), answers, axis=1)
        answers *= of_kind
        asked *= ((asked != questions[:, None]).any(axis=-1) & ~is_full[:, None])[..., None]
        allowed = (asked[..., 0] != 0) | (answers != 0)
        allowed[:, GIVE_UP] = True
        return Options(asked, answers, allowed)

    def describe(self, action: int) -> str:
        """An action in words, with the places that its arguments are copied from.

        An argument is "q1", "q2" for a symbol of the question, and "a1", "a2" for an answer.
        """
        if action == GIVE_UP:
            return "answer idk"
        template = int(np.searchsorted(self.first_action, action, side="right")) - 1
        n = len(self.domain.argument_places)
        places = self.places[template][action - self.first_action[template]].tolist()
        names = [f"q{p + 1}" if p < n else f"a{p - n + 1}" for p in places]
        chosen = self.domain.templates[template]
        return ("answer " if chosen.is_answer else "ask ") + chosen.text.format(*names)
