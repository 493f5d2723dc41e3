"""The search for the digits' settings: which photographs it uses, and what it records."""

import numpy as np
import pandas as pd
import pytest

from experiments import corruptions, digits_search, variants
from helpers import data
from helpers.recipe import RECIPES

SIDE = 8


@pytest.fixture
def images(monkeypatch):
    """300 photographs of ten sessions, each with five of every digit; each pixel holds the row."""
    labels = np.arange(300) % 6
    pixels = np.broadcast_to(np.arange(300)[:, None, None, None], (300, SIDE, SIDE, 3))
    paths = np.array([f"{label}/IMG_{number}.JPG" for number, label in enumerate(labels)])
    found = data.Images(paths, labels, list("012345"), pixels, [])
    monkeypatch.setattr(
        digits_search.transfer_rates.signs, "sessions", lambda paths: np.arange(300) // 30
    )
    monkeypatch.setattr(digits_search.download, "dataset_folder", lambda name: name)
    monkeypatch.setattr(digits_search.data, "load_images", lambda *about, **more: found)
    return found


def test_the_test_of_the_shipped_network_is_not_used(images):
    folds = digits_search.transfer_rates.folds_of(images)
    trained, scored = (
        set(digits_search.photographs(which, SIDE)[0][:, 0, 0, 0])
        for which in (digits_search.TRAINED, [digits_search.FOLD])
    )
    assert not trained & scored and len(trained | scored) == 300 - len(folds[0])
    assert not set(folds[0]) & (trained | scored)


def test_each_run_trains_what_its_name_says_once(tmp_path, monkeypatch):
    asked = []

    def trained(recipe, dead_leaves):
        asked.append((recipe.image_size, recipe.epochs, dead_leaves))
        return None, [{"accuracy": 0.5}]

    monkeypatch.setattr(digits_search, "trained", trained)
    monkeypatch.setattr(digits_search, "scores", lambda model: {"as they are": 0.9})
    file = tmp_path / "search.csv"
    digits_search.search(["96 px", "96 px, dead leaves, 80 epochs"], 0, file)
    digits_search.search(["64 px", "96 px"], 0, file)
    assert asked == [(96, RECIPES["signs"].epochs, False), (96, 80, True), (64, 40, False)]
    assert len(pd.read_csv(file)) == 3


def test_what_is_scored_are_known_corruptions():
    assert set(digits_search.SCORED) <= set(corruptions.CORRUPTIONS)


def test_dead_leaves_differ_and_come_again():
    one, again, other = (variants.dead_leaves(2, 32, seed) for seed in (0, 0, 1))
    assert one.shape == (2, 32, 32, 3) and one.dtype == np.uint8
    assert np.array_equal(one, again) and not np.array_equal(one, other)
    assert (one.reshape(2, -1).std(axis=1) > 5).all()
