"""Checks about heat maps, probabilities, temperatures and neighbours (notebook 05)."""

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from scipy.special import softmax

from exercises.checks.numbers import short, two_numbers
from exercises.checks.verdict import (
    VALUE_TODO,
    NotDone,
    Stopped,
    Wrong,
    check,
    require_function,
    returned,
)
from exercises.grad_cam import channel_weights
from helpers import models


def array_of(result):
    """A learner's result as a float array. Raises Wrong for what is no array."""
    try:
        return np.asarray(result, dtype="float64")
    except (TypeError, ValueError):
        raise Wrong(f"Return one array of numbers. Received: {short(result)}") from None


def same(found, expected):
    found, expected = np.asarray(found), np.asarray(expected)
    return found.shape == expected.shape and np.allclose(found, expected, rtol=1e-3, atol=1e-6)


def sentence_for(found, mistakes):
    """The sentence about the mistake that gives this result, else None."""
    return next((sentence for sentence, wrong in mistakes.items() if same(found, wrong)), None)


# ---------------------------------------------------------------- Grad-CAM's weights


def toy_top(shape, classes):
    """A network from maps to scores, with a gradient that differs from place to place."""
    inputs = keras.Input(shape)
    x = keras.layers.Flatten()(inputs)
    model = keras.Model(inputs, keras.layers.Dense(classes)(keras.layers.Dense(9, "tanh")(x)))
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 0.3, weights.shape) for weights in model.get_weights()])
    return model


@check("the mean gradient over the places, one number per picture and channel.")
def grad_cam_weights(answer):
    """The learner's my_channel_weights(maps, top, labels) -> (n, channels)."""
    require_function(answer, "my_channel_weights(maps, top, labels)", None, None, None)
    top, rng = toy_top((4, 5, 6), 7), np.random.default_rng(1)
    maps = tf.constant(rng.normal(size=(3, 4, 5, 6)), "float32")
    labels = np.array([2, 0, 5])
    try:
        found = array_of(returned(answer, maps, top, labels))
    except Stopped as error:
        if "None" in str(error):
            raise Wrong(
                "The gradient is None: the tape only follows variables unless you tell it to "
                "follow the maps, with tape.watch(maps) before they are used."
            ) from None
        raise
    if same(found, channel_weights(maps, top, labels)):
        return None
    return mistake_in_weights(found, maps, top, labels)


def gradients(maps, top, labels):
    """Gradients (n, h, w, channels) that a wrong answer may have taken, and the right one."""
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(maps)
        scores = top(maps)
        picked = tf.gather(scores, labels, axis=1, batch_dims=1)
        probability = tf.gather(tf.nn.softmax(scores), labels, axis=1, batch_dims=1)
        best = tf.reduce_max(scores, axis=1)
        first = scores[:, labels[0]]
    targets = {"own": picked, "softmax": probability, "best": best, "all": scores, "first": first}
    return {name: tape.gradient(target, maps).numpy() for name, target in targets.items()}


def mistake_in_weights(found, maps, top, labels):
    """The sentence for wrong channel weights."""
    slopes, (n, h, w, channels) = gradients(maps, top, labels), maps.shape
    own = slopes["own"]
    mistakes = {
        "That is the sum over the places; divide by their number.": own.sum(axis=(1, 2)),
        "That is the gradient of a probability. Use the score, which rivals do not change.": (
            slopes["softmax"].mean(axis=(1, 2))
        ),
        "labels is ignored: that is the gradient of all classes' scores together.": (
            slopes["all"].mean(axis=(1, 2))
        ),
        "labels is ignored: that is the gradient of the highest score.": (
            slopes["best"].mean(axis=(1, 2))
        ),
        "Every picture was asked for the first label; each has its own.": (
            slopes["first"].mean(axis=(1, 2))
        ),
        "Keep the sign: a channel may speak against the class.": abs(own).mean(axis=(1, 2)),
        "ReLU comes later, after the weighted sum: a weight may be negative.": (
            np.maximum(own.mean(axis=(1, 2)), 0)
        ),
        "That is the mean of the maps; the mean of their gradient is asked for.": (
            maps.numpy().mean(axis=(1, 2))
        ),
        "That is the gradient at each place. Take its mean over rows and columns.": own,
        "Average over rows and columns, not over channels.": own.mean(axis=3),
        "Keep the pictures apart: average over rows and columns only.": own.mean(axis=(0, 1, 2)),
        "Axis 0 is the picture: rows and columns are axes 1 and 2.": own.mean(axis=(0, 1)),
    }
    if sentence := sentence_for(found, mistakes):
        return sentence
    if found.shape != (n, channels):
        return (
            f"For maps of shape {n, h, w, channels} the weights should have shape {n, channels}; "
            f"yours have {found.shape}."
        )
    return "The numbers differ from the mean gradient of each picture's own class score."


