"""Dropout leaves out its share of what blocks add, in gradient steps and nowhere else."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from scipy.stats import binomtest
from stable_baselines3 import PPO
from tiny_learners import make_tiny_env, make_tiny_learner

from ia_gym.agents import AnswerSearch, FactsExtractor, Supervised, make_sb3_vec_env
from ia_gym.agents.sb3.amplification_callback import AmplificationCallback
from ia_gym.networks.blocks import Block

SIZES = {"width": 16, "heads": 2, "dropout": 0.25}


def watch_modes(network, seen):
    """Note for each pass through the network: is it a gradient step, are features dropped?"""
    first, *_ = network.fact_blocks

    def note(*_):
        seen.add((torch.is_grad_enabled(), first.dropout.training))

    first.norm_in.register_forward_pre_hook(note)


def test_the_share_left_out_and_the_scale_of_the_rest():
    torch.manual_seed(0)
    block = Block(32, 4, dropout=0.25)  # its perceptron is new, and adds nothing
    x, read = torch.zeros(8, 50, 32), torch.ones(8, 50, 32)
    added = block.add(x, read)
    n_out = int((added == 0).sum())
    assert binomtest(n_out, added.numel(), 0.25).pvalue > 1e-3
    torch.testing.assert_close(added[added != 0], torch.full((added.numel() - n_out,), 1 / 0.75))
    torch.testing.assert_close(block.eval().add(x, read), read)


@pytest.mark.parametrize("relational", [False, True])
def test_only_gradient_steps_of_a_learner_drop_features(relational):
    kwargs = {"policy_kwargs": {**SIZES, "relational": relational}}
    model = make_tiny_learner(AnswerSearch, **kwargs)
    trained, answering = set(), set()
    watch_modes(model.policy.network, trained)
    watch_modes(model.policy.average_network, answering)
    observation, _ = make_tiny_env().reset(seed=0)
    for _ in range(2):  # a prediction must not turn off the dropout of what is learned next
        model.learn(64, reset_num_timesteps=False)
        model.predict(observation)
    assert (True, True) in trained
    assert (True, False) not in trained
    assert answering == {(False, False)}


def test_it_makes_a_difference_to_what_is_learned_and_runs_repeat():
    def learn(dropout):
        sizes = {**SIZES, "dropout": dropout}
        return make_tiny_learner(Supervised, policy_kwargs=sizes).learn(160).policy.state_dict()

    with_it, again, without = learn(0.25), learn(0.25), learn(0.0)
    assert all(torch.equal(with_it[name], again[name]) for name in with_it)
    assert not all(torch.equal(with_it[name], without[name]) for name in with_it)


def test_an_agent_of_sb3_drops_features_in_gradient_steps_alone():
    env = make_sb3_vec_env("IA-Permutation-v0", num_envs=4, size=4, max_power=8, trust=None)
    kwargs = {"features_extractor_class": FactsExtractor, "features_extractor_kwargs": SIZES}
    model = PPO("MultiInputPolicy", env, n_steps=8, batch_size=32, policy_kwargs=kwargs, seed=0)
    seen, slow = set(), set()
    watch_modes(model.policy.features_extractor.network, seen)
    callback = AmplificationCallback()
    model.learn(32, callback)
    watch_modes(callback.average.module.features_extractor.network, slow)
    model.learn(64, callback, reset_num_timesteps=False)
    assert seen == {(True, True), (False, False)}
    assert slow == {(False, False)}


def test_files_keep_it(tmp_path):
    model = make_tiny_learner(Supervised, policy_kwargs=SIZES)
    model.save(tmp_path / "model")
    loaded = Supervised.load(tmp_path / "model")
    assert loaded.policy.network.fact_blocks[0].dropout.p == 0.25
    observation, _ = make_tiny_env().reset(seed=0)
    answers = [each.predict(observation, deterministic=True)[0] for each in (model, loaded)]
    np.testing.assert_array_equal(*answers)


@pytest.mark.parametrize("dropout", [-0.1, 1, 1.5, "half", None, float("nan")])
def test_what_is_no_share_is_refused(dropout):
    space = gym.make("IA-Permutation-v0").observation_space
    with pytest.raises(ValueError, match=r"dropout.*\[0, 1\)"):
        FactsExtractor(space, dropout=dropout)
