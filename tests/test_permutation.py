"""The domain against brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ia_gym.amplification import amplify
from ia_gym.assistants import Oracle
from ia_gym.overseers import ScriptedOverseer
from ia_gym.tasks import Permutation
from ia_gym.transcript import IDK, Transcript


def brute_force(domain, context, question):
    """σ^k(x), one step after another, from the facts alone."""
    image = {int(x): int(y) for x, y in context["facts"] if x != IDK}
    name = int(question[1])
    bits = [int(token) - domain.bit_symbol for token in question[2:]]
    for _ in range(int("".join(map(str, bits)), 2)):
        name = image.get(name, IDK)
    return name if int(question[1]) in image else IDK


class ItselfAsAssistant:
    """H as its own assistant, all the way down to primitive questions."""

    def __init__(self, overseer, rng):
        self.overseer, self.rng = overseer, rng

    def answer(self, contexts, questions):
        if not questions.any():
            return np.zeros(questions.shape[:2], np.int64)
        transcript = amplify(self.overseer, self, self.rng, contexts, questions)
        return self.overseer.answer(contexts, questions, transcript)


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


@settings(max_examples=60, deadline=None)
@given(domains(), st.integers(0, 2**32 - 1))
def test_truth_is_brute_force(domain, seed):
    rng = np.random.default_rng(seed)
    contexts = domain.sample_contexts(rng, 3)
    names = rng.integers(1, domain.max_size + 1, (3, 8))  # also names not in the context
    questions = domain.question(names, rng.integers(0, domain.max_power, (3, 8)))
    expected = [[brute_force(domain, c, q) for q in row] for c, row in zip(contexts, questions)]
    np.testing.assert_array_equal(domain.truth(contexts, questions), expected)


@settings(max_examples=60, deadline=None)
@given(domains(), st.integers(0, 2**32 - 1))
def test_amplified_answers_are_true(domain, seed):
    rng = np.random.default_rng(seed)
    contexts = domain.sample_contexts(rng, 3)
    questions = domain.sample_questions(rng, contexts, 8)
    truth = domain.truth(contexts, questions)
    overseer = ScriptedOverseer(domain)
    for assistant in (Oracle(domain), ItselfAsAssistant(overseer, rng)):
        transcript = amplify(overseer, assistant, rng, contexts, questions)
        np.testing.assert_array_equal(overseer.answer(contexts, questions, transcript), truth)


def test_strict_approval_with_the_oracle_is_correctness():
    domain = Permutation(12, 16, 40)
    rng = np.random.default_rng(0)
    overseer = ScriptedOverseer(domain)
    triples = 0
    while triples < 1_000_000:
        contexts = domain.sample_contexts(rng, 2048)
        questions = domain.sample_questions(rng, contexts, 64)
        transcript = amplify(overseer, Oracle(domain), rng, contexts, questions)
        truth = domain.truth(contexts, questions)
        guesses = rng.integers(0, domain.n_answers, truth.shape)
        answers = np.where(rng.random(truth.shape) < 0.5, truth, guesses)
        approval = overseer.judge(contexts, questions, transcript, answers)
        np.testing.assert_array_equal(approval, domain.correct(contexts, questions, answers))
        assert not approval[answers == IDK].any()
        triples += answers.size


def test_idk_on_the_way_makes_h_say_idk_and_ask_no_more():
    domain = Permutation(8)
    contexts = domain.sample_contexts(np.random.default_rng(0), 1)
    question = domain.question(np.array([[3]]), np.array([[7]]))
    transcript = Transcript.empty((1, 1), domain.slots, domain.question_length)
    assert not domain.ask(1, contexts, question, transcript).any()
    assert not domain.ask(2, contexts, question, transcript).any()
    assert domain.answer(contexts, question, transcript) == IDK
    assert domain.judge(contexts, question, transcript, np.array([[IDK]])) == 0


def test_leading_bits_are_uniform_and_the_rest_random():
    domain = Permutation(8, max_power=16)
    rng = np.random.default_rng(1)
    contexts = domain.sample_contexts(rng, 500)
    questions = domain.sample_questions(rng, contexts, 200)
    names, powers = domain.parse(questions)
    counts = np.bincount(powers.ravel(), minlength=16) / powers.size
    assert counts[:2].sum() == 0
    expected = np.repeat([1 / 3 / 2, 1 / 3 / 4, 1 / 3 / 8], [2, 4, 8])
    np.testing.assert_allclose(counts[2:], expected, atol=0.005)
    np.testing.assert_allclose(np.bincount(names.ravel())[1:] / names.size, 1 / 8, atol=0.005)


@pytest.mark.parametrize("max_power", [3, 6, 8, 33])
def test_depth_is_the_position_of_the_leading_bit(max_power):
    domain = Permutation(4, max_power=max_power)
    powers = np.arange(max_power)[None]
    questions = domain.question(np.ones_like(powers), powers)
    depths = domain.depth(domain.sample_contexts(np.random.default_rng(0), 1), questions)
    assert depths[0].tolist() == [max(int(k).bit_length() - 1, 0) for k in range(max_power)]
    assert depths.max() == domain.max_depth
    np.testing.assert_array_equal(domain.is_primitive(questions), powers <= 1)


def test_questions_of_chosen_depths_and_contexts_of_chosen_size():
    domain = Permutation(16)
    rng = np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 50, size=5)
    assert (np.count_nonzero(contexts["facts"][..., 0], axis=1) == 5).all()
    questions = domain.sample_questions(rng, contexts, 20, depths=[1, 3])
    assert set(np.unique(domain.depth(contexts, questions))) == {1, 3}
    assert (domain.truth(contexts, questions) != IDK).all()


def test_each_class_rests_on_the_one_below():
    domain = Permutation(16)
    for cls in range(domain.n_classes):
        assert np.flatnonzero(domain.rests_on[cls]).tolist() == ([cls - 1] if cls else [])


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"size": 1}, "size"),
        ({"size": 9, "max_size": 8}, "size"),
        ({"size": 2.5}, "size"),
        ({"size": True}, "size"),
        ({"size": 4, "max_size": 10**6}, "max_size"),
        ({"size": 4, "max_power": 2}, "max_power"),
    ],
)
def test_bad_arguments_are_named(arguments, name):
    with pytest.raises(ValueError, match=f"^{name} must be .*got"):
        Permutation(**arguments)


@pytest.mark.parametrize("depths", [[], [0], [4], [1, 9]])
def test_bad_depths_are_refused(depths):
    domain = Permutation(8, max_power=16)
    contexts = domain.sample_contexts(np.random.default_rng(0), 1)
    with pytest.raises(ValueError, match=r"depths must be some of 1\.\.3"):
        domain.sample_questions(np.random.default_rng(0), contexts, 1, depths)


def test_texts():
    domain = Permutation(4)
    context = np.zeros((), domain.context_dtype)
    context["facts"] = [[1, 2], [2, 1], [3, 3], [4, 4]]
    context["image"] = [0, 2, 1, 3, 4]
    assert domain.context_text(context) == "σ = (1 2) (3) (4)"
    assert domain.fact_text(context["facts"][0]) == "σ(1) = 2"
    assert domain.fact_text(np.zeros(2, np.int64)) == ""
    assert domain.question_text(domain.question(np.array(3), np.array(2))) == "σ^2(3)"
    assert [domain.answer_text(0), domain.answer_text(4)] == ["idk", "4"]
