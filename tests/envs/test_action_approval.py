"""The wrapper and its vector: rules of gymnasium and SB3, copies, foresight, bad input."""

import copy
import itertools
import pickle
import random

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils import EzPickle
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.env_checker import check_env as sb3_check_env

import ia_gym  # noqa: F401
from ia_gym.actions.transition_table import TransitionTable
from ia_gym.envs import ActionApproval, check_vector_env
from ia_gym.envs.actions.env_copies import AtariCopier, DeepCopier
from ia_gym.envs.actions.games import (
    compute_frozen_lake_best_return,
    make_action_vec,
    make_frozen_lake_episodes,
)

IDS = ["IA-FrozenLake-v0", "IA-CartPole-v0", "IA-Freeway-v0"]


class Fixed:
    """An assistant with fixed answers, so that trajectories repeat."""

    def good_action(self, observations):
        return np.ones(len(observations), np.int64)

    def how_good(self, observations, actions):
        return np.asarray(observations, float).reshape(len(actions), -1).mean(axis=1)

    def useful_information(self, observations, actions):
        return np.asarray(actions) % 2


def wrapper_of(env):
    while not isinstance(env, ActionApproval):
        env = env.env
    return env


@pytest.mark.parametrize("env_id", IDS)
def test_both_checkers_pass(env_id):
    env = gym.make(env_id)
    check_env(env, skip_render_check=True)
    sb3_check_env(env)
    assert env.observation_space == wrapper_of(env).env.observation_space


@pytest.mark.parametrize("env_id", IDS[:2])
@pytest.mark.parametrize("kwargs", [{}, {"reward": "truth"}, {"n_copies": 2, "look_ahead": 2}],
                         ids=str)  # fmt: skip
def test_the_vector_keeps_the_rules(env_id, kwargs):
    def make(n, mode):
        vec = gym.make_vec(env_id, n, autoreset_mode=mode, **kwargs)
        vec.call("set_assistant", Fixed())
        return vec

    check_vector_env(make)


@pytest.mark.parametrize("env_id", IDS)
def test_a_vector_of_one_and_an_environment_are_the_same(env_id):
    kwargs = {"look_ahead": 2, "usefulness_rate": 0.0 if "Freeway" in env_id else 0.5}
    env, vec = gym.make(env_id, **kwargs), gym.make_vec(env_id, num_envs=1, **kwargs)
    wrapper_of(env).set_assistant(Fixed())
    vec.call("set_assistant", Fixed())
    shown, _ = env.reset(seed=5)
    shown_too, _ = vec.reset(seed=5)
    rng = np.random.default_rng(0)
    for _ in range(12):
        np.testing.assert_array_equal(shown, shown_too[0])
        action = int(rng.integers(env.action_space.n))
        shown, reward, terminated, truncated, info = env.step(action)
        shown_too, rewards, *_, infos = vec.step(np.array([action]))
        assert reward == rewards[0] == info["approval"]
        if terminated or truncated:
            break
        assert info["observed"] == infos["observed"][0]


@pytest.mark.parametrize("env_id", IDS[:2])
def test_judging_leaves_the_environment_alone(env_id):
    """Its own course, with the same seed, is that of an environment nobody looks into."""
    watched, alone = gym.make(env_id), wrapper_of(gym.make(env_id)).env
    wrapper_of(watched).set_assistant(Fixed())
    for seed in (1, None, None):
        np.testing.assert_array_equal(watched.reset(seed=seed)[0], alone.reset(seed=seed)[0])
        done = False
        while not done:
            shown, _, terminated, truncated, info = watched.step(1)
            expected, reward, *ended, _ = alone.step(1)
            np.testing.assert_array_equal(shown, expected)
            assert info["own_reward"] == reward
            assert [terminated, truncated] == ended
            done = terminated or truncated


class Counting(Fixed):
    def __init__(self):
        self.calls, self.asked = 0, 0

    def good_action(self, observations):
        self.calls, self.asked = self.calls + 1, self.asked + len(observations)
        return super().good_action(observations)


def test_the_assistant_is_asked_once_a_round_for_all_environments():
    for n in (1, 5):
        vec = make_action_vec(n, "CartPole", look_ahead=3, information=("rollout",), n_copies=2)
        assistant = Counting()
        vec.call("set_assistant", assistant)
        vec.reset(seed=0)
        vec.step(np.zeros(n, np.int64))
        assert assistant.calls == 3  # once after each step of the look, whatever the environments
        assert assistant.asked == 3 * n * 2


class Coin(gym.Env):
    """A coin in each of Python's and NumPy's ways, tossed at every step."""

    observation_space = gym.spaces.Discrete(2)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.own = {"rng": np.random.RandomState(seed), "older": random.Random(seed)}
        self.newer = [np.random.default_rng(seed)]
        return 0, {}

    def step(self, action):
        tosses = [
            self.np_random.integers(2),
            self.own["rng"].randint(2),
            int(self.own["older"].random() < 0.5),
            self.newer[0].integers(2),
        ]
        self.tosses = tosses
        return 0, float(tosses[action]), False, False, {}


