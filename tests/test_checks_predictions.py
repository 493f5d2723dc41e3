"""The checks of notebook 05: heat maps, temperatures, thresholds, diagrams, neighbours, words."""

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from exercises import checks
from exercises.checks import predictions
from exercises.grad_cam import channel_weights
from helpers import models

# ---------------------------------------------------------------- Grad-CAM's weights


def weights_of(pick=None, reduce=None, watch=True):
    """A learner's my_channel_weights with another target of the gradient, or another mean."""
    pick = pick or (lambda scores, labels: tf.gather(scores, labels, axis=1, batch_dims=1))
    reduce = reduce or (lambda gradient: tf.reduce_mean(gradient, axis=(1, 2)))

    def my_channel_weights(maps, top, labels):
        with tf.GradientTape() as tape:
            if watch:
                tape.watch(maps)
            scores = pick(top(maps), labels)
        return reduce(tape.gradient(scores, maps))

    return my_channel_weights


def one_at_a_time(maps, top, labels):
    found = []
    for number, label in enumerate(labels):
        with tf.GradientTape() as tape:
            tape.watch(maps)
            score = top(maps)[number, label]
        found.append(tape.gradient(score, maps)[number].numpy().mean(axis=(0, 1)))
    return found


def test_the_weights_are_right_in_any_form():
    one_hot = weights_of(lambda scores, labels: scores * tf.one_hot(labels, scores.shape[1]))
    for answer in (channel_weights, weights_of(), one_at_a_time, one_hot):
        assert checks.grad_cam_weights.verdict(answer)[0] == "right"


def softmax_of(scores, labels):
    return tf.gather(tf.nn.softmax(scores), labels, axis=1, batch_dims=1)


def means(axis):
    return lambda gradient: tf.reduce_mean(gradient, axis=axis)


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (weights_of(watch=False), "tape.watch"),
        (weights_of(softmax_of), "gradient of a probability"),
        (weights_of(lambda scores, labels: scores), "all classes' scores together"),
        (weights_of(lambda scores, labels: tf.reduce_max(scores, axis=1)), "highest score"),
        (weights_of(lambda scores, labels: scores[:, labels[0]]), "first label"),
        (weights_of(reduce=lambda g: tf.reduce_sum(g, axis=(1, 2))), "divide by their number"),
        (weights_of(reduce=lambda g: tf.reduce_mean(abs(g), axis=(1, 2))), "Keep the sign"),
        (weights_of(reduce=lambda g: tf.nn.relu(means((1, 2))(g))), "after the weighted sum"),
        (weights_of(reduce=lambda g: g), "at each place"),
        (weights_of(reduce=means(3)), "not over channels"),
        (weights_of(reduce=means((0, 1, 2))), "Keep the pictures apart"),
        (weights_of(reduce=means((0, 1))), "Axis 0 is the picture"),
        (lambda maps, top, labels: maps.numpy().mean(axis=(1, 2)), "mean of the maps"),
        (lambda maps, top, labels: np.zeros((2, 2)), "should have shape (3, 6)"),
        (lambda maps, top, labels: np.zeros((3, 6)), "differ from the mean gradient"),
        (lambda maps, top, labels: "none", "one array"),
    ],
)
def test_wrong_weights_are_named(answer, word):
    status, sentence = checks.grad_cam_weights.verdict(answer)
    assert (status, word in sentence) == ("wrong", True), sentence


def test_the_weights_are_those_of_finite_differences():
    top = predictions.toy_top((4, 5, 6), 7)
    maps = np.random.default_rng(3).normal(size=(1, 4, 5, 6)).astype("float32")
    raised = maps.copy()
    raised[..., 2] += 1e-2  # all places of one channel
    slope = (top(raised) - top(maps)).numpy()[0, 4] / 1e-2 / 20
    assert channel_weights(tf.constant(maps), top, [4])[0, 2] == pytest.approx(slope, rel=0.05)


# ---------------------------------------------------------------- temperature scaling


def softmax(scores):
    return tf.nn.softmax(scores).numpy()


