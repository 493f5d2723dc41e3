"""Scores of a trained network."""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.stats import binomtest
from sklearn.metrics import balanced_accuracy_score

from helpers.data import read_images
from helpers.inference import fold_batch_norm
from helpers.models import predict_probabilities, temper


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


def cross_entropy(labels, probabilities):
    """Mean cross-entropy in nats. labels: int (n,); probabilities: (n, classes)."""
    right = probabilities[np.arange(len(labels)), labels]
    return float(-np.mean(np.log(np.maximum(right, 1e-12))))


def fit_temperature(labels, probabilities):
    """The temperature between 0.1 and 10 with the lowest cross-entropy on held-out images.

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", section 4.2.
    """
    found = minimize_scalar(
        lambda logarithm: cross_entropy(labels, temper(probabilities, np.exp(logarithm))),
        bounds=(np.log(0.1), np.log(10)),
        method="bounded",
    )
    return float(np.exp(found.x))


def predict_files(model, paths, size):
    """Probabilities (n, classes) for n image files, read at `size` x `size`; in float32."""
    model = fold_batch_norm(model)
    parts = np.array_split(paths, len(paths) // 250 + 1)  # bounds the memory
    probabilities = [predict_probabilities(model, read_images(part, size)[0]) for part in parts]
    return np.concatenate(probabilities)
