"""The MLP on one-hot tokens: what it computes, by which optimizer it learns, whom it answers."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ia_gym.domains import DOMAINS
from ia_gym.networks.answer_mlp import AnswerMlp
from ia_gym.networks.network_assistant import NetworkAssistant
from ia_gym.networks.optimizers import MuonAdamW

N_SYMBOLS, FACT_SHAPE, QUESTION_LENGTH, N_ANSWERS = 9, (4, 2), 3, 5
TOKENS = 4 * 2 + 3


def make_mlp(net_arch=(16, 8)):
    """With a head that has learned something."""
    network = AnswerMlp(N_SYMBOLS, FACT_SHAPE, QUESTION_LENGTH, N_ANSWERS, net_arch)
    nn.init.normal_(network.layers[-1].weight)
    return network


def make_plain_mlp(network):
    """The same by torch alone: a ``Linear`` on the vector of all one-hot tokens, and so on."""
    first = nn.Linear(TOKENS * N_SYMBOLS, len(network.bias))
    first.weight.data = torch.cat([network.facts_in.weight, network.question_in.weight]).T.detach()
    first.bias.data = network.bias.detach().clone()
    plain = nn.Sequential(first)
    for layer in network.layers:
        if isinstance(layer, nn.Linear):
            copy = nn.Linear(layer.in_features, layer.out_features)
            copy.load_state_dict(layer.state_dict())
            layer = copy
        plain.append(layer)
    return plain


def draw(n_contexts=3, n_questions=6):
    facts = torch.randint(N_SYMBOLS, (n_contexts, *FACT_SHAPE))
    return facts, torch.randint(N_SYMBOLS, (n_contexts, n_questions, QUESTION_LENGTH))


def encode_one_hot(facts, questions):
    """One vector a question: its facts, then itself."""
    shown = facts.flatten(1)[:, None].expand(-1, questions.shape[1], -1)
    return F.one_hot(torch.cat([shown, questions], dim=-1), N_SYMBOLS).flatten(-2).float()


@pytest.mark.parametrize("net_arch", [(16,), [16, 8], (16, 8, 8)])
def test_it_is_a_plain_mlp_on_one_hot_tokens(net_arch):
    network = make_mlp(net_arch)
    plain = make_plain_mlp(network)
    facts, questions = draw()
    logits, expected = network(facts, questions), plain(encode_one_hot(facts, questions))
    torch.testing.assert_close(logits, expected)
    assert logits.std() > 0.1
    targets = torch.randint(N_ANSWERS, (18,))
    for each in (logits, expected):
        F.cross_entropy(each.flatten(0, 1), targets).backward()
    gradient = torch.cat([network.facts_in.weight.grad, network.question_in.weight.grad])
    torch.testing.assert_close(gradient.T, plain[0].weight.grad)
    torch.testing.assert_close(network.layers[1].weight.grad, plain[2].weight.grad)


def test_it_learns_by_adamw_alone():
    network = make_mlp()
    twin = make_mlp()
    twin.load_state_dict(network.state_dict())
    ours = MuonAdamW(network.parameters(), lr=1e-2)
    plain = torch.optim.AdamW(twin.parameters(), lr=1e-2, weight_decay=0.01)
    for _ in range(3):
        facts, questions = draw()
        for each, optimizer in ((network, ours), (twin, plain)):
            optimizer.zero_grad()
            F.cross_entropy(each(facts, questions).flatten(0, 1), torch.zeros(18).long()).backward()
            optimizer.step()
    for one, other in zip(network.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_a_fresh_one_has_the_first_layer_of_torch_and_prefers_no_answer():
    network = AnswerMlp(N_SYMBOLS, FACT_SHAPE, QUESTION_LENGTH, N_ANSWERS, (512,))
    plain = nn.Linear(TOKENS * N_SYMBOLS, 512)
    spreads = network.facts_in.weight.std(), network.question_in.weight.std(), network.bias.std()
    for spread in spreads:
        torch.testing.assert_close(spread, plain.weight.std(), rtol=0.1, atol=0)
    logits = network(*draw())
    torch.testing.assert_close(logits, logits[:1, :1].expand_as(logits))


@pytest.mark.parametrize("name", DOMAINS)
def test_as_an_assistant_it_sees_the_facts_where_the_environment_shows_them(name):
    """Padding included: contexts of fewer names than the pool has."""
    domain = DOMAINS[name](DOMAINS[name].base_size - 3, max_size=DOMAINS[name].base_size)
    sizes = domain.n_symbols, domain.fact_shape, domain.question_length, domain.n_answers
    network = AnswerMlp(*sizes, (32,))
    for layer in (network.facts_in, network.question_in, network.layers[-1]):
        nn.init.normal_(layer.weight)  # all places matter
    assistant = NetworkAssistant(network, temperature=0)
    rng = np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 6)
    for n_kept in (5, 3, 0):  # some of the contexts of the batch before
        contexts = np.concatenate([contexts[:n_kept], domain.sample_contexts(rng, 6 - n_kept)])
        questions = domain.sample_questions(rng, contexts, 5)
        answers = assistant.answer(contexts, questions)
        rows = torch.as_tensor(contexts["facts"]), torch.as_tensor(questions)
        np.testing.assert_array_equal(answers, network(*rows).argmax(dim=-1))
        assert len(np.unique(answers)) > 1


@pytest.mark.parametrize("net_arch", [(), [0], [5000], "12", 512, [1.5], None, {"pi": [8]}])
def test_bad_sizes_are_named(net_arch):
    with pytest.raises(ValueError, match=r"net_arch must be "):
        make_mlp(net_arch)


def test_passes_are_refused():
    with pytest.raises(ValueError, match="passes must be None"):
        make_mlp()(*draw(), passes=2)
