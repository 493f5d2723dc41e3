"""Scores of a trained network."""

import numpy as np
from scipy.stats import binomtest
from sklearn.metrics import balanced_accuracy_score

from helpers.data import read_images
from helpers.inference import fold_batch_norm
from helpers.models import predict_probabilities


def scores(labels, probabilities):
    """Accuracy, its 95 % Wilson interval, and mean per-class accuracy, as a dict.

    labels: int (n,); probabilities: (n, classes). Caltech 101 is judged by the last: its classes
    hold between 31 and 800 images.
    """
    guesses = np.argmax(probabilities, axis=1)
    correct = int((guesses == labels).sum())
    interval = binomtest(correct, len(labels)).proportion_ci(method="wilson")
    return {
        "images": len(labels),
        "accuracy": correct / len(labels),
        "accuracy_interval_95": [interval.low, interval.high],
        "mean_per_class_accuracy": float(balanced_accuracy_score(labels, guesses)),
    }


def predict_files(model, paths, size):
    """Probabilities (n, classes) for n image files, read at `size` x `size`, 250 at a time.

    In float32 on every machine, so that published scores do not depend on it.
    """
    model = fold_batch_norm(model)
    probabilities = []
    for part in np.array_split(paths, len(paths) // 250 + 1):  # bounded memory
        pixels, _ = read_images(part, size)
        probabilities.append(predict_probabilities(model, pixels))
    return np.concatenate(probabilities)
