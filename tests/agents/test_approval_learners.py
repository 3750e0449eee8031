"""REINFORCE on approval, answer search, and a mixture with imitation: the updates of the post."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3.common.logger import configure

from ia_gym.agents import AnswerSearch, QuestionEvaluator, Reinforce, ReinforceWithDemonstrations
from ia_gym.amplification.assistants import KnowNothing
from ia_gym.domains import DOMAINS

TINY = {"size": 4, "max_power": 8}
NETWORK = {"relational": True, "heads": 2, "width": 32, "polyak_tau": 0.05}


def learner(cls, **kwargs):
    env = gym.make("IA-Permutation-v0", **TINY)
    model = cls(env=env, n_contexts=32, seed=0, policy_kwargs=NETWORK, **kwargs)
    model.set_logger(configure(None, []))
    return model


@pytest.mark.parametrize("cls", [Reinforce, AnswerSearch])
@pytest.mark.parametrize("n_samples", [4, None])
def test_both_updates_come_to_the_answer_that_is_approved_of_most(cls, n_samples, monkeypatch):
    """With fixed assistants each answer's approval is fixed: the best is found by trying all."""
    model = learner(cls, n_samples=n_samples)
    model.assistant = KnowNothing()  # approval is to be had where all sub-questions are looked up
    with monkeypatch.context() as patch:
        patch.setattr(DOMAINS["Permutation"], "truth", None)
        patch.setattr(DOMAINS["Permutation"], "is_correct", None)
        patch.setattr(model.get_env(), "reset", lambda: {"facts": None, "question": None})
        model.learn(200_000)
    batch = model.amplify(judging=True)
    approvals = model.judge_answers(batch, model.list_answers(batch)).numpy()
    to_be_had = approvals.max(axis=-1) > 0
    best = 1 + approvals.argmax(axis=-1)
    with torch.no_grad():
        given = (
            model.compute_logits(batch.contexts["facts"], batch.questions).argmax(dim=-1).numpy()
        )
    assert 0.3 < to_be_had.mean() < 0.7
    assert np.mean(given[to_be_had] == best[to_be_had]) > 0.95


@pytest.mark.parametrize("cls", [Reinforce, AnswerSearch])
def test_approval_alone_teaches_what_is_true(cls):
    """X's own slow copy is the assistant; questions come by depth."""
    model = learner(cls, n_samples=None, curriculum={"window": 200})
    model.learn(300_000)
    result = QuestionEvaluator("IA-Permutation-v0", 1024, **TINY).evaluate(model)
    assert model.curriculum.finished
    assert result["eval/accuracy"] > 0.85
    assert model.human_interactions == model.num_timesteps


def test_a_model_of_h_judges_in_its_place():
    sizes = {"predictor_kwargs": {"width": 32, "heads": 2, "layers": 1}}
    model = learner(
        AnswerSearch, n_samples=None, curriculum={"window": 200}, interaction_rate=10, **sizes
    )
    model.learn(220_000)
    assert (
        QuestionEvaluator("IA-Permutation-v0", 1024, **TINY).evaluate(model)["eval/accuracy"] > 0.8
    )
    assert 100 < model.human_interactions < 1500


def test_the_policy_gradient_is_that_of_expected_approval():
    """By samples, and with all answers judged: equal up to noise."""
    model = learner(Reinforce, n_samples=None, ent_coef=0.0)
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
    with pytest.raises(ValueError, match=r"n_samples must be in 1\.\.1000, got 0"):
        Reinforce(env=gym.make("IA-Permutation-v0"), n_samples=0)


def test_a_mixed_learner_learns_from_both():
    model = learner(
        ReinforceWithDemonstrations, n_samples=4, pretraining_steps=20, curriculum={"window": 200}
    )
    model.learn(250_000)
    assert (
        QuestionEvaluator("IA-Permutation-v0", 1024, **TINY).evaluate(model)["eval/accuracy"] > 0.85
    )


def test_drift_from_what_was_demonstrated_is_limited():
    """Rewarded for an answer that nobody demonstrated, X goes there only as far as it may."""
    drifts = []
    for max_drift, drift_coef in ((0.0, 0.0), (0.1, 20.0)):
        weights = {"rl_weight": 10.0, "imitation_weight": (1.0, 0.0), "drift_coef": drift_coef}
        model = learner(
            ReinforceWithDemonstrations,
            n_samples=None,
            pretraining_steps=10,
            max_drift=max_drift,
            **weights,
        )
        model.judge_answers = lambda batch, answers: torch.as_tensor((answers == 1) * 1.0)
        model.learn(80_000)
        drifts.append(model.logger.name_to_value["train/drift"])
    assert drifts[0] > 0.5
    assert drifts[1] < 0.2
    with pytest.raises(ValueError, match=r"max_drift must be a number in \[0, inf\), got -1"):
        ReinforceWithDemonstrations(env=gym.make("IA-Permutation-v0"), max_drift=-1)
    with pytest.raises(ValueError, match=r"demo_share must be a number in \(0, 1\], got 0"):
        ReinforceWithDemonstrations(env=gym.make("IA-Permutation-v0"), demo_share=0)
