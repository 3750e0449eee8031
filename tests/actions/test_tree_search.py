"""PUCT: visits counted by hand, the best action of small trees by trying all, values by linear
equations."""

import itertools

import numpy as np
import pytest

from ia_gym.actions.overseer import Outcomes
from ia_gym.actions.transition_table import TransitionTable
from ia_gym.actions.tree_search import TreeSearch

ROOT = np.array([[0.0, 0.0]])


class Path:
    """Deterministic games: a state is the actions so far, a game its rewards by state."""

    def __init__(self, games, depth):
        self.games, self.depth = games, depth

    def copy(self, which):
        branches = np.empty(len(which), object)
        branches[:] = [(i, ()) for i in which.tolist()]
        return branches

    def step(self, branches, observations, actions):
        reached = np.empty(len(branches), object)
        reached[:] = [(i, (*path, int(a))) for (i, path), a in zip(branches, actions)]
        n = len(branches)
        return reached, Outcomes(
            before=observations,
            actions=actions,
            rewards=np.array([self.games[i][path] for i, path in reached]),
            observations=np.array(
                [[len(path), int("0" + "".join(map(str, path)), 3)] for _, path in reached], float
            ),
            ended=np.array([len(path) == self.depth for _, path in reached]),
            parent=np.arange(n),
            weight=np.ones(n),
        )


class Sampled:
    """A transition table of which each branch takes one outcome, drawn at random."""

    def __init__(self, table, states, rng):
        self.table, self.states, self.rng = table, states, rng

    def copy(self, which):
        return self.states[which]

    def step(self, branches, observations, actions):
        weights = self.table.weights[branches, actions]
        place = (weights.cumsum(axis=1) < self.rng.random(len(branches))[:, None]).sum(axis=1)
        at = branches, actions, place
        reached = self.table.next_states[at]
        return reached, Outcomes(
            before=observations,
            actions=actions,
            rewards=self.table.rewards[at],
            observations=reached,
            ended=self.table.ended[at],
            parent=np.arange(len(branches)),
            weight=np.ones(len(branches)),
        )


def indifferent(n_actions):
    return lambda seen: (np.full((len(seen), n_actions), 1 / n_actions), np.zeros(len(seen)))


@pytest.mark.parametrize(("n_simulations", "visits"), [(2, (2, 0)), (10, (2, 8)), (22, (3, 19))])
def test_visits_are_those_counted_by_hand(n_simulations, visits):
    """Priors 0.7 and 0.3, rewards 0 and 1, both final; exploration 1.

    Nothing is known: U = 0.7 and 0.3, so the first; then 0.7 · 1 / 2 > 0.3, the first again; then
    0.7 · √2 / 3 < 0.3 · √2, the second, which earns 1. From now on it leads by Q = 1, until after
    2 + 19 visits 0.7 · √21 / 3 = 1.0693 > 1 + 0.3 · √21 / 20 = 1.0687.
    """
    search = TreeSearch(n_simulations, exploration=1.0, noise_share=0.0)
    found = search.run(
        lambda: Path([{(0,): 0.0, (1,): 1.0}], 1),
        ROOT,
        lambda seen: (np.tile([0.7, 0.3], (len(seen), 1)), np.zeros(len(seen))),
        np.random.default_rng(0),
    )
    assert tuple(found.visits[0]) == visits
    assert found.values[0] == pytest.approx(visits[1] / n_simulations)
    assert found.n_steps == n_simulations


@pytest.mark.parametrize("rollout_steps", [0, 10])
def test_the_best_first_action_of_small_trees_is_found(rollout_steps):
    """Three actions, four steps: the best of 81 ways, by trying all of them."""
    rng, depth, discount = np.random.default_rng(1), 4, 0.9
    games, best = [], []
    for _ in range(20):
        ways = [w for n in range(1, depth + 1) for w in itertools.product(range(3), repeat=n)]
        game = {way: rng.random() * 20 - 10 for way in ways}
        games.append(game)
        worth = {
            way: sum(discount**i * game[way[: i + 1]] for i in range(depth))
            for way in itertools.product(range(3), repeat=depth)
        }
        best.append(max(worth, key=worth.get)[0])
    search = TreeSearch(800, discount=discount, noise_share=0.0)
    found = search.run(
        lambda: Path(games, depth),
        np.zeros((20, 2)),
        indifferent(3),
        rng,
        rollout_steps,
    )
    assert np.mean(found.visits.argmax(axis=1) == best) >= 0.95
    assert (found.visits.sum(axis=1) == 800).all()


def test_random_outcomes_are_averaged():
    """Safe: 0.4 at once. Risky: 1 or nothing, at even chances, then a second try worth half."""
    end = [(1.0, 3, 0.0, True)]
    table = TransitionTable(
        {
            0: {0: [(1.0, 3, 0.4, True)], 1: [(0.5, 3, 1.0, True), (0.5, 1, 0.0, False)]},
            1: {0: end, 1: [(0.5, 3, 1.0, True), (0.5, 2, 0.0, False)]},
            2: {0: end, 1: end},
            3: {0: end, 1: end},
        }
    )
    best = table.solve_optimal_values(0.9)[0]
    rng, states = np.random.default_rng(0), np.array([0])
    found = TreeSearch(2000, discount=0.9, noise_share=0.0).run(
        lambda: Sampled(table, states, rng), states, indifferent(2), rng
    )
    assert found.visits[0].argmax() == 1
    assert found.values[0] == pytest.approx(np.max(best), abs=0.03)


def test_a_game_that_runs_in_circles_comes_to_an_end():
    table = TransitionTable({0: {0: [(1.0, 0, 0.0, False)], 1: [(1.0, 0, 0.0, False)]}})
    rng, states = np.random.default_rng(0), np.array([0])
    search = TreeSearch(3, exploration=0.0, noise_share=0.0)
    found = search.run(lambda: Sampled(table, states, rng), states, indifferent(2), rng)
    assert found.visits.sum() == 3


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"n_simulations": 0}, r"n_simulations must be in 1\.\.100000, got 0"),
        ({"discount": 1.5}, r"discount must be a number in \[0, 1\], got 1.5"),
        ({"noise_share": -1}, r"noise_share must be a number in \[0, 1\], got -1"),
        ({"noise_concentration": 0}, r"noise_concentration must be a number in \(0, inf\), got 0"),
        ({"exploration": None}, r"exploration must be a number in \[0, inf\), got None"),
    ],
)
def test_bad_arguments_are_named(kwargs, message):
    with pytest.raises(ValueError, match=message):
        TreeSearch(**kwargs)
