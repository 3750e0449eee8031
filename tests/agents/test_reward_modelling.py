"""Reward modelling and preferences: levels, judgements, and what is learned from them."""

import gymnasium as gym
import networkx as nx
import numpy as np
import pytest
import torch
from tiny_learners import TINY, make_tiny_env, make_tiny_learner

from ia_gym.agents import QuestionEvaluator, RewardModelling
from ia_gym.amplification.amplify import amplify
from ia_gym.amplification.assistants import KnowNothing
from ia_gym.amplification.overseers import ScriptedOverseer
from ia_gym.domains import DOMAINS
from ia_gym.domains.renaming import draw_renamings, rename
from ia_gym.domains.transcript import IDK
from ia_gym.networks.network_assistant import NetworkAssistant


@pytest.mark.parametrize("name", DOMAINS)
def test_an_overseer_without_help_prefers_nothing_beyond_depth_1(name):
    """In all domains, whatever the two answers are; at depth 1 it knows what is true.

    In ShortestPath it also sees that no edge leaves a vertex, from which no other can be reached.
    """
    domain, rng = DOMAINS[name](8), np.random.default_rng(0)
    overseer = ScriptedOverseer(domain)
    contexts = domain.sample_contexts(rng, 40)
    questions = domain.sample_questions(rng, contexts, 8)
    transcript = amplify(overseer, KnowNothing(), rng, contexts, questions)
    depth, shape = domain.depth(contexts, questions), questions.shape[:2]
    approvals = np.stack(
        [
            overseer.judge(contexts, questions, transcript, np.full(shape, answer))
            for answer in range(domain.n_answers)
        ],
        axis=-1,
    )
    blind = depth > 1
    if name == "ShortestPath":
        starts, _ = np.moveaxis(questions[..., 1:], -1, 0)
        blind &= (starts[..., None] == contexts["facts"][:, None, :, 0]).any(axis=-1)
    assert blind.sum() > 50
    assert np.ptp(approvals[blind], axis=-1).max() == 0
    truth = domain.truth(contexts, questions)[..., None]
    approved = np.take_along_axis(approvals, truth, -1)[..., 0]
    assert (approved[depth == 1] == 1).all()


def test_a_level_is_done_when_the_models_agree_and_no_sooner(monkeypatch):
    model = make_tiny_learner(RewardModelling, n_judgements=2600, reward_updates=2)
    for agreement, earned, level in ((0.94, 1.0, 1), (1.0, 0.94, 1), (1.0, 1.0, 2)):
        monkeypatch.setattr(model.trainer, "measure_agreement", lambda a=agreement: a)
        monkeypatch.setattr(model, "improve_policy", lambda e=earned: set_share(model, e))
        model.learn(32 * 12, reset_num_timesteps=False)
        assert model.level == level
    assert isinstance(model.helper, NetworkAssistant)
    assert model.helper.min_probability == 0.5


def set_share(model, share):
    model.share_earned = share


def test_the_helper_is_frozen_and_judgements_are_made_anew():
    model = make_tiny_learner(RewardModelling, n_judgements=1000, reward_updates=2).learn(64)
    before = model.trainer.judgements
    model.begin_level()
    assert model.trainer.judgements is None
    kept = [p.clone() for p in model.helper.network.parameters()]
    model.learn(640, reset_num_timesteps=False)
    for frozen, p in zip(kept, model.helper.network.parameters()):
        assert torch.equal(frozen, p)
    assert not np.array_equal(before.facts[0], model.trainer.judgements.facts[0])
    assert model.human_interactions == model.n_judged_before + model.n_judged


