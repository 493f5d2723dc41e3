"""Notebook 01's panel, its figures of measurements, and the drawings of its ideas."""

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from helpers.files import ROOT
from images import ideas, measurements, panel

matplotlib.use("Agg")
RESULTS = ROOT / "experiments" / "results"


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def measure(depth, initializer, batch_norm, residual, rate):
    """In place of a network: numbers in which each setting shows."""
    height = depth + 100 * batch_norm + 1000 * residual + (initializer == "he_normal")
    table = pd.DataFrame({"layer": [2, 3], "activation": [height, 1.0], "kernel": [2.0, height]})
    return table, np.array([0.8, rate / 2])


def drawn(figure):
    """Every curve of a figure: what the reader sees change."""
    return [line.get_xydata().tolist() for axes in figure.axes for line in axes.lines]


def text(figure):
    return [axes.get_title() for axes in figure.axes]


# --- the panel


@pytest.fixture
def figures(monkeypatch):
    """The panel's figures as they are shown, one after the other."""
    found = []
    monkeypatch.setattr(panel, "show", lambda figure, alt: found.append((figure, alt)))
    return found


CHANGES = {
    "depth": 50,
    "initializer": "he_normal",
    "batch_norm": False,
    "residual": True,
    "rate": 0.3,
}


@pytest.mark.parametrize("name", CHANGES)
def test_each_control_draws_the_figure_anew(name, figures, monkeypatch):
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    widget = panel.panel(measure)
    (first, _), *others = figures
    assert not others
    control = widget.children[list(panel.controls()).index(name)]
    control.value = CHANGES[name]
    _, (second, _) = figures
    assert drawn(first) != drawn(second)


def test_the_panel_has_these_controls_above_its_figure():
    assert list(panel.controls()) == list(CHANGES)
    for name, control in panel.controls().items():
        assert control.value != CHANGES[name]


def test_the_alternative_text_names_network_and_error(figures):
    panel.redraw(measure)(30, "he_normal", True, True, 0.1)
    ((figure, alt),) = figures
    assert "residual network of 30 layers" in alt and "0.05" in alt
    assert "residual, 30 layers" in text(figure)


def test_without_widgets_the_panel_is_a_line_of_text(capsys, monkeypatch):
    assert panel.panel(measure) is None  # under pytest
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    monkeypatch.setitem(__import__("sys").modules, "ipywidgets", None)
    assert panel.panel(measure) is None
    assert capsys.readouterr().out.splitlines() == [panel.NO_WIDGETS] * 2


def test_each_setting_is_a_column_with_its_gradients_and_errors():
    base = {"initializer": "he_normal", "batch_norm": True, "residual": False, "rate": 0.1}
    results = {f"{depth} layers": measure(depth, **base) for depth in (10, 20)}
    figure = panel.draw_settings(results)
    assert text(figure)[:2] == ["10 layers", "20 layers"]
    above, below = figure.axes[:2], figure.axes[2:]
    assert [axes.get_yscale() for axes in above] == ["log", "log"]
    assert [list(axes.lines[0].get_ydata()) for axes in above] == [[111, 1], [121, 1]]
    assert list(below[0].lines[-1].get_ydata()) == [0.8, 0.05]


# --- figures of measurements


def test_errors_have_a_line_per_network_and_the_deeper_ones_are_solid():
    curves = pd.read_csv(RESULTS / "degradation_curves.csv").query("epochs == 100")
    (axes,) = measurements.draw_errors(curves).axes
    lines = {line.get_label(): line.get_linestyle() for line in axes.lines[1:]}
    assert lines == {
        "plain, 20 layers": "--",
        "plain, 56 layers": "-",
        "residual, 20 layers": "--",
        "residual, 56 layers": "-",
    }
    assert list(axes.lines[0].get_ydata()) == [7 / 8, 7 / 8]


