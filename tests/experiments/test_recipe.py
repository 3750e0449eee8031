"""Tuned settings in one's own code: the same model as `ia-gym train` leaves."""

import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from stable_baselines3 import DQN, PPO
from tiny_runs import BASE, TINY_NETWORK, load_tiny_settings

from ia_gym.agents import IteratedAmplification, QuestionEvaluator
from ia_gym.experiments import TrainingRecipe, tuned
from ia_gym.experiments import recipe as recipe_module
from ia_gym.experiments import train as train_module
from ia_gym.experiments.saved_agents import load_agent
from ia_gym.experiments.settings import list_agents, list_tuned_envs, load_settings, merge
from ia_gym.experiments.settings.classes import CLASSES
from ia_gym.experiments.train import train_agent

TINY_DQN = {"policy_kwargs": {"features_extractor_kwargs": TINY_NETWORK}}


def load_short_settings(agent):
    """Tuned settings with a tiny network, and as many questions as show that they have effect."""
    if agent == "dqn":  # with its own learning_starts and train_freq
        settings = load_settings("dqn", BASE)
        model = merge(settings.model, {**TINY_DQN, "learning_starts": 1024, "batch_size": 64})
        return replace(settings, model=model, n_timesteps=4096)
    return load_tiny_settings(agent, n_timesteps=640)


@pytest.mark.parametrize(
    ("agent", "cls"),
    [
        ("ppo", PPO),
        ("dqn", DQN),
        pytest.param("imitation", IteratedAmplification, marks=pytest.mark.slow),
    ],
)
def test_a_training_by_hand_leaves_the_model_of_the_command(agent, cls, tmp_path, monkeypatch):
    settings = load_short_settings(agent)
    monkeypatch.setattr(train_module, "load_settings", lambda *_: settings)
    monkeypatch.setattr(recipe_module, "EVALUATIONS", 4)
    train_agent(agent, BASE, seed=5, log_dir=tmp_path, n_eval_questions=64)

    recipe = TrainingRecipe(BASE, settings)
    model = cls(env=recipe.make_env(), seed=5, **recipe.model_kwargs)
    fresh = {key: value.clone() for key, value in model.policy.state_dict().items()}
    model.learn(recipe.n_timesteps, recipe.make_callbacks())

    left = load_agent(tmp_path)
    if agent == "imitation":  # its file holds the network that answers
        kept = left.policy.average_network.state_dict()
        found = model.policy.average_network.state_dict()
    else:
        kept, found = left.policy.state_dict(), model.policy.state_dict()
    assert kept.keys() == found.keys()
    assert all(torch.equal(kept[key], found[key]) for key in kept)
    assert any(not torch.equal(value, model.policy.state_dict()[k]) for k, value in fresh.items())
    scores = QuestionEvaluator(BASE, 64).evaluate(left)
    assert recipe.evaluate(model, 64) == scores["eval/accuracy"]


def test_a_recipe_is_what_the_settings_say():
    recipe, settings = tuned("ppo", f"ia_gym:{BASE}"), load_settings("ppo", BASE)
    assert (recipe.env_id, recipe.settings) == (BASE, settings)
    assert (recipe.n_envs, recipe.n_timesteps) == (settings.n_envs, settings.n_timesteps)
    assert recipe.model_class is PPO
    kwargs = recipe.model_kwargs
    assert kwargs["policy_kwargs"]["features_extractor_class"] is CLASSES["FactsExtractor"]
    assert kwargs.keys() == {"policy", *settings.model}
    kwargs["policy_kwargs"]["net_arch"] = recipe.env_kwargs["size"] = "changed"
    assert tuned("ppo", BASE) == recipe
    assert recipe.model_kwargs["policy_kwargs"]["net_arch"] == []
    env = recipe.make_env()
    assert env.num_envs == settings.n_envs
    env.close()
    both = TrainingRecipe(BASE, replace(settings, curriculum={}, amplification={}))
    names = [type(callback).__name__ for callback in both.make_callbacks()]
    assert names == ["CurriculumCallback", "AmplificationCallback"]
    assert tuned("supervised", BASE).make_callbacks() == []
    (logs,) = tuned("ppo-defaults", BASE).make_callbacks()
    assert type(logs).__name__ == "ApprovalCallback"
    assert tuned("plain", "IA-CartPole-v0").make_callbacks() == []


def test_evaluation_during_training_is_that_of_the_settings():
    settings = replace(load_tiny_settings("supervised"), target_accuracy=0.001)
    recipe = TrainingRecipe(BASE, settings)
    model = recipe.model_class(env=recipe.make_env(), seed=0, **recipe.model_kwargs)
    evaluation = recipe.make_evaluation_callback(QuestionEvaluator(BASE, 64))
    model.learn(recipe.n_timesteps, [*recipe.make_callbacks(), evaluation])
    assert evaluation.stopped_by == "target_accuracy"
    assert model.num_timesteps < recipe.n_timesteps
    short = TrainingRecipe(BASE, replace(settings, n_timesteps=1))
    assert short.make_evaluation_callback(QuestionEvaluator(BASE, 16)).eval_freq == 1


@pytest.mark.parametrize(
    ("agent", "env_id", "message"),
    [("chess", BASE, "agent must be one of"), ("ppo", "CartPole-v1", "env_id must be one of")],
)
def test_unknown_names_are_refused(agent, env_id, message):
    with pytest.raises(ValueError, match=message):
        tuned(agent, env_id)


def test_every_agent_has_a_recipe_for_an_environment_of_its_own():
    for agent in list_agents():
        recipe = tuned(agent, list_tuned_envs(agent)[0])
        assert recipe.model_class.__name__ == recipe.settings.algorithm


def test_the_package_imports_no_torch_until_it_is_used():
    code = (
        "import sys, ia_gym.experiments as e; assert 'torch' not in sys.modules; "
        "e.tuned; assert 'torch' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
