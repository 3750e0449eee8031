"""Symbols as two digits: how they are read, and how answers are written."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ia_gym.agents.learners.supervised import Supervised
from ia_gym.envs import QuestionEnv
from ia_gym.networks.answer_network import AnswerNetwork
from ia_gym.networks.digits import BASE, DigitEmbedding, DigitHead
from ia_gym.networks.optimizers import MuonAdamW

N_ANSWERS = 21
"""Three first digits; the third goes with five second digits only."""


def make_head(width=16):
    """One that has learned something."""
    head = DigitHead(width, N_ANSWERS)
    for layer in (head.first, head.second):
        nn.init.normal_(layer.weight)
        nn.init.normal_(layer.bias)
    return head


def test_an_answer_is_as_likely_as_its_digits_one_after_the_other():
    head, features = make_head(), torch.randn(2, 5, 16)
    found = head(features).exp()
    first = head.first(features).softmax(dim=-1)
    for answer in range(N_ANSWERS):
        high, low = divmod(answer, 8)
        state = features + head.given.weight[high]
        state = state + head.down(F.gelu(head.up(head.norm(state))))
        left = 8 if high < 2 else 5
        second = head.second(state)[..., :left].softmax(dim=-1)
        torch.testing.assert_close(found[..., answer], first[..., high] * second[..., low])
    torch.testing.assert_close(found.sum(dim=-1), torch.ones(2, 5))


def test_symbols_share_the_embeddings_of_their_digits():
    embedding = DigitEmbedding(30, 4)
    symbols = torch.arange(30).view(5, 6)
    embedded = embedding(symbols)
    assert embedded.shape == (5, 6, 8)
    first, second = embedded.flatten(0, 1).chunk(2, dim=-1)
    for i in range(30):
        for j in range(30):
            assert torch.equal(first[i], first[j]) == (i // BASE == j // BASE)
            assert torch.equal(second[i], second[j]) == (i % BASE == j % BASE)


def test_a_network_of_digits_learns():
    """Which of 40 symbols each question names, by 5 first and 8 second digits."""
    torch.manual_seed(0)
    network = AnswerNetwork(40, (4, 2), 2, 40, tokenization="digits", width=32, question_layers=1)
    optimizer = MuonAdamW(network.parameters(), lr=5e-3)
    for _ in range(60):
        facts, questions = torch.randint(1, 40, (8, 4, 2)), torch.randint(1, 40, (8, 16, 2))
        loss = F.cross_entropy(network(facts, questions).flatten(0, 1), questions[..., 1].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    questions = torch.randint(1, 40, (8, 16, 2))
    answers = network(torch.randint(1, 40, (8, 4, 2)), questions).argmax(dim=-1)
    assert (answers == questions[..., 1]).float().mean() > 0.95


def test_an_agent_of_digits_is_saved_and_loaded(tmp_path):
    sizes = {"width": 16, "fact_layers": 1, "question_layers": 1}
    env = QuestionEnv("Permutation", size=4, max_size=64)
    policy_kwargs = {"tokenization": "digits", **sizes}
    kwargs = {"n_contexts": 4, "n_questions": 4, "policy_kwargs": policy_kwargs}
    model = Supervised("MultiInputPolicy", env, seed=0, device="cpu", **kwargs)
    model.learn(64)
    model.save(tmp_path / "model")
    again = Supervised.load(tmp_path / "model")
    observations = [env.reset(seed=seed)[0] for seed in range(20)]
    batch = {key: np.stack([each[key] for each in observations]) for key in observations[0]}
    assert isinstance(again.policy.network.head, DigitHead)
    (before, _), (after, _) = (each.predict(batch, deterministic=True) for each in (model, again))
    assert np.array_equal(before, after)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tokenization": "letters"}, r"one of \('symbols', 'digits'\), got 'letters'"),
        ({"tokenization": "digits", "relational": True}, 'must be "symbols" if relational'),
    ],
)
def test_other_tokenizations_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        AnswerNetwork(9, (4, 2), 3, 5, **options)
