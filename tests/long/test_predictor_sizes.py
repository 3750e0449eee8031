"""The human predictor at the paper's size, N = 64; smaller sizes are in tests/networks."""

import pytest
from predictor_checks import check_predictor_learns

from ia_gym.domains import DOMAINS


@pytest.mark.parametrize(
    ("name", "updates"),
    [("Permutation", 250), ("Assignment", 250), ("ShortestPath", 400), ("UnionFind", 300)],
)
def test_the_overseer_is_learned_from_a_thousand_queries(name, updates):
    check_predictor_learns(DOMAINS[name](64), updates)
