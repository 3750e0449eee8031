"""Row-by-row work on arrays, against plain Python."""

import numpy as np
import pytest

from ia_gym.domains.batch_arrays import (
    make_rows,
    pick,
    pick_name,
    rank_in_groups,
    sample_names,
    take,
)
from ia_gym.domains.graph_steps import (
    FAR,
    draw_neighbour,
    find_nearest,
    list_other_neighbours,
    measure_detour,
    measure_difference,
)
from ia_gym.domains.transcript import IDK


def test_entries_are_taken_row_by_row_wherever_a_table_lies():
    rng = np.random.default_rng(0)
    whole = rng.integers(100, size=(6, 9))
    records = np.zeros(6, np.dtype([("x", np.int8), ("table", np.int64, 9)], align=True))
    records["table"] = whole
    odd = np.zeros(6, np.dtype([("x", np.int8), ("table", np.int64, 9)]))  # nothing aligned
    odd["table"] = whole
    tables = [whole, records["table"], odd["table"], whole[:, ::-1][:, ::-1], whole.T.copy().T]
    index = rng.integers(9, size=(6, 2, 3))
    expected = [[[row[i] for i in some] for some in these] for row, these in zip(whole, index)]
    for table in tables:
        np.testing.assert_array_equal(take(table, index), expected)
        np.testing.assert_array_equal(take(table[::2], index[::2]), expected[::2])
    rows = np.array([5, 0, 0])
    np.testing.assert_array_equal(
        take(whole, np.array([1, 2, 3]), rows), [whole[5, 1], whole[0, 2], whole[0, 3]]
    )


def test_picks_are_even_and_independent():
    allowed = np.array([[False, True, False, True, True], [True, False, False, False, False]])
    drawn = pick(np.random.default_rng(0), allowed, 30_000)
    assert drawn.shape == (2, 30_000)
    shares = np.bincount(drawn[0], minlength=5) / 30_000
    np.testing.assert_allclose(shares, [0, 1 / 3, 0, 1 / 3, 1 / 3], atol=0.01)
    assert abs((drawn[0, 1:] == drawn[0, :-1]).mean() - 1 / 3) < 0.01
    assert not drawn[1].any()
    with pytest.raises(ValueError, match=r"depths must occur in every context, but context 1 has"):
        pick(np.random.default_rng(0), np.array([[True], [False]]), 1)


def test_names_are_picked_evenly_from_those_there_are():
    names = np.array([[2, 5, 7, 0, 0], [1, 2, 3, 4, 5]])
    drawn = pick_name(np.random.default_rng(0), names, 30_000)
    shares = np.bincount(drawn[0], minlength=8) / 30_000
    np.testing.assert_allclose(shares[[2, 5, 7]], 1 / 3, atol=0.01)
    np.testing.assert_allclose(np.bincount(drawn[1])[1:] / 30_000, 1 / 5, atol=0.01)


def test_every_subset_of_the_pool_is_equally_likely():
    drawn = sample_names(np.random.default_rng(0), 30_000, 2, 4)
    subsets, counts = np.unique(drawn, axis=0, return_counts=True)
    assert subsets.tolist() == [[1, 2], [1, 3], [1, 4], [2, 3], [2, 4], [3, 4]]
    np.testing.assert_allclose(counts / 30_000, 1 / 6, atol=0.01)
    assert sample_names(np.random.default_rng(0), 2, 3, 3).tolist() == [[1, 2, 3]] * 2


def test_rows_are_zero_where_nothing_is_asked():
    asked = np.array([[True, False]])
    assert make_rows(7, np.array([[1, 2]]), 3, asked).tolist() == [[[7, 1, 3], [0, 0, 0]]]


def test_ranks_in_groups_count_from_the_first_of_each_group():
    groups = np.array([0, 0, 2, 3, 3, 3])
    assert rank_in_groups(groups, np.bincount(groups)).tolist() == [0, 1, 0, 0, 1, 2]
    assert rank_in_groups(groups[:0], np.zeros(4, int)).tolist() == []


# ------------------------------------------------------------------- candidates


def test_the_first_of_the_nearest_is_taken():
    named = np.array([[[4, 5, 6], [4, 5, 6], [4, 5, 6], [0, 0, 0]]])
    far = np.array([[[3, 1, 1], [FAR, FAR, 2], [FAR, FAR, FAR], [FAR, FAR, FAR]]])
    found, least = find_nearest(named, far)
    assert found.tolist() == [[5, 6, IDK, IDK]]
    assert least.tolist() == [[1, 2, FAR, FAR]]


def test_how_much_farther_an_answer_is():
    named = np.array([[[4, 5, 0]]])
    far = np.array([[[3, 1, FAR]]])
    farther = [measure_detour(named, far, np.array([[a]]))[0, 0] for a in (4, 5, 6, IDK)]
    assert farther == [2, 0, np.inf, np.inf]


def test_differences_between_answers():
    """Steps where both are distances; else an answer is right or wrong altogether."""
    own, given = np.array([8, 8, 3, 3, IDK, 8]), np.array([10, 3, 8, 3, IDK, 8])
    steps = {8: 1, 10: 3}
    distances = [np.array([steps.get(int(s), FAR) for s in some]) for some in (own, given)]
    found = measure_difference(own, given, *distances)
    assert found.tolist() == [2, np.inf, np.inf, 0, np.inf, 0]


def test_those_asked_about_already_are_left_out():
    left = list_other_neighbours(np.array([[[3, 4, 5, 0]]]), np.array([[[5, 0, 3]]]))
    assert left.tolist() == [[[0, 4, 0, 0]]]


def test_random_neighbours():
    contexts = np.zeros(1, [("degree", np.int16, 4), ("neighbours", np.int16, (4, 3))])
    contexts["degree"][0] = [0, 2, 0, 3]
    contexts["neighbours"][0, 1, :2], contexts["neighbours"][0, 3] = [2, 3], [1, 2, 3]
    contexts["neighbours"][0, 2] = 9  # not a neighbour: its degree is 0
    names = np.repeat([[1, 2, 3]], 9000, axis=0).T.reshape(1, -1)
    drawn = draw_neighbour(np.random.default_rng(0), contexts, names).reshape(3, -1)
    np.testing.assert_allclose(np.bincount(drawn[0])[2:] / 9000, 1 / 2, atol=0.02)
    assert not drawn[1].any()
    np.testing.assert_allclose(np.bincount(drawn[2])[1:] / 9000, 1 / 3, atol=0.02)
