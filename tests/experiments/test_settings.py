"""Tuned settings: every file is read, and says what differs from what."""

from dataclasses import replace

import pytest

from ia_gym.domains import DOMAINS
from ia_gym.experiments.settings import list_agents, list_tuned_envs, load_settings, merge
from ia_gym.experiments.settings.classes import CLASSES, resolve

BASE = "IA-Permutation-v0"


def test_every_settings_file_is_read():
    for agent in list_agents():
        known = next(name for name in list_tuned_envs(agent) if "-N" not in name)
        larger = known.replace("-v0", "-N32-v0")  # takes the settings of the base size
        settings = load_settings(agent, larger)
        assert settings == load_settings(agent, known)
        assert settings == load_settings(agent, known.replace("-v0", "-N8of64-v0"))
        assert settings.algorithm in CLASSES
        resolve(settings.model)
    for agent in ("imitation", "supervised", "search", "reinforce", "mixed", "ppo", "dqn"):
        assert {load_settings(agent, f"IA-{name}-v0").n_envs for name in DOMAINS} <= {1, 256}


def test_settings_say_what_differs():
    dqn, inline = load_settings("dqn", BASE), load_settings("dqn-inline", BASE)
    assert dqn.amplification == {"polyak_tau": 1 / 16}
    assert replace(dqn, amplification=None) == inline
    ppo = load_settings("ppo", BASE)
    masked = load_settings("maskableppo", BASE)  # like another file
    assert replace(ppo, algorithm="MaskablePPO") == masked
    whole = {"a": {"b": 1, "c": 2}, "d": {"e": 3}}
    assert merge(whole, {"a": {"b": 4}, "d": None}) == {"a": {"b": 4, "c": 2}, "d": None}


def test_networks_are_generic_but_for_those_named_so():
    for agent in list_agents():
        for env_id in list_tuned_envs(agent):
            is_relational = "'relational': True" in str(load_settings(agent, env_id).model)
            named_so = "-relational" in agent or agent == "collapse-network"
            if env_id.startswith(tuple(f"IA-{name}-" for name in DOMAINS)):
                assert is_relational == named_so, (agent, env_id)
            else:
                assert not is_relational


def test_loaded_settings_are_a_copy():
    load_settings("ppo", BASE).model["policy_kwargs"]["net_arch"] = [1]
    assert load_settings("ppo", BASE).model["policy_kwargs"]["net_arch"] == []


@pytest.mark.parametrize("name", DOMAINS)
@pytest.mark.parametrize(
    ("network", "size"), [("", ""), ("-relational", "-N64"), ("-paper", "-N16of64")]
)
def test_imitation_and_the_supervised_baseline_have_all_else_in_common(name, network, size):
    """Network, batches, curriculum and steps."""
    agents = f"imitation{network}", f"supervised{network}"
    pair = [load_settings(agent, f"IA-{name}{size}-v0") for agent in agents]
    assistant = [
        "interaction_rate", "predictor_kwargs",
        "assistant_temperature", "assistant_min_probability", "levels",
    ]  # fmt: skip
    models = [{**settings.model, **dict.fromkeys(assistant)} for settings in pair]
    assert models[0] == models[1]
    assert pair[0].n_timesteps == pair[1].n_timesteps
    assert [each.algorithm for each in pair] == ["IteratedAmplification", "Supervised"]


@pytest.mark.parametrize(("size", "names"), [("-N8of64", 8), ("-N16of64", 16), ("-N64", 64)])
def test_the_papers_recipe_asks_a_question_a_fact_and_counts_50_steps(size, names):
    """Section 3 of Christiano et al. (2018), and the released code."""
    model = load_settings("imitation-paper", f"IA-Permutation{size}-v0").model
    assert (model["n_contexts"], model["n_questions"]) == (50, names)
    curriculum = model["curriculum"]
    assert curriculum["window"] == 50 * 50 * names
    assert (curriculum["start_size"], curriculum["threshold"]) == (8, 0.85)
    assert model["policy_kwargs"]["tokenization"] == "digits"
    for argument in ("assistant_temperature", "assistant_min_probability", "levels"):
        assert argument not in model  # sampled answers, none held back, one level of the overseer


def test_settings_name_classes_and_schedules():
    arguments = resolve(load_settings("ppo", BASE).model)
    assert arguments["policy_kwargs"]["features_extractor_class"].__name__ == "FactsExtractor"
    assert arguments["learning_rate"](1 / 6) == pytest.approx(arguments["learning_rate"](1) / 2)


@pytest.mark.parametrize(("agent", "env_id"), [("chess", BASE), ("", BASE), ("ppo", "CartPole-v1")])
def test_unknown_settings_are_refused(agent, env_id):
    with pytest.raises(ValueError, match="must be one of"):
        load_settings(agent, env_id)


@pytest.mark.parametrize("agent", ["ppo-defaults", "dqn-defaults"])
def test_defaults_are_those_of_sb3(agent):
    """On one-hot tokens, at every base id and small id; nothing else is set."""
    for name in DOMAINS:
        for env_id in (f"IA-{name}-v0", f"IA-{name}-N4-v0"):
            settings = load_settings(agent, env_id)
            assert settings.model == {"policy": "MlpPolicy"}
            assert settings.env_kwargs == {"observation": "onehot"}
            assert settings.amplification is settings.curriculum is None
    single = load_settings("ppo-defaults-single", BASE)
    assert single == replace(load_settings("ppo-defaults", BASE), n_envs=1)
    ungated = load_settings(f"{agent}-ungated", BASE)
    assert ungated.env_kwargs == {"observation": "onehot", "trust": None}
