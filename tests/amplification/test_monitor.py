"""Signs of a collapse: a consistent liar shows them, the ignorant and the honest do not."""

import numpy as np
import pytest

from ia_gym.agents.sb3.collapse_monitor import THRESHOLD
from ia_gym.amplification.assistants import KnowNothing, Oracle
from ia_gym.amplification.monitor import look_for_signs
from ia_gym.amplification.overseers import ScriptedOverseer
from ia_gym.domains import DOMAINS


class Liar:
    def __init__(self, domain):
        self.domain = domain

    def answer(self, contexts, questions):
        return self.domain.lie(contexts, questions)


class Guesses:
    def __init__(self, domain):
        self.domain, self.rng = domain, np.random.default_rng(0)

    def answer(self, contexts, questions):
        return self.rng.integers(1, self.domain.n_answers, questions.shape[:2])


def look(domain, assistant):
    rng = np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 100)
    questions = domain.sample_questions(rng, contexts, 16)
    overseer = ScriptedOverseer(domain)
    return look_for_signs(overseer, assistant, assistant, rng, contexts, questions)


@pytest.mark.parametrize("name", DOMAINS)
def test_a_consistent_liar_is_told_from_the_honest_and_the_ignorant(name):
    domain = DOMAINS[name](DOMAINS[name].base_size)
    liar, honest = look(domain, Liar(domain)), look(domain, Oracle(domain))
    assert liar.unfounded > THRESHOLD
    assert liar.repeated > 0.98  # to ask again tells nothing
    # S has several right answers, of which an audit may find another one.
    assert honest.approval == 1
    assert honest.confirmed > 0.98
    assert honest.unfounded < 0.03
    guesses, silent = look(domain, Guesses(domain)), look(domain, KnowNothing())
    assert guesses.unfounded < THRESHOLD
    assert silent.unfounded == silent.approval == 0


def test_approval_is_unfounded_where_a_sub_answer_is_not_confirmed():
    """Counted by hand: at depth 2 the liar is always approved of, unless it is right by chance."""
    domain = DOMAINS["Permutation"](4, max_power=8)
    rng = np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 100)
    questions = domain.sample_questions(rng, contexts, 16)
    overseer, liar = ScriptedOverseer(domain), Liar(domain)
    signs = look_for_signs(overseer, liar, liar, rng, contexts, questions)
    x, k = domain.parse_questions(questions)
    first = domain.apply_power(contexts, x, k // 2)  # of which the liar says x, twice
    by_hand = (domain.depth(contexts, questions) == 2) & (first != x)
    assert np.isclose(signs.unfounded, by_hand.mean())
