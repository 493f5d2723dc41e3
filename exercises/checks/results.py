"""Checks of numbers about predictions (notebook 05)."""

import numpy as np

from exercises.checks.numbers import compare
from exercises.checks.verdict import check


@check("the average hands each of its places an equal part of the gradient.")
def channel_weight_constant(answer, places=(2, 2)):
    """The factor between the dense layer's kernel and Grad-CAM's weight of a channel."""
    rows, columns = places
    part = 1 / (rows * columns)
    common_mistakes = {
        "The average over the places stands between the map and the score.": 1,
        "Take the reciprocal: one place is only a part of the average.": 1 / part,
        "There are two rows and two columns of places: count the places.": 1 / rows,
        "That would be right for 4 x 4 places, or for dividing twice.": part**2,
        "The average is over places, not over channels.": 1 / 2048,
    }
    hint = "How much of the average is one place?"
    return compare(answer, part, common_mistakes, hint, tolerance=0.01)


@check("each group's distance, with the weight of its pictures.")
def calibration_error(
    answer, pictures=(60, 30, 10), confidence=(0.3, 0.6, 0.9), right=(0.2, 0.7, 0.7)
):
    """The expected calibration error of groups of pictures, in 0-1."""
    share = np.array(pictures) / sum(pictures)
    gap = np.array(right) - np.array(confidence)
    expected = share @ abs(gap)
    unweighted = abs(gap).mean()
    common_mistakes = {
        "Use distances: one group is underconfident, and must not cancel out the others.": (
            abs(share @ gap)
        ),
        "Weight the groups by their numbers of pictures: 60 count more than 10.": (
            unweighted,
            round(unweighted, 2),
            round(unweighted, 3),
        ),
        "Give the weighted mean of the distances, not their sum.": abs(gap).sum(),
        "That is in percentage points; give a fraction between 0 and 1.": 100 * expected,
    }
    hint = "Multiply each distance by its share of the pictures, then add up."
    return compare(answer, expected, common_mistakes, hint, tolerance=1e-3)


@check("one choice of the sixteen is gone, and with it half of the ways.")
def ways_left(answer, blocks=16, removed=1):
    """Ways from the stem to the pooling, past or through each block, without some branches."""
    convolutional = 4
    common_mistakes = {
        "That is the number of ways while nothing is removed.": 2**blocks,
        "Removing a branch closes every way through it, not just one.": 2**blocks - 1,
        "One branch is gone, so one factor 2: half of the ways stay.": (
            2 ** (blocks - removed - 1)
        ),
        "The choices multiply: each block doubles the number of ways.": (
            2 * (blocks - removed),
            2 * blocks - removed,
        ),
        "That counts blocks. Each of them offers a choice between two ways.": blocks - removed,
        "All 16 blocks count, the convolutional ones too.": (
            2 ** (blocks - convolutional),
            2 ** (blocks - convolutional - removed),
        ),
    }
    return compare(
        answer, 2 ** (blocks - removed), common_mistakes, "Two ways per block; multiply."
    )
