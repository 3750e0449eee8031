"""Expert iteration: a search of answers on questions, a tree search on games; both imitated."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import SubprocVecEnv
from tiny_learners import make_tiny_learner

from ia_gym.agents import ExpertIteration, QuestionEvaluator, Supervised, TreeExpertIteration
from ia_gym.agents.learners.distinct_answers import draw_distinct_answers
from ia_gym.agents.learners.schedules import HoldLinear
from ia_gym.agents.learners.tree_expert_iteration import (
    compute_returns,
    describe_space,
    make_space,
)
from ia_gym.domains import DOMAINS
from ia_gym.envs import ActionApproval

RELATIONAL = {"relational": True, "heads": 2, "width": 32, "polyak_tau": 0.1}


# ---------------------------------------------------------------------- on questions


def test_answers_found_by_a_search_are_learned():
    model = ExpertIteration(
        env=gym.make("IA-Permutation-v0", size=3, max_power=8),
        n_contexts=8,
        n_questions=16,
        learning_rate=HoldLinear(6e-3),
        n_samples=2,
        policy_kwargs=RELATIONAL,
        seed=0,
    ).learn(14_000)
    scores = QuestionEvaluator("IA-Permutation-v0", 512, size=3, max_power=8).evaluate(model)
    assert scores["eval/accuracy"] > 0.9
    assert model.human_interactions == model.verdicts == 0


def test_what_the_search_does_not_find_is_not_learned(monkeypatch):
    """It is judged by the domain's truth: where nothing is right, no weight changes."""
    model = make_tiny_learner(ExpertIteration, learning_rate=1e-2)
    monkeypatch.setattr(
        DOMAINS["Permutation"], "is_correct", lambda self, c, q, a: np.zeros(a.shape, bool)
    )
    gradients = []
    monkeypatch.setattr(model, "minimize", lambda loss: gradients.append(loss.item()))
    model.learn(64)
    assert gradients == [0, 0]


def test_distinct_answers_are_drawn_by_their_probabilities():
    """The first of them as often as the mixture says; the others never the same."""
    rng = np.random.default_rng(0)
    allowed = np.tile([False, True, True, True, False], (1, 20_000, 1))
    p = np.tile([0.3, 0.5, 0.1, 0.05, 0.05], (1, 20_000, 1))
    drawn = draw_distinct_answers(rng, allowed, p, 2, exploration=0.4)[0]
    expected = 0.6 * np.array([0.5, 0.1, 0.05]) / 0.65 + 0.4 / 3
    shares = np.bincount(drawn[:, 0], minlength=4)[1:] / len(drawn)
    np.testing.assert_allclose(shares, expected, atol=0.015)
    assert (drawn[:, 0] != drawn[:, 1]).all()
    every = np.sort(draw_distinct_answers(rng, allowed, p, None, 0.0)[0], axis=-1)
    assert (every == [0, 1, 2, 3]).all()  # IDK where no more are allowed


def test_who_trains_on_the_truth_says_so():
    assert Supervised.uses_truth
    assert ExpertIteration.uses_truth
    assert TreeExpertIteration.uses_truth
    graded = gym.make("IA-Wildcard-v0", size=4, approval="graded")
    with pytest.raises(ValueError, match=r"^overseer and approval of env have no effect on Expert"):
        make_tiny_learner(ExpertIteration, graded)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"n_samples": 0}, r"n_samples must be in 1\.\.1000, got 0"),
        ({"n_samples": None}, r"n_samples must be a whole number in 1\.\.1000, got None"),
        ({"exploration": 2}, r"exploration must be a number in \[0, 1\], got 2"),
    ],
)
def test_bad_arguments_are_named(kwargs, message):
    with pytest.raises(ValueError, match=message):
        make_tiny_learner(ExpertIteration, **kwargs)


# -------------------------------------------------------------------------- on games


class Corridor(gym.Env):
    """Five places between two ends: the left one earns 0.3, the right one 1. It starts at 2."""

    observation_space = gym.spaces.Discrete(7)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = 2
        return self.place, {}

    def step(self, action):
        self.place += 2 * int(action) - 1
        reward = {0: 0.3, 6: 1.0}.get(self.place, 0.0)
        return self.place, reward, self.place in (0, 6), False, {}


def make_corridor():
    return ActionApproval(gym.wrappers.TimeLimit(Corridor(), 15), reward="truth")


def make_tree_learner(env=None, **kwargs):
    arguments = {"n_simulations": 12, "discount": 0.95, "n_updates": 10, "batch_size": 32}
    sizes = {"policy_kwargs": {"net_arch": [16]}, "learning_rate": 1e-2, "seed": 0}
    return TreeExpertIteration(env=env or make_corridor(), **{**arguments, **sizes, **kwargs})