@pytest.mark.parametrize("which", range(4))
def test_no_copy_foresees_what_is_drawn(which):
    env = Coin()
    env.reset(seed=3)
    rng = np.random.default_rng(0)
    agreed = []
    for _ in range(200):
        tried = DeepCopier()(env, rng)
        tried.step(0)
        env.step(0)
        agreed.append(tried.tosses[which] == env.tosses[which])
    assert 0.35 < np.mean(agreed) < 0.65  # all of them, if a generator were shared


class Rebuilt(gym.Env, EzPickle):
    """Counts its steps; ``copy.deepcopy`` alone would start it anew."""

    observation_space = gym.spaces.Discrete(1000)
    action_space = gym.spaces.Discrete(2)

    def __init__(self):
        EzPickle.__init__(self)
        self.steps = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return 0, {}

    def step(self, action):
        self.steps += 1
        return self.steps, float(self.steps), False, False, {}


def test_a_copy_continues_from_the_state_even_where_pickling_starts_anew():
    env = Rebuilt()
    env.reset()
    for _ in range(7):
        env.step(0)
    assert copy.deepcopy(env).steps == 0  # the trap
    assert DeepCopier()(env, np.random.default_rng(0)).step(0)[0] == 8
    approving = ActionApproval(Rebuilt())
    approving.reset()
    assert [approving.step(0)[1] for _ in range(3)] == [1, 2, 3]


class Uncopyable(Rebuilt):
    def __init__(self):
        super().__init__()
        self.handle = (x for x in ())  # a generator cannot be copied


def test_an_environment_that_cannot_be_copied_is_refused():
    with pytest.raises(ValueError, match=r"env must be one whose state can be copied.*simulator="):
        ActionApproval(Uncopyable()).reset()


def test_copies_that_differ_are_refused():
    made = iter(range(1, 100))

    def broken(env, rng):
        twin = DeepCopier()(env, rng)
        twin.steps = 100 * next(made)
        return twin

    with pytest.raises(ValueError, match=r"env must be one whose copies continue alike"):
        ActionApproval(Rebuilt(), simulator=broken).reset()


def test_a_simulator_of_ones_own_is_used():
    used = []

    def own(env, rng):
        used.append(env)
        return DeepCopier()(env, rng)

    env = ActionApproval(gym.make("CartPole-v1"), simulator=own)
    env.reset(seed=0)
    n = len(used)
    env.step(0)
    assert len(used) == n + 1


def test_atari_games_are_copied_by_the_emulator():
    env = wrapper_of(gym.make("IA-Freeway-v0"))
    env.reset(seed=0)
    for _ in range(20):
        env.env.step(1)
    before = env.unwrapped.ale.getRAM()
    copier = env.copier
    assert isinstance(copier, AtariCopier)
    twins = [copier(env.env, np.random.default_rng(seed)) for seed in range(2)]
    for twin in twins:
        np.testing.assert_array_equal(twin.unwrapped.ale.getRAM(), before)
        for _ in range(30):
            twin.step(1)
        assert twin.unwrapped.ale is not env.unwrapped.ale
    np.testing.assert_array_equal(env.unwrapped.ale.getRAM(), before)
    copier.reuse()
    again = copier(env.env, np.random.default_rng(9))
    assert again.unwrapped is twins[0].unwrapped  # no emulator is thrown away
    np.testing.assert_array_equal(again.unwrapped.ale.getRAM(), before)


def test_progress_on_the_road_counts_as_a_potential():
    """Around a loop, discounted, it adds up to nothing but the score (Ng et al. 1999)."""
    from ia_gym.actions.overseer import Outcomes
    from ia_gym.envs.actions.games import HEIGHT, value_road_progress

    heights = np.array([6, 40, 90, 60, 6])
    memory = np.zeros((5, 128))
    memory[:, HEIGHT] = heights / 255
    n = len(heights) - 1
    rewards = np.array([0.0, 0, 1, 0])
    ways = [np.zeros(n, np.int64), np.arange(n), np.ones(n)]
    outcomes = Outcomes(
        memory[:-1], ways[0], rewards, memory[1:], np.zeros(n, bool), ways[1], ways[2]
    )
    total = (0.99 ** np.arange(n) * value_road_progress(outcomes)).sum()
    assert total == pytest.approx(0.99**2)  # the score alone: it began and ended at the kerb


def test_what_the_overseer_values_is_an_argument():
    env = ActionApproval(
        gym.make("CartPole-v1"), value=lambda outcomes: outcomes.observations[:, 0]
    )
    env.reset(seed=0)
    _, approval, _, _, info = env.step(1)
    assert approval == pytest.approx(env.observation[0])
    assert info["own_reward"] == 1.0


class PlaysTable:
    """Predicts the best action of a table of values."""

    def __init__(self, values):
        self.policy = values.argmax(axis=1)

    def predict(self, observations, deterministic):
        return self.policy[observations], None


