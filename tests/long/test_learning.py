"""Learning with the generic network, at larger sizes than the tests in tests/agents."""

import gymnasium as gym
import pytest
from judged_learners import SIZES, make_judged_learner

from ia_gym.agents import (
    AnswerSearch,
    ImitationIA,
    IteratedAmplification,
    Preferences,
    QuestionEvaluator,
    Reinforce,
    ReinforceWithDemonstrations,
    RewardModelling,
    Supervised,
)
from ia_gym.amplification.assistants import KnowNothing
from ia_gym.domains import DOMAINS

PERMUTATION = {"size": 4, "max_power": 8}
PREDICTOR = {"predictor_kwargs": {"width": 32, "heads": 2, "layers": 1}}
RELATIONAL = {"relational": True, "heads": 2, "width": 32, "polyak_tau": 0.05}


def train(cls, timesteps, name="Permutation", env_kwargs=PERMUTATION, **kwargs):
    """A learner after ``timesteps``, and its evaluation."""
    env_id = f"IA-{name}-v0"
    model = cls(env=gym.make(env_id, **env_kwargs), n_contexts=32, seed=0, **kwargs)
    model.learn(timesteps)
    return model, QuestionEvaluator(env_id, 1024, **env_kwargs).evaluate(model)


@pytest.mark.parametrize(
    ("name", "env_kwargs", "timesteps"),
    [
        ("Permutation", PERMUTATION, 300_000),
        ("Assignment", {"size": 4}, 500_000),
        ("Wildcard", {"size": 4}, 100_000),
        ("ShortestPath", {"size": 3}, 400_000),
        ("UnionFind", {"size": 4}, 500_000),
    ],
)
def test_imitation_with_the_generic_network(name, env_kwargs, timesteps):
    policy_kwargs = {} if name == "Permutation" else {"width": 32, "heads": 2}
    _, result = train(ImitationIA, timesteps, name, env_kwargs, policy_kwargs=policy_kwargs)
    assert result["eval/accuracy"] >= 0.95
    assert min(value for tag, value in result.items() if tag.startswith("eval/accuracy")) >= 0.75


def test_the_whole_loop_with_the_generic_network():
    model, result = train(IteratedAmplification, 250_000, **PREDICTOR)
    assert result["eval/accuracy"] >= 0.8
    assert model.predictor_trainer.error < 0.05
    assert 100 < model.human_interactions < 1500


def test_supervised_with_the_generic_network():
    model, result = train(Supervised, 300_000, curriculum={"threshold": 0.8, "window": 500})
    assert model.curriculum.finished
    assert result["eval/accuracy"] >= 0.95


@pytest.mark.parametrize(
    ("cls", "kwargs"),
    [
        (Reinforce, {"n_samples": None}),
        (AnswerSearch, {"n_samples": None}),
        (AnswerSearch, {"n_samples": None, "interaction_rate": 10, **PREDICTOR}),
        (ReinforceWithDemonstrations, {"n_samples": 4, "pretraining_steps": 20}),
    ],
)
def test_approval_alone_teaches_four_names(cls, kwargs):
    curriculum = {"window": 200}
    model, result = train(cls, 300_000, policy_kwargs=RELATIONAL, curriculum=curriculum, **kwargs)
    assert model.curriculum.finished
    assert result["eval/accuracy"] > 0.85


def test_the_truth_is_learned_from_judgements_level_by_level(monkeypatch):
    model = make_judged_learner(RewardModelling)
    with monkeypatch.context() as patch:
        patch.setattr(DOMAINS["Permutation"], "truth", None)
        patch.setattr(DOMAINS["Permutation"], "is_correct", None)
        model.learn(36_000)
    assert model.level == 2
    assert model.human_interactions == model.verdicts == 1200
    evaluator = QuestionEvaluator("IA-Permutation-v0", 512, **SIZES)
    measured = evaluator.evaluate(model)
    assert measured["eval/accuracy"] > 0.8
    assert measured["judge/accuracy"] > 0.8
    assert measured["judge/score_difference"] > 0.5
    assert model.measure(evaluator)["reward_model/agreement"] > 0.8


def test_unaided_preferences_end_at_depth_1():
    """Of two levels of questions one is learned, and of the other nothing is said."""
    model = make_judged_learner(Preferences, policy_update="ppo")
    model.learn(9000)
    assert model.level == 1
    assert isinstance(model.helper, KnowNothing)
    judged = model.trainer.judgements
    powers = model.domain.parse_questions(judged.questions)[1]
    preferred = ((judged.verdicts != 0.5) & judged.counted).any(axis=-1)
    assert preferred[powers < 4].all()
    assert not preferred[powers >= 4].any()
    assert model.human_interactions == model.verdicts == judged.counted.sum() <= 600
    scores = QuestionEvaluator("IA-Permutation-v0", 512, **SIZES).evaluate(model)
    assert scores["eval/accuracy_depth_1"] > 0.9