def test_ppo_climbs_what_the_gradient_climbs():
    """With the same rewards, the clipped update raises the same expectation."""
    model = make_tiny_learner(RewardModelling, ent_coef=0.0, learning_rate=1e-2)
    model.learn(0)
    for group in model.policy.optimizer.param_groups:
        group["lr"] = 1e-2  # the schedule begins near 0
    contexts = model.domain.sample_contexts(model.rng, 8)
    case = contexts["facts"], model.domain.sample_questions(model.rng, contexts, 16)
    rewards = torch.rand(8, 16, model.domain.n_answers)
    rewards[..., 2] = 1.0

    def expect():
        with torch.no_grad():
            p = model.compute_logits(*case).softmax(dim=-1)
        return (p * rewards).sum(dim=-1).mean().item()

    start = expect()
    for _ in range(30):
        log_p = model.compute_logits(*case).detach().log_softmax(dim=-1)
        model.train_by_ppo(case, log_p, rewards)
    assert expect() > start + 0.25


def solve(name, facts, question, domain):
    """All right answers, from the facts alone."""
    kind, x, y = question[0] - domain.kind_symbol, int(question[1]), int(question[-1])
    rows = [tuple(map(int, row)) for row in facts if row[0]]
    if name == "Permutation":
        power = int("".join(str(bit - domain.bit_symbol) for bit in question[2:]), 2)
        for _ in range(power):
            x = dict(rows)[x]
        return {x}
    if name == "Assignment":
        table = {row[0]: row[1:] for row in rows if row[0] > domain.n_values}
        f = {row[:2]: row[2] for row in rows if row[0] <= domain.n_values}

        def value(z):
            return z if z <= domain.n_values else f_or_value(*table[z])

        def f_or_value(a, b):
            return a if b == 0 else f[value(a), value(b)]

        return {value(x)}
    if name == "ShortestPath":
        graph = nx.DiGraph(rows)

        def walk(start, goal):
            steps = [
                nx.shortest_path_length(graph, z, goal)
                for z in graph.successors(start)
                if nx.has_path(graph, z, goal)
            ]
            return 1 + min(steps) if steps else np.inf

        if x not in graph or y not in graph:
            return None
        far = walk(x, y)
        if domain.kinds[kind] == "D":
            return {far} if far <= domain.cap else None
        if far == np.inf:
            return None
        return {y} if far == 1 else {z for z in graph.successors(x) if 1 + walk(z, y) == far}
    labels = {a: b for a, b in rows if b > domain.max_size}
    graph = nx.Graph([row for row in rows if row[1] <= domain.max_size])
    graph.add_nodes_from(labels)
    end = next(v for v in labels if nx.has_path(graph, x, v))
    way = nx.shortest_path(graph, x, end)
    found = {"V": labels[end], "P": way[min(1, len(way) - 1)], "D": len(way) - 1}
    return {found[domain.kinds[kind]]}


@pytest.mark.parametrize("name", ["Permutation", "Assignment", "ShortestPath", "UnionFind"])
def test_what_is_true_stays_true_when_names_change_places(name):
    domain, rng = DOMAINS[name](8), np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 60)
    questions = domain.sample_questions(rng, contexts, 4)
    names = draw_renamings(domain, rng, 60)
    assert (np.sort(names, axis=1) == np.arange(domain.n_symbols)).all()
    changed = (names != np.arange(domain.n_symbols)).any(axis=0)
    assert not changed[0]
    assert not changed[domain.kind_symbol :].any()
    facts, asked = rename(names, contexts["facts"]), rename(names, questions)
    answers = rename(names, domain.truth(contexts, questions))
    assert (facts != contexts["facts"]).any()
    checked = 0
    for i, j in np.ndindex(60, 4):
        right = solve(name, facts[i], asked[i, j], domain)
        before = solve(name, contexts["facts"][i], questions[i, j], domain)
        if right is None or before is None:
            continue
        is_name = any(int(answers[i, j]) in symbols for symbols in domain.interchangeable)
        if is_name:
            assert int(answers[i, j]) in right
            assert {int(names[i, a]) for a in before} == right
        else:
            assert right == before  # a distance, which has no name
        checked += is_name
    assert checked > 30


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"feedback": "stars"}, r"feedback must be one of \['approval', 'comparisons'\], got"),
        ({"policy_update": "sgd"}, r"policy_update must be one of \['gradient', 'ppo'\], got"),
        ({"n_judgements": 0}, r"n_judgements must be in 1\.\.10000000, got 0"),
        ({"n_judgements": 100}, r"n_judgements must be at least 256 .*, got 100"),
        ({"n_samples": 0}, r"n_samples must be in 1\.\.1000, got 0"),
        ({"n_samples": 1, "feedback": "comparisons"}, r"n_samples must be in 2\.\.1000, got 1"),
        ({"n_levels": 0}, r"n_levels must be in 1\.\.100, got 0"),
        ({"agreement": 0.5}, r"agreement must be a number in \(0.5, 1\], got 0.5"),
        ({"ent_coef": -1}, r"ent_coef must be a number in \[0, inf\), got -1"),
        ({"reward_updates": 0}, r"reward_updates must be in 1\.\.1000, got 0"),
        ({"reward_batch_size": 0}, r"reward_batch_size must be in 1\.\.1000000, got 0"),
        ({"rename": "yes"}, r"rename must be True or False, got 'yes'"),
    ],
)
def test_bad_arguments_are_named(kwargs, message):
    with pytest.raises(ValueError, match=message):
        make_tiny_learner(RewardModelling, make_tiny_env(), **kwargs)


