"""The held-out evaluation of questions and of episodes."""

import io
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from rich.console import Console

from ia_gym.actions.transition_table import TabularAssistant
from ia_gym.agents import EpisodeEvaluator, QuestionEvaluator, make_evaluator
from ia_gym.agents.evaluation.make_evaluator import compute_reference_scores, find_evaluator_class
from ia_gym.experiments.reports.terminal_tables import build_score_table, print_table

BASE = "IA-Permutation-v0"


class Knows:
    """Predicts the truth, or the truth plus one."""

    def __init__(self, evaluator, off_by=0):
        self.evaluator, self.off_by = evaluator, off_by

    def predict(self, observation, *, deterministic):
        domain = self.evaluator.domain
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


def test_decompositions_are_measured_at_all_depths():
    """The novice asks σ^(k-1); its assistant errs with 10 % at depth 1 and 30 % at depth 2."""
    evaluator = make_evaluator(
        "IA-Decompose-Permutation-v0",
        20_000,
        max_depth=1,  # of a training
        assistant="faulty",
        error_rate=0.1,
        error_growth=3.0,
    )
    novice = evaluator.references()["novice"]
    assert novice["accuracy_depth_1"] == pytest.approx(1 - 0.1 / 2, abs=0.01)  # k = 3 asks σ^2
    assert novice["accuracy_depth_2"] == pytest.approx(1 - (0.1 + 3 * 0.3) / 4, abs=0.015)

    class GivesUp:
        def predict(self, observation, *, deterministic):
            return np.zeros(len(observation), np.int64), None

    given_up = evaluator.evaluate(GivesUp())
    assert [given_up[f"eval/{tag}"] for tag in novice] == [0, 0, 0]


def test_an_agent_that_knows_and_one_that_is_consistently_wrong():
    evaluator = QuestionEvaluator(BASE, 512)
    right = evaluator.evaluate(Knows(evaluator))
    assert right["eval/accuracy"] == right["overseer/approval"] == 1
    assert right["overseer/target_accuracy"] == right["overseer/target_accuracy_depth_1"] == 1
    assert right["overseer/overapproval"] == 0
    assert {"eval/accuracy_depth_1", "eval/accuracy_depth_2"} < set(right)
    wrong = evaluator.evaluate(Knows(evaluator, off_by=1))
    assert wrong["eval/accuracy"] == 0
    # Depth 1 depends on lookups alone: half the targets stay true.
    depths = evaluator.domain.depth(evaluator.contexts, evaluator.questions)
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


def test_a_collapse_is_distinguished_from_doubt_and_from_truth():
    evaluator = QuestionEvaluator(BASE, 512)
    states = np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    sure, unsure = (evaluator.evaluate(Stays(evaluator.domain, sure)) for sure in (True, False))
    np.testing.assert_equal(np.random.get_state(), states[0])  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), states[1])
    assert sure["overseer/overapproval"] > 0.1
    assert sure["eval/certainty"] == 1
    assert sure["overseer/collapsed"] == 1
    assert unsure["eval/certainty"] < 0.5
    assert unsure["overseer/collapsed"] == 0
    assert evaluator.evaluate(Knows(evaluator))["overseer/collapsed"] == 0


def test_references():
    evaluator = QuestionEvaluator(BASE, 4096)
    references = evaluator.references()
    assert references["oracle"]["accuracy"] == 1
    assert references["know-nothing"]["accuracy_depth_1"] == 1
    assert references["know-nothing"]["accuracy_depth_2"] == 0
    assert references["random"]["accuracy"] == pytest.approx(1 / 8, abs=0.02)
    truths = evaluator.domain.truth(evaluator.contexts, evaluator.questions)
    most = max(np.mean(truths == answer) for answer in range(1, 9))
    assert references["majority"]["accuracy"] == pytest.approx(most)
    returns = evaluator.questions[..., 1] == truths  # σ^k(x) = x
    assert references["copy"]["accuracy"] == pytest.approx(returns.mean())


def test_copying_is_the_best_name_in_a_question_or_else_the_majority():
    evaluator = QuestionEvaluator("IA-UnionFind-v0", 4096)
    copy, majority = (evaluator.references()[name] for name in ("copy", "majority"))
    assert copy["accuracy_P_depth_1"] == 1  # a labelled vertex is its own next one
    assert copy["accuracy_P_depth_2"] == 0
    for kind in "VD":  # labels and distances, which no question names
        assert copy[f"accuracy_{kind}"] == majority[f"accuracy_{kind}"]
    evaluator = QuestionEvaluator("IA-ShortestPath-v0", 4096)
    copy, majority = (evaluator.references()[name] for name in ("copy", "majority"))
    assert copy["accuracy_S_depth_1"] == 1  # y, to which there is an edge
    assert copy["accuracy_S_depth_2"] < 0.1
    assert copy["accuracy_D"] == majority["accuracy_D"]


