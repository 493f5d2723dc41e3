"""The study of ways to transfer: which photographs it uses, which rate, and what it records."""

import keras
import numpy as np
import pandas as pd
import pytest

from experiments import linear_heads, transfer_rates
from helpers import data, training
from helpers.recipe import RECIPES, Recipe

STEPS = 12


@pytest.fixture
def images(monkeypatch):
    """300 photographs of ten sessions, each with five of every digit; no pixels."""
    labels = np.arange(300) % 6
    monkeypatch.setattr(transfer_rates.signs, "sessions", lambda paths: np.arange(300) // 30)
    paths = np.array([f"{label}/IMG_{number}.JPG" for number, label in enumerate(labels)])
    return data.Images(paths, labels, list("012345"), None, [])


ACCURACIES = {1e-4: 0.5, 3e-4: 0.9, 1e-3: 0.9, 3e-3: 0.6, 1e-2: 0.6, 3e-2: 0.95, 1e-1: 0.8}


@pytest.fixture
def study(images, tmp_path, monkeypatch):
    """Runs the study without training; returns the runs and what each trained on."""
    seen = []

    def trained(images, train, run, recipe, head_rate=None):
        seen.append((run, set(train), head_rate))
        return run

    def score(run, images, rows):
        return {"images": len(rows), "accuracy": ACCURACIES[run["learning_rate"]], "missed": ""}

    monkeypatch.setattr(transfer_rates, "trained", trained)
    monkeypatch.setattr(transfer_rates, "score", score)
    file = tmp_path / "rates.csv"

    def start(ways=transfer_rates.WAYS):
        transfer_rates.study(images, ways, STEPS, Recipe(), file)
        return pd.read_csv(file), seen

    return start


def test_rates_are_chosen_without_any_photograph_of_a_test(study, images):
    _, seen = study()
    folds = transfer_rates.folds_of(images)
    tested = set(np.concatenate([folds[fold] for fold in transfer_rates.TEST_FOLDS]))
    for run, train, _ in seen:
        assert not train & set(folds[run["fold"]]), "trains on what it is scored on"
        if run["part"] == "validation":
            assert not train & tested and not set(folds[run["fold"]]) & tested


def test_each_way_is_tested_at_the_best_of_its_rates_the_lowest_of_equal_ones(study):
    rows, _ = study()
    rates = rows[rows["part"] == "test"].groupby("way")["learning_rate"].agg(set)
    assert rates["frozen"] == {3e-2}
    assert all(rates[way] == {3e-4} for way in transfer_rates.WAYS if way != "frozen")
    assert rows.groupby(["way", "part"]).size().unstack().eq([2, 3]).all(axis=None)


def test_a_head_first_trains_at_the_rate_of_the_frozen_network(study):
    _, seen = study()
    rates = {run["way"]: rate for run, _, rate in seen}
    assert rates.pop("head first, then all") == 3e-2 and set(rates.values()) == {None}


def test_what_is_done_is_not_done_again(study):
    _, seen = study(["frozen"])
    assert len(seen) == 5
    rows, seen = study(["frozen", "fine-tuned"])
    assert len(seen) == 10 and len(rows) == 10


def test_the_missed_photographs_are_named(images, monkeypatch):
    rows = np.array([6, 7, 8, 9])
    answers = np.eye(6)[[0, 5, 2, 5]]  # right are 0 and 2
    monkeypatch.setattr(transfer_rates.evaluation, "predict_files", lambda *about: answers)
    model = type("Model", (), {"input_shape": (None, 64, 64, 3)})
    found = transfer_rates.score(model, images, rows)
    assert found == {"images": 4, "accuracy": 0.5, "missed": "IMG_7 IMG_9"}


def staged(recipe, classes, init=None):
    """Stands in for training.build_model: a layer of each of two stages, and a head."""
    x = inputs = keras.Input((4,))
    for name in ("conv4_dense", "conv5_dense", "predictions"):
        x = keras.layers.Dense(classes, name=name)(x)
    model = keras.Model(inputs, x)
    return training.freeze(model, recipe.freeze) if recipe.freeze else model


def test_ways_take_equally_many_steps_and_freeze_what_they_say(images, monkeypatch):
    fits = []

    def fit(model, train, recipe, verbose):
        free = [layer.name[:5] for layer in model.layers if layer.weights and layer.trainable]
        fits.append((free, recipe.epochs, recipe.learning_rate))

    monkeypatch.setattr(training, "fit", fit)
    monkeypatch.setattr(training, "build_model", staged)
    monkeypatch.setattr(transfer_rates.models, "load_model", lambda name: (None, {}))
    images = images._replace(pixels=np.zeros((300, 2, 2, 3), "uint8"))
    for way in transfer_rates.WAYS:
        run = {"way": way, "steps": 40, "fold": 0, "learning_rate": 1e-3}
        head_rate = 1e-2 if way.startswith("head") else None
        transfer_rates.trained(images, np.arange(160), run, Recipe(), head_rate)
    everything, head = ["conv4", "conv5", "predi"], ["predi"]
    assert (
        fits
        == [  # 160 photographs are 5 steps per epoch
            (head, 8, 1e-3),
            (everything, 8, 1e-3),
            (everything, 8, 1e-3),
            (everything[1:], 8, 1e-3),
            (head, 2, 1e-2),
            (everything, 6, 1e-3),
        ]
    )


def test_every_head_learns_what_can_be_learned():
    rng = np.random.default_rng(0)
    labels = np.arange(300) % 6
    features = rng.normal(size=(300, 12)).astype("float32")
    features[np.arange(300), labels] += 8
    for fit in linear_heads.HEADS.values():
        assert np.mean(fit(features, labels)(features) == labels) > 0.97


def test_heads_are_shown_the_photographs_as_a_training_run_sees_them():
    size = RECIPES["signs"].image_size
    drawn = np.zeros((7, 80, 80, 4), "uint8")
    behind = np.full((3, 80, 80, 3), 200, "uint8")
    plain, pasted = drawn[..., :3], drawn
    one, other = (linear_heads.augmented(plain, None, number) for number in (0, 1))
    assert one.shape == other.shape == (7, size, size, 3) and one.max() == 0
    found = linear_heads.augmented(pasted, behind, 0).max(axis=(1, 2, 3))
    assert 0 < np.sum(found > 0) < 7, "some of the photographs get another background"