# ---------------------------------------------------------------- temperature scaling


@check("T divides the scores, and the rows still sum to 1.")
def temperature_scaling(answer):
    """The learner's my_temper(probabilities, temperature) -> (n, classes)."""
    require_function(answer, "my_temper(probabilities, temperature)", None, None)
    given = np.random.default_rng(0).dirichlet(np.full(5, 0.7), 4)
    for temperature in (2.0, 0.5, 1.0):
        before = given.copy()
        found = array_of(returned(answer, before, temperature))
        if not np.array_equal(before, given):
            return "Your function changes the probabilities it was given: work on a new array."
        if not same(found, models.temper(given, temperature)):
            return mistake_in_temper(found, given, temperature)
    return None


def mistake_in_temper(found, given, temperature):
    """The sentence for a wrong result at this temperature."""
    powers, t = given ** (1 / temperature), temperature
    if same(found, given):
        return (
            "Nothing changes: dividing the probabilities themselves by T cancels out when you "
            "normalise. T divides the scores, the logarithms of the probabilities."
        )
    mistakes = {
        "The wrong way round: T above 1 must make the answers less confident. Divide by T.": (
            models.temper(given, 1 / t)
        ),
        "The rows do not sum to 1 yet: divide each by its sum.": powers,
        "Those are probabilities divided by T; T divides the scores.": given / t,
        "Softmax takes scores; you gave it probabilities. Take their logarithm first.": (
            softmax(given / t, axis=1)
        ),
        "Each row should sum to 1, not each column.": powers / powers.sum(axis=0),
        "Each row should sum to 1, not all rows together.": powers / powers.sum(),
        "Those are scores: apply softmax to them.": np.log(given) / t,
    }
    if sentence := sentence_for(found, mistakes):
        return sentence
    if found.shape != given.shape:
        return f"The result should have the shape of its input, {given.shape}, not {found.shape}."
    return f"At temperature {t:g} the result is wrong. At 1, nothing should change."


CHANGES = {
    "accuracy": "dividing all scores by one positive number keeps their order, so the most likely "
    "class stays the same",
    "top five": "dividing all scores by one positive number keeps their order, and with it the "
    "five most likely classes",
    "confidence": "a temperature above 1 moves all probabilities towards each other",
    "calibration error": "confidence changes and accuracy does not, so their distance must change",
    "cross-entropy": "it is computed from the probability of the true class, which changes",
}
UNCHANGED = ("accuracy", "top five")


@check("the order of the classes stays, and only what depends on the size of a probability moves.")
def temperature_changes(answer):
    """What a temperature of 2 changes: a list of names from CHANGES."""
    if answer is None or answer is ...:
        raise NotDone(VALUE_TODO)
    if not isinstance(answer, list | tuple | set) or not all(isinstance(n, str) for n in answer):
        raise Wrong(f'Give a list of names, such as ["accuracy"]. Received: {short(answer)}')
    names = {name.strip().lower().replace("_", " ") for name in answer}
    if unknown := sorted(names - set(CHANGES)):
        return f"{short(unknown[0])} is not one of {', '.join(CHANGES)}."
    for name, reason in CHANGES.items():
        if (name in names) == (name in UNCHANGED):
            verb = "does not change" if name in UNCHANGED else "changes too"
            return f"The {name} {verb}: {reason}."
    return None


# ---------------------------------------------------------------- reliability, thresholds

DIAGRAMS = {  # what is asked: the right letter, and what is wrong with another one
    "T above 1": ("B", "T above 1 lowers confidence. Whose confidence is too high everywhere?"),
    "T below 1": ("C", "T below 1 raises confidence. Whose confidence is too low everywhere?"),
    "no T": ("A", "Whose accuracy does not depend on confidence at all?"),
}


@check("too confident, not confident enough, and one whose confidence says nothing.")
def reliability_diagrams(answer):
    """Which of the networks A, B, C gets better with T above 1, with T below 1, and with none."""
    if answer is None or answer is ...:
        raise NotDone(VALUE_TODO)
    if not isinstance(answer, list | tuple) or len(answer) != len(DIAGRAMS):
        raise Wrong(f'Give three letters, such as ("A", "B", "C"). Received: {short(answer)}')
    if ... in answer or None in answer:
        raise NotDone(VALUE_TODO)
    letters = [str(part).strip().upper() for part in answer]
    if sorted(letters) != ["A", "B", "C"]:
        return f"Each of A, B and C is the answer to one question. Received: {short(answer)}"
    for letter, (asked, (right, advice)) in zip(letters, DIAGRAMS.items(), strict=True):
        if letter != right:
            return f"{asked}: not {letter}. {advice}"
    return None


