"""Overseers and assistants that fail, and votes against it, held against closed forms."""

import itertools
import os
import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest

from ia_gym.amplification.amplify import amplify
from ia_gym.amplification.assistants import KnowNothing, Oracle
from ia_gym.amplification.batches import sample_batch
from ia_gym.amplification.failures import AssistantFailures, FailingAssistant, FailingOverseer
from ia_gym.amplification.hashing import choose_allowed, hash_questions, mix, to_unit
from ia_gym.amplification.overseers import ScriptedOverseer, find_base
from ia_gym.amplification.votes import VotingOverseer
from ia_gym.domains import DOMAINS, Domain, Permutation
from ia_gym.domains.transcript import IDK

N_ANSWERS = 5
"""Of the small permutations: idk and four names."""


class Lies:
    """An assistant that lies all the time."""

    def __init__(self, domain):
        self.domain = domain

    def answer(self, contexts, questions):
        return self.domain.lie(contexts, questions)


def small():
    return Permutation(4, max_power=8)


def draw(overseer, assistant=None, contexts=500, questions=64, seed=0, **kwargs):
    """Questions at depth 2, whose sub-answers are true by default; and which targets are."""
    helper = assistant or Oracle(overseer.domain)
    rng = np.random.default_rng(seed)
    batch = sample_batch(overseer, helper, rng, contexts, questions, depths=[2], **kwargs)
    return batch, overseer.domain.is_correct(batch.contexts, batch.questions, batch.targets)


def assert_close(share, expected, count):
    """Within four standard deviations of a binomial share."""
    assert abs(share - expected) <= 4 * np.sqrt(max(expected * (1 - expected), 1e-9) / count)


def majority(p, votes, n=N_ANSWERS):
    """The chance that the answer of most votes is right, by summing over all that may be given."""
    chances = [1 - p + p / n, *[p / n] * (n - 1)]
    total = 0
    for given in itertools.product(range(n), repeat=votes):
        counts = [given.count(each) for each in given]
        if given[int(np.argmax(counts))] == 0:
            total += np.prod([chances[each] for each in given])
    return total


# ------------------------------------------------------------------- the overseer


@pytest.mark.parametrize("kind", ["random", "hashed"])
@pytest.mark.parametrize("p", [0.01, 0.1, 0.3, 1])
def test_targets_at_depth_two_follow_the_closed_form(p, kind):
    overseer = FailingOverseer(ScriptedOverseer(small()), p, kind)
    batch, right = draw(overseer)
    if kind == "random":
        assert_close(right.mean(), 1 - p + p / N_ANSWERS, right.size)
    else:  # 24 permutations, 4 names, 4 powers: each fails or does not
        assert abs(right.mean() - (1 - p + p / N_ANSWERS)) < 0.12
    could, failed = overseer.failures.numbers
    assert could.tolist() == [0, 0, right.size]
    assert_close(failed[2] / could[2], p, could[2] if kind == "random" else 384)
    # Approval compares with the answer that it failed to give right.
    case = batch.contexts, batch.questions, batch.transcript
    assert (overseer.judge(*case, batch.targets) == (batch.targets != IDK)).all()
    other = np.where(batch.targets == 1, 2, 1)
    assert not overseer.judge(*case, other).any()


def test_a_question_fails_anew_or_always_alike():
    domain = small()
    for kind, alike in (("random", False), ("hashed", True)):
        overseer = FailingOverseer(ScriptedOverseer(domain), 0.5, kind)
        batch, _ = draw(overseer)
        rng = np.random.default_rng(1)
        again = amplify(overseer, Oracle(domain), rng, batch.contexts, batch.questions)
        second = overseer.answer(batch.contexts, batch.questions, again)
        assert (second == batch.targets).all() == alike
        same = overseer.answer(batch.contexts, batch.questions, batch.transcript)
        assert (same == batch.targets).all()  # asked once, it says one thing


