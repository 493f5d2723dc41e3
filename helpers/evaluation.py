"""Scores of a trained network."""

import numpy as np
from scipy.stats import binomtest
from sklearn.metrics import balanced_accuracy_score

from helpers.data import read_images
from helpers.inference import fold_batch_norm
from helpers.models import predict_probabilities


def scores(labels, probabilities):
    """Accuracy, its 95 % Wilson interval, and mean per-class accuracy, as a dict.

    labels: int (n,); probabilities: (n, classes).
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
    """Probabilities (n, classes) for n image files, read at `size` x `size`; in float32."""
    model = fold_batch_norm(model)
    parts = np.array_split(paths, len(paths) // 250 + 1)  # bounds the memory
    probabilities = [predict_probabilities(model, read_images(part, size)[0]) for part in parts]
    return np.concatenate(probabilities)