def top_probabilities(folder=None):
    """From the network's records: confidence and correctness of photographs, of backgrounds."""
    folder = folder or models.MODELS / "caltech101"
    photographs = pd.read_csv(folder / "predictions.csv")
    right = (photographs["class_1"] == photographs["class"]).to_numpy()
    backgrounds = pd.read_csv(folder / "backgrounds.csv")["p_1"].to_numpy()
    return photographs["p_1"].to_numpy(), right, backgrounds


@check("it keeps nine in ten backgrounds out, and you know what that costs.")
def threshold_for_backgrounds(answer, share=0.1):
    """(threshold, coverage): the lowest with at most `share` of backgrounds answered, in 0.01."""
    threshold, coverage = two_numbers(answer, "two numbers, (threshold, coverage)")
    if max(threshold, coverage) > 1 or min(threshold, coverage) < 0:
        return "Give fractions between 0 and 1, not per cent."
    known, right, unknown = top_probabilities()
    return wrong_threshold(threshold, known, unknown, share) or wrong_coverage(
        coverage, known >= threshold, right, (unknown >= threshold).mean()
    )


def wrong_threshold(threshold, known, unknown, share):
    """A sentence about a threshold that is too low or too high, else None."""
    answered = (unknown >= threshold).mean()
    if answered > share + 0.002:
        return f"Too low: {answered:.0%} of the backgrounds still get an answer."
    if (unknown >= threshold - 0.015).mean() > share:
        return None
    if abs((known >= threshold).mean() - share) < 0.01:
        return "That leaves one in ten photographs an answer; the condition is about backgrounds."
    return f"Too high: only {answered:.0%} of the backgrounds get an answer, fewer than needed."


def wrong_coverage(coverage, answered, right, of_unknown):
    """A sentence about a wrong fraction of photographs with an answer, else None."""
    expected = answered.mean()
    if abs(coverage - expected) < 0.011:
        return None
    mistakes = {
        "That is the share of photographs without an answer.": 1 - expected,
        "That is the accuracy of the answers; coverage is how many photographs get one.": (
            right[answered].mean()
        ),
        "That is the share of all photographs with a right answer.": (answered & right).mean(),
        "That is the share of backgrounds; coverage is about photographs of the classes.": (
            of_unknown
        ),
    }
    for sentence, wrong in mistakes.items():
        if abs(coverage - wrong) < 0.006:
            return sentence
    return "The threshold is right, the coverage is not: how many photographs reach it?"


# ---------------------------------------------------------------- neighbours


@check("both faults are gone: no picture is its own neighbour, and only directions count.")
def neighbours(answer):
    """The learner's my_neighbours(features, k) -> int (n, k), by cosine similarity."""
    require_function(answer, "my_neighbours(features, k=5)", None, k=5)
    rng = np.random.default_rng(0)
    features = rng.random((30, 8)) * rng.uniform(0.2, 5, (30, 1)) * rng.uniform(0.2, 5, 8)
    before = features.copy()
    found = array_of(returned(answer, features, k=5))
    if not np.array_equal(before, features):
        return "Your function changes the features it was given: work on a new array."
    if found.shape != (30, 5):
        return f"For 30 pictures and k=5 the result should have shape (30, 5), not {found.shape}."
    return mistake_in_neighbours(found, features)


def ranking(features, own=False, length=None, sign=-1):
    """The 5 best neighbours of each row; `own` keeps the row itself, `length` is np.linalg.norm's
    axis to divide by (None: dot products)."""
    if length is not None:
        features = features / np.linalg.norm(features, axis=length, keepdims=True)
    order = sign * (features @ features.T)
    if not own:
        np.fill_diagonal(order, np.inf)
    return np.argsort(order, axis=1, kind="stable")[:, :5]


def mistake_in_neighbours(found, features):
    """The sentence for wrong neighbours, else None."""
    distance = np.linalg.norm(features[:, None] - features, axis=2)
    np.fill_diagonal(distance, np.inf)
    own = found == np.arange(len(found))[:, None]
    channels = "the features are still divided by the wrong lengths: each row is a picture"
    mistakes = {
        f"Both faults are still there: look for row 0 in its own list, and at what axis 0 "
        f"is; {channels}.": ranking(features, own=True, length=0),
        f"One fault is gone, one is left: {channels}.": ranking(features, length=0),
        "Without dividing by lengths, pictures with long features are everybody's neighbours. "
        "Only the direction should count.": ranking(features),
        "These are the least similar pictures: sort the other way.": ranking(
            features, length=1, sign=1
        ),
        "These are neighbours by distance; cosine similarity compares directions.": (
            np.argsort(distance, axis=1)[:, :5]
        ),
    }
    if same(found, ranking(features, length=1)):
        return None
    if sentence := sentence_for(found, mistakes):
        return sentence
    if own.any():
        return "A picture is among its own neighbours: of course it has the same label."
    if same(np.sort(found, axis=1), np.sort(ranking(features, length=1), axis=1)):
        return "The right neighbours in another order: put the most similar first."
    return "The neighbours differ from those with the highest cosine similarity."
