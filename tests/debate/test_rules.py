"""Debates side by side end as each would alone; what is true stands, what is false falls."""

from zlib import crc32

import numpy as np
import pytest

from ia_gym.amplification.assistants import KnowNothing, Oracle
from ia_gym.amplification.overseers import ScriptedOverseer
from ia_gym.debate.challengers import RandomChallenger, pick_claims
from ia_gym.debate.rules import check_depth_limit, count_levels, debate, find_standing
from ia_gym.domains import DOMAINS
from ia_gym.domains.transcript import IDK, Transcript


def mix(numbers):
    """A whole number that depends on all of these in no simple way."""
    return crc32(np.array([int(number) for number in numbers]).tobytes())


class Liar:
    """Answers with the truth, or three times in ten with another answer: always the same one."""

    def __init__(self, domain):
        self.domain = domain

    def answer_one(self, context, question):
        truth = int(self.domain.truth(context, question[None, None])[0, 0])
        chance = mix([*context["facts"].ravel(), *question])
        allowed = np.flatnonzero(self.domain.answer_mask(question))
        return int(allowed[chance % len(allowed)]) if chance // 100 % 10 < 3 else truth

    def answer(self, contexts, questions):
        answers = np.zeros(questions.shape[:2], np.int64)
        for b, q in zip(*np.nonzero(questions[..., 0])):
            answers[b, q] = self.answer_one(contexts[b : b + 1], questions[b, q])
        return answers


class Whimsical:
    """Prefers claims by a number that depends on sub-question and claim."""

    def score(self, contexts, questions, answers):
        rows = np.concatenate([questions, answers[..., None]], axis=-1)
        return np.apply_along_axis(mix, -1, rows).astype(float)


def stands_alone(domain, liar, context, question, answer, levels_left):
    """One debate, in plain Python: the same rules, told once more."""
    transcript = Transcript.empty((1, 1), domain.n_slots, domain.question_length)
    rng = np.random.default_rng(5)
    claims = []
    for round, slots in enumerate(domain.round_slots):
        asked = domain.ask(rng, round, context, question[None, None], transcript)
        for slot, row in zip(range(slots.start, slots.stop), asked[0, 0]):
            transcript.questions[0, 0, slot] = row
            if not row[0]:
                continue
            if domain.is_primitive(row[None])[0]:
                found = domain.look_up(rng, context, row[None, None])[0, 0]
            else:
                found = liar.answer_one(context, row)
                claims.append((row, found))
            transcript.answers[0, 0, slot] = found
    case = context, question[None, None], transcript, np.array([[answer]])
    if domain.error(*case)[0, 0] > 0:
        return False
    open_claims = [(row, said) for row, said in claims if tuple(row) != tuple(question)]
    if not open_claims or levels_left == 1:
        return True
    row, said = max(open_claims, key=lambda claim: mix([*claim[0], claim[1]]))
    return stands_alone(domain, liar, context, row, said, levels_left - 1)


@pytest.mark.parametrize("name", DOMAINS)
def test_debates_side_by_side_end_as_each_alone(name):
    domain, rng = DOMAINS[name](7), np.random.default_rng(1)
    contexts = domain.sample_contexts(rng, 5)
    questions = domain.sample_questions(rng, contexts, 12)
    questions[2, 3] = 0  # no question
    liar, limit = Liar(domain), count_levels(domain)
    answers = liar.answer(contexts, questions)
    parts = ScriptedOverseer(domain), liar, Whimsical(), rng
    levels = debate(*parts, contexts, questions, answers, limit)
    standing = find_standing(levels)[0]
    for b, q in np.ndindex(standing.shape):
        row, context = questions[b, q], contexts[b : b + 1]
        alone = bool(row[0]) and stands_alone(domain, liar, context, row, answers[b, q], limit)
        assert standing[b, q] == alone, (b, q)
    assert 0.1 < standing.mean() < 0.95
    assert len(levels) >= 2


@pytest.mark.parametrize("name", DOMAINS)
def test_the_truth_stands_whoever_challenges_it(name):
    """And every claim challenged on the way; without the truth behind it no other answer does."""
    domain, rng = DOMAINS[name](8), np.random.default_rng(2)
    contexts = domain.sample_contexts(rng, 20)
    questions = domain.sample_questions(rng, contexts, 20)
    truths = domain.truth(contexts, questions)
    others = rng.integers(domain.n_answers, size=truths.shape)
    limit = count_levels(domain)
    for _ in range(3):
        parts = ScriptedOverseer(domain), Oracle(domain), RandomChallenger(), rng
        levels = debate(*parts, contexts, questions, truths, limit)
        for level, stands in zip(levels, find_standing(levels)):
            np.testing.assert_array_equal(stands, level.is_debated)
        levels = debate(*parts, contexts, questions, others, limit)
        correct = domain.is_correct(contexts, questions, others)
        np.testing.assert_array_equal(levels[0].borne_out, correct)
        np.testing.assert_array_equal(find_standing(levels)[0], correct)


class Knowing:
    """Challenges the claims that are false."""

    def __init__(self, domain):
        self.domain = domain

    def score(self, contexts, questions, answers):
        return 1.0 - self.domain.is_correct(contexts, questions, answers)


