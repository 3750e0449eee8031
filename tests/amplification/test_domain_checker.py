"""A domain that does not fit what it declares is refused, by name."""

import gymnasium as gym
import numpy as np
import pytest

from ia_gym.amplification.domain_checker import check_domain
from ia_gym.domains import DOMAINS, Permutation
from ia_gym.domains.transcript import IDK


@pytest.mark.parametrize("cls", DOMAINS.values(), ids=DOMAINS)
def test_the_suites_domains_pass(cls):
    for size in (2, 9):
        check_domain(cls(size, 9))


class Masked(Permutation):
    """Permutations whose mask is what the test makes of it."""

    name = "Masked"

    def __init__(self, change, size=4):
        super().__init__(size)
        self.change = change

    def answer_mask(self, questions):
        return self.change(super().answer_mask(questions))


def allow_nothing(mask):
    return np.zeros_like(mask)


def allow_nothing_to_the_last(mask):
    mask[-1, -1] = False
    return mask


def allow_only_idk(mask):
    return np.arange(mask.shape[-1]) == IDK + 0 * mask


def allow_no_idk(mask):
    mask[..., IDK] = False
    return mask


@pytest.mark.parametrize(
    ("change", "got"),
    [
        (allow_nothing, r"\[\]"),
        (allow_nothing_to_the_last, r"\[\]"),
        (allow_only_idk, r"\[0\]"),
        (allow_no_idk, r"\[1, 2, 3, 4\]"),
    ],
)
def test_a_mask_that_allows_too_little_is_refused(change, got):
    message = (
        r"answer_mask\(\) of Masked must allow idk \(symbol 0\) and another answer to each "
        f"question, got the symbols {got}"
    )
    with pytest.raises(ValueError, match=message):
        check_domain(Masked(change))
    with pytest.raises(ValueError, match=message):  # and so do the environments
        gym.make("IA-Permutation-v0", domain=Masked, size=4, change=change)


def test_a_mask_that_does_not_allow_the_truth_is_refused():
    domain = Masked(lambda mask: mask & (np.arange(mask.shape[-1]) < 2), size=9)
    with pytest.raises(ValueError, match=r"answer_mask\(\) of Masked must allow what truth\(\)"):
        check_domain(domain)


@pytest.mark.parametrize("mask", [np.ones((3, 4), bool), np.ones((3, 4, 5), int), "all", None])
def test_a_mask_of_another_shape_or_type_is_refused(mask):
    with pytest.raises(ValueError, match=r"answer_mask\(\) of Masked must return booleans"):
        check_domain(Masked(lambda _: mask))