def test_a_game_is_learned_from_its_own_search():
    """The near end is worth less than the far one, from every place where the search has been."""
    model = make_tree_learner(rollout_iterations=3, rollout_steps=20)
    model.learn(300)
    actions, _ = model.predict(np.arange(2, 6), deterministic=True)
    assert (actions == 1).all()
    assert model.expert_return > 0.9
    assert model.simulated_steps > 12 * model.num_timesteps
    values = model.evaluate_states(np.arange(2, 6))[1]
    np.testing.assert_allclose(values, 0.95 ** np.arange(3, -1, -1), atol=0.2)


def test_an_interrupted_training_ends_as_if_it_never_was(tmp_path):
    whole = make_tree_learner()
    whole.learn(20)
    done = whole.num_timesteps
    whole.save(tmp_path / "middle")
    whole.learn(40, reset_num_timesteps=False)
    whole.save(tmp_path / "whole")
    torch.manual_seed(7)
    resumed = TreeExpertIteration.load(tmp_path / "middle")
    assert resumed.num_timesteps == done
    assert resumed.predict(np.array([3]))[0].shape == (1,)
    resumed.save(tmp_path / "middle")  # what the file says outlives a save without environment
    resumed = TreeExpertIteration.load(tmp_path / "middle", env=make_corridor())
    resumed.learn(40, reset_num_timesteps=False)
    resumed.save(tmp_path / "resumed")
    expected = load_file(tmp_path / "whole.safetensors")
    found = load_file(tmp_path / "resumed.safetensors")
    assert expected.keys() == found.keys()
    for key, value in expected.items():
        assert torch.equal(value, found[key]), key
    whole.save(tmp_path / "small", resumable=False)
    small = TreeExpertIteration.load(tmp_path / "small")
    places = np.arange(7)
    np.testing.assert_array_equal(
        small.predict(places, deterministic=True)[0], whole.predict(places, deterministic=True)[0]
    )


def test_returns_are_those_of_the_definition():
    rewards = [1.0, 0.0, 2.0]
    expected = [1 + 0.25 * 2 + 0.125 * 8, 0.5 * 2 + 0.25 * 8, 2 + 0.5 * 8]
    np.testing.assert_allclose(compute_returns(rewards, 8.0, 0.5), expected)


@pytest.mark.parametrize(
    "space",
    [
        gym.spaces.Discrete(5),
        gym.spaces.MultiDiscrete([2, 3]),
        gym.make("CartPole-v1").observation_space,  # has infinite bounds
    ],
)
def test_spaces_are_described_and_made_again(space):
    assert make_space(**describe_space(space)) == space


@pytest.mark.parametrize(
    ("env", "message"),
    [
        (lambda: gym.make("CartPole-v1"), r"^env must be one whose actions can be approved of"),
        (lambda: gym.make("IA-CartPole-v0"), r'^reward of env must be "truth"'),
        (lambda: gym.make("IA-Permutation-N4-v0"), r"^env must be one whose actions can be"),
    ],
)
def test_environments_that_lack_what_is_needed_are_refused(env, message):
    with pytest.raises(ValueError, match=message):
        make_tree_learner(env())


def test_games_in_worker_processes_are_refused():
    vec = make_vec_env(make_corridor, 1, vec_env_cls=SubprocVecEnv)
    try:
        with pytest.raises(ValueError, match=r"^env must run in this process"):
            make_tree_learner(vec)
    finally:
        vec.close()


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"n_simulations": 0}, r"n_simulations must be in 1\.\.100000, got 0"),
        ({"rollout_steps": 0}, r"rollout_steps must be in 1\.\.100000, got 0"),
        ({"rollout_iterations": -1}, r"rollout_iterations must be in 0\.\.1000000000, got -1"),
        ({"value_scale": 0}, r"value_scale must be a number in \(0, inf\), got 0"),
        ({"buffer_size": 0}, r"buffer_size must be in 1\.\.100000000, got 0"),
        ({"n_updates": 0}, r"n_updates must be in 1\.\.1000000, got 0"),
        ({"batch_size": 0}, r"batch_size must be in 1\.\.1000000, got 0"),
        ({"policy_kwargs": 3}, r"policy_kwargs must be None or a dict of arguments, got 3"),
        ({"seed": -1}, r"seed must be in 0\.\.4294967295, got -1"),
    ],
)
def test_bad_arguments_of_the_search_are_named(kwargs, message):
    with pytest.raises(ValueError, match=message):
        make_tree_learner(**kwargs)
