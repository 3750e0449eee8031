"""The held-out evaluation."""

import io

import numpy as np
import pytest
import torch
from rich.console import Console

from ia_gym.agents import QuestionEvaluator
from ia_gym.experiments.reports.terminal_tables import build_score_table, print_table

BASE = "IA-Permutation-v0"


class Knows:
    """Predicts the truth, or the truth plus one."""

    def __init__(self, held_out, off_by=0):
        self.held_out, self.off_by = held_out, off_by

    def predict(self, observation, *, deterministic):
        domain = self.held_out.domain
        image = np.zeros((len(observation["facts"]), domain.n_answers), np.int64)
        facts = observation["facts"].reshape(len(image), -1, 2)
        np.put_along_axis(image, facts[..., 0], facts[..., 1], axis=1)
        truth, powers = domain.parse_questions(observation["question"])
        for step in range(domain.max_power):
            onward = np.take_along_axis(image, truth[:, None], axis=1)[:, 0]
            truth = np.where(step < powers, onward, truth)
        return (truth - 1 + self.off_by) % domain.max_size + 1, None


def test_the_evaluation_is_always_the_same_and_never_the_training_stream():
    first, second = QuestionEvaluator(BASE, 256), QuestionEvaluator(BASE, 256)
    for key, value in first.observations.items():
        np.testing.assert_array_equal(value, second.observations[key])
    for seed in range(20):  # what training with this seed would draw
        drawn = first.domain.sample_contexts(np.random.default_rng(seed), 16)
        assert not np.array_equal(drawn["facts"], first.contexts["facts"])
    assert first.n_problems == 256
    assert QuestionEvaluator(BASE, 250).n_problems == 256


def test_one_who_knows_and_one_who_is_consistently_wrong():
    held_out = QuestionEvaluator(BASE, 512)
    right = held_out.evaluate(Knows(held_out))
    assert right["eval/accuracy"] == right["overseer/approval"] == 1
    assert right["overseer/target_accuracy"] == 1
    assert right["overseer/overapproval"] == 0
    assert {"eval/accuracy_depth_1", "eval/accuracy_depth_2"} < set(right)
    wrong = held_out.evaluate(Knows(held_out, off_by=1))
    assert wrong["eval/accuracy"] == 0
    # Depth 1 rests on lookups alone: half the targets stay true.
    depths = held_out.domain.depth(held_out.contexts, held_out.questions)
    share = (depths == 1).mean()
    assert share <= wrong["overseer/target_accuracy"] < share + 0.15
    gap = wrong["overseer/approval"] - wrong["eval/accuracy"]
    assert wrong["overseer/overapproval"] == pytest.approx(gap)
    by_depth = [wrong[f"overseer/overapproval_depth_{depth}"] for depth in (1, 2)]
    assert gap == pytest.approx(share * by_depth[0] + (1 - share) * by_depth[1])


class Stays:
    """Says σ^k(x) = x to everything, which two sub-answers of its own confirm for even k."""

    def __init__(self, domain, sure):
        self.domain, self.sure = domain, sure

    def predict(self, observation, *, deterministic):
        names, _ = self.domain.parse_questions(observation["question"])
        if deterministic or self.sure:
            return names, None
        np.random.rand()  # noqa: NPY002  (as SB3's DQN does)
        return torch.randint(1, self.domain.n_answers, names.shape).numpy(), None


def test_a_collapse_is_told_from_doubt_and_from_truth():
    held_out = QuestionEvaluator(BASE, 512)
    states = np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    sure, unsure = (held_out.evaluate(Stays(held_out.domain, sure)) for sure in (True, False))
    np.testing.assert_equal(np.random.get_state(), states[0])  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), states[1])
    assert sure["overseer/overapproval"] > 0.1
    assert sure["eval/certainty"] == 1
    assert sure["overseer/collapsed"] == 1
    assert unsure["eval/certainty"] < 0.5
    assert unsure["overseer/collapsed"] == 0
    assert held_out.evaluate(Knows(held_out))["overseer/collapsed"] == 0


def test_reference_lines():
    held_out = QuestionEvaluator(BASE, 4096)
    lines = held_out.references()
    assert lines["oracle"]["accuracy"] == 1
    assert lines["know-nothing"]["accuracy_depth_1"] == 1
    assert lines["know-nothing"]["accuracy_depth_2"] == 0
    assert lines["random"]["accuracy"] == pytest.approx(1 / 8, abs=0.02)
    truths = held_out.domain.truth(held_out.contexts, held_out.questions)
    most = max(np.mean(truths == answer) for answer in range(1, 9))
    assert lines["majority"]["accuracy"] == pytest.approx(most)


def test_scores_are_told_by_kind_and_depth():
    held_out = QuestionEvaluator("IA-ShortestPath-v0", 4096)
    domain, lines = held_out.domain, held_out.references()
    assert set(lines["oracle"].values()) == {1.0}
    kinds, depths = held_out.kinds, domain.depth(held_out.contexts, held_out.questions)
    majority = lines["majority"]
    infinite = depths == domain.max_depth
    for kind, name in enumerate(domain.kinds):  # "inf" is the answer most often true to both
        of_kind = kinds == kind
        assert majority[f"accuracy_{name}"] == pytest.approx(infinite[of_kind].mean())
        assert majority[f"accuracy_{name}_depth_inf"] == 1
        assert majority[f"accuracy_{name}_depth_1"] == 0
        assert lines["know-nothing"][f"accuracy_{name}_depth_1"] == 1
    parts = [tag for tag in majority if tag.startswith("accuracy_D_depth")]
    assert parts[0] == "accuracy_D_depth_1"
    assert parts[-1] == "accuracy_D_depth_inf"
    assert any("-" in part for part in parts)  # rare depths together


def test_the_table_fits_eighty_columns():
    held_out = QuestionEvaluator("IA-UnionFind-N64-v0", 512)
    table = build_score_table([], held_out.references())
    console = Console(width=80, record=True, file=io.StringIO())
    print_table(table, "IA-UnionFind-N64-v0", held_out.n_problems, console)
    text = console.export_text()
    assert "…" not in text
    for word in ("V by depth", "P by depth", "D by depth", "majority", "100.0"):
        assert word in text
