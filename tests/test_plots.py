"""The plots of the notebooks: what they draw, and that they are shown with their text."""

import base64

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from images import plots

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def test_history_draws_the_columns_that_are_there():
    history = pd.DataFrame({"loss": [2.0, 1.0], "accuracy": [0.1, 0.5], "val_accuracy": [0, 0.4]})
    loss, accuracy = plots.plot_history(history).axes
    assert [list(line.get_ydata()) for line in loss.lines] == [[2, 1]]
    assert [list(line.get_ydata()) for line in accuracy.lines] == [[0.1, 0.5], [0, 0.4]]
    assert list(loss.lines[0].get_xdata()) == [1, 2]


def test_per_class_keeps_the_best_and_the_worst():
    figure = plots.plot_per_class({f"class_{n:02d}": n / 40 for n in range(40)}, ends=3)
    best, worst = ([t.get_text() for t in axes.get_yticklabels()] for axes in figure.axes)
    assert best == ["class 39", "class 38", "class 37"]
    assert worst == ["class 02", "class 01", "class 00"]
    few = plots.plot_per_class({"a": 0.5, "b": 1.0})
    assert [t.get_text() for t in few.axes[0].get_yticklabels()] == ["b", "a"]


def test_show_images_draws_each_and_leaves_no_frame():
    images = [np.full((4, 5, 3), 200, "uint8"), np.random.rand(6, 6), np.ones((3, 3, 3)) * 9.0]
    figure = plots.show_images(images, ["stop_sign", 1, "x"], columns=2)
    assert len(figure.axes) == 4 and not any(axes.axison for axes in figure.axes)
    assert [axes.get_title() for axes in figure.axes] == ["stop sign", "1", "x", ""]
    assert np.array_equal(figure.axes[0].images[0].get_array(), images[0])


def test_show_displays_png_with_its_text_and_closes(monkeypatch):
    shown = []
    monkeypatch.setattr(plots, "display", lambda data, **options: shown.append((data, options)))
    figure = plots.show_images([np.zeros((4, 4, 3))])
    plots.show(figure, alt='a "black" square')
    (told, _), (data, options) = shown
    assert 'alt="a &quot;black&quot; square"' in told["text/html"]
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert data["text/plain"] == options["metadata"]["image/png"]["alt"] == 'a "black" square'
    assert not plt.fignum_exists(figure.number)
