"""Tree search in copies of a simulator, guided by a policy and a value function (PUCT).

The search of Silver et al. (2017, AlphaZero) and Anthony et al. (2017), for one player: each
simulation walks down the tree from a fresh copy of the state, takes in every node the action with
the largest Q + U, adds one node at the end, values it, and adds the discounted return to the
statistics of all actions on its way. Copies draw fresh random numbers, so an action may lead to
several states; each becomes a child of its own. Returns have no known scale: Q is brought to [0, 1]
by the least and the largest value seen in the tree, as in MuZero (Schrittwieser et al., 2020).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ia_gym.actions.overseer import Floats, Ints, Observations, Simulator
from ia_gym.validation import check_number, check_range

Evaluate = Callable[[Observations], tuple[Floats, Floats]]
"""Gives probabilities of the actions ``(M, A)`` and values ``(M,)`` of states, by observations."""

MAX_PATH = 1000
"""Steps after which a simulation ends, however often its states have been visited."""


@dataclass
class Node:
    """A state in the tree.

    Attributes:
        priors: the policy's probability of each action, ``A`` numbers.
        value: the estimate when the node was added.
        visits: how often each action was taken.
        returns: the sum of what followed each action.
        children: states that an action has led to, by action and observation.
    """

    priors: list[float]
    value: float
    visits: list[int] = field(init=False)
    returns: list[float] = field(init=False)
    children: dict[tuple[int, bytes], Node] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.visits = [0] * len(self.priors)
        self.returns = [0.0] * len(self.priors)


@dataclass
class Tree:
    """The tree of one root state, and the range of the action values in it."""

    root: Node
    low: float = math.inf
    high: float = -math.inf

    def choose_action(self, node: Node, exploration: float) -> int:
        """The action with the largest Q + U, the first of equals.

        Q is the mean return, or the node's own value before the first visit, scaled to [0, 1];
        U = exploration · prior · √(visits of the node) / (1 + visits of the action).
        """
        width = self.high - self.low
        scale = 1 / width if width > 0 else 0.0
        low = self.low if width > 0 else 0.0
        root_visits = math.sqrt(max(sum(node.visits), 1))
        best, largest = 0, -math.inf
        for action, (prior, n) in enumerate(zip(node.priors, node.visits, strict=True)):
            q = node.returns[action] / n if n else node.value
            q = min(max((q - low) * scale, 0.0), 1.0)
            score = q + exploration * prior * root_visits / (1 + n)
            if score > largest:
                best, largest = action, score
        return best

    def back_up(self, path: list[tuple[Node, int, float]], value: float, discount: float) -> None:
        """Add what a simulation earned to the statistics of its actions.

        Args:
            path: nodes, the actions taken there, and the rewards.
            value: of the state reached.
            discount: factor by which a reward counts less with every step.
        """
        for node, action, reward in reversed(path):
            value = reward + discount * value
            node.visits[action] += 1
            node.returns[action] += value
            q = node.returns[action] / node.visits[action]
            self.low, self.high = min(self.low, q), max(self.high, q)


@dataclass(frozen=True)
class SearchResult:
    """What a search found about B root states.

    Attributes:
        visits: int64 ``(B, A)``, simulations that began with each action.
        values: ``(B,)``, the mean return of the simulations.
        n_steps: steps taken in copies, all together.
    """

    visits: Ints
    values: Floats
    n_steps: int


@dataclass(frozen=True)
class TreeSearch:
    """PUCT with a fixed number of simulations.

    Args:
        n_simulations: simulations for each root state, 1..100,000.
        exploration: the constant in U, at least 0.
        discount: factor by which a reward counts less with every step, in [0, 1].
        noise_share: share of Dirichlet noise in the priors of the root, in [0, 1].
        noise_concentration: of that noise, above 0.

    Raises:
        ValueError: for a number out of range.
    """

    n_simulations: int = 16
    exploration: float = 1.25
    discount: float = 0.99
    noise_share: float = 0.25
    noise_concentration: float = 0.5

    def __post_init__(self) -> None:
        check_range("n_simulations", self.n_simulations, 1, 10**5)
        check_number("exploration", self.exploration, "[0, inf)")
        check_number("discount", self.discount, "[0, 1]")
        check_number("noise_share", self.noise_share, "[0, 1]")
        check_number("noise_concentration", self.noise_concentration, "(0, inf)")

    def run(
        self,
        make_simulator: Callable[[], Simulator],
        observations: Observations,
        evaluate: Evaluate,
        rng: np.random.Generator,
        roll_out_steps: int = 0,
    ) -> SearchResult:
        """Search from B states at once.

        Args:
            make_simulator: makes a simulator of the B states, anew for each simulation. Its
                branches do not split.
            observations: of the states, ``(B, ...)``.
            evaluate: policy and value.
            rng: for the noise, and for the actions of rollouts.
            roll_out_steps: value a new node by what random actions earn in so many steps, and not
                by ``evaluate``; 0 for no rollouts.
        """
        priors, values = evaluate(observations)
        n, n_actions = priors.shape
        if self.noise_share:
            noise = rng.dirichlet([self.noise_concentration] * n_actions, size=n)
            priors = (1 - self.noise_share) * priors + self.noise_share * noise
        trees = [Tree(Node(p, v)) for p, v in zip(priors.tolist(), values.tolist(), strict=True)]
        n_steps = 0
        for _ in range(self.n_simulations):
            n_steps += self._simulate(
                trees, make_simulator(), observations, evaluate, rng, roll_out_steps
            )
        visits = np.array([tree.root.visits for tree in trees])
        returns = np.array([sum(tree.root.returns) for tree in trees])
        return SearchResult(visits, returns / self.n_simulations, n_steps)

    def _simulate(
        self,
        trees: list[Tree],
        simulator: Simulator,
        observations: Observations,
        evaluate: Evaluate,
        rng: np.random.Generator,
        roll_out_steps: int,
    ) -> int:
        """One simulation in each tree; returns the steps taken."""
        active = np.arange(len(trees))
        branches, seen = simulator.copy(active), observations
        nodes = [tree.root for tree in trees]
        paths: list[list[tuple[Node, int, float]]] = [[] for _ in trees]
        leaves: list[tuple[int, tuple[int, bytes]]] = []
        leaf_branches, leaf_observations = [], []
        n_steps = 0
        for _ in range(MAX_PATH):
            if not len(active):
                break
            actions = np.array(
                [trees[i].choose_action(nodes[i], self.exploration) for i in active.tolist()]
            )
            branches, outcomes = simulator.step(branches, seen, actions)
            n_steps += len(active)
            going = np.zeros(len(active), bool)
            for place, i in enumerate(active.tolist()):
                action = int(actions[place])
                paths[i].append((nodes[i], action, float(outcomes.rewards[place])))
                reached = outcomes.observations[place]
                if outcomes.ended[place]:
                    trees[i].back_up(paths[i], 0.0, self.discount)
                    continue
                key = action, reached.tobytes()
                child = nodes[i].children.get(key)
                if child is None:
                    leaves.append((i, key))
                    leaf_branches.append(branches[place])
                    leaf_observations.append(reached)
                else:
                    nodes[i], going[place] = child, True
            active, branches, seen = active[going], branches[going], outcomes.observations[going]
        for i in active.tolist():  # a path that ran round in circles
            trees[i].back_up(paths[i], nodes[i].value, self.discount)
        if leaves:
            reached = np.stack(leaf_observations)
            priors, values = evaluate(reached)
            if roll_out_steps:
                rolled = np.empty(len(leaves), object)
                rolled[:] = leaf_branches
                values, more = self._roll_out(
                    simulator, rolled, reached, rng, roll_out_steps, priors.shape[1]
                )
                n_steps += more
            for (i, key), p, value in zip(leaves, priors.tolist(), values.tolist(), strict=True):
                nodes[i].children[key] = Node(p, value)
                trees[i].back_up(paths[i], value, self.discount)
        return n_steps

    def _roll_out(
        self,
        simulator: Simulator,
        branches: Observations,
        seen: Observations,
        rng: np.random.Generator,
        n_steps: int,
        n_actions: int,
    ) -> tuple[Floats, int]:
        """Discounted returns ``(M,)`` of random actions, and the steps taken."""
        returns, active, taken = np.zeros(len(branches)), np.arange(len(branches)), 0
        for step in range(n_steps):
            if not len(active):
                break
            actions = rng.integers(n_actions, size=len(active))
            branches, outcomes = simulator.step(branches, seen, actions)
            taken += len(active)
            returns[active] += self.discount**step * outcomes.rewards
            going = ~outcomes.ended
            active, branches, seen = active[going], branches[going], outcomes.observations[going]
        return returns, taken
