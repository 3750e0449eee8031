"""The callback that looks for a collapse without the truth."""

import warnings

import pytest
import torch
from stable_baselines3 import PPO
from tiny_learners import SMALL, TINY, make_tiny_learner

from ia_gym.agents import (
    AmplificationCallback,
    AnswerSearch,
    CollapseMonitor,
    FactsExtractor,
    make_sb3_vec_env,
)


def train(monitor):
    policy = {
        "features_extractor_class": FactsExtractor,
        "features_extractor_kwargs": SMALL,
    }
    env = make_sb3_vec_env("IA-Permutation-v0", 16, trust=None, **TINY)
    sizes = {"n_steps": 4, "batch_size": 64, "n_epochs": 1, "seed": 0}
    model = PPO("MultiInputPolicy", env, policy_kwargs=policy, **sizes)
    callbacks = [AmplificationCallback(), *([] if monitor is None else [monitor])]
    return model.learn(256, callback=callbacks)


def test_it_changes_nothing_and_warns_once():
    plain = train(None)
    monitor = CollapseMonitor(check_freq=128, threshold=0, n_contexts=32)
    with pytest.warns(UserWarning, match="the agent may have collapsed") as caught:
        watched = train(monitor)
    for one, two in zip(plain.policy.parameters(), watched.policy.parameters()):
        assert torch.equal(one, two)
    assert len([each for each in caught if "collapsed" in str(each.message)]) == 1
    assert [timesteps for timesteps, _ in monitor.history] == [128, 256]
    assert monitor.warned_at in (128, 256)  # guesses are approved of by chance
    for _, signs in monitor.history:
        assert 0 <= signs.approval <= 1
        assert 0 <= signs.unfounded <= min(signs.approval, 1)


def test_learners_of_the_suite_are_watched_too():
    monitor = CollapseMonitor(check_freq=64, threshold=0.99)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make_tiny_learner(AnswerSearch).learn(256, callback=monitor)
    assert len(monitor.history) == 4
    assert monitor.warned_at is None


def test_bad_arguments_and_other_environments_are_refused():
    for kwargs in ({"check_freq": 0}, {"threshold": 1}, {"n_contexts": 0}, {"seed": -1}):
        with pytest.raises(ValueError, match=next(iter(kwargs))):
            CollapseMonitor(**kwargs)
    with pytest.raises(ValueError, match="CollapseMonitor needs question environments"):
        PPO("MlpPolicy", "CartPole-v1", n_steps=8, batch_size=8).learn(8, CollapseMonitor())
