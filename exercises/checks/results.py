"""Checks of numbers about splits and scores (notebook 04)."""

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
