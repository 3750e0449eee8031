"""``policy="MlpPolicy"`` of the suite's learners: on tokens and on one-hot vectors, in files."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from tiny_learners import make_tiny_env

from ia_gym.agents import AnswerSearch, ImitationIA, QuestionEvaluator, Reinforce, Supervised
from ia_gym.agents.policies.answer_policy import MlpAnswerPolicy
from ia_gym.experiments.saved_agents import load_agent

SMALL_ID = "IA-Permutation-N4-v0"
ARGUMENTS = {"policy_kwargs": {"net_arch": [64]}, "n_contexts": 8, "n_questions": 8, "seed": 0}


def train(cls, timesteps=256, **kwargs):
    env = gym.make(SMALL_ID, **kwargs)
    return cls("MlpPolicy", env=env, **ARGUMENTS).learn(timesteps)


@pytest.mark.parametrize("cls", [Supervised, ImitationIA, Reinforce, AnswerSearch])
def test_the_encoding_decides_what_is_read_not_what_is_learned(cls):
    one_hot, tokens = train(cls), train(cls, observation="tokens")
    fresh = MlpAnswerPolicy(
        tokens.observation_space, tokens.action_space, lambda _: 0.0, net_arch=[64]
    )
    kept, others = one_hot.policy.state_dict(), tokens.policy.state_dict()
    assert kept.keys() == others.keys() == fresh.state_dict().keys()
    assert all(torch.equal(kept[key], others[key]) for key in kept)
    answering = {key: torch.randn_like(value) for key, value in kept.items() if "module." in key}
    for model in (one_hot, tokens):  # one that gives many answers
        model.policy.load_state_dict({**kept, **answering})
    encodings = [each.get_env().get_attr("encoding")[0] for each in (one_hot, tokens)]
    domain, rng = one_hot.domain, np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 64)
    questions = domain.sample_questions(rng, contexts, 1)[:, 0]
    answers = [
        model.predict(encoding.encode(contexts["facts"], questions), deterministic=True)[0]
        for model, encoding in zip((one_hot, tokens), encodings, strict=True)
    ]
    np.testing.assert_array_equal(*answers)
    rows = torch.as_tensor(contexts["facts"]), torch.as_tensor(questions[:, None])
    best = one_hot.policy.average_network(*rows)[:, 0].argmax(dim=-1)
    np.testing.assert_array_equal(answers[0], best)
    assert len(np.unique(best)) > 3


def test_it_learns_small_permutations():
    sizes = {"n_contexts": 32, "n_questions": 8, "policy_kwargs": {"net_arch": [128, 128]}}
    model = Supervised("MlpPolicy", SMALL_ID, seed=0, **sizes).learn(160_000)
    assert QuestionEvaluator(SMALL_ID, 1024).evaluate(model)["eval/accuracy"] > 0.9


@pytest.mark.parametrize("observation", ["onehot", "tokens"])
def test_a_file_says_which_policy_and_which_observations(observation, tmp_path):
    model = train(Supervised, observation=observation)
    model.save(tmp_path / "model")
    model.save(tmp_path / "answers", resumable=False)
    for name in ("model", "answers"):
        loaded = load_agent(tmp_path / f"{name}.safetensors")
        assert type(loaded.policy) is MlpAnswerPolicy
        assert loaded.observation_space == model.observation_space
        scores = [QuestionEvaluator(SMALL_ID, 64).evaluate(each) for each in (model, loaded)]
        assert scores[0]["eval/accuracy"] == scores[1]["eval/accuracy"]
    resumed = Supervised.load(tmp_path / "model", env=gym.make(SMALL_ID, observation=observation))
    for each in (model, resumed):
        each.learn(256, reset_num_timesteps=False)
    kept, others = model.policy.state_dict(), resumed.policy.state_dict()
    assert all(torch.equal(kept[key], others[key]) for key in kept)
    model.policy.save(tmp_path / "policy.pth")
    assert MlpAnswerPolicy.load(tmp_path / "policy.pth").network.facts_in.weight.shape[1] == 64


def test_other_networks_and_observations_are_refused():
    with pytest.raises(ValueError, match='observation="tokens"'):
        Supervised(env=gym.make(SMALL_ID))
    with pytest.raises(ValueError, match='observation="onehot" or "tokens"'):
        Supervised("MlpPolicy", env=gym.make(SMALL_ID, observation="flat"))
    with pytest.raises(TypeError, match="width"):
        Supervised("MlpPolicy", env=make_tiny_env(), policy_kwargs={"width": 16})
    with pytest.raises(ValueError, match="net_arch must be"):
        Supervised("MlpPolicy", env=make_tiny_env(), policy_kwargs={"net_arch": []})
