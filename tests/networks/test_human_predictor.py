"""The human predictor: how it reads, what it copies, and that it learns the scripts."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from predictor_checks import check_predictor_learns
from stable_baselines3.common.logger import configure

from ia_gym.agents.learners.human_predictor_trainer import HumanPredictorTrainer
from ia_gym.agents.learners.imitation import IteratedAmplification
from ia_gym.amplification.amplify import amplify
from ia_gym.amplification.assistants import Oracle
from ia_gym.amplification.batches import sample_batch
from ia_gym.amplification.overseers import ScriptedOverseer
from ia_gym.domains import DOMAINS
from ia_gym.domains.transcript import IDK
from ia_gym.networks.human_predictor import HumanPredictor
from ia_gym.networks.learned_overseer import LearnedOverseer

ALL = pytest.mark.parametrize("cls", DOMAINS.values(), ids=DOMAINS)
SMALL = {"width": 32, "heads": 2}


def perturbed(domain, **sizes):
    """A predictor that is not at its start, where the blocks do nothing yet."""
    predictor = HumanPredictor(domain, **{**SMALL, **sizes})
    with torch.no_grad():
        for parameter in predictor.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    return predictor


@ALL
def test_reading_in_parts_is_reading_at_once(cls):
    domain = cls(6)
    predictor = perturbed(domain)
    tokens = torch.randint(domain.n_symbols, (5, predictor.n_events, predictor.length))
    whole, _ = predictor.read(tokens, [])
    memories, parts = [], []
    for last in (1, 3, predictor.n_events):
        features, memories = predictor.read(tokens[:, :last], memories)
        parts.append(features)
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, atol=1e-4, rtol=1e-4)


def test_predictions_are_probabilities_and_depend_on_the_past_alone():
    domain = DOMAINS["ShortestPath"](6)
    predictor = perturbed(domain)
    tokens = torch.randint(domain.n_symbols, (4, predictor.n_events, predictor.length))
    later = tokens.clone()
    later[:, 5:] = torch.randint(domain.n_symbols, later[:, 5:].shape)
    events = torch.arange(predictor.n_events)
    one, two = (predictor.predict(predictor.read(t, [])[0], events, t) for t in (tokens, later))
    torch.testing.assert_close(one.exp().sum(-1), torch.ones(one.shape[:3]), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(one[:, :5], two[:, :5])
    assert not torch.allclose(one[:, 5:], two[:, 5:])


@ALL
def test_sub_questions_are_well_formed_and_well_formed_rows_can_be_asked(cls):
    domain, rng = cls(9, 12), np.random.default_rng(0)
    contexts = domain.sample_contexts(rng, 40)
    questions = domain.sample_questions(rng, contexts, 20)
    assert domain.is_well_formed(questions).all()
    transcript = amplify(ScriptedOverseer(domain), Oracle(domain), rng, contexts, questions)
    asked = transcript.questions[transcript.questions[..., 0] != 0]
    assert domain.is_well_formed(asked).all()
    assert not domain.is_well_formed(np.zeros(domain.question_length, np.int64))
    junk = rng.integers(domain.n_symbols, size=(40, 5000, domain.question_length))
    junk[:, :2500, 0] = rng.integers(domain.kind_symbol, domain.n_symbols, (40, 2500))
    junk[~domain.is_well_formed(junk)] = 0
    for found in (domain.truth(contexts, junk), domain.look_up(rng, contexts, junk)):
        assert found.min() >= 0
        assert found.max() < domain.n_symbols
    depths = domain.depth(contexts, junk)
    assert depths.min() >= 0
    assert depths.max() <= domain.max_depth


@ALL
def test_an_untrained_predictor_asks_only_well_formed_questions(cls):
    domain, rng = cls(8), np.random.default_rng(0)
    overseer = LearnedOverseer(domain, perturbed(domain))
    batch = sample_batch(overseer, Oracle(domain), rng, 20, 10)
    asked = batch.transcript.questions
    assert (domain.is_well_formed(asked) | (asked[..., 0] == 0)).all()
    assert batch.targets.max() < domain.n_answers
    assert overseer.human_interactions == 0
    case = batch.contexts, batch.questions, batch.transcript
    approval = overseer.judge(*case, batch.targets)
    np.testing.assert_array_equal(approval, batch.targets != IDK)


@pytest.mark.parametrize(
    ("name", "size", "updates"),
    [
        ("Permutation", 8, 160),
        pytest.param("Assignment", 8, 100, marks=pytest.mark.slow),
        pytest.param("Wildcard", 4, 200, marks=pytest.mark.slow),
        pytest.param("ShortestPath", 8, 200, marks=pytest.mark.slow),
        pytest.param("UnionFind", 8, 200, marks=pytest.mark.slow),
    ],
)
def test_the_overseer_is_learned_from_a_thousand_queries(name, size, updates):
    """At the paper's size: see tests/long."""
    check_predictor_learns(DOMAINS[name](size), updates)


