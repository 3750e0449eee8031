"""The relational block: shared tokens, and pointers that hop."""

import networkx as nx
import numpy as np
import pytest
import torch
from scipy.special import softmax

from ia_gym.domains import Assignment, Permutation, ShortestPath
from ia_gym.domains.transcript import IDK
from ia_gym.networks.answer_network import AnswerNetwork, FactsNetwork, trim_padding
from ia_gym.networks.network_assistant import NetworkAssistant, sample_categorical
from ia_gym.networks.relational_attention import RelationalBlock, SharedTokens


def test_a_relation_says_which_tokens_are_shared():
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(0, 4, (2, 3, 2), generator=generator)
    facts = torch.randint(0, 4, (2, 5, 3), generator=generator)
    relation = SharedTokens(rows, facts)
    for b, t, f in np.ndindex(2, 3, 5):
        expected = [float(rows[b, t, i] == facts[b, f, j]) for i in range(2) for j in range(3)]
        assert relation.read[b, t, f].tolist() == expected
        scored = relation.scored[b, :, t * 5 + f]
        assert scored[:-1].tolist() == expected
        assert scored[-1] == float(facts[b, f, 0] == 0)


def test_pointers_double_their_reach():
    """Heads that look from (x, σ(x)) to (σ(x), ·), then hop: they point to σ², then to σ⁴."""
    domain = Permutation(7)
    contexts = domain.sample_contexts(np.random.default_rng(0), 3)
    facts = torch.as_tensor(contexts["facts"])
    x = torch.zeros(*facts.shape[:2], 8)
    # A fresh block does so: it links by "my second token is its first", and leans to hopping.
    block = RelationalBlock(8, 2, n_pairs=4, n_hops=1, links=[2])
    relation = SharedTokens(facts, facts)
    _, look = block.attend(x, None, relation, None, [])
    steps = 1
    for _ in range(3):
        places = look[:, 0].argmax(dim=-1)
        names = facts[..., 0].gather(1, places)
        expected = facts[..., 0]
        for _ in range(steps):
            after = [dict(context.tolist()) for context in facts]
            rows = [[d[n] for n in e.tolist()] for d, e in zip(after, expected)]
            expected = torch.tensor(rows)
        assert torch.equal(names, expected)
        _, look = block.attend(x, None, relation, look, [look])
        steps *= 2


@pytest.mark.parametrize("hop", [0, 1, 2])
def test_a_question_may_hop_in_any_block_as_far_as_the_facts_come_in_any_pass(hop):
    """With σ's facts pointing 1, 2, then 4 steps on, one hop leads to σ, σ² or σ⁴ of its name."""
    domain, rng = Permutation(7), np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 3)
    questions = domain.sample_questions(rng, contexts, 5)
    sizes = {"fact_passes": 3, "relational": True, "any_hop": True}
    network = FactsNetwork(
        domain.n_symbols, domain.fact_shape, domain.question_length, 8, 2, 1, 2, **sizes
    )
    second = network.question_blocks[1]
    with torch.no_grad():
        second.moves.bias[2 + hop] = 30.0
    looked = []
    look = second.attend
    second.attend = lambda *rest: looked.append(look(*rest)) or looked[-1]
    rows = torch.as_tensor(contexts["facts"])
    network(rows, torch.as_tensor(questions))
    names = rows[..., 0].gather(1, looked[0][1][:, 0].argmax(dim=-1)).numpy()
    for i, facts in enumerate(contexts["facts"]):
        after, expected = dict(facts.tolist()), questions[i, :, 1]
        for _ in range(2**hop):
            expected = [after[name] for name in expected]
        np.testing.assert_array_equal(names[i], expected)
    network(rows, torch.as_tensor(questions), passes=1)  # less far, but as many ways


def test_a_meeting_head_finds_the_first_step_of_a_shortest_path():
    """Fresh, it looks at edges out of x among those that lead to y in as many steps as hops."""
    domain, heads = ShortestPath(8), 4
    rng = np.random.default_rng(0)
    facts = torch.as_tensor(domain.sample_contexts(rng, 1)["facts"])
    n_facts = facts.shape[1]
    edges = [tuple(edge) for edge in facts[0].tolist()]
    graph = nx.DiGraph(edges)
    graph.add_nodes_from(range(1, 9))
    questions = torch.tensor([[[99, x, y] for x in graph for y in graph if x != y]])
    # The block that facts hop by, then one for questions whose features are where its heads look.
    row = torch.zeros(1, n_facts, 8)
    fact_block = RelationalBlock(8, heads, n_pairs=4, n_hops=1, links=[2, 1])
    _, hop = fact_block.attend(row, None, SharedTokens(facts, facts), None, [])
    width = heads * n_facts
    block = RelationalBlock(width, heads, n_pairs=6, n_hops=2, links=[2, 5], meeting=True)
    with torch.no_grad():
        block.out.weight[:, :width] = torch.eye(width)
    memory = torch.zeros(1, heads, n_facts, n_facts), torch.eye(n_facts).expand(1, heads, -1, -1)
    relation, before = SharedTokens(questions, facts), None
    asked = 0
    for steps in 1, 2:
        nothing = torch.zeros(1, questions.shape[1], width)
        x, before = block.attend(nothing, memory, relation, before, [hop, hop])
        looks = x.detach().view(questions.shape[1], heads, n_facts)
        for (_, start, end), look in zip(questions[0].tolist(), looks, strict=True):
            if nx.has_path(graph, start, end):
                paths = list(nx.all_shortest_paths(graph, start, end))
                if len(paths[0]) == steps + 1:
                    asked += 1
                    assert edges[look[2].argmax()] in {(start, path[1]) for path in paths}
                    assert edges[look[3].argmax()] in {(path[-2], end) for path in paths}
    assert asked > 20


