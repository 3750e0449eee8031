"""The trust gate and the curriculum."""

from collections import deque

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ia_gym.amplification.curriculum import Curriculum
from ia_gym.amplification.moving_averages import MovingAverages
from ia_gym.amplification.trust import TrustGate
from ia_gym.domains import Assignment, Permutation, ShortestPath

CHAIN = np.eye(4, k=-1, dtype=bool)
ALONE = np.arange(4)


@given(st.lists(st.lists(st.tuples(st.integers(0, 2), st.floats(0, 1)), max_size=20)))
def test_moving_averages_are_those_of_a_window(batches):
    averages = MovingAverages(3, 5)
    windows = [deque(maxlen=5) for _ in range(3)]
    for batch in batches:
        classes = np.array([cls for cls, _ in batch], np.int64)
        averages.record(classes, np.array([value for _, value in batch], np.float64))
        for cls, value in batch:
            windows[cls].append(value)
    expected = [np.mean(window) if len(window) == 5 else 0 for window in windows]
    np.testing.assert_allclose(averages.means, expected, atol=1e-12)


def test_trust_climbs_class_by_class():
    gate = TrustGate(CHAIN, ALONE, threshold=0.75, window=10)
    assert gate.open.tolist() == [True, True, False, False]
    gate.record(np.full(10, 2), np.ones(10))  # not open yet: does not count
    assert gate.trusted.tolist() == [True, False, False, False]
    gate.record(np.full(9, 1), np.ones(9))
    assert not gate.trusted[1]  # the window is not full
    gate.record(np.full(1, 1), np.ones(1))
    assert gate.open.tolist() == [True, True, True, False]
    gate.record(np.full(10, 2), np.zeros(10))
    assert gate.trusted.tolist() == [True, True, False, False]
    gate.record(np.full(8, 2), np.ones(8))  # 8 of the last 10
    assert gate.trusted.tolist() == [True, True, True, False]


def test_trust_needs_more_than_the_threshold_and_stays_once_given():
    gate = TrustGate(CHAIN, ALONE, threshold=0.75, window=4)
    gate.record(np.full(4, 1), np.array([1.0, 1, 1, 0]))
    assert not gate.trusted[1]
    gate.record(np.full(4, 1), np.ones(4))
    assert gate.trusted[1]
    gate.record(np.full(40, 1), np.zeros(40))
    assert gate.trusted[1]
    gate.reset()
    assert gate.trusted.tolist() == [True, False, False, False]


def test_a_rare_class_is_trusted_with_the_class_it_is_merged_into():
    gate = TrustGate(CHAIN, np.array([0, 1, 1, 3]), threshold=0.75, window=4)
    gate.record(np.full(4, 2), np.ones(4))  # its own approval says nothing
    assert gate.trusted.tolist() == [True, False, False, False]
    gate.record(np.full(4, 1), np.ones(4))
    assert gate.trusted.tolist() == [True, True, True, False]
    assert gate.open.all()


@pytest.mark.parametrize("threshold", [-0.1, 1, float("nan")])
def test_bad_threshold_is_refused(threshold):
    with pytest.raises(ValueError, match=r"trust must be a number in \[0, 1\)"):
        TrustGate(CHAIN, ALONE, threshold)


def test_depths_that_are_rare_rise_together():
    domain = Assignment(size=64)
    curriculum = Curriculum(domain, window=1)
    levels = []
    while not curriculum.finished:
        levels.append(curriculum.max_depth)
        classes = np.arange(1, curriculum.max_depth + 1)
        assert curriculum.record(classes, np.ones(len(classes)))
    rng = np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 1000)
    depths = domain.depth(contexts, domain.sample_questions(rng, contexts, 64))
    assert levels == list(range(1, levels[-1] + 1))
    assert 0.01 < np.mean(depths > levels[-1]) < 0.04  # they come all at once, in the end