def test_rates_have_a_panel_per_depth_with_the_mean_of_the_runs():
    runs = [("plain", 10, 0.1, 0.2), ("plain", 10, 0.1, 0.4), ("plain", 30, 0.1, 0.5)]
    table = pd.DataFrame(runs, columns=["network", "depth", "learning_rate", "error"])
    shallow, deep = measurements.draw_rates(table).axes
    assert shallow.lines[0].get_xydata().tolist() == [[0.1, pytest.approx(0.3)]]
    assert deep.lines[0].get_xydata().tolist() == [[0.1, 0.5]]


def test_gradients_name_each_line_and_say_where_image_and_loss_are():
    rows = [
        (network, batch_norm, layer, 10.0**-layer, 2.0 + residual)
        for residual, network in enumerate(("plain", "residual"))
        for batch_norm in (False, True)
        for layer in range(2, 6)
    ]
    columns = ["network", "batch_norm", "layer", "activation", "kernel"]
    figure = measurements.draw_gradients(pd.DataFrame(rows, columns=columns))
    for axes in figure.axes:
        assert [label.get_text() for label in axes.texts] == ["plain", "residual"]
        assert axes.get_yscale() == "log" and len(axes.lines) == 2
    assert all("image" in axes.get_xlabel() for axes in figure.axes[2:])
    assert list(figure.axes[1].lines[1].get_ydata()) == [3.0] * 4


def test_singular_values_below_the_smallest_are_drawn_there():
    table = pd.DataFrame({"network": "plain", "blocks": 5, "quantile": [0, 1], "value": [0, 30]})
    (axes,) = measurements.draw_singular_values(table, smallest=1e-6).axes
    assert axes.lines[-1].get_xydata().tolist() == [[0, 1e-6], [100, 30]]


# --- drawings of ideas


def inside(inner, outer):
    """Whether every point on the edge of one ellipse lies in the other."""
    (x, y), width, height = inner
    angles = np.linspace(0, 2 * np.pi, 100)
    xs, ys = x + width / 2 * np.cos(angles), y + height / 2 * np.sin(angles)
    (x, y), width, height = outer
    return np.all(((xs - x) / width) ** 2 + ((ys - y) / height) ** 2 <= 0.25)


def distances(areas):
    return [np.hypot(*np.subtract(ideas.nearest(*area), ideas.TARGET)) for area in areas]


def test_nested_areas_contain_one_another_and_come_nearer_and_areas_apart_do_not():
    steps = list(zip(ideas.NESTED, ideas.NESTED[1:], strict=False))
    assert all(inside(*step) for step in steps)
    assert distances(ideas.NESTED) == sorted(distances(ideas.NESTED), reverse=True)
    steps = zip(ideas.APART, ideas.APART[1:], strict=False)
    assert not any(inside(*step) for step in steps)
    assert distances(ideas.APART)[3] > distances(ideas.APART)[2]


def test_eight_routes_of_which_four_are_left_without_block_2():
    (axes,) = ideas.draw_routes().axes
    boxes = [label.get_text() for label in axes.texts if label.get_text().startswith("$F")]
    assert boxes.count("$F_1$") == 4 + 4 + 2
    assert boxes.count("$F_2$") == 4 + 0 + 1
    crosses = [line for line in axes.lines if line.get_marker() == "x"]
    assert len(crosses) == 4 + 1


def test_batch_norm_has_a_panel_per_stage_and_a_colour_per_channel():
    values = np.random.default_rng(0).normal(size=(4, 3, 3, 2))
    figure = ideas.draw_batch_norm({"before": values, "after": 2 * values})
    assert text(figure) == ["before", "after"]
    colours = {patch.get_facecolor() for patch in figure.axes[0].patches}
    assert len(colours) == 2


@pytest.mark.parametrize("draw", [ideas.draw_function_classes, ideas.draw_routes])
def test_all_text_lies_inside_the_figure_and_on_white(draw):
    figure = draw()
    figure.canvas.draw()
    assert figure.get_facecolor()[:3] == (1, 1, 1)
    for label in figure.axes[0].texts:
        box = label.get_window_extent()
        assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1, label.get_text()
        assert figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1, label.get_text()