@pytest.mark.parametrize(
    "answer",
    [
        models.temper,
        lambda p, t: softmax(np.log(p) / t),
        lambda p, t: tf.nn.softmax(tf.math.log(p) / t),
        lambda p, t: (p ** (1 / t)).T.__truediv__((p ** (1 / t)).sum(axis=1)).T,
    ],
)
def test_a_temperature_is_right_in_any_form(answer):
    assert checks.temperature_scaling.verdict(answer)[0] == "right"


def in_place(probabilities, temperature):
    probabilities **= 1 / temperature
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return probabilities


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (lambda p, t: p / t / (p / t).sum(axis=1, keepdims=True), "Nothing changes"),
        (lambda p, t: models.temper(p, 1 / t), "wrong way round"),
        (lambda p, t: p ** (1 / t), "do not sum to 1 yet"),
        (lambda p, t: p / t, "divided by T"),
        (lambda p, t: softmax(p / t), "Take their logarithm"),
        (lambda p, t: p ** (1 / t) / (p ** (1 / t)).sum(axis=0), "not each column"),
        (lambda p, t: p ** (1 / t) / (p ** (1 / t)).sum(), "not all rows together"),
        (lambda p, t: np.log(p) / t, "apply softmax"),
        (lambda p, t: models.temper(p, t)[0], "shape of its input"),
        (lambda p, t: models.temper(p, t + 1), "At temperature 2 the result"),
        (lambda p, t: models.temper(p, max(t, 0.7)), "At temperature 0.5 the result"),
        (in_place, "changes the probabilities"),
    ],
)
def test_a_wrong_temperature_is_named(answer, word):
    status, sentence = checks.temperature_scaling.verdict(answer)
    assert (status, word in sentence) == ("wrong", True), sentence


def test_what_a_temperature_changes_is_what_it_changes_in_numbers():
    rng = np.random.default_rng(0)
    probabilities, labels = rng.dirichlet(np.full(9, 0.3), 200), rng.integers(0, 9, 200)
    seen = {}
    for temperature in (1, 2):
        some = models.temper(probabilities, temperature)
        order = np.argsort(-some, axis=1)
        gap = some.max(axis=1).mean() - (order[:, 0] == labels).mean()
        seen[temperature] = {
            "accuracy": (order[:, 0] == labels).mean(),
            "top five": (order[:, :5] == labels[:, None]).any(axis=1).mean(),
            "confidence": some.max(axis=1).mean(),
            "calibration error": abs(gap),
            "cross-entropy": -np.log(some[np.arange(200), labels]).mean(),
        }
    changed = [name for name in seen[1] if seen[1][name] != seen[2][name]]
    assert checks.temperature_changes.verdict(changed)[0] == "right"
    assert checks.temperature_changes.verdict({"Cross-Entropy ", *changed[:2]})[0] == "right"


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (["accuracy", "confidence"], "The accuracy does not change"),
        (["confidence", "calibration error", "cross-entropy", "top five"], "The top five does not"),
        (["calibration error", "cross-entropy"], "The confidence changes too"),
        (["confidence", "cross-entropy"], "The calibration error changes too"),
        (["confidence", "calibration error"], "The cross-entropy changes too"),
        ([], "The confidence changes too"),
        (["loss"], "'loss' is not one of accuracy"),
        ("accuracy", "a list of names"),
    ],
)
def test_a_wrong_prediction_of_what_changes_is_named(answer, word):
    status, sentence = checks.temperature_changes.verdict(answer)
    assert (status, word in sentence) == ("wrong", True), sentence


# ---------------------------------------------------------------- diagrams, thresholds


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (("C", "B", "A"), "T above 1: not C"),
        (("b", "a", "c"), "T below 1: not A"),
        (("A", "C", "B"), "Whose confidence is too high"),
        (("B", "B", "A"), "Each of A, B and C"),
        (("B", "C"), "Give three letters"),
    ],
)
def test_a_misread_diagram_is_named(answer, word):
    status, sentence = checks.reliability_diagrams.verdict(answer)
    assert (status, word in sentence) == ("wrong", True), sentence


def test_diagrams_are_read_right():
    assert checks.reliability_diagrams.verdict(["b", " C ", "A"])[0] == "right"


