"""Checks of numbers about splits, scores and predictions (notebooks 04 and 05)."""

import numpy as np

from exercises.checks.numbers import compare
from exercises.checks.verdict import check


@check("whole batches of what is left for training.")
def steps_per_epoch(answer, classes=101, per_class=30, validation=5, batch_size=32):
    """Steps per epoch over the training images, without the validation images."""
    train, drawn = classes * (per_class - validation), classes * per_class
    common_mistakes = {
        "That rounds up; the last batch is not full, so it is left out.": -(-train // batch_size),
        "A step needs a whole batch.": train / batch_size,
        "The validation images are not trained on; take them out first.": drawn // batch_size,
        "The validation images are not trained on, and only whole batches count.": (
            -(-drawn // batch_size)
        ),
        "That divides all images by 32; most of them are for the test.": 8677 // batch_size,
    }
    hint = "Divide the images to train on by the images per batch."
    return compare(answer, train // batch_size, common_mistakes, hint)


@check("each class counts the same, however many images it has.")
def mean_per_class_accuracy(answer, matrix=((80, 10, 10), (6, 12, 2), (1, 4, 5))):
    """The mean of the classes' accuracies; a row of the confusion matrix is a true class."""
    matrix = np.array(matrix)
    right = matrix.diagonal()
    shares = right / matrix.sum(axis=1)
    common_mistakes = {
        "That is the plain accuracy: all correct images divided by all images.": right.sum()
        / matrix.sum(),
        "You divided by columns; a class is a row.": (right / matrix.sum(axis=0)).mean(),
        "Give a fraction between 0 and 1, not percent.": 100 * shares.mean(),
        "That is the sum; divide by the number of classes.": shares.sum(),
    }
    hint = "Take the accuracy of each row first."
    return compare(answer, shares.mean(), common_mistakes, hint, tolerance=0.006)


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
