"""RLlib's PPO and DQN: the suite's network, the slow copy, held-out evaluation, checkpoints."""

import re
import runpy
import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch
from ray.rllib.algorithms.algorithm import Algorithm
from ray.rllib.algorithms.dqn import DQNConfig
from ray.rllib.algorithms.ppo import PPOConfig

from ia_gym.agents import QuestionEvaluator
from ia_gym.agents.policies.facts_extractor import read_pairs
from ia_gym.agents.ray.module_policy import ModulePolicy
from ia_gym.agents.ray.rllib_callbacks import (
    attach_slow_copy,
    make_held_out_callback,
    make_slow_copy_callback,
    read_weights,
)
from ia_gym.agents.ray.rllib_modules import make_answer_module
from ia_gym.agents.ray.session import connect

SMALL = "ia_gym:IA-Permutation-N4-v0"
SIZES = {"width": 16, "heads": 2, "fact_layers": 1, "question_layers": 1}
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", autouse=True)
def cluster():
    with connect(num_cpus=2):
        yield


def configure(algorithm, observation, native=True, runners=0, tau=0.5):
    kwargs = {"observation": observation, "trust": None}
    env_config = {**kwargs, **({"autoreset_mode": "NextStep"} if native else {})}
    mode = "vector_entry_point" if native else "sync"
    config = (
        {"PPO": PPOConfig, "DQN": DQNConfig}[algorithm]()
        .environment(SMALL, env_config=env_config)
        .env_runners(
            num_env_runners=runners, num_envs_per_env_runner=8, gym_env_vectorize_mode=mode
        )
        .callbacks([make_slow_copy_callback(tau), make_held_out_callback(SMALL, 64, **kwargs)])
        .debugging(seed=0)
    )
    if algorithm == "PPO":
        config.training(train_batch_size_per_learner=64, minibatch_size=32, num_epochs=1, gamma=0)
    else:
        config.training(
            train_batch_size_per_learner=32,
            num_steps_sampled_before_learning_starts=16,
            gamma=0,
        )
        config.reporting(min_sample_timesteps_per_iteration=64)
    if observation == "flat":
        config.rl_module(rl_module_spec=make_answer_module(algorithm, SMALL, **SIZES, **kwargs))
    return config


@pytest.mark.parametrize(
    ("algorithm", "observation"), [("PPO", "flat"), ("DQN", "flat"), ("DQN", "onehot")]
)
def test_a_checkpoint_restores_what_answers(algorithm, observation, tmp_path):
    trained = configure(algorithm, observation).build_algo()
    before = read_weights(trained)
    for _ in range(2):
        result = trained.train()
    after = read_weights(trained)
    assert any(not torch.equal(before[name], after[name]) for name in before)
    accuracy = result["held_out"]["eval/accuracy"]
    evaluator = QuestionEvaluator(SMALL, 64, observation=observation)
    questions = evaluator.observations
    answers, _ = ModulePolicy(trained.get_module()).predict(questions, deterministic=True)
    assert accuracy == np.mean(answers == evaluator.truths.ravel())
    trained.save_to_path(tmp_path / "checkpoint")
    trained.stop()
    restored = Algorithm.from_checkpoint(str(tmp_path / "checkpoint"))
    again, _ = ModulePolicy(restored.get_module()).predict(questions, deterministic=True)
    np.testing.assert_array_equal(again, answers)
    weights = read_weights(restored)
    assert all(torch.equal(weights[name], after[name]) for name in after)
    attach_slow_copy(restored)
    copy = restored.env_runner.slow_copy.policy.module.state_dict()
    assert all(torch.equal(copy[name], after[name]) for name in after)
    restored.train()
    restored.stop()


@pytest.mark.parametrize(("native", "runners"), [(True, 0), (False, 1)])
def test_the_slow_copy_reaches_all_environments(native, runners):
    """It is the Polyak average of what the module was after each iteration."""
    algorithm = configure("PPO", "onehot", native, runners).build_algo()
    average = read_weights(algorithm)
    for _ in range(2):
        algorithm.train()
        latest = read_weights(algorithm)
        average = {name: (average[name] + latest[name]) / 2 for name in average}

    def look(env_runner):
        if env_runner.env is None:
            return None
        vector = env_runner.env.unwrapped
        engines = [vector.engine] if hasattr(vector, "engine") else vector.get_attr("engine")
        assistants = {id(engine.assistant): engine.assistant for engine in engines}
        answered = sum(engine.overseer.assistant_answers for engine in engines)
        (assistant,) = assistants.values()
        return assistant.policy.module.state_dict(), answered

    found = algorithm.env_runner_group.foreach_env_runner(look)
    found = [each for each in found if each is not None]
    assert len(found) == max(runners, 1)
    for weights, answered in found:
        assert answered > 0
        for name, value in average.items():
            torch.testing.assert_close(weights[name], value)
    algorithm.stop()


def test_the_encoder_is_the_network_of_the_suite():
    spec = make_answer_module("PPO", SMALL, **SIZES, observation="flat")
    env = gym.make_vec(SMALL, 6, observation="flat")
    spec.observation_space, spec.action_space = (
        env.single_observation_space,
        env.single_action_space,
    )
    module = spec.build()
    shown = torch.as_tensor(env.reset(seed=0)[0])
    outputs = module.forward_inference({"obs": shown})
    assert not outputs["action_dist_inputs"].any()  # a fresh policy knows nothing
    network = module.encoder.encoder.network
    n_facts = int(np.prod(network.fact_shape))
    features = read_pairs(network, shown[:, :n_facts].long(), shown[:, n_facts:].long())
    encoded = module.encoder({"obs": shown})["encoder_out"]
    torch.testing.assert_close(encoded["actor"], features)
    torch.testing.assert_close(encoded["critic"], features)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("A2C", SMALL), "algorithm must be one of"),
        (("PPO", SMALL), "observation=\"flat\"; got .* observation='onehot'"),
        (("PPO", "CartPole-v1"), "asks questions"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_answer_module(*arguments)
    with pytest.raises(ValueError, match=r"heads must divide|width"):
        make_answer_module("PPO", SMALL, observation="flat", width=10, heads=4)
    with pytest.raises(ValueError, match="polyak_tau must be"):
        make_slow_copy_callback(0)


def test_the_code_on_the_pages_runs(tmp_path, monkeypatch):
    """That in blocks marked `python3`, which need Ray; `make test` runs those in `python`."""
    monkeypatch.chdir(tmp_path)
    pages = [ROOT / "docs" / name for name in ("use_with.md", "scaling.md")]
    blocks = [
        code
        for page in pages
        for code in re.findall(r"```python3\n(.*?)```", page.read_text(), re.S)
    ]
    assert len(blocks) == 2
    for block in blocks:
        exec(block, {"__name__": "page"})


def test_the_example_learns(monkeypatch, capsys):
    """A policy that has learned nothing answers a quarter, or less: there are four names."""
    monkeypatch.setattr(sys, "argv", ["rllib_ppo", "50000"])
    runpy.run_path(str(ROOT / "examples" / "rllib_ppo.py"), run_name="__main__")
    last = capsys.readouterr().out.strip().splitlines()[-1]
    assert float(last.split()[-1].rstrip("%")) > 45
