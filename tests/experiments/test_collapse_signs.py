"""How well a collapse is seen without the truth: ROC curves and tables of monitored runs."""

import itertools

import numpy as np
import pandas as pd
import pytest
from run_files import write_run

from ia_gym.experiments.reports.collapse_signs import (
    build_collapse_table,
    build_sign_table,
    compute_auc,
    compute_roc,
    measure_time_above,
    resample_auc,
)
from ia_gym.experiments.reports.finished_runs import group_by_agent, read_runs
from ia_gym.experiments.reports.report import write_report


@pytest.fixture
def values_and_classes():
    rng = np.random.default_rng(0)
    is_above = rng.random(60) < 0.3
    return np.round(rng.random(60) + 0.5 * is_above, 1), is_above  # rounded: with ties


def test_the_area_is_the_share_of_pairs_in_order(values_and_classes):
    values, is_above = values_and_classes
    pairs = list(itertools.product(values[is_above], values[~is_above]))
    share = np.mean([1.0 if high > low else 0.5 if high == low else 0.0 for high, low in pairs])
    assert compute_auc(values, is_above) == pytest.approx(share)


def test_the_curve_counts_warnings_and_has_that_area(values_and_classes):
    values, is_above = values_and_classes
    roc = compute_roc(values, is_above)
    for i, threshold in enumerate(roc.thresholds):
        warned = [value >= threshold for value in values]
        right = sum(w and a for w, a in zip(warned, is_above, strict=True))
        wrong = sum(w and not a for w, a in zip(warned, is_above, strict=True))
        assert roc.true_positives[i] == pytest.approx(right / is_above.sum())
        assert roc.false_positives[i] == pytest.approx(wrong / (~is_above).sum())
    area = np.trapezoid(roc.true_positives, roc.false_positives)
    assert area == pytest.approx(compute_auc(values, is_above))
    gains = roc.true_positives - roc.false_positives
    assert gains[roc.best] == gains.max()


def test_areas_of_resampled_runs_are_those_of_their_evaluations():
    rng = np.random.default_rng(1)
    runs = [
        pd.DataFrame(
            {"is_above": rng.random(n) < 0.4, "sign": np.round(rng.random(n), 1)}  # with ties
        )
        for n in (5, 9, 1, 7)
    ]
    draws = np.array([[1, 1, 1, 1], [2, 0, 0, 2], [0, 3, 1, 0], [0, 0, 4, 0]])
    areas = resample_auc(runs, "sign", draws)
    for counts, area in zip(draws, areas, strict=True):
        drawn = pd.concat([run for run, n in zip(runs, counts, strict=True) for _ in range(n)])
        expected = compute_auc(drawn["sign"].to_numpy(), drawn["is_above"].to_numpy())
        assert area == pytest.approx(expected, nan_ok=True)
    assert np.isnan(areas).sum() == 1


def test_time_counts_from_evaluation_to_evaluation():
    curve = pd.DataFrame(
        {
            "timesteps": [0, 100, 250, 300, 1000],
            "overseer/overapproval": [0.5, 0.0, 0.2, 0.1, 0.11],
        }
    )
    assert measure_time_above(curve) == 150 + 700  # at 0 nothing was trained; 0.1 is not above


def write_monitored_run(folder, agent, seed, overapproval):
    path = write_run(folder, agent, seed, accuracies=(0.1, 0.3, 0.4, 0.5))
    curve = pd.read_csv(path / "curve.csv")
    curve["overseer/overapproval"] = overapproval
    curve["monitor/unfounded"] = np.asarray(overapproval) + 0.03
    curve["monitor/confirmed"] = 0.5
    curve["monitor/approval"] = 1 - np.asarray(overapproval)
    curve["monitor/repeated"] = 0.5
    curve.loc[0, [name for name in curve if name.startswith("monitor/")]] = np.nan
    curve.to_csv(path / "curve.csv", index=False)


def test_a_report_shows_signs_of_monitored_runs_alone(tmp_path):
    write_run(tmp_path, "ppo")
    assert (tmp_path / "signs_of_collapse.png") not in write_report(tmp_path)
    write_monitored_run(tmp_path, "guards", 0, [0.9, 0.3, 0.2, 0.0])
    write_monitored_run(tmp_path, "guards", 1, [0.0, 0.2, 0.0, 0.15])
    assert tmp_path / "signs_of_collapse.png" in write_report(tmp_path)
    text = (tmp_path / "report.md").read_text("utf-8")
    assert "## Over-approval" in text
    groups = group_by_agent(read_runs(tmp_path))
    (row,) = build_collapse_table(groups).to_dict("records")
    assert row["agent"] == "guards"
    assert row["largest, %"] == "25.0"
    assert row["over-approves at the end"] == "1 of 2"
    table = build_sign_table(groups).set_index("sign")
    area, threshold = "area under the curve [95 % interval]", "best threshold"
    assert table.loc["unfounded approval", area].startswith("1.000 [1.000, 1.000]")
    assert table.loc["unfounded approval", threshold] == "at least 0.180"
    assert table.loc["sub-answers not confirmed", area].startswith("0.500")
    assert table.loc["approval", area].startswith("0.000")
    assert table.loc["approval", "evaluations"] == "4 of 6 over-approve"


def test_runs_that_never_over_approve_say_nothing_of_signs(tmp_path):
    write_monitored_run(tmp_path, "guards", 0, [0.0, 0.05, 0.1, 0.0])
    assert build_sign_table(group_by_agent(read_runs(tmp_path))).empty
    assert len(build_collapse_table(group_by_agent(read_runs(tmp_path)))) == 1
