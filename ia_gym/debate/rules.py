"""The rules of debate, for a batch of debates side by side.

An answer is backed by claims: answers to the sub-questions that the overseer's script asks in order
to judge it. The overseer, as the judge, looks up the primitive ones and says whether they bear the
answer out. If they do not, the answer falls. Else a challenger picks one claim that no lookup has
settled, and the debate goes on about that claim alone. The answer stands if lookups settle all
claims, or if the debate has as many levels as are allowed. So the judge follows one path through
the tree of sub-questions, in place of the whole tree (Irving et al., 2018).

A claim about the very question under debate is not open to challenge, since it would lead nowhere:
in the graph domains the script asks its own question twice. "I don't know" never stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ia_gym.amplification.amplify import amplify
from ia_gym.amplification.assistants import Assistant
from ia_gym.amplification.overseers import Overseer
from ia_gym.debate.challengers import Challenger, pick_claims
from ia_gym.domains.batch_arrays import rank_in_groups
from ia_gym.domains.domain import Contexts, Domain
from ia_gym.domains.transcript import Symbols, Transcript
from ia_gym.validation import check_range

MAX_LEVELS = 10_000
"""The largest limit on the levels of a debate."""


@dataclass
class Level:
    """One level of a batch of debates, those that have come so far.

    Row b is about context b; debates of a context stand in any of its ``q`` columns, whose others
    are zeros.

    Attributes:
        questions: int64 ``(B, q, Lq)``, under debate; zeros for none.
        answers: int64 ``(B, q)``, the answers under debate.
        origins: int64 ``(B, q)``, the column in which the debate began; -1 for none.
        parents: int64 ``(B, q)``, its column on the level before; -1 for none.
        transcript: ``(B, q)``, the claims and lookups.
        is_open: bool ``(B, q, S)``, claims that no lookup has settled.
        picked: int64 ``(B, q)``, the slot of the claim picked; -1 where the debate ends here.
        borne_out: bool ``(B, q)``, whether the judge finds that the claims bear the answer out.
    """

    questions: Symbols
    answers: Symbols
    origins: Symbols
    parents: Symbols
    transcript: Transcript
    is_open: NDArray[np.bool_]
    picked: Symbols
    borne_out: NDArray[np.bool_]

    @property
    def is_debated(self) -> NDArray[np.bool_]:
        """Where there is a debate: bool ``(B, q)``."""
        debated: NDArray[np.bool_] = self.origins >= 0
        return debated


def count_levels(domain: Domain) -> int:
    """How many levels a debate needs to follow the longest chain of dependent questions.

    Args:
        domain: its :attr:`~ia_gym.domains.Domain.depends_on` tells the chains.

    Raises:
        ValueError: if a class of questions depends on itself.
    """
    depends = domain.depends_on[1:, 1:]  # class 0 is looked up
    levels = np.ones(len(depends), np.int64)
    for _ in range(len(depends)):
        longer = np.maximum(1 + np.where(depends, levels, 0).max(axis=1, initial=0), 1)
        if np.array_equal(longer, levels):
            return int(levels.max())
        levels = longer
    raise ValueError(f"dependencies() of {domain.name} must let no class depend on itself")


def check_depth_limit(depth_limit: int | None, domain: Domain) -> int:
    """The levels that a debate may have; None stands for as many as the domain needs.

    Raises:
        ValueError: for fewer than it needs: false claims could then not be followed to a lookup.
    """
    needed = count_levels(domain)
    if depth_limit is None:
        return needed
    try:
        return check_range("depth_limit", depth_limit, needed, MAX_LEVELS)
    except ValueError as error:
        raise ValueError(f"{error} ({domain!r} needs {needed} levels)") from None


def find_open_claims(
    domain: Domain, questions: Symbols, transcript: Transcript
) -> NDArray[np.bool_]:
    """The claims that no lookup has settled: bool ``(B, q, S)``.

    Args:
        domain: of the questions.
        questions: int64 ``(B, q, Lq)``, under debate.
        transcript: ``(B, q)``.
    """
    asked = transcript.questions
    repeats = (asked == questions[..., None, :]).all(axis=-1)
    is_open: NDArray[np.bool_] = (asked[..., 0] != 0) & ~domain.is_primitive(asked) & ~repeats
    return is_open


def debate(
    overseer: Overseer,
    assistant: Assistant,
    challenger: Challenger,
    rng: np.random.Generator,
    contexts: Contexts,
    questions: Symbols,
    answers: Symbols,
    depth_limit: int,
    *,
    exploration: float = 0.0,
    judging_roots: bool = True,
) -> list[Level]:
    """Hold one debate about each answer.

    Args:
        overseer: the judge; its counters go up.
        assistant: makes the claims of the answering side.
        challenger: picks the claim that a debate goes on about.
        rng: for the overseer's choices, lookups that draw at random, and the challenger.
        contexts: ``(B,)``.
        questions: int64 ``(B, Q, Lq)``, none of them primitive. Rows of zeros are ignored.
        answers: int64 ``(B, Q)``, the answers under debate.
        depth_limit: levels of a debate, at least 1; one that has so many ends, and the answer
            stands.
        exploration: see :func:`~ia_gym.debate.challengers.pick_claims`.
        judging_roots: False to have no verdicts on the first level, where the debates then go on
            whatever ``answers`` are: its claims can back any answer, and ``borne_out`` is True.

    Returns:
        The levels, the first with ``Q`` columns; :func:`find_standing` tells how they end.
    """
    domain = overseer.domain
    debated = questions[..., 0] != 0
    origins = np.where(debated, np.arange(questions.shape[1]), -1)
    parents = np.full_like(origins, -1)
    levels: list[Level] = []
    while origins.size and (origins >= 0).any():
        transcript = amplify(overseer, assistant, rng, contexts, questions)
        borne_out = origins >= 0
        if levels or judging_roots:
            borne_out &= overseer.judge(contexts, questions, transcript, answers) == 1
        is_open = find_open_claims(domain, questions, transcript)
        picked = np.full(origins.shape, -1)
        if len(levels) + 1 < depth_limit:
            told = transcript.questions, transcript.answers
            to_pick = is_open & borne_out[..., None]
            picked = pick_claims(rng, challenger, contexts, *told, to_pick, exploration)
        level = Level(questions, answers, origins, parents, transcript, is_open, picked, borne_out)
        levels.append(level)
        rows, columns = np.nonzero(picked >= 0)
        counts = np.bincount(rows, minlength=len(contexts))
        places = rows, rank_in_groups(rows, counts)
        shape = len(contexts), int(counts.max(initial=0))
        slots = picked[rows, columns]
        questions = np.zeros((*shape, questions.shape[-1]), np.int64)
        questions[places] = transcript.questions[rows, columns, slots]
        answers = np.zeros(shape, np.int64)
        answers[places] = transcript.answers[rows, columns, slots]
        origins, parents = (
            _scatter(shape, places, values) for values in (origins[rows, columns], columns)
        )
    return levels


def _scatter(shape: tuple[int, int], places: tuple[Symbols, Symbols], values: Symbols) -> Symbols:
    """An array of ``shape`` with ``values`` at ``places``, and -1 elsewhere."""
    array = np.full(shape, -1)
    array[places] = values
    return array


def find_standing(levels: list[Level]) -> list[NDArray[np.bool_]]:
    """Whether what is under debate on each level stands in the end: one ``(B, q)`` a level.

    An answer stands if its claims bear it out and the claim picked, if any, stands.
    """
    standing: list[NDArray[np.bool_]] = []
    for below, level in pairwise([None, *reversed(levels)]):
        assert level is not None
        picked_stands = np.ones(level.answers.shape, bool)
        if below is not None:
            rows, columns = np.nonzero(below.is_debated)
            picked_stands[rows, below.parents[rows, columns]] = standing[0][rows, columns]
        standing.insert(0, level.borne_out & level.is_debated & picked_stands)
    return standing
