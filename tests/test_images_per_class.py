"""The training runs on 1, 5, 10, 20 and 25 images per class, on a handful of synthetic pictures."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from experiments import images_per_class
from helpers import data, evaluation, models, training
from helpers.recipe import Recipe
from helpers.splits import split
from images import synthetic

SMALL = Recipe(image_size=48, per_class=12, val_per_class=4, precision="float32")


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    return data.load_images(synthetic.write_pictures(folder / "sample", per_category=13), 60)


def test_the_validation_images_and_all_counts_fit_into_the_training_part():
    recipe = images_per_class.RECIPE
    assert recipe.per_class == 30
    assert max(images_per_class.COUNTS) == recipe.per_class - recipe.val_per_class


def test_fewer_images_are_among_more_and_each_class_has_as_many():
    labels = np.repeat([0, 1, 2], 20)
    rows = np.flatnonzero(np.arange(60) % 20 < 15)
    few, more = (images_per_class.first_of_each(rows, labels, n, seed=0) for n in (3, 7))
    assert np.bincount(labels[few]).tolist() == [3, 3, 3]
    assert np.bincount(labels[more]).tolist() == [7, 7, 7]
    assert set(few) < set(more) < set(rows)
    assert set(few) != set(images_per_class.first_of_each(rows, labels, 3, seed=1))


def test_what_is_done_is_not_done_again(images, tmp_path, monkeypatch):
    calls = []

    def run(images, count, steps, recipe):
        calls.append((count, steps, recipe.seed))
        return {"images": 10, "accuracy": 0.5}

    monkeypatch.setattr(images_per_class, "run", run)
    monkeypatch.setattr(images_per_class, "choose_precision", lambda: "float32")  # no benchmark
    file = tmp_path / "images_per_class.csv"
    images_per_class.measure(images, [1], 30, SMALL, file)
    images_per_class.measure(images, [1, 5], 30, SMALL, file)
    images_per_class.measure(images, [5], 40, SMALL, file)
    images_per_class.measure(images, [5], 40, replace(SMALL, seed=1), file)
    assert calls == [(1, 30, 0), (5, 30, 0), (5, 40, 0), (5, 40, 1)]
    assert pd.read_csv(file)["per_class"].tolist() == [1, 5, 5, 5]


def test_runs_take_equally_many_steps_and_score_what_was_kept_back(small, images, monkeypatch):
    seen = []
    fit = training.fit

    def spy(model, train, recipe, **options):
        seen.append((len(train[0]), recipe.epochs))
        return fit(model, train, recipe, **options)

    monkeypatch.setattr(training, "fit", spy)
    scores = [images_per_class.run(images, count, 4, SMALL) for count in (1, 8)]
    # 8 classes: 8 pictures are one step per epoch, 64 pictures are two steps of 32
    assert seen == [(8, 4), (64, 2)]
    for score in scores:
        assert score["images"] == 32 and score["low"] < score["accuracy"] < score["high"]


def test_the_test_images_stay_unused(small, images, monkeypatch):
    used = set()
    read = evaluation.read_images

    def spy(paths, size):
        used.update(paths)
        return read(paths, size)

    monkeypatch.setattr(evaluation, "read_images", spy)
    images_per_class.run(images, 2, 1, SMALL)
    _, val, _ = split(images.labels, images.class_names, 12, 4)
    assert used == set(images.paths[val])


def test_the_model_card_quotes_the_records():
    card = (models.MODELS / "caltech101/README.md").read_text(encoding="utf-8")
    rows = pd.read_csv(images_per_class.RESULTS)
    assert len(rows) > 3 and rows["steps"].unique().tolist() == [images_per_class.STEPS]
    for row in rows.itertuples():
        accuracy, low, high = (f"{100 * p:.1f}" for p in (row.accuracy, row.low, row.high))
        assert f"| {row.per_class} | {accuracy} % | {low} to {high} % |" in card
