"""The overseer of actions against linear programming, by hand, and by simulation."""

import gymnasium as gym
import numpy as np
import pytest
from scipy.optimize import linprog

from ia_gym.actions.overseer import ActionOverseer
from ia_gym.actions.transition_table import TabularAssistant, TransitionTable
from ia_gym.envs import ActionApproval
from ia_gym.envs.actions.env_copies import CopiedEnvs, DeepCopier

DISCOUNT = 0.99


def lake():
    return gym.make("FrozenLake8x8-v1", disable_env_checker=True)


def every_pair(transitions):
    n, n_actions = len(transitions), len(transitions[0])
    states = np.repeat(np.arange(n), n_actions)
    actions = np.tile(np.arange(n_actions), n)
    return TransitionTable(transitions, states), states, actions, (n, n_actions)


def optimal_by_linear_programming(transitions):
    """Least values that no action can beat (Puterman 1994, 6.9), and from them action values."""
    n, n_actions = len(transitions), len(transitions[0])
    rows, bounds = [], []
    for state in range(n):
        for action in range(n_actions):
            row = np.zeros(n)
            row[state] -= 1
            earned = 0.0
            for share, reached, reward, ended in transitions[state][action]:
                earned += share * reward
                if not ended:
                    row[reached] += DISCOUNT * share
            rows.append(row)
            bounds.append(-earned)
    rows, bounds = np.array(rows), np.array(bounds)
    solved = linprog(np.ones(n), A_ub=rows, b_ub=bounds, bounds=(None, None), method="highs")
    values = solved.x
    own = np.repeat(values, n_actions)
    return (rows @ values + own - bounds).reshape(n, n_actions)


def fixed_point(overseer, transitions, rounds=1500):
    """Tables that take over the overseer's answers, until nothing changes."""
    simulator, states, actions, shape = every_pair(transitions)
    assistant = TabularAssistant(np.zeros(shape))
    rng = np.random.default_rng(0)
    for _ in range(rounds):
        judged = overseer.judge(simulator, states, actions, assistant, rng)
        answers = judged.approvals.reshape(shape)
        change = np.abs(answers - assistant.values).max()
        assistant.values = assistant.preferences = answers
        if change < 1e-13:
            break
    return assistant.values


@pytest.mark.parametrize(
    ("information", "look_ahead"), [("outcome", 4), ("rollout", 1), ("rollout", 2), ("rollout", 3)]
)
def test_the_fixed_point_of_approval_is_the_optimal_action_value(information, look_ahead):
    transitions = lake().unwrapped.P
    overseer = ActionOverseer(look_ahead, discount=DISCOUNT, information=[information])
    best = optimal_by_linear_programming(transitions)
    np.testing.assert_allclose(fixed_point(overseer, transitions), best, atol=1e-7)
    assert 0.4 < best[0].max() < 0.5  # a lake that is worth crossing


def test_value_iteration_and_linear_equations_agree_with_linear_programming():
    transitions = lake().unwrapped.P
    table, best = TransitionTable(transitions), optimal_by_linear_programming(transitions)
    np.testing.assert_allclose(table.solve_optimal_values(DISCOUNT), best, atol=1e-7)
    policy = best.argmax(axis=1)
    np.testing.assert_allclose(table.evaluate_policy(policy, DISCOUNT), best.max(axis=1), atol=1e-7)


def test_at_depth_0_nothing_is_ever_learned():
    overseer = ActionOverseer(0, information=["rollout"])
    assert not fixed_point(overseer, lake().unwrapped.P).any()


def test_an_overseer_shown_only_endings_confirms_its_assistant():
    """Where the episode continues it repeats the assistant: only the last step changes."""
    transitions = lake().unwrapped.P
    values = fixed_point(ActionOverseer(1, information=["ending"]), transitions)
    best = optimal_by_linear_programming(transitions)
    next_to_goal = 62
    assert values[next_to_goal].max() > 0.3
    assert values[0].max() == 0 < best[0].max()


def test_without_an_assistant_the_next_step_alone_counts():
    transitions = lake().unwrapped.P
    simulator, states, actions, _ = every_pair(transitions)
    judged = ActionOverseer(5).judge(simulator, states, actions, None, np.random.default_rng(0))
    expected = [
        sum(share * reward for share, _, reward, _ in transitions[s][a])
        for s, a in zip(states, actions)
    ]
    np.testing.assert_allclose(judged.approvals, expected)
    np.testing.assert_allclose(judged.observed, expected)