@pytest.fixture
def recorded(monkeypatch):
    """Records of a hundred photographs and as many backgrounds: 0.005, 0.015, ... and less."""
    known = np.arange(100) / 100 + 0.005
    right = known > 0.3
    tables = (known, right, known * 0.6)  # one background in ten is answered at 0.54
    monkeypatch.setattr(predictions, "top_probabilities", lambda: tables)


def test_the_lowest_threshold_with_its_coverage_is_right(recorded):
    for choice in ((0.54, 0.46), [np.float64(0.545), 0.455], (0.55, 0.45)):
        assert checks.threshold_for_backgrounds.verdict(choice)[0] == "right", choice


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        ((0.4, 0.6), "Too low: 33% of the backgrounds"),
        ((0.59, 0.4), "Too high: only 2%"),
        ((0.9, 0.1), "one in ten photographs"),
        ((0.54, 0.54), "without an answer"),
        ((0.54, 1.0), "accuracy of the answers"),
        ((0.54, 0.1), "share of backgrounds"),
        ((0.54, 0.8), "the coverage is not"),
        ((54, 46), "not per cent"),
        (0.54, "Give two numbers"),
    ],
)
def test_a_wrong_threshold_is_named(answer, word, recorded):
    status, sentence = checks.threshold_for_backgrounds.verdict(answer)
    assert (status, word in sentence) == ("wrong", True), sentence


def test_the_records_are_read_as_they_are_written(tmp_path):
    row = {"file": "a.jpg", "class": "ant", "class_1": "ant", "p_1": 0.8}
    table = pd.DataFrame([row, row | {"class_1": "bee", "p_1": 0.4}])
    table.to_csv(tmp_path / "predictions.csv", index=False)
    table[["file", "class_1", "p_1"]][1:].to_csv(tmp_path / "backgrounds.csv", index=False)
    known, right, unknown = predictions.top_probabilities(tmp_path)
    assert (list(known), list(right), list(unknown)) == ([0.8, 0.4], [True, False], [0.4])


# ---------------------------------------------------------------- neighbours


def search(axis=1, own=False, sign=-1, drop_first=False):
    def my_neighbours(features, k=5):
        unit = features / np.linalg.norm(features, axis=axis, keepdims=True)
        order = sign * (unit @ unit.T)
        if not own:
            np.fill_diagonal(order, np.inf)
        found = np.argsort(order, axis=1)
        return found[:, 1 : k + 1] if drop_first else found[:, :k]

    return my_neighbours


def by_library(features, k=5):
    from sklearn.neighbors import NearestNeighbors

    finder = NearestNeighbors(n_neighbors=k, metric="cosine").fit(features)
    return finder.kneighbors(return_distance=False)


def test_neighbours_are_right_in_any_form():
    for answer in (search(), search(own=True, drop_first=True), by_library):
        assert checks.neighbours.verdict(answer)[0] == "right"


def by_distance(features, k=5):
    distance = np.linalg.norm(features[:, None] - features, axis=2)
    return np.argsort(distance, axis=1)[:, 1 : k + 1]


def dot_products(features, k=5):
    order = -features @ features.T
    np.fill_diagonal(order, np.inf)
    return np.argsort(order, axis=1)[:, :k]


def in_place_search(features, k=5):
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return search()(features, k)


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (search(axis=0, own=True), "Both faults are still there"),
        (search(axis=0), "wrong lengths"),
        (search(own=True), "among its own neighbours"),
        (dot_products, "Without dividing by lengths"),
        (by_distance, "neighbours by distance"),
        (search(sign=1), "least similar"),
        (lambda features, k=5: search()(features, k)[:, ::-1], "in another order"),
        (lambda features, k=5: search()(features, k + 1), "should have shape (30, 5)"),
        (
            lambda features, k=5: (np.arange(30)[:, None] + np.arange(1, 6)) % 30,
            "differ from those",
        ),
        (in_place_search, "changes the features"),
    ],
)
def test_wrong_neighbours_are_named(answer, word):
    status, sentence = checks.neighbours.verdict(answer)
    assert (status, word in sentence) == ("wrong", True), sentence


# ---------------------------------------------------------------- in words
