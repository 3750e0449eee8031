"""Tabular environments: a table of transitions as a simulator, and exact values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ia_gym.actions.overseer import Floats, Ints, Observations, Outcomes

Transition = tuple[float, int, float, bool]
"""Probability, state reached, reward, and whether the episode ends there."""


class TransitionTable:
    """A simulator whose branches split into all possible transitions, for exact expectations.

    Observations are the numbers of the states.

    Args:
        transitions: ``transitions[state][action]`` lists the possible transitions, as the attribute
            ``P`` of Gymnasium's FrozenLake, CliffWalking and Taxi does.
        states: the states that the questions are about, ``(B,)``; default all states, once each.
    """

    def __init__(
        self,
        transitions: Mapping[int, Mapping[int, Sequence[Transition]]],
        states: Ints | None = None,
    ) -> None:
        n, n_actions = len(transitions), len(transitions[0])
        width = max(len(each) for row in transitions.values() for each in row.values())
        self.weights = np.zeros((n, n_actions, width))
        self.next_states = np.zeros((n, n_actions, width), np.int64)
        self.rewards = np.zeros((n, n_actions, width))
        self.ended = np.zeros((n, n_actions, width), bool)
        for state, row in transitions.items():
            for action, each in row.items():
                for i, (weight, reached, reward, ended) in enumerate(each):
                    self.weights[state, action, i] = weight
                    self.next_states[state, action, i] = reached
                    self.rewards[state, action, i] = reward
                    self.ended[state, action, i] = ended
        self.states = np.arange(n) if states is None else np.asarray(states)

    def copy(self, which: Ints) -> Ints:
        """See :class:`~ia_gym.actions.overseer.Simulator`."""
        states: Ints = self.states[which]
        return states

    def step(
        self, branches: Ints, observations: Observations, actions: Ints
    ) -> tuple[Ints, Outcomes]:
        """See :class:`~ia_gym.actions.overseer.Simulator`."""
        weights = self.weights[branches, actions]
        parent, place = np.nonzero(weights)
        at = branches[parent], actions[parent], place
        reached = self.next_states[at]
        return reached, Outcomes(
            before=branches[parent],
            actions=actions[parent],
            rewards=self.rewards[at],
            observations=reached,
            ended=self.ended[at],
            parent=parent,
            weight=weights[parent, place],
        )

    def solve_optimal_values(self, discount: float, tolerance: float = 1e-14) -> Floats:
        """Compute the optimal action values ``(states, actions)``, by value iteration.

        Args:
            discount: factor on what comes a step later, in [0, 1).
            tolerance: of the largest change in an iteration.
        """
        values = np.zeros(self.weights.shape[:2])
        while True:
            later = np.where(self.ended, 0, discount * values.max(axis=1)[self.next_states])
            better: Floats = (self.weights * (self.rewards + later)).sum(axis=2)
            if np.abs(better - values).max() < tolerance:
                return better
            values = better

    def compute_best_return(self, start: Floats, n_steps: int) -> float:
        """The largest expected sum of rewards in ``n_steps``, by backward induction.

        Args:
            start: distribution of the first state, ``(states,)``.
            n_steps: after which the episode is cut short. The best policy may depend on how many
                are left, so that no policy of the state alone can do better.
        """
        values = np.zeros(len(self.weights))
        for _ in range(n_steps):
            later = np.where(self.ended, 0, values[self.next_states])
            values = (self.weights * (self.rewards + later)).sum(axis=2).max(axis=1)
        return float(start @ values)

    def compute_expected_episode(
        self, policy: Ints, start: Floats, n_steps: int
    ) -> tuple[float, float]:
        """Expected sum of rewards and expected length of an episode, by forward induction.

        Args:
            policy: the action in each state, ``(states,)``.
            start: distribution of the first state, ``(states,)``.
            n_steps: after which the episode is cut short.
        """
        at = np.arange(len(policy)), policy
        there = np.array(start, np.float64)
        earned, length = 0.0, 0.0
        for _ in range(n_steps):
            length += float(there.sum())
            moved = there[:, None] * self.weights[at]
            earned += float((moved * self.rewards[at]).sum())
            there = np.zeros_like(there)
            np.add.at(there, self.next_states[at], np.where(self.ended[at], 0, moved))
        return earned, length

    def evaluate_policy(self, policy: Ints, discount: float) -> Floats:
        """Compute the values ``(states,)`` of a policy, by linear equations.

        Args:
            policy: the action in each state, ``(states,)``.
            discount: factor on what comes a step later, in [0, 1).
        """
        n = len(policy)
        at = np.arange(n), policy
        moves = np.zeros((n, n))
        rows = np.repeat(np.arange(n), self.weights.shape[2])
        shares = np.where(self.ended[at], 0, self.weights[at])
        np.add.at(moves, (rows, self.next_states[at].ravel()), shares.ravel())
        earned = (self.weights[at] * self.rewards[at]).sum(axis=1)
        values: Floats = np.linalg.solve(np.eye(n) - discount * moves, earned)
        return values


class TabularAssistant:
    """An assistant made of two tables, for observations that are the numbers of states.

    Args:
        values: answers to HowGood, ``(states, actions)``.
        preferences: ``(states, actions)``; the answer to GoodAction is the action with the largest.
            Default ``values``.
    """

    def __init__(self, values: Floats, preferences: Floats | None = None) -> None:
        self.values = values
        self.preferences = values if preferences is None else preferences

    def good_action(self, observations: Observations) -> Ints:
        """See :class:`~ia_gym.actions.overseer.ActionAssistant`."""
        answers: Ints = self.preferences[observations].argmax(axis=1)
        return answers

    def how_good(self, observations: Observations, actions: Ints) -> Floats:
        """See :class:`~ia_gym.actions.overseer.ActionAssistant`."""
        answers: Floats = self.values[observations, actions]
        return answers

    def useful_information(self, observations: Observations, actions: Ints) -> Ints:
        """See :class:`~ia_gym.actions.overseer.ActionAssistant`; always the first."""
        return np.zeros(len(actions), np.int64)
