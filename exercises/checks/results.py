"""Checks of what notebooks 04 and 05 ask: splits, scores, what a prediction is worth."""

import numpy as np

from exercises.checks.numbers import choose, compare
from exercises.checks.verdict import check


@check("whole batches of what is left for training.")
def steps_per_epoch(answer, classes=101, per_class=30, validation=5, batch_size=32):
    """Steps of an epoch over the training images, without those kept for validation."""
    learn, drawn = classes * (per_class - validation), classes * per_class
    slips = [
        (-(-learn // batch_size), "That rounds up; the last batch is not full, so it is left out."),
        (learn / batch_size, "A step needs a whole batch."),
        (drawn // batch_size, "The validation images are not trained on; take them out first."),
        (
            -(-drawn // batch_size),
            "The validation images are not trained on, and only whole batches count.",
        ),
        (8677 // batch_size, "That divides all the images by 32; most of them are for the test."),
    ]
    return compare(answer, learn // batch_size, slips, "Images to train on, by images a batch.")


@check("frames of one film look alike; the films should be split instead.")
def which_split_leaks(answer):
    """Which of four ways to a test set leaks: a, b, c or d."""
    options = {
        "a": "Only training images are copied, after the split: nothing crosses over.",
        "b": "The mean comes from training images alone; the test only uses it.",
        "d": "No person is on both sides, so no face can be remembered.",
    }
    return choose(answer, "c", options)


@check("each class counts the same, however many images it has.")
def mean_per_class_accuracy(answer, matrix=((80, 10, 10), (6, 12, 2), (1, 4, 5))):
    """The mean of the classes' accuracies; a row of the confusion matrix is a true class."""
    matrix = np.array(matrix)
    right = matrix.diagonal()
    shares = right / matrix.sum(axis=1)
    slips = [
        (
            right.sum() / matrix.sum(),
            "That is the plain accuracy: all right ones among all images.",
        ),
        ((right / matrix.sum(axis=0)).mean(), "You divided by columns; a class is a row."),
        (100 * shares.mean(), "As a share between 0 and 1, not in percent."),
        (shares.sum(), "That is the sum; divide by the number of classes."),
    ]
    return compare(answer, shares.mean(), slips, "Take the accuracy of each row first.", 0.006)


@check("a small test can neither show a small difference nor rule it out.")
def better_or_luck(answer):
    """What two accuracies with overlapping intervals allow to say: a, b or c."""
    options = {
        "a": "Six images more; with 160 other images it could be six fewer.",
        "b": "Not told apart is not the same as equal; the second may well be better.",
    }
    return choose(answer, "c", options)


@check("the average hands each of its places an equal part of the gradient.")
def channel_weight_constant(answer, places=(2, 2)):
    """What the dense layer's kernel is multiplied by to give Grad-CAM's weight of a channel."""
    rows, columns = places
    part = 1 / (rows * columns)
    slips = [
        (1, "The average over the places stands between the map and the score."),
        (1 / part, "Turn it round: one place is only a part of the average."),
        (1 / rows, "There are two rows and two columns of places: count the places."),
        (part**2, "That would be right for 4 x 4 places, or for dividing twice."),
        (1 / 2048, "The average is over places, not over channels."),
    ]
    return compare(answer, part, slips, "How much of the average is one place?", 0.01)


@check("the probabilities of the known classes add up to 1, whatever is shown.")
def never_lost_for_an_answer(answer):
    """Why a network names a class for a grey square: a, b or c."""
    options = {
        "a": "All near 0 is impossible: softmax outputs sum to 1, however long it was trained.",
        "c": "Look at the picture: there is nothing on it. Look at what the outputs sum to.",
    }
    return choose(answer, "b", options)


@check("each group's distance, with the weight of its pictures.")
def calibration_error(
    answer, pictures=(60, 30, 10), confidence=(0.3, 0.6, 0.9), right=(0.2, 0.7, 0.7)
):
    """The expected calibration error of groups of pictures, in 0-1."""
    share = np.array(pictures) / sum(pictures)
    gap = np.array(right) - np.array(confidence)
    expected = share @ abs(gap)
    weigh = "Groups weigh as much as they have pictures: 60 count more than 10."
    slips = [
        (
            abs(share @ gap),
            "Distances: one group is too modest, and must not make up for the others.",
        ),
        (abs(gap).mean(), weigh),
        *((round(abs(gap).mean(), digits), weigh) for digits in (2, 3)),
        (abs(gap).sum(), "A mean of the distances is asked for, not their sum."),
        (100 * expected, "That is in points; the others are shares in 0-1."),
    ]
    return compare(answer, expected, slips, "Distance times share of the pictures, added up.", 1e-3)


@check("one choice of the sixteen is gone, and with it half of the ways.")
def ways_left(answer, blocks=16, removed=1):
    """Ways from the stem to the pooling, past or through each block, without some branches."""
    convolutional = 4
    double = "The choices multiply: each block doubles the number of ways."
    all_count = "All 16 blocks count, the convolutional ones too."
    slips = [
        (2**blocks, "That is the number of ways while nothing is removed."),
        (2**blocks - 1, "Removing a branch closes every way that goes through it, not one."),
        (
            2 ** (blocks - removed - 1),
            "One branch is gone, so one factor 2: half of the ways stay.",
        ),
        (2 * (blocks - removed), double),
        (2 * blocks - removed, double),
        (blocks - removed, "That counts blocks. Each of them offers a choice between two ways."),
        (2 ** (blocks - convolutional), all_count),
        (2 ** (blocks - convolutional - removed), all_count),
    ]
    return compare(answer, 2 ** (blocks - removed), slips, "Two ways a block; multiply.")