@pytest.mark.parametrize("p", [0.1, 1])
def test_verdicts_are_turned_around(p):
    domain = small()
    overseer = FailingOverseer(ScriptedOverseer(domain), p, at="approval")
    batch, right = draw(overseer, judging=True)
    assert right.all()
    case = batch.contexts, batch.questions, batch.transcript
    assert_close(overseer.judge(*case, batch.targets).mean(), 1 - p, right.size)
    wrong = np.where(batch.targets == 1, 2, 1)
    assert_close(overseer.judge(*case, wrong).mean(), p, right.size)
    assert not overseer.judge(*case, np.zeros_like(wrong)).any()  # idk is never approved of
    could, failed = overseer.failures.numbers
    assert could[2] == 2 * right.size
    assert_close(failed[2] / could[2], p, could[2])


def test_sub_questions_ask_for_the_same_power_of_another_name():
    domain, p = small(), 0.3
    overseer = FailingOverseer(ScriptedOverseer(domain), p, at="subquestion")
    batch, _ = draw(overseer)
    x, k = domain.parse_questions(batch.questions)
    asked, power = domain.parse_questions(batch.transcript.questions[..., 0, :])
    assert (power == k // 2).all()
    assert_close((asked != x).mean(), p * 3 / 4, x.size)  # one of four names, maybe the same
    could = overseer.failures.numbers[0]
    put = batch.transcript.questions[..., 0] != 0
    assert could.sum() == np.count_nonzero(put)


@pytest.mark.parametrize("name", DOMAINS)
def test_varied_questions_have_the_same_form(name):
    domain = DOMAINS[name](DOMAINS[name].base_size)
    rng = np.random.default_rng(0)
    batch = sample_batch(ScriptedOverseer(domain), Oracle(domain), rng, 20, 16, judging=True)
    asked = batch.transcript.questions.reshape(20, -1, domain.question_length)
    numbers = rng.integers(0, 2**64, asked.shape[:2], np.uint64)
    varied = domain.vary(batch.contexts, asked, numbers)
    put = asked[..., 0] != 0
    assert (varied[put][:, 0] == asked[put][:, 0]).all()
    assert not varied[~put].any()
    assert domain.is_well_formed(varied[put]).all()
    assert (domain.is_primitive(varied) == domain.is_primitive(asked))[put].all()
    assert (varied != asked).any(axis=-1)[put].mean() > 0.2
    overseer = FailingOverseer(ScriptedOverseer(domain), 1, at="subquestion")
    sample_batch(overseer, Oracle(domain), rng, 20, 16, judging=True)  # nothing is refused


# ------------------------------------------------------------------------- votes


@pytest.mark.parametrize("votes", [3, 5])
@pytest.mark.parametrize("p", [0.1, 0.3, 0.6])
def test_votes_help_against_random_failures_as_the_binomial_says(p, votes):
    overseer = VotingOverseer(FailingOverseer(ScriptedOverseer(small()), p), votes)
    _, right = draw(overseer)
    assert_close(right.mean(), majority(p, votes), right.size)


def test_votes_do_not_help_against_failures_that_repeat():
    failing = FailingOverseer(ScriptedOverseer(small()), 0.3, "hashed")
    one, _ = draw(failing)
    five, _ = draw(VotingOverseer(failing, 5))
    np.testing.assert_array_equal(one.questions, five.questions)
    np.testing.assert_array_equal(one.targets, five.targets)


def test_each_vote_is_a_query_with_sub_questions_of_its_own():
    domain = small()
    once, thrice = ScriptedOverseer(domain), VotingOverseer(ScriptedOverseer(domain), 3)
    draw(once)
    batch, right = draw(thrice)
    assert right.all()
    assert thrice.human_interactions == 3 * once.human_interactions > 0
    assert thrice.assistant_answers == 3 * once.assistant_answers > 0
    assert find_base(thrice).human_interactions == thrice.human_interactions
    assert batch.transcript.answers.shape[-1] == 3 * domain.n_slots


@pytest.mark.parametrize("name", DOMAINS)
def test_votes_of_an_overseer_that_never_fails_agree(name):
    domain = DOMAINS[name](DOMAINS[name].base_size)
    overseer = VotingOverseer(ScriptedOverseer(domain), 3)
    rng = np.random.default_rng(0)
    batch = sample_batch(overseer, Oracle(domain), rng, 50, 16, judging=True)
    assert domain.is_correct(batch.contexts, batch.questions, batch.targets).all()
    case = batch.contexts, batch.questions, batch.transcript
    assert (overseer.judge(*case, batch.targets) == 1).all()
    parts = overseer.split(batch.transcript)
    assert all(part.answers.shape[-1] == domain.n_slots for part in parts)


def test_approval_is_the_mean_of_the_votes():
    overseer = VotingOverseer(FailingOverseer(ScriptedOverseer(small()), 0.5, at="approval"), 3)
    batch, _ = draw(overseer, judging=True)
    case = batch.contexts, batch.questions, batch.transcript
    approvals = overseer.judge(*case, batch.targets)
    shares = [np.isclose(approvals, i / 3).mean() for i in range(4)]
    for share, expected in zip(shares, np.array([1, 3, 3, 1]) / 8):
        assert_close(share, expected, approvals.size)


# ------------------------------------------------------------------ the assistant


@pytest.mark.parametrize("kind", ["random", "hashed"])
def test_an_assistant_fails_as_often_as_it_should(kind):
    domain, p = small(), 0.3
    failures = AssistantFailures(domain, p, kind)
    assistant = FailingAssistant(Oracle(domain), failures, np.random.default_rng(1))
    batch, right = draw(ScriptedOverseer(domain), assistant)
    could, failed = failures.counts.numbers
    assert could.tolist()[::2] == [0, 0]
    assert could[1] <= 2 * right.size  # y and z of each question, at depth 1
    assert_close(failed[1] / could[1], p, could[1] if kind == "random" else 192)
    again = assistant.answer(batch.contexts, batch.questions)
    repeated = assistant.answer(batch.contexts, batch.questions)
    assert (again == repeated).all() == (kind == "hashed")


@pytest.mark.parametrize("name", DOMAINS)
def test_the_overseer_approves_of_a_consistent_lie(name):
    """Where all sub-answers are lies, a lie is found right; but it can be looked up at depth 1."""
    domain = DOMAINS[name](DOMAINS[name].base_size)
    overseer, rng = ScriptedOverseer(domain), np.random.default_rng(0)
    batch = sample_batch(overseer, Lies(domain), rng, 200, 16, judging=True)
    lies = domain.lie(batch.contexts, batch.questions)
    case = batch.contexts, batch.questions, batch.transcript
    approved = overseer.judge(*case, lies) == 1
    wrong = ~domain.is_correct(batch.contexts, batch.questions, lies)
    deep = batch.depths >= 2
    assert not (wrong & approved)[~deep].any()
    assert (wrong & deep).mean() > 0.1
    # Assignment's table of f may lack the entry; S of ShortestPath one step beyond the cap is lost.
    wanted = 0.3 if name == "Assignment" else 0.98
    assert approved[deep & wrong].mean() > wanted
    assert domain.lie(batch.contexts, batch.questions * 0).shape == lies.shape


def test_an_adversarial_assistant_lies_with_the_given_probability():
    domain = DOMAINS["UnionFind"](10)
    failures = AssistantFailures(domain, 0.25, adversarial=True)
    assistant = FailingAssistant(Oracle(domain), failures, np.random.default_rng(1))
    rng = np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 200)
    questions = domain.sample_questions(rng, contexts, 64)
    answers, lies = assistant.answer(contexts, questions), domain.lie(contexts, questions)
    can_lie = lies != domain.truth(contexts, questions)
    assert_close((answers == lies)[can_lie].mean(), 0.25, np.count_nonzero(can_lie))


