"""The report's PNG figures, and the curves behind them."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image, ImageColor
from run_files import write_run

from ia_gym.agents import QuestionEvaluator
from ia_gym.experiments.reports.agent_styles import COLOURS, style_agents
from ia_gym.experiments.reports.curves import WORK_DONE, interpolate_curves, list_curve_plots
from ia_gym.experiments.reports.figures import (
    draw_amplification,
    draw_curves,
    draw_depths,
    save_figure,
)
from ia_gym.experiments.reports.finished_runs import group_by_agent, read_runs
from ia_gym.experiments.reports.learning_curves import draw_learning_curves, draw_references

DOMAINS = ["Permutation", "Assignment", "Wildcard", "ShortestPath", "UnionFind"]
LONG = [f"an-agent-of-a-long-name-{i}" for i in range(11)]


def read_groups(folder):
    return group_by_agent(read_runs(folder))


def find_overlaps(boxes):
    return [(a, b) for i, a in enumerate(boxes) for b in boxes[:i] if a.overlaps(b)]


@pytest.mark.parametrize(
    ("agents", "panels"), [(["ppo"], 1), (LONG, 1), (LONG[:3], 2), (LONG[:4], 4), (LONG[:7], 5)]
)
def test_everything_in_a_figure_is_inside_of_it(agents, panels, tmp_path):
    """The legend was cut off where there was one panel."""
    for agent in agents:
        for domain in DOMAINS[:panels]:
            write_run(tmp_path, agent, env_id=f"IA-{domain}-v0")
    groups = read_groups(tmp_path)
    plots = list_curve_plots(groups)
    assert len(plots) == 4
    long_label = replace(plots[1].x, label=WORK_DONE.label)  # longer than a panel is wide
    for plot in (*plots[:2], replace(plots[1], x=long_label)):
        figure = draw_curves(groups, plot)
        figure.draw_without_rendering()
        legend = figure.legends[0]
        assert [text.get_text() for text in legend.get_texts()] == sorted(agents)
        shown = [axis for axis in figure.axes if axis.axison]
        assert len(shown) == panels
        boxes = [legend.get_window_extent(), *(axis.get_tightbbox() for axis in shown)]
        for box in boxes:
            assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1 + 1
            assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1 + 1
        assert not find_overlaps(boxes)
        for axis in shown:
            labels = [label for label in axis.get_xticklabels(which="both") if label.get_text()]
            inside = [
                label.get_window_extent()
                for label in labels
                if axis.get_xlim()[0] <= label.get_position()[0] <= axis.get_xlim()[1]
            ]
            assert len(inside) >= 2
            assert not find_overlaps(inside)


def test_environments_with_nothing_to_show_have_no_panel(tmp_path):
    write_run(tmp_path, "supervised", queries=0)
    write_run(tmp_path, "ppo", env_id="IA-Wildcard-v0")
    groups = read_groups(tmp_path)
    over_samples, over_queries = list_curve_plots(groups)[:2]
    titles = [
        [axis.get_title() for axis in draw_curves(groups, plot).axes if axis.axison]
        for plot in (over_samples, over_queries)
    ]
    assert titles == [["Permutation", "Wildcard"], ["Wildcard"]]


def test_queries_are_drawn_on_a_logarithmic_axis(tmp_path):
    """Agents that ask the overseer a thousand times less are seen; those that never ask are not."""
    for agent, queries in {"imitation": 600, "ppo": 600_000, "supervised": 0}.items():
        write_run(tmp_path, agent, queries=queries)
    groups = read_groups(tmp_path)
    plot = next(plot for plot in list_curve_plots(groups) if plot.name.endswith("by_interaction"))
    panel = draw_curves(groups, plot).axes[0]
    assert panel.get_xscale() == "log"
    lines = [line for line in panel.get_lines() if len(line.get_xdata())]
    widths = [np.ptp(panel.transAxes.inverted().transform(line.get_transform().transform(
        line.get_xydata()))[:, 0]) for line in lines]  # fmt: skip
    assert len(widths) == 2
    assert min(widths) > 0.05


def test_the_amplified_agent_is_drawn_beside_the_agent_by_depth(tmp_path):
    """After a figure of the paper; for agents that learn the overseer's answers."""
    write_run(tmp_path, "ppo")
    assert draw_amplification(read_groups(tmp_path)) is None
    for seed, last in enumerate((0.8, 0.9, 1.0)):
        write_run(tmp_path, "imitation", seed, accuracies=(0.2, last))
    write_run(tmp_path, "imitation-relational", env_id="IA-Wildcard-v0")
    figure = draw_amplification(read_groups(tmp_path))
    panels = {panel.get_title(): panel for panel in figure.axes if panel.axison}
    assert panels.keys() == {
        "Permutation, imitation",
        "Wildcard, imitation-relational",
    }
    lines = panels["Permutation, imitation"].get_lines()
    ends = [line.get_ydata()[-1] for line in lines]
    np.testing.assert_allclose(ends, [90, 100, 45, 90])  # by depth: the agent, with its help
    assert [line.get_linestyle() for line in lines] == ["-", "--", "-", "--"]