def test_a_sampled_look_is_right_on_average():
    env = lake()
    env.reset(seed=0)
    env.unwrapped.s = 47  # two steps above the goal
    table = TransitionTable(env.unwrapped.P, np.array([47]))
    values = np.random.default_rng(1).random((64, 4))
    assistant, asked = TabularAssistant(values), (np.array([47]), np.array([2]))
    shown = np.zeros(1, np.int64)
    overseer = ActionOverseer(3, information=["rollout"])
    exact, _ = overseer.how_good(table, *asked, assistant, shown, 1)
    n = 3000
    simulator = CopiedEnvs([env], [DeepCopier(shared=("P",))], [np.random.default_rng(2)])
    sampled, seen = overseer.how_good(simulator, *asked, assistant, shown, n)
    assert abs(sampled - exact) < 5 * values.std() / np.sqrt(n)
    assert 0 <= seen[0] < sampled[0]


def test_a_rollout_by_hand():
    """A corridor with a reward of 1 a step: 1 + d + d^2, then the assistant's estimate."""
    corridor = {
        s: {0: [(1.0, s, 0.0, False)], 1: [(1.0, min(s + 1, 4), 1.0, s == 3)]} for s in range(5)
    }
    values = np.tile([0.0, 10.0], (5, 1))  # X would go right, and says that is worth 10
    overseer = ActionOverseer(3, discount=0.5, information=["rollout"])
    simulator = TransitionTable(corridor, np.array([0, 3]))
    states, actions = np.array([0, 3]), np.array([1, 1])
    judged = overseer.judge(
        simulator, states, actions, TabularAssistant(values), np.random.default_rng(0)
    )
    np.testing.assert_allclose(judged.approvals, [1 + 0.5 + 0.25 + 0.125 * 10, 1.0])
    np.testing.assert_allclose(judged.observed, [1.75, 1.0])
    # GoodAction twice and then once more for HowGood; nothing about the place that ends.
    assert overseer.assistant_answers == 4
    assert overseer.simulated_steps == 4
    assert overseer.human_interactions == 2


class ShowsAsSet(TabularAssistant):
    shown = 0

    def useful_information(self, observations, actions):
        return np.full(len(actions), self.shown)


def test_the_overseer_calls_the_information_useful_that_tells_most():
    """The assistant overestimates: a longer rollout, which relies on it less, is more useful."""
    transitions = lake().unwrapped.P
    simulator, states, actions, shape = every_pair(transitions)
    assistant = ShowsAsSet(np.full(shape, 3.0))
    useful = []
    for place, name in enumerate(("ending", "outcome", "rollout")):
        assistant.shown = place
        overseer = ActionOverseer(
            50, usefulness_rate=1.0, information=("ending", "outcome", "rollout")
        )
        assert overseer.information[place] == name
        # Branches split three ways at each step: a table of certain moves keeps them few.
        certain = {s: {a: [(1.0, *each[-1][1:])] for a, each in row.items()}
                   for s, row in transitions.items()}  # fmt: skip
        simulator = TransitionTable(certain, states)
        judged = overseer.judge(simulator, states, actions, assistant, np.random.default_rng(0))
        useful.append(judged.usefulness.mean())
    assert useful[2] == 1.0  # the same look, at what is certain
    assert useful[1] < useful[2]
    assert useful[0] <= useful[1]


def test_usefulness_is_asked_about_a_share_of_the_questions():
    simulator, states, actions, shape = every_pair(lake().unwrapped.P)
    overseer = ActionOverseer(2, usefulness_rate=0.25)
    rng = np.random.default_rng(0)
    judged = overseer.judge(simulator, states, actions, TabularAssistant(np.ones(shape)), rng)
    asked = np.isfinite(judged.usefulness)
    assert 0.1 < asked.mean() < 0.4
    assert ((judged.usefulness[asked] > 0) & (judged.usefulness[asked] <= 1)).all()


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("look_ahead", -1),
        ("look_ahead", 2.5),
        ("n_copies", 0),
        ("discount", 1.01),
        ("discount", float("nan")),
        ("information", ()),
        ("information", "outcome"),
        ("information", ("outcome", "tea leaves")),
        ("information", None),
        ("n_usefulness_copies", 0),
        ("usefulness_rate", -0.1),
        ("usefulness_rate", "often"),
        ("value", 3),
    ],
)
def test_bad_arguments_are_named(argument, value):
    with pytest.raises(ValueError, match=argument):
        ActionOverseer(**{argument: value})
    with pytest.raises(ValueError, match=argument):
        ActionApproval(gym.make("CartPole-v1"), **{argument: value})
