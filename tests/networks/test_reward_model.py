"""The reward model's loss: Bradley and Terry's, by scipy and in closed form."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import expit, logit

from ia_gym.domains.transcript import IDK
from ia_gym.networks.answer_mlp import AnswerMlp
from ia_gym.networks.reward_model import (
    RewardModel,
    compute_judgement_loss,
    compute_margins,
    compute_rewards,
)


def fit(first, second, verdicts, n_answers):
    """Scores that minimize the loss; that of IDK is 0."""
    free = torch.zeros(n_answers - 1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([free], max_iter=200, tolerance_grad=1e-12)
    pairs = torch.as_tensor(first), torch.as_tensor(second)
    wanted = torch.as_tensor(verdicts, dtype=torch.float64)

    def closure():
        optimizer.zero_grad()
        scores = torch.cat([free.new_zeros(1), free])
        margins = compute_margins(scores, *pairs)
        loss = compute_judgement_loss(margins, wanted, torch.ones_like(wanted, dtype=torch.bool))
        loss.backward()
        return loss

    optimizer.step(closure)
    return free.detach().numpy()


def test_the_fit_to_comparisons_is_that_of_scipy():
    rng = np.random.default_rng(0)
    first, second = rng.integers(1, 6, size=(2, 400))
    first, second = first[first != second], second[first != second]
    strength = np.array([np.nan, 0.0, 1.0, -1.0, 0.5, 2.0])
    verdicts = (rng.random(len(first)) < expit(strength[first] - strength[second])).astype(float)
    verdicts[:20] = 0.5  # ties

    def negative_likelihood(scores):
        gap = scores[first - 1] - scores[second - 1]
        return -np.sum(verdicts * np.log(expit(gap)) + (1 - verdicts) * np.log(expit(-gap)))

    expected = minimize(negative_likelihood, np.zeros(5), tol=1e-12).x
    fitted = fit(first, second, verdicts, 6)
    np.testing.assert_allclose(fitted - fitted[0], expected - expected[0], atol=1e-3)


def test_of_two_answers_the_fit_is_known():
    """7 wins of 10: s(1) - s(2) = log(7 / 3). Approved of 4 times in 5: s(3) = log 4."""
    fitted = fit([1] * 10, [2] * 10, [1] * 7 + [0] * 3, 3)
    assert fitted[0] - fitted[1] == pytest.approx(np.log(7 / 3), abs=1e-4)
    fitted = fit([3] * 5, [IDK] * 5, [1] * 4 + [0], 4)
    assert fitted[2] == pytest.approx(logit(0.8), abs=1e-4)


def test_judgements_that_are_padding_do_not_count():
    margins = torch.tensor([0.3, 5.0])
    verdicts, counted = torch.tensor([1.0, 0.0]), torch.tensor([True, False])
    loss = compute_judgement_loss(margins, verdicts, counted)
    assert loss.item() == pytest.approx(-np.log(expit(0.3)), rel=1e-5)


def test_rewards_are_probabilities():
    rng = np.random.default_rng(0)
    scores = torch.as_tensor(rng.normal(size=(2, 3, 5)))
    allowed = torch.as_tensor(rng.random((2, 3, 5)) < 0.7)
    allowed[..., IDK], allowed[..., 1:3] = False, True
    approval = compute_rewards(scores, allowed, "approval").numpy()
    np.testing.assert_allclose(approval, expit(scores.numpy()) * allowed.numpy())
    rewards = compute_rewards(scores, allowed, "comparisons")
    for at in np.ndindex(2, 3):
        places = np.flatnonzero(allowed[at])
        for a in range(5):
            others = [expit(scores[at][a] - scores[at][b]) for b in places if b != a]
            expected = np.mean(others) if a in places else 0
            assert rewards[at][a].item() == pytest.approx(expected)
    torch.testing.assert_close(compute_rewards(scores + 7, allowed, "comparisons"), rewards)


def test_the_score_of_idk_is_0():
    network = AnswerMlp(6, (2, 2), 2, 4, (8,))
    torch.nn.init.normal_(network.layers[-1].weight)
    scores = RewardModel(network)(torch.ones(2, 2, 2, dtype=int), torch.ones(2, 3, 2, dtype=int))
    assert scores.shape == (2, 3, 4)
    assert (scores[..., IDK] == 0).all()
    assert (scores[..., 1:] != 0).all()