def test_agents_look_different():
    styles = style_agents([*LONG, "supervised", "another"])
    assert len({*styles.values()}) == 13
    assert style_agents(["ppo", "ppo", "dqn"]).keys() == {"ppo", "dqn"}


def test_a_single_seed_is_drawn_as_it_was_logged(tmp_path):
    write_run(tmp_path, "ppo", accuracies=(0.1, 0.7, 0.4, 0.95))
    groups = read_groups(tmp_path)
    accuracy, *_, overapproval = list_curve_plots(groups)
    curves = interpolate_curves(groups[0], accuracy)
    np.testing.assert_allclose(curves.x, groups[0].runs[0].curve["timesteps"])
    np.testing.assert_allclose(curves.median, [10, 70, 40, 95])
    np.testing.assert_allclose(interpolate_curves(groups[0], overapproval).median, 10)


def test_seeds_of_other_lengths_meet_where_all_have_been_evaluated(tmp_path):
    for seed, accuracies in enumerate([(0.0, 0.2, 0.4), (0.0, 0.4, 0.8), (0.1, 0.9)]):
        write_run(tmp_path, "ppo", seed, accuracies=accuracies)
    groups = read_groups(tmp_path)
    curves = interpolate_curves(groups[0], list_curve_plots(groups)[0])
    np.testing.assert_allclose(curves.x, [0, 50_000, 100_000])
    np.testing.assert_allclose(curves.y, [[0, 20, 40], [0, 40, 80], [10, 50, 90]])
    np.testing.assert_allclose(curves.median, [0, 40, 80])


def test_depths_are_drawn_with_their_numbers(tmp_path):
    write_run(tmp_path, "ppo", accuracies=(0.1, 0.8))
    write_run(tmp_path, "dqn", accuracies=(0.1, float("nan")))
    panel = draw_depths(read_groups(tmp_path)).axes[0]
    assert [text.get_text() for text in panel.texts] == ["80", "40"]


def test_figures_are_small_files(tmp_path):
    rng = np.random.default_rng(0)
    for agent in LONG:
        for domain in DOMAINS:
            write_run(tmp_path, agent, env_id=f"IA-{domain}-v0", accuracies=np.sort(rng.random(40)))
    groups = read_groups(tmp_path)
    path = tmp_path / "figure.png"
    save_figure(draw_curves(groups, list_curve_plots(groups)[0]), path)
    assert path.stat().st_size < 150_000
    assert min(Image.open(path).size) > 400


def test_a_figure_keeps_the_colours_of_lines_that_others_hide(tmp_path):
    figure = Figure(figsize=(10, 4))
    axis, x = figure.subplots(), np.linspace(0, 1, 200)
    for colour in COLOURS:
        axis.plot(x, x, color=colour, label=colour)
        axis.fill_between(x, x - 0.1, x + 0.1, color=colour, alpha=0.15)
    axis.legend()
    save_figure(figure, tmp_path / "figure.png")
    drawn = np.asarray(Image.open(tmp_path / "figure.png").convert("RGB"), int).reshape(-1, 3)
    for colour in COLOURS:
        wanted = np.array(ImageColor.getrgb(colour))
        assert np.abs(drawn - wanted).max(axis=1).min() < 8, colour


def test_a_comparison_draws_every_run(tmp_path):
    for agent in LONG:
        write_run(tmp_path, agent, seed=len(agent))
    path = tmp_path / "curves.png"
    references = {name: {"accuracy": 0.1} for name in QuestionEvaluator.labels.references}
    draw_learning_curves(read_groups(tmp_path), references, path)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_names_of_close_references_stand_side_by_side():
    axis = Figure().subplots()
    draw_references(axis, {"b": 33.7, "a": 10, "c": 38, "d": 38, "e": 60})
    assert [text.get_text() for text in axis.texts] == ["a", "b, c, d", "e"]
    assert [text.xy[1] for text in axis.texts] == [9, 39, 61]  # below the lowest, above the others
    assert sorted(line.get_ydata()[0] for line in axis.lines) == [10, 33.7, 38, 38, 60]