def test_half_of_the_queries_are_where_the_predictor_is_least_confident(monkeypatch):
    model = IteratedAmplification(
        env=gym.make("IA-UnionFind-v0"), n_contexts=8, n_questions=8, seed=0, interaction_rate=12
    )
    model.set_logger(configure(None, []))
    asked = []
    predictor_trainer = model.predictor_trainer
    monkeypatch.setattr(
        predictor_trainer, "query_overseer", lambda *case, **_: asked.append(case[-1])
    )
    model.train_step()
    at_random, doubtful = asked
    assert len(at_random) == len(doubtful) == 6
    confidence = predictor_trainer.overseer.confidence.ravel()
    rest = np.delete(confidence, doubtful)
    assert confidence[doubtful].max() <= rest.min()
    assert np.all((confidence > 0) & (confidence <= 1))


def test_records_that_surprise_most_are_drawn_most_often(monkeypatch):
    model = IteratedAmplification(
        env=gym.make("IA-UnionFind-v0"), n_contexts=8, n_questions=8, seed=0
    )
    model.set_logger(configure(None, []))
    for _ in range(5):
        model.train_step()
    predictor_trainer = model.predictor_trainer
    assert len(predictor_trainer.records["targets"]) == model.human_interactions == 50
    predictor_trainer.records["priority"][:] = 0.001
    predictor_trainer.records["priority"][7] = 1.0
    seen = []
    loss = predictor_trainer.predictor.loss

    def see(**parts):
        seen.append(parts["questions"].numpy())
        return loss(**parts)

    monkeypatch.setattr(predictor_trainer.predictor, "loss", see)
    predictor_trainer.train_on_records()
    same = (seen[0] == predictor_trainer.records["questions"][7]).all(axis=1)
    assert same.mean() > 0.7
    assert predictor_trainer.records["priority"][7] != 1.0  # it has been seen again


def test_many_queries_come_first_and_then_as_many_as_the_error_asks_for(monkeypatch):
    """500 at first and a tenth of the rate once it is good, as in the released code."""
    shares = {"first_interactions": 30, "interaction_shares": (1, 0.5, 0.25)}
    model = IteratedAmplification(
        env=gym.make("IA-UnionFind-v0"), n_contexts=8, n_questions=8, seed=0, interaction_rate=4,
        predictor_kwargs={"width": 16, "layers": 1, **shares},
    )  # fmt: skip
    model.set_logger(configure(None, []))
    counts = []
    for error in (1.0, 1.0, 0.1, 0.1, 0.01, 0.01):
        monkeypatch.setattr(HumanPredictorTrainer, "error", error)
        model.train_step()
        counts.append(model.human_interactions)
    assert counts == [34, 38, 40, 42, 42, 44]  # in pairs, half of them at random


def test_queries_that_a_step_has_no_questions_for_come_in_the_next_ones():
    model = IteratedAmplification(
        env=gym.make("IA-UnionFind-v0"), n_contexts=8, n_questions=8, seed=0, interaction_rate=4,
        predictor_kwargs={"width": 16, "layers": 1, "first_interactions": 300},
    )  # fmt: skip
    model.set_logger(configure(None, []))
    counts = []
    for _ in range(4):
        model.train_step()
        counts.append(model.human_interactions)
    assert counts == [128, 256, 312, 316]


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"first_interactions": -1}, r"first_interactions must be in 0\.\.1000000, got -1"),
        ({"interaction_shares": (1, 0.1)}, r"interaction_shares must be three numbers, got \(1"),
        ({"interaction_shares": (1, 1, -1)}, r"interaction_shares must be a number in \[0, inf\)"),
        ({"interaction_shares": 3}, r"interaction_shares must be three numbers, got 3"),
    ],
)
def test_other_numbers_of_queries_are_refused(kwargs, words):
    with pytest.raises(ValueError, match=f"^{words}"):
        IteratedAmplification(env=gym.make("IA-UnionFind-v0"), predictor_kwargs=kwargs)
