"""The search for a recipe: its bookkeeping, and what it tries beyond train.py's flags."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from experiments import calibrate, search, variants
from helpers import UserError, batches, fused, models
from helpers.recipe import Recipe
from images import synthetic

GREY_EDGE = 128.0


def photographs(count=104, size=24):
    rng = np.random.default_rng(0)
    return tf.constant(rng.uniform(0, 255, (count, size, size, 3)).astype("float32"))


def test_each_run_trains_what_its_name_says():
    assert search.RUNS["base"] == {}
    for changes in search.RUNS.values():
        replace(search.RECIPE, **changes)  # raises on a name that Recipe has not
    assert set(search.VARIANTS) < set(search.RUNS)


def test_what_is_done_is_not_done_again(tmp_path, monkeypatch):
    calls = []

    def run(folder, recipe, scratch):
        calls.append((recipe.seed, recipe.weight_decay, batches.augment.__name__))
        return {"accuracy": 0.5}

    monkeypatch.setattr(search, "run", run)
    results = tmp_path / "search.csv"
    search.search(None, ["base"], 0, results, tmp_path)
    search.search(None, ["base", "TrivialAugment"], 0, results, tmp_path)
    search.search(None, ["base"], 1, results, tmp_path)
    assert calls == [(0, 0.05, "augment"), (0, 0.2, "both"), (1, 0.05, "augment")]
    assert pd.read_csv(results)["run"].tolist() == ["base", "TrivialAugment", "base"]


def test_a_run_is_scored_on_images_that_it_did_not_train_on(small, tmp_path):
    folder = synthetic.write_pictures(tmp_path / "drawn", per_category=7)
    recipe = Recipe(image_size=32, per_class=6, val_per_class=2, epochs=1, precision="float32")
    row = search.run(folder, recipe, tmp_path / "scratch")
    assert row["accuracy"] * 16 == pytest.approx(round(row["accuracy"] * 16), abs=1e-2)
    assert row["epochs"] == 1 and row["cross_entropy"] > 0
    assert not (tmp_path / "scratch/checkpoint.weights.h5").exists()


def test_the_temperature_of_probabilities_is_found():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20_000, 5))
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (true.cumsum(axis=1) > rng.uniform(size=(len(true), 1))).argmax(axis=1)
    for factor in (0.5, 1.0, 3.0):  # too unsure, right, too sure
        shown = np.exp(factor * logits)
        shown /= shown.sum(axis=1, keepdims=True)
        assert search.fit_temperature(labels, shown) == pytest.approx(factor, rel=0.03)
        tempered = models.temper(shown, factor)
        np.testing.assert_allclose(tempered, true, atol=1e-6)
        # In nats; guessing costs log(5) = 1.61.
        assert search.cross_entropy(labels, tempered) < 1.5


def test_the_threshold_is_where_enough_answers_are_right():
    tops = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    probabilities = np.stack([tops, (1 - tops) * 0.6, (1 - tops) * 0.4], axis=1)
    labels = np.array([0, 0, 2, 0, 0, 2])  # right: 2 of 2, 2 of 3, 3 of 4, 4 of 5, 4 of 6
    assert search.sure_from(labels, probabilities, 0.8) == 0.5
    assert search.sure_from(labels, probabilities, 0.85) == 0.8
    assert search.sure_from(np.full(6, 2), probabilities) == 1.0


def test_the_operations_are_different_and_stay_within_the_range():
    images = photographs()
    changed = variants.trivial_augment(images, tf.constant([1, 2])).numpy()
    assert changed.shape == images.shape and changed.min() >= 0 and changed.max() <= 255
    difference = np.abs(changed - images).mean(axis=(1, 2, 3))
    assert (difference == 0).sum() >= 2  # the identity is one of the operations
    assert (difference > 20).mean() > 0.4
    again = variants.trivial_augment(images, tf.constant([1, 2])).numpy()
    assert (again == changed).all()


@pytest.mark.parametrize("name", ["shear_x", "shear_y", "translate_x", "translate_y", "rotate"])
def test_a_transform_of_no_strength_changes_nothing(name):
    images = photographs(2)
    kind = tf.fill((2,), variants.OPERATIONS.index(name))
    still = variants.transform(images, kind, tf.zeros(2))
    np.testing.assert_allclose(still, images, atol=0.05)
    moved = variants.transform(images, kind, tf.ones(2)).numpy()
    assert (moved == GREY_EDGE).any() and not (moved == GREY_EDGE).all()


def test_a_picture_of_one_grey_keeps_it_in_its_middle():
    images = tf.fill((2, 25, 25, 3), 60.0)
    for name in ("shear_x", "shear_y", "rotate"):
        kind = tf.fill((2,), variants.OPERATIONS.index(name))
        turned = variants.transform(images, kind, tf.constant([0.3, -0.3])).numpy()
        np.testing.assert_allclose(turned[:, 12, 12], 60, atol=0.01)


def test_trivial_augment_comes_between_crop_and_mixing():
    images = np.random.default_rng(0).integers(0, 256, (8, 40, 40, 3)).astype("uint8")
    plain = Recipe(image_size=32, batch_size=8, epochs=1)
    shown, _ = batches.train_batches(images, np.arange(8) % 2, 2, plain)
    with variants.with_trivial_augment():
        changed, _ = batches.train_batches(images, np.arange(8) % 2, 2, plain)
    (x, y), (other, targets) = next(iter(shown)), next(iter(changed))
    assert (y.numpy() == targets.numpy()).all()  # mixed by the same shares
    assert not (x.numpy() == other.numpy()).all()


def test_averaged_weights_are_asked_of_the_optimizer():
    with variants.with_averaged_weights(0.9):
        assert fused.AdamW(1e-3).use_ema and fused.AdamW(1e-3).ema_momentum == 0.9
    assert not fused.AdamW(1e-3).use_ema


def trained_by(folder, **changes):
    """A folder with the card of a network that was trained by the recipe of calibrate.RUN."""
    settings = {**vars(replace(search.RECIPE, **search.RUNS[calibrate.RUN])), **changes}
    card = {"class_names": ["ant", "bee"], "image_size": 96, "scaling": "-1..1"}
    folder.mkdir()
    (folder / models.CARD).write_text(json.dumps({**card, "settings": settings}))
    return folder


@pytest.fixture
def searched(tmp_path):
    rows = [(calibrate.RUN, 0.7, 0.4), ("base", 0.9, 0.5)]
    table = pd.DataFrame(rows, columns=["run", "temperature", "threshold"])
    table.to_csv(tmp_path / "search.csv", index=False)
    return tmp_path / "search.csv"


def test_the_card_gets_the_temperature_and_threshold_of_its_recipe(tmp_path, searched):
    folder = trained_by(tmp_path / "network")
    before = models.read_card(folder)
    calibrate.calibrate(folder, searched)
    assert models.read_card(folder) == {**before, "temperature": 0.7, "threshold": 0.4}


def test_the_shipped_card_has_what_the_search_found():
    found = pd.read_csv(search.RESULTS).query("run == @calibrate.RUN").iloc[0]
    card = models.read_card(models.MODELS / "caltech101")
    assert (card["temperature"], card["threshold"]) == (found["temperature"], found["threshold"])


def test_another_recipe_s_temperature_is_refused(tmp_path, searched):
    folder = trained_by(tmp_path / "network", epochs=10)
    before = models.read_card(folder)
    with pytest.raises(UserError, match="another epochs than the run"):
        calibrate.calibrate(folder, searched)
    assert models.read_card(folder) == before


def test_a_run_that_is_missing_is_named_with_its_command(tmp_path, searched):
    with pytest.raises(UserError, match='--runs "64 to 128 px"'):
        calibrate.calibrate(trained_by(tmp_path / "network"), searched, "64 to 128 px")


def test_a_run_trained_elsewhere_is_scored_by_its_answers(tmp_path):
    results, names = tmp_path / "search.csv", [calibrate.RUN]
    history = pd.DataFrame({"epoch": range(1, 401), "loss": 2.0, "accuracy": 0.5})
    history.to_csv(tmp_path / "history.csv", index=False)
    probabilities = np.full((4, 2), 0.5) + [[0.2, -0.2]]
    np.savez(tmp_path / "validation.npz", labels=[0, 0, 0, 1], probabilities=probabilities)
    search.add_trained(tmp_path, names, 0, results)
    row = pd.read_csv(results).iloc[0]
    assert (row["run"], row["accuracy"], row["split_seed"]) == (names[0], 0.75, 3)
    with pytest.raises(UserError, match="of 400 epochs: name it"):
        search.add_trained(tmp_path, ["base"], 0, results)
