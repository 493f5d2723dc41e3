"""Drawn hands, and the figures of notebook 06."""

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from scipy import ndimage

from helpers import signs
from images import hands, transfer

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def fingers_up(digit, number):
    """How many pieces of the hand lie side by side above its knuckles."""
    mask = signs.hand_mask(hands.draw_hand(digit, number))
    return max(ndimage.label(row > 0)[1] for row in mask[15:35])


@pytest.mark.parametrize("digit", [1, 2, 4])
def test_as_many_fingers_are_up_as_the_digit_says(digit):
    assert max(fingers_up(digit, number) for number in range(4)) == digit


def test_thumb_counts_from_3_on_except_in_4():
    assert "thumb" in hands.SHOWN[3] and "thumb" in hands.SHOWN[5]
    assert "thumb" not in hands.SHOWN[4]
    assert [len(hands.SHOWN[digit]) for digit in range(1, 6)] == [1, 2, 3, 4, 5]


def test_a_zero_has_a_hole():
    mask = signs.hand_mask(hands.draw_hand(0))
    assert ndimage.label(mask == 0)[1] >= 2


def test_the_same_number_is_the_same_hand():
    one = hands.draw_hand(3, number=2, size=64)
    assert one.shape == (64, 64, 3) and one.dtype == np.uint8
    assert np.array_equal(one, hands.draw_hand(3, number=2, size=64))
    assert not np.array_equal(one, hands.draw_hand(3, number=3, size=64))


RUNS = pd.DataFrame(
    [
        {"way": way, "learning_rate": rate, "fold": fold, "accuracy": 0.9, "low": 0.8, "high": 0.95}
        for way in ("frozen", "fine-tuned")
        for rate, fold in ((1e-3, 0), (3e-3, 1))
    ]
)


def test_rates_are_drawn_as_a_line_per_way_that_is_there():
    axes = transfer.draw_rates(RUNS).axes[0]
    assert [line.get_label() for line in axes.lines] == ["frozen", "fine-tuned"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0.001", "0.003"]


def test_accuracies_have_a_point_per_way_and_fold():
    axes = transfer.draw_accuracies(RUNS).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["frozen", "fine-tuned"]
    assert len(axes.containers) == 2


def test_no_two_labels_of_the_heat_map_collide():
    table = pd.read_csv("models/signs/results.csv").query("photos == 'all'")
    figure = transfer.draw_shifts(100 * table.pivot_table("accuracy", "shift", "way"))
    figure.canvas.draw()
    for labels in (figure.axes[0].get_xticklabels(), figure.axes[0].get_yticklabels()):
        boxes = [label.get_window_extent() for label in labels]
        for number, box in enumerate(boxes):
            assert not any(box.overlaps(other) for other in boxes[number + 1 :])