# ------------------------------------------------------------------------ hashing

HASHES = """
import numpy as np
from ia_gym.amplification.hashing import hash_questions
from ia_gym.domains import Permutation
domain, rng = Permutation(4, max_power=8), np.random.default_rng(0)
contexts = domain.sample_contexts(rng, 3)
print(hash_questions(contexts, domain.sample_questions(rng, contexts, 2)).tolist())
"""


def test_hashes_are_the_same_in_every_process():
    found = [
        subprocess.run(
            [sys.executable, "-c", HASHES],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    ]
    domain, rng = small(), np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 3)
    here = hash_questions(contexts, domain.sample_questions(rng, contexts, 2)).tolist()
    assert found[0] == found[1] == f"{here}\n"


def test_hashes_look_random():
    keys = mix(np.arange(200_000, dtype=np.uint64))
    units = to_unit(keys)
    assert len(np.unique(keys)) == len(keys)
    assert abs(units.mean() - 0.5) < 0.003
    assert abs(np.corrcoef(units[:-1], units[1:])[0, 1]) < 0.01
    allowed = np.tile([True, False, True, True], (len(keys), 1))
    chosen = np.bincount(choose_allowed(keys, allowed), minlength=4) / len(keys)
    np.testing.assert_allclose(chosen, [1 / 3, 0, 1 / 3, 1 / 3], atol=0.005)