def test_returns_on_the_lake_are_exact_expectations():
    """For a policy they are what playing gives, and no policy gives more than the best."""
    from ia_gym.actions.transition_table import TabularAssistant
    from ia_gym.agents.evaluation.episode_evaluator import EpisodeEvaluator

    episodes = make_frozen_lake_episodes()
    values, n = episodes.table.solve_optimal_values(0.99), 150
    evaluator = EpisodeEvaluator("IA-FrozenLake-v0", n)
    exact = evaluator.evaluate(PlaysTable(values), TabularAssistant(values))
    sampled = evaluator._play(lambda observations: values.argmax(axis=1)[observations], None)
    share, length = exact["eval/return"], exact["eval/length"]
    assert abs(sampled["eval/return"] - share) < 4 * np.sqrt(share * (1 - share) / n)
    assert sampled["eval/length"] == pytest.approx(length, rel=0.2)
    assert abs(exact["overseer/overapproval"]) < 0.1  # the overseer and the return agree
    best = compute_frozen_lake_best_return()
    for discount in (0.9, 0.99, 0.999, 1 - 1e-6):
        found = evaluator.evaluate(PlaysTable(episodes.table.solve_optimal_values(discount, 1e-9)))
        assert found["eval/share_of_best_return"] == found["eval/return"] / best <= 1


def test_the_best_return_in_few_steps_is_the_best_of_all_plans():
    """Three states in a row, two actions that slip one time in four, four steps: all 2^12 plans."""
    moves = {
        state: {
            action: [
                (0.75, state + 1 - 2 * action, float(state + action == 2), state == 2),
                (0.25, state, 0.1 * state, False),
            ]
            for action in (0, 1)
        }
        for state in range(1, 3)
    }
    moves[0] = {0: [(1.0, 1, 0.0, False)], 1: [(1.0, 2, -0.05, False)]}
    for row in moves.values():  # beyond the last state there is the last
        for each in row.values():
            each[:] = [(p, min(reached, 2), reward, ended) for p, reached, reward, ended in each]
    table = TransitionTable(moves)
    start, n_steps = np.array([0.5, 0.25, 0.25]), 4

    def value(plan):
        there, earned = start, 0.0
        for step in range(n_steps):
            after = np.zeros(3)
            for state, share in enumerate(there):
                for p, reached, reward, ended in moves[state][plan[3 * step + state]]:
                    earned += share * p * reward
                    after[reached] += 0 if ended else share * p
            there = after
        return earned

    plans = list(itertools.product((0, 1), repeat=3 * n_steps))
    assert table.compute_best_return(start, n_steps) == pytest.approx(max(map(value, plans)))
    always = np.array([0, 1, 0])
    earned, _ = table.compute_expected_episode(always, start, n_steps)
    assert earned == pytest.approx(value(always.tolist() * n_steps))


def test_trajectories_repeat_with_their_seed_in_any_autoreset():
    def play(mode):
        vec = make_action_vec(3, "FrozenLake", autoreset_mode=mode, look_ahead=3)
        vec.call("set_assistant", Fixed())
        vec.reset(seed=4)
        rng = np.random.default_rng(0)
        return np.array([vec.step(rng.integers(4, size=3))[1] for _ in range(60)])

    for mode in (AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP):
        np.testing.assert_array_equal(play(mode), play(mode))


def test_pickling_and_copying_in_the_midst_of_an_episode():
    env = gym.make("IA-CartPole-v0")
    env.reset(seed=0)
    env.step(0)
    for other in (copy.deepcopy(env), pickle.loads(pickle.dumps(env))):
        reference = copy.deepcopy(env)
        for _ in range(3):
            np.testing.assert_array_equal(other.step(1)[0], reference.step(1)[0])


@pytest.mark.parametrize("action", [2, -1, 0.5, np.nan, "left", None, [0, 1]])
def test_bad_actions_are_named(action):
    env = ActionApproval(gym.make("CartPole-v1"))
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"^action must be"):
        env.step(action)
    vec = gym.make_vec("IA-CartPole-v0", num_envs=2)
    vec.reset(seed=0)
    with pytest.raises(ValueError, match=r"^action must be"):
        vec.step([0, action])


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match=r"env must have Discrete actions"):
        ActionApproval(gym.make("Pendulum-v1"))
    with pytest.raises(ValueError, match=r"reward must be one of"):
        gym.make("IA-CartPole-v0", reward="praise")
    with pytest.raises(ValueError, match=r"simulator must be a function"):
        gym.make("IA-CartPole-v0", simulator="deepcopy")
    env = wrapper_of(gym.make("IA-CartPole-v0"))
    with pytest.raises(ValueError, match=r"assistant must be None or answer"):
        env.set_assistant(object())
    with pytest.raises(ValueError, match=r"env must show"):
        ActionApproval(gym.make("Blackjack-v1"))