@pytest.mark.parametrize("name", ["Permutation", "Assignment", "Wildcard"])
def test_no_lie_stands_against_a_challenger_who_knows(name):
    """If a false answer is borne out, one of the claims behind it is false."""
    domain, rng = DOMAINS[name](8), np.random.default_rng(3)
    contexts = domain.sample_contexts(rng, 30)
    questions = domain.sample_questions(rng, contexts, 30)
    overseer, liar, limit = ScriptedOverseer(domain), Liar(domain), count_levels(domain)
    answers = liar.answer(contexts, questions)
    correct = domain.is_correct(contexts, questions, answers)
    stands = {}
    for challenger in (Knowing(domain), RandomChallenger()):
        levels = debate(overseer, liar, challenger, rng, contexts, questions, answers, limit)
        stands[type(challenger)] = find_standing(levels)[0]
    assert not (stands[Knowing] & ~correct).any()
    assert stands[Knowing].sum() <= stands[RandomChallenger].sum()


def test_the_judge_follows_one_path_in_place_of_the_tree():
    """σ^k(x) has at most one question on each level, halving k; its lookups are counted."""
    domain, rng = DOMAINS["Permutation"](16), np.random.default_rng(4)
    contexts = domain.sample_contexts(rng, 10)
    questions = domain.sample_questions(rng, contexts, 10)
    truths = domain.truth(contexts, questions)
    overseer = ScriptedOverseer(domain)
    parts = overseer, Oracle(domain), RandomChallenger(), rng
    levels = debate(*parts, contexts, questions, truths, count_levels(domain))
    _, powers = domain.parse_questions(questions)
    lengths = np.floor(np.log2(powers)).astype(int)
    for i, level in enumerate(levels):
        assert np.count_nonzero(level.is_debated) == np.count_nonzero(lengths > i)
        rows, columns = np.nonzero(level.is_debated)
        _, halved = domain.parse_questions(level.questions[rows, columns])
        np.testing.assert_array_equal(halved, powers[rows, level.origins[rows, columns]] >> i)
    assert overseer.verdicts == overseer.human_interactions == lengths.sum()
    odd = sum(np.count_nonzero((powers >> i) % 2 * (powers >> i > 1)) for i in range(8))
    assert overseer.lookups == odd + 2 * np.count_nonzero(powers > 1)


def test_idk_never_stands_and_claims_of_idk_bear_nothing_out():
    domain, rng = DOMAINS["Permutation"](8), np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 10)
    questions = domain.sample_questions(rng, contexts, 10)
    parts = ScriptedOverseer(domain), KnowNothing(), RandomChallenger(), rng
    levels = debate(*parts, contexts, questions, domain.truth(contexts, questions), 2)
    shallow = domain.depth(contexts, questions) == 1  # lookups settle these
    np.testing.assert_array_equal(find_standing(levels)[0], shallow)
    nothing = np.full(shallow.shape, IDK)
    levels = debate(
        ScriptedOverseer(domain), Oracle(domain), *parts[2:], contexts, questions, nothing, 2
    )
    assert not find_standing(levels)[0].any()


@pytest.mark.parametrize("exploration", [0.0, 0.3, 1.0])
def test_picks_are_the_best_open_claims_but_for_exploration(exploration):
    rng = np.random.default_rng(0)
    shape = (50, 20, 4)
    is_open = rng.random(shape) < 0.6
    questions = rng.integers(1, 9, size=(*shape, 3))
    answers = rng.integers(9, size=shape)
    case = np.zeros(50), questions, answers, is_open
    picked = pick_claims(rng, Whimsical(), *case, exploration)
    scores = np.where(is_open, Whimsical().score(None, questions, answers), -1)
    any_open = is_open.any(axis=-1)
    np.testing.assert_array_equal(picked == -1, ~any_open)
    assert np.take_along_axis(is_open, np.maximum(picked, 0)[..., None], -1)[any_open].all()
    several = is_open.sum(axis=-1) > 1
    share = (picked == scores.argmax(axis=-1))[several].mean()
    by_chance = (1 / is_open.sum(axis=-1)[several]).mean()
    expected = 1 - exploration + exploration * by_chance
    assert share == pytest.approx(expected, abs=0.06 if exploration else 0)


def test_levels_that_a_domain_needs():
    """The longest chain of dependent questions."""
    assert count_levels(DOMAINS["Permutation"](8)) == 2  # σ^7, σ^3
    assert count_levels(DOMAINS["Wildcard"](8)) == 3
    assert count_levels(DOMAINS["Assignment"](8)) == 7
    assert count_levels(DOMAINS["UnionFind"](4)) == 7  # D(4), P(4), D(3), P(3), ..., D(1)
    domain = DOMAINS["Wildcard"](8)
    assert check_depth_limit(None, domain) == 3
    assert check_depth_limit(5, domain) == 5
    for bad in (2, 0, -1, 1.5, 10**9):
        with pytest.raises(
            ValueError, match=r"^depth_limit must be .*3.*10000.*Wildcard.* needs 3"
        ):
            check_depth_limit(bad, domain)
    domain.__dict__["depends_on"] = np.ones_like(domain.depends_on)
    with pytest.raises(ValueError, match=r"^dependencies\(\) of Wildcard must let no class"):
        count_levels(domain)
