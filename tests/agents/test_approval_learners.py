"""REINFORCE on approval, answer search, and a mixture with imitation: the updates of the post."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3.common.logger import configure

from ia_gym.agents import AnswerSearch, QuestionEvaluator, Reinforce, ReinforceWithDemonstrations
from ia_gym.amplification.assistants import KnowNothing
from ia_gym.domains import DOMAINS

RELATIONAL = {"relational": True, "heads": 2, "width": 32, "polyak_tau": 0.1}
PREDICTOR = {"predictor_kwargs": {"width": 32, "heads": 2, "layers": 1}}


def make_learner(cls, env_id="IA-Permutation-v0", size=3, **kwargs):
    more = {"max_power": 8} if "Permutation" in env_id else {}
    env = gym.make(env_id, size=size, **more)
    batch = {"n_contexts": 16, "n_questions": 16, "learning_rate": 6e-3}
    model = cls(env=env, seed=0, policy_kwargs=RELATIONAL, **batch, **kwargs)
    model.set_logger(configure(None, []))
    return model


@pytest.mark.parametrize("cls", [Reinforce, AnswerSearch])
@pytest.mark.parametrize("n_samples", [pytest.param(8, marks=pytest.mark.slow), None])
def test_both_updates_find_the_answer_that_is_approved_of_most(cls, n_samples, monkeypatch):
    """With fixed assistants each answer's approval is fixed: the best is found by trying all."""
    kwargs = {"ent_coef": 0.2} if cls is Reinforce else {}
    model = make_learner(cls, n_samples=n_samples, **kwargs)
    model.assistant = KnowNothing()  # approval is to be had where all sub-questions are looked up
    with monkeypatch.context() as patch:
        patch.setattr(DOMAINS["Permutation"], "truth", None)
        patch.setattr(DOMAINS["Permutation"], "is_correct", None)
        model.learn(24_000)
    batch = model.amplify(judging=True)
    approvals = model.judge_answers(batch, model.list_answers(batch)).numpy()
    to_be_had = approvals.max(axis=-1) > 0
    best = 1 + approvals.argmax(axis=-1)
    with torch.no_grad():
        logits = model.compute_logits(batch.contexts["facts"], batch.questions)
    given = logits.argmax(dim=-1).numpy()
    assert 0.3 < to_be_had.mean() < 0.7
    assert np.mean(given[to_be_had] == best[to_be_had]) > 0.95


@pytest.mark.parametrize(
    ("cls", "kwargs"),
    [
        (Reinforce, {"n_samples": None}),
        (AnswerSearch, {"n_samples": None}),
        pytest.param(
            AnswerSearch,
            {"n_samples": None, "interaction_rate": 10, **PREDICTOR},
            marks=pytest.mark.slow,
        ),
        (ReinforceWithDemonstrations, {"n_samples": 4, "pretraining_steps": 20}),
    ],
    ids=["reinforce", "search", "search with a human predictor", "with demonstrations"],
)
def test_approval_alone_teaches_what_is_true(cls, kwargs):
    """The agent's own average is the assistant; questions come by depth."""
    model = make_learner(cls, "IA-Wildcard-v0", size=4, curriculum={"window": 100}, **kwargs)
    model.learn(30_000 if "interaction_rate" in kwargs else 20_000)  # the predictor learns first
    assert model.curriculum.finished
    evaluator = QuestionEvaluator("IA-Wildcard-v0", 1024, size=4)
    assert evaluator.evaluate(model)["eval/accuracy"] > 0.9
    if "interaction_rate" in kwargs:
        assert 100 < model.human_interactions < 1000
    else:
        assert model.human_interactions == model.num_timesteps


def test_the_policy_gradient_is_that_of_expected_approval():
    """By samples, and with all answers judged: equal up to noise."""
    model = make_learner(Reinforce, size=4, n_samples=None, ent_coef=0.0)
    batch = model.amplify(judging=True)
    logits = torch.randn(*batch.targets.shape, model.domain.n_answers, requires_grad=True)
    model.compute_policy_loss(batch, logits).backward()
    exact, noisy = logits.grad.clone(), []
    model.n_samples = 8
    for _ in range(200):
        logits.grad = None
        model.compute_policy_loss(batch, logits).backward()
        noisy.append(logits.grad.clone())
    mean = torch.stack(noisy).mean(dim=0)
    assert torch.nn.functional.cosine_similarity(mean.flatten(), exact.flatten(), dim=0) > 0.97
    assert (mean.norm() / exact.norm()) == pytest.approx(1, abs=0.05)


def test_drift_from_what_was_demonstrated_is_limited():
    """Rewarded for an answer that nobody demonstrated, the policy goes only as far as it may."""
    drifts = []
    for max_drift, drift_coef in ((0.0, 0.0), (0.1, 20.0)):
        weights = {"rl_weight": 10.0, "imitation_weight": (1.0, 0.0), "drift_coef": drift_coef}
        model = make_learner(
            ReinforceWithDemonstrations,
            n_samples=None,
            pretraining_steps=10,
            max_drift=max_drift,
            **weights,
        )
        model.judge_answers = lambda batch, answers: torch.as_tensor((answers == 1) * 1.0)
        model.learn(12_000)
        drifts.append(model.logger.name_to_value["train/drift"])
    assert drifts[0] > 0.5
    assert drifts[1] < 0.2


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"n_samples": 0}, r"n_samples must be in 1\.\.1000, got 0"),
        ({"ent_coef": -1}, r"ent_coef must be a number in \[0, inf\), got -1"),
        ({"max_drift": -1}, r"max_drift must be a number in \[0, inf\), got -1"),
        ({"demo_share": 0}, r"demo_share must be a number in \(0, 1\], got 0"),
        ({"imitation_weight": (1, -1)}, r"imitation_weight must be a number in \[0, inf\), got -1"),
        ({"imitation_weight": (1, 2, 3)}, r"imitation_weight must be a number .*, got \(1, 2, 3\)"),
    ],
)
def test_bad_arguments_are_named(kwargs, message):
    with pytest.raises(ValueError, match=message):
        ReinforceWithDemonstrations(env=gym.make("IA-Permutation-v0"), **kwargs)