def test_questions_drawn_before_the_curriculum_do_not_hold_it_up():
    curriculum = Curriculum(Permutation(8), threshold=0.8, window=10)
    assert not curriculum.record(np.full(1000, 2), np.zeros(1000))
    assert curriculum.record(np.full(10, 1), np.ones(10))
    assert curriculum.max_depth == 2


def test_curriculum_raises_depth_then_size():
    domain = Permutation(10, max_power=8)
    curriculum = Curriculum(domain, threshold=0.8, window=10, start_size=9)
    steps = []
    while not curriculum.finished:
        classes = np.repeat(np.arange(1, curriculum.max_depth + 1), 10)
        assert curriculum.record(classes, np.ones(len(classes)))
        steps.append((curriculum.max_depth, curriculum.size))
    assert steps == [(2, 9), (2, 10)]
    assert not curriculum.record(np.ones(10, np.int64), np.ones(10))


def test_a_curriculum_may_grow_by_a_factor_and_end_early():
    domain = Permutation(20, max_power=8)
    curriculum = Curriculum(
        domain, threshold=0.8, window=10, start_depth=1, end_depth=1, start_size=8, growth=1.5
    )
    sizes = []
    while not curriculum.finished:
        curriculum.record(np.ones(10, np.int64), np.ones(10))
        sizes.append(curriculum.size)
    assert sizes == [12, 18, 20]
    assert curriculum.max_depth == 1


def test_the_worst_common_class_holds_the_curriculum_and_a_rare_one_does_not():
    domain = Permutation(16)
    curriculum = Curriculum(domain, threshold=0.8, window=100, start_depth=2)
    classes = np.repeat([1, 2], 500)
    assert not curriculum.record(classes, np.where(classes == 1, 1.0, 0.5))
    assert not curriculum.record(np.array([3]), np.array([0.0]))
    assert curriculum.record(classes, np.ones(1000))
    assert curriculum.max_depth == 3


def test_a_trivial_class_does_not_hold_the_curriculum_up():
    domain = ShortestPath(8)
    curriculum = Curriculum(domain, threshold=0.8, window=10)
    trivial = np.flatnonzero(domain.trivial_classes)
    assert [domain.class_name(c) for c in trivial] == ["D depth inf", "S depth inf"]
    assert not curriculum.record(np.repeat(trivial, 10), np.ones(20))  # nor does it raise it
    classes = np.repeat([1, *trivial], 10)
    assert curriculum.record(classes, np.where(classes == 1, 1.0, 0.0))


def test_all_classes_together_raise_the_size_by_one():
    """As in the paper: all depths from the start, 8 names at first."""
    domain = Permutation(11)
    curriculum = Curriculum(domain, 0.85, 100, start_depth=None, start_size=8, by_class=False)
    assert (curriculum.max_depth, curriculum.size) == (domain.max_depth, 8)
    sizes = []
    while not curriculum.finished:
        classes = np.repeat([1, 2, 3], [40, 40, 20])  # of the hardest a tenth is right
        approvals = np.repeat([1.0, 0.0, 1.0], [82, 16, 2])
        assert not curriculum.record(classes[:99], approvals[:99])  # the window is not full
        assert not curriculum.record(classes[99:], approvals[99:])  # 84 of 100
        assert curriculum.record(classes, np.where(np.arange(100) < 86, 1.0, 0.0))
        sizes.append(curriculum.size)
    assert sizes == [9, 10, 11]


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"threshold": 1}, "threshold"),
        ({"window": 0}, "window"),
        ({"start_depth": 3}, "start_d"),
        ({"start_depth": 2, "end_depth": 1}, "start_d"),
        ({"end_depth": 3}, "end_depth"),
        ({"growth": 0.5}, "growth"),
        ({"start_size": 9}, "start_size"),
    ],
)
def test_bad_curricula_are_refused(arguments, name):
    with pytest.raises(ValueError, match=f"^{name}"):
        Curriculum(Permutation(8), **arguments)
