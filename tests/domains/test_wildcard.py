"""Wildcard sums against direct enumeration."""

from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ia_gym.domains import Wildcard
from ia_gym.domains.transcript import IDK, Transcript


def function(domain, context):
    """f, from the facts alone."""
    facts = context["facts"][context["facts"][:, 0] != 0]
    points = ["".join(map(str, bits)) for bits in facts[:, :-1] - domain.bit_symbol]
    return dict(zip(points, facts[:, -1] - domain.zero_symbol, strict=True))


def total(f, pattern):
    choices = ["01" if token == "*" else token for token in pattern]
    return sum(f.get("".join(point), 0) for point in product(*choices))


def clipped_halves(f, pattern, bound):
    if "*" not in pattern:
        return f.get(pattern, 0)
    halves = [clipped_halves(f, pattern.replace("*", bit, 1), bound) for bit in "01"]
    return max(-bound, min(bound, sum(halves)))


def everything(domain, count):
    return np.tile(domain.rows, (count, 1, 1))


@settings(max_examples=50, deadline=None)
@given(st.data(), st.integers(0, 2**32 - 1))
def test_sums_are_those_of_enumeration(data, seed):
    max_size = data.draw(st.integers(2, 40))
    domain = Wildcard(data.draw(st.integers(2, max_size)), max_size)
    contexts = domain.sample_contexts(np.random.default_rng(seed), 2)
    questions = everything(domain, 2)
    truth = domain.truth(contexts, questions)
    power_of_two = domain.max_size == 2**domain.n_bits
    for context, row, answers in zip(contexts, questions, truth, strict=True):
        f = function(domain, context)
        assert len(f) == domain.size
        assert set(f.values()) <= {-1, 1}
        for question, answer in list(zip(row, answers, strict=True))[:: 1 + len(row) // 200]:
            pattern = domain.question_text(question)[3:-1]
            assert domain.answer_text(answer) == str(clipped_halves(f, pattern, domain.bound))
            if power_of_two:
                bound = domain.max_size // 2
                assert domain.answer_text(answer) == str(max(-bound, min(bound, total(f, pattern))))


def test_patterns_and_functions_are_distributed_as_the_definition_says():
    domain, rng = Wildcard(10, 16), np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 2000)
    signs = contexts["facts"][:, :10, -1] - domain.zero_symbol
    assert abs(signs.mean()) < 0.02
    points = (contexts["facts"][:, :10, :-1] - domain.bit_symbol) @ [8, 4, 2, 1]
    np.testing.assert_allclose(np.bincount(points.ravel()) / points.size, 1 / 16, atol=0.01)
    questions = domain.sample_questions(rng, contexts, 50)
    tokens = questions[..., 1:] - domain.bit_symbol
    stars = (tokens == 2).sum(axis=-1)
    np.testing.assert_allclose(np.bincount(stars.ravel())[1:] / stars.size, 1 / 4, atol=0.01)
    np.testing.assert_allclose((tokens == 2).mean(axis=(0, 1)), 2.5 / 4, atol=0.01)
    assert abs((tokens == 1).sum() / (tokens != 2).sum() - 0.5) < 0.01


def test_zero_is_right_about_four_times_in_ten_at_eight():
    domain, rng = Wildcard(8), np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 2000)
    truth = domain.truth(contexts, domain.sample_questions(rng, contexts, 16))
    # One wildcard: 1/2; two: 6/16; three: 70/256.
    expected = (1 / 2 + 6 / 16 + 70 / 256) / 3
    assert abs((truth == domain.zero_symbol).mean() - expected) < 0.01


def test_the_first_wildcard_is_replaced():
    domain, rng = Wildcard(16), np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 1)
    questions = everything(domain, 1)
    asked = domain.ask(rng, 0, contexts, questions, None)
    for question, halves in zip(questions[0], asked[0], strict=True):
        text = domain.question_text(question)
        wanted = [text.replace("*", bit, 1) for bit in "01"]
        assert [domain.question_text(half) for half in halves] == wanted


def test_texts():
    domain = Wildcard(3, 8)
    bits = domain.bit_symbol
    assert (
        domain.fact_text(np.array([bits, bits + 1, bits, 1 + domain.zero_symbol])) == "f(010) = +1"
    )
    assert (
        domain.fact_text(np.array([bits + 1, bits, bits, domain.zero_symbol - 1])) == "f(100) = -1"
    )
    assert domain.fact_text(np.zeros(4, int)) == ""
    question = np.array([domain.kind_symbol, bits, bits + 2, bits + 1])
    assert domain.question_text(question) == "Σf(0*1)"
    assert [domain.answer_text(a) for a in (0, 1, domain.zero_symbol, 9)] == ["idk", "-4", "0", "4"]


def test_the_overseer_adds_sub_answers_and_clips():
    domain = Wildcard(8)
    bound, zero = domain.bound, domain.zero_symbol
    question = everything(domain, 1)[:, -1:]
    transcript = Transcript.empty((1, 1), 2, domain.question_length)
    cases = [(1, 2, 3), (-1, 2, 1), (bound, 1, bound), (-bound, -1, -bound)]
    for left, right, total_ in cases:
        transcript.answers[:] = zero + left, zero + right
        assert domain.answer(None, question, transcript) == zero + total_
        for other in range(-bound, bound + 1):
            found = domain.error(None, question, transcript, np.array([[zero + other]]))
            assert found == abs(total_ - other)
        assert domain.error(None, question, transcript, np.array([[IDK]])) == np.inf
    for known in ((zero, IDK), (IDK, zero)):
        transcript.answers[:] = known
        assert domain.answer(None, question, transcript) == IDK
        assert domain.error(None, question, transcript, np.array([[zero]])) == np.inf
