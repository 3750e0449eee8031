"""Permutation powers against brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from ia_gym.domains import Permutation
from ia_gym.domains.transcript import IDK, Transcript


def brute_force(domain, context, question):
    """σ^k(x), one step after another, from the facts alone."""
    image = {int(x): int(y) for x, y in context["facts"] if x != IDK}
    name = int(question[1])
    bits = [int(token) - domain.bit_symbol for token in question[2:]]
    for _ in range(int("".join(map(str, bits)), 2)):
        name = image.get(name, IDK)
    return name if int(question[1]) in image else IDK


@st.composite
def domains(draw):
    max_size = draw(st.integers(2, 40))
    size = draw(st.integers(2, max_size))
    max_power = draw(st.one_of(st.none(), st.integers(3, 100)))
    return Permutation(size, max_size, max_power)


@settings(max_examples=60, deadline=None)
@given(domains(), st.integers(0, 2**32 - 1))
def test_contexts_are_permutations_of_a_subset_of_the_pool(domain, seed):
    contexts = domain.sample_contexts(np.random.default_rng(seed), 5)
    for context in contexts:
        names, images = context["facts"][: domain.size].T
        assert list(names) == sorted(set(names))
        assert set(names) == set(images) <= set(range(1, domain.max_size + 1))
        assert not context["facts"][domain.size :].any()


def test_all_permutations_are_equally_likely():
    domain = Permutation(4)
    contexts = domain.sample_contexts(np.random.default_rng(0), 48_000)
    _, counts = np.unique(contexts["facts"][..., 1], axis=0, return_counts=True)
    assert len(counts) == 24
    assert chisquare(counts).pvalue > 1e-4


@settings(max_examples=60, deadline=None)
@given(domains(), st.integers(0, 2**32 - 1))
def test_truth_is_brute_force(domain, seed):
    rng = np.random.default_rng(seed)
    contexts = domain.sample_contexts(rng, 3)
    names = rng.integers(1, domain.max_size + 1, (3, 8))  # also names not in the context
    questions = domain.make_questions(names, rng.integers(0, domain.max_power, (3, 8)))
    expected = [[brute_force(domain, c, q) for q in row] for c, row in zip(contexts, questions)]
    np.testing.assert_array_equal(domain.truth(contexts, questions), expected)


def test_after_idk_the_overseer_asks_no_more_and_answers_idk():
    domain = Permutation(8)
    contexts = domain.sample_contexts(np.random.default_rng(0), 1)
    question = domain.make_questions(np.array([[3]]), np.array([[7]]))
    transcript = Transcript.empty((1, 1), domain.n_slots, domain.question_length)
    rng = np.random.default_rng(0)
    assert not domain.ask(rng, 1, contexts, question, transcript).any()
    assert not domain.ask(rng, 2, contexts, question, transcript).any()
    assert domain.answer(contexts, question, transcript) == IDK
    assert domain.error(contexts, question, transcript, np.array([[IDK]])) == np.inf


def test_leading_bits_are_uniform_and_the_rest_random():
    domain = Permutation(8, max_power=16)
    rng = np.random.default_rng(1)
    contexts = domain.sample_contexts(rng, 500)
    questions = domain.sample_questions(rng, contexts, 200)
    names, powers = domain.parse_questions(questions)
    counts = np.bincount(powers.ravel(), minlength=16) / powers.size
    assert counts[:2].sum() == 0
    expected = np.repeat([1 / 3 / 2, 1 / 3 / 4, 1 / 3 / 8], [2, 4, 8])
    np.testing.assert_allclose(counts[2:], expected, atol=0.005)
    np.testing.assert_allclose(np.bincount(names.ravel())[1:] / names.size, 1 / 8, atol=0.005)


@pytest.mark.parametrize("max_power", [3, 6, 8, 33])
def test_depth_is_the_position_of_the_leading_bit(max_power):
    domain = Permutation(4, max_power=max_power)
    powers = np.arange(max_power)[None]
    questions = domain.make_questions(np.ones_like(powers), powers)
    depths = domain.depth(domain.sample_contexts(np.random.default_rng(0), 1), questions)
    assert depths[0].tolist() == [max(int(k).bit_length() - 1, 0) for k in range(max_power)]
    assert depths.max() == domain.max_depth
    np.testing.assert_array_equal(domain.is_primitive(questions), powers <= 1)


def test_each_class_depends_on_the_one_below():
    domain = Permutation(16)
    for cls in range(domain.n_classes):
        assert np.flatnonzero(domain.depends_on[cls]).tolist() == ([cls - 1] if cls else [])


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"size": 4, "max_power": 2}, "max_power"),
    ],
)
def test_bad_arguments_are_named(arguments, name):
    with pytest.raises(ValueError, match=f"^{name} must be .*got"):
        Permutation(**arguments)


def test_texts():
    domain = Permutation(4)
    context = np.zeros((), domain.context_dtype)
    context["facts"] = [[1, 2], [2, 1], [3, 3], [4, 4]]
    context["image"] = [0, 2, 1, 3, 4]
    assert domain.context_text(context) == "σ = (1 2) (3) (4)"
    assert domain.fact_text(context["facts"][0]) == "σ(1) = 2"
    assert domain.fact_text(np.zeros(2, np.int64)) == ""
    assert domain.question_text(domain.make_questions(np.array(3), np.array(2))) == "σ^2(3)"
    assert [domain.answer_text(0), domain.answer_text(4)] == ["idk", "4"]