def test_padding_is_cut_wherever_it_stands():
    facts = torch.tensor([[[1, 2], [0, 0], [3, 4], [0, 0]], [[0, 0], [0, 0], [5, 6], [0, 0]]])
    assert trim_padding(facts).tolist() == [[[1, 2], [3, 4]], [[5, 6], [0, 0]]]


def test_passes_share_their_weights():
    sizes = {"width": 16, "heads": 2, "relational": True}
    one = FactsNetwork(9, (4, 2), 3, **sizes)
    three = FactsNetwork(9, (4, 2), 3, fact_passes=3, **sizes)
    three.load_state_dict(one.state_dict())
    for parameter in three.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    facts = torch.randint(1, 9, (2, 4, 2))
    assert len(three.encode(facts).pointer_attention) == 3 * len(
        one.encode(facts).pointer_attention
    )


@pytest.mark.parametrize("temperature", [1, 0.5, 0])
def test_answers_are_sampled_at_a_temperature(temperature):
    torch.manual_seed(0)
    logits = torch.tensor([0.0, 1.0, 0.5, -1.0])
    drawn = sample_categorical(logits.expand(100_000, -1), temperature)
    shares = torch.bincount(drawn, minlength=4).numpy() / 100_000
    expected = softmax(logits.numpy() / temperature) if temperature else [0, 1, 0, 0]
    np.testing.assert_allclose(shares, expected, atol=0.01)


def random_case(domain, rng, n_contexts, n_questions):
    """Contexts, questions about them, and a network with weights drawn at random."""
    torch.manual_seed(0)
    contexts = domain.sample_contexts(rng, n_contexts)
    questions = domain.sample_questions(rng, contexts, n_questions)
    network = AnswerNetwork(
        domain.n_symbols, domain.fact_shape, domain.question_length, domain.n_answers, width=16
    )
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return contexts, questions, network


def test_an_unlikely_answer_is_not_given():
    rng = np.random.default_rng(0)
    contexts, questions, network = random_case(Permutation(6), rng, 8, 16)
    logits = network(torch.as_tensor(contexts["facts"]), torch.as_tensor(questions))
    likely = softmax(logits.detach().numpy(), axis=-1)
    middle = float(np.median(likely.max(axis=-1)))
    answers = NetworkAssistant(network, 0, min_probability=middle).answer(contexts, questions)
    expected = np.where(likely.max(axis=-1) < middle, IDK, likely.argmax(axis=-1))
    np.testing.assert_array_equal(answers, expected)
    assert 0.5 <= np.mean(answers == IDK) < 0.8  # X says some by itself
    with pytest.raises(ValueError, match=r"min_probability must be a number in \[0, 1\], got 2"):
        NetworkAssistant(network, min_probability=2)


def test_an_assistant_encodes_contexts_once_until_its_network_moves():
    domain, rng = Assignment(6), np.random.default_rng(0)
    contexts, questions, network = random_case(domain, rng, 3, 4)
    encoded = []
    encode = network.encode
    network.encode = lambda *arguments: encoded.append(1) or encode(*arguments)
    assistant = NetworkAssistant(network, temperature=0)

    def fresh():
        logits = network(torch.as_tensor(contexts["facts"]), torch.as_tensor(questions))
        return logits.argmax(dim=-1).numpy()

    first = assistant.answer(contexts, questions)
    assistant.answer(contexts, questions[:, :2])
    assert len(encoded) == 1
    np.testing.assert_array_equal(first, fresh())
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(-0.7)
    np.testing.assert_array_equal(assistant.answer(contexts, questions), fresh())
    contexts = domain.sample_contexts(rng, 3)
    np.testing.assert_array_equal(assistant.answer(contexts, questions), fresh())


@pytest.mark.parametrize("relational", [False, True])
def test_networks_compute_in_other_precisions_too(relational):
    network = AnswerNetwork(9, (4, 2), 3, 5, width=8, heads=2, relational=relational)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.3 * torch.randn(parameter.shape)
    facts, questions = torch.randint(1, 9, (2, 4, 2)), torch.randint(1, 9, (2, 6, 3))
    expected = network(facts, questions)
    found = network.double()(facts, questions)
    assert found.dtype == torch.float64
    torch.testing.assert_close(found.float(), expected)