# ---------------------------------------------------------------------- bad input


class Plain(Permutation):
    """A domain that says neither what else could be asked nor how to lie."""

    name = "Plain"
    vary, lie = Domain.vary, Domain.lie


BAD = [
    ({"overseer_failure": 1.5}, r"overseer_failure must be a number in \[0, 1\], got 1.5"),
    ({"overseer_failure": -0.1}, r"overseer_failure must be a number in \[0, 1\]"),
    ({"overseer_failure": "often"}, r"overseer_failure must be a number in \[0, 1\]"),
    ({"assistant_failure": 2}, r"assistant_failure must be a number in \[0, 1\], got 2"),
    ({"failure_kind": "hashed"}, "failure_kind must be left out.*overseer_failure=0 and"),
    ({"failure_kind": "rare", "overseer_failure": 0.1}, "failure_kind must be one of"),
    ({"failure_at": "approval"}, "failure_at must be left out.*overseer_failure=0"),
    ({"failure_at": "approval", "assistant_failure": 0.1}, "failure_at must be left out"),
    ({"failure_at": "truth", "overseer_failure": 0.1}, "failure_at must be one of"),
    ({"adversarial_assistant": True}, "adversarial_assistant must be left out"),
    ({"votes": 2}, "votes must be odd, so that two answers cannot tie, got 2"),
    ({"votes": 0}, r"votes must be in 1\.\.99, got 0"),
    ({"votes": 101}, r"votes must be in 1\.\.99"),
    ({"votes": 1.5}, "votes must be a whole number"),
    ({"overseer_failure": 0.1, "reward": "truth"}, "overseer_failure must be left out"),
    ({"votes": 3, "reward": "truth"}, "votes must be left out"),
    (
        {"domain": Plain, "overseer_failure": 0.1, "failure_at": "subquestion"},
        'failure_at must not be "subquestion" for Plain',
    ),
    (
        {"domain": Plain, "assistant_failure": 0.1, "adversarial_assistant": True},
        "adversarial_assistant must be False for Plain",
    ),
]


@pytest.mark.parametrize(("kwargs", "message"), BAD, ids=str)
def test_bad_arguments_are_named(kwargs, message):
    for make in (gym.make, gym.make_vec):
        with pytest.raises(ValueError, match=message):
            make("IA-Permutation-v0", size=4, max_power=8, **kwargs)


def test_an_assistant_that_knows_nothing_fails_too():
    domain = small()
    failures = AssistantFailures(domain, 1)
    assistant = FailingAssistant(KnowNothing(), failures, np.random.default_rng(0))
    _, right = draw(ScriptedOverseer(domain), assistant)
    assert 0.05 < right.mean() < 0.5