def test_scores_are_given_by_kind_and_depth():
    evaluator = QuestionEvaluator("IA-ShortestPath-v0", 4096)
    domain, references = evaluator.domain, evaluator.references()
    assert set(references["oracle"].values()) == {1.0}
    kinds, depths = evaluator.kinds, domain.depth(evaluator.contexts, evaluator.questions)
    majority = references["majority"]
    infinite = depths == domain.max_depth
    for kind, name in enumerate(domain.kinds):  # "inf" is the answer most often true to both
        of_kind = kinds == kind
        assert majority[f"accuracy_{name}"] == pytest.approx(infinite[of_kind].mean())
        assert majority[f"accuracy_{name}_depth_inf"] == 1
        assert majority[f"accuracy_{name}_depth_1"] == 0
        assert references["know-nothing"][f"accuracy_{name}_depth_1"] == 1
    parts = [tag for tag in majority if tag.startswith("accuracy_D_depth")]
    assert parts[0] == "accuracy_D_depth_1"
    assert parts[-1] == "accuracy_D_depth_inf"
    assert any("-" in part for part in parts)  # rare depths together


def test_the_table_fits_eighty_columns():
    evaluator = QuestionEvaluator("IA-UnionFind-N64-v0", 512)
    table = build_score_table([], evaluator.references())
    console = Console(width=80, record=True, file=io.StringIO())
    print_table(table, "IA-UnionFind-N64-v0", evaluator.n_problems, console)
    text = console.export_text()
    assert "…" not in text
    for word in ("V by depth", "P by depth", "D by depth", "majority", "100.0"):
        assert word in text


# ------------------------------------------------------------------ the protocol


class First:
    """Predicts the first answer, or action, that is not "I don't know"."""

    def predict(self, observation, *, deterministic):
        n = len(observation["facts"] if isinstance(observation, dict) else observation)
        return np.ones(n, np.int64), None


@pytest.mark.parametrize("env_id", [BASE, "IA-UnionFind-v0", "IA-CartPole-v0", "IA-FrozenLake-v0"])
def test_an_evaluator_says_what_tables_and_plots_need(env_id):
    """Whatever it evaluates: every name it gives is one that it measures."""
    evaluator = make_evaluator(env_id)
    labels = evaluator.labels
    assert (
        labels
        is find_evaluator_class(env_id).labels
        is find_evaluator_class(f"ia_gym:{env_id}").labels
    )
    assistant = TabularAssistant(np.zeros((64, 4))) if env_id == "IA-FrozenLake-v0" else None
    row = evaluator.evaluate(First(), assistant)
    assert 0 <= row[labels.score] <= 1
    references = evaluator.references()
    assert set(labels.references) <= set(references)
    assert all(0 <= scores[labels.score_name] <= 1 for scores in references.values())
    counted = {f"overseer/{name}": 1234.0 for name in evaluator.counters}
    line = evaluator.headline(row | counted)
    assert "1.2k" in line
    assert "\n" not in line
    charts = [chart for page in evaluator.layout.values() for chart in page.values()]
    patterns = [pattern for _, several in charts for pattern in several]
    for tag in (labels.score, "overseer/human_interactions", f"reference/{labels.references[0]}"):
        assert any(re.search(pattern, tag) for pattern in patterns)
    if labels.has_depths:
        measured = row | counted | {f"reference/{name}": 0.0 for name in labels.references}
        assert all(any(re.search(pattern, tag) for tag in measured) for pattern in patterns)
    if labels.approval_is_share or assistant is not None:
        assert {column.tag for column in (*labels.columns, labels.overapproval)} <= set(row)
    assert all(isinstance(text, str) for text in evaluator.describe(env_id).values())


def test_an_evaluator_refuses_what_it_cannot_evaluate():
    with pytest.raises(ValueError, match="env_id must be of an environment that asks questions"):
        make_evaluator("CartPole-v1")
    with pytest.raises(ValueError, match="env_id must be IA-<game>-v0"):
        EpisodeEvaluator(BASE)


def test_stored_curves_of_episodes_get_the_score_of_today():
    """Older ones hold a share of what was taken for the best return."""
    stored = pd.DataFrame({"eval/return": [0.5, 0.9], "eval/accuracy": [0.58, 1.04]})
    curve = find_evaluator_class("IA-FrozenLake-v0").read_curve("IA-FrozenLake-v0", stored)
    assert "eval/accuracy" not in curve
    share = curve["eval/share_of_best_return"]
    assert share.max() < 1
    assert share[1] / share[0] == pytest.approx(1.8)
    assert compute_reference_scores("IA-FrozenLake-v0")["best"] == 1
    questions = pd.DataFrame({"eval/accuracy": [0.5]})
    assert find_evaluator_class(BASE).read_curve(BASE, questions) is questions


def test_agents_need_no_package_of_the_extra_for_experiments():
    """SB3 itself brings pandas and matplotlib, torch jinja2 and networkx."""
    code = """
import pkgutil, sys
for name in ("rich", "typer", "scipy", "plotly", "yaml", "filelock", "tqdm"):
    sys.modules[name] = None  # importing it is an error
import importlib, ia_gym.agents
for module in pkgutil.walk_packages(ia_gym.agents.__path__, "ia_gym.agents."):
    if module.name.split(".")[2] not in ("language", "ray"):  # extras of their own
        importlib.import_module(module.name)
from ia_gym.agents import EvaluationCallback, QuestionEvaluator, Supervised
evaluation = EvaluationCallback(QuestionEvaluator("IA-Permutation-v0", 16), 8)
network = {"width": 16, "heads": 2, "fact_layers": 1, "question_layers": 1}
few = {"n_contexts": 2, "n_questions": 4, "policy_kwargs": network}
Supervised(env="IA-Permutation-v0", **few).learn(8, evaluation)
print(len(evaluation.history))
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert out.stdout.split() == ["2"], out.stderr