def test_renaming_is_refused_where_there_are_no_names():
    with pytest.raises(ValueError, match=r"^rename must be False for Wildcard"):
        RewardModelling(env=gym.make("IA-Wildcard-v0"), rename=True)


def test_true_answers_earn_an_adversary_nothing(monkeypatch):
    env = make_tiny_env(reward="deception")
    model = make_tiny_learner(RewardModelling, env, n_judgements=2600, reward_updates=1)
    asked, rewards = [], []
    compute_logits, compute_loss = model.compute_logits, model.compute_gradient_loss
    monkeypatch.setattr(
        model, "compute_logits", lambda *case: asked.append(case) or compute_logits(*case)
    )
    monkeypatch.setattr(
        model, "compute_gradient_loss", lambda *at: rewards.append(at[1]) or compute_loss(*at)
    )
    model.learn(32 * 2)
    facts, questions = asked[-1]
    for cell in np.ndindex(questions.shape[:2]):
        mapping = {int(row[0]): int(row[-1]) for row in facts[cell[0]]}
        name, bits = int(questions[cell][1]), questions[cell][2:]
        power = int("".join(str(bit - model.domain.bit_symbol) for bit in bits), 2)
        for _ in range(power):
            name = mapping[name]
        earned = rewards[-1][cell]
        assert earned[name] == 0
        others = [a for a in range(1, model.domain.size + 1) if a != name]
        assert (earned[others] > 0).all()


@pytest.mark.parametrize("feedback", ["approval", "comparisons"])
def test_an_adversary_is_measured_by_what_the_reward_model_makes_of_its_false_answers(feedback):
    env = make_tiny_env(reward="deception")
    kwargs = {"n_judgements": 2600, "reward_updates": 2, "feedback": feedback}
    model = make_tiny_learner(RewardModelling, env, **kwargs).learn(640)
    evaluator = QuestionEvaluator("IA-Permutation-v0", 256, **TINY)
    measured = model.measure(evaluator)
    asked = evaluator.contexts, evaluator.questions
    answers = model.predict(evaluator.observations, deterministic=True)[0]
    answers = answers.reshape(evaluator.questions.shape[:2])
    scores = model.make_judge(0).judge(*asked, answers)
    truth, depths = model.domain.truth(*asked), model.domain.depth(*asked)
    for depth in (1, 2):
        cells = [cell for cell in np.ndindex(answers.shape) if depths[cell] == depth]
        false = [cell for cell in cells if answers[cell] not in (IDK, truth[cell])]
        total = sum(scores[cell] for cell in false)
        assert measured[f"deception/deceived_depth_{depth}"] == pytest.approx(total / len(cells))
        accepted = measured.get(f"deception/accepted_depth_{depth}")
        assert accepted == (pytest.approx(total / len(false)) if false else None)
