"""The recipe, checkpoints that outlive a kill, scores, and models on disk."""

import json
import os
import signal
import subprocess
import sys

import h5py
import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from conftest import small_network, write_folder

from helpers import UserError, batches, evaluation, files, models, resnet, training
from helpers.files import ROOT
from helpers.recipe import Recipe

# Runs train.py with the small network. $KILL names the moment at which the process kills itself:
# "step N" in the N-th step, "write N" in the middle of the N-th file that is written.
RUNNER = """
import os, signal, sys
sys.path[:0] = [{root!r}, {tests!r}]
from helpers import resnet, training
from conftest import small_network
import train
resnet.ARCHITECTURES["resnet50"] = small_network
kind, _, number = os.environ.get("KILL", "").partition(" ")
left = [int(number or 0)]
def count_down(*args, **kwargs):
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
if kind == "step":
    training.Checkpoint.on_train_batch_end = count_down
if kind == "write":
    os.fsync = count_down
train.main(sys.argv[1:])
"""


def run_train(*arguments, kill=""):
    code = RUNNER.format(root=str(ROOT), tests=str(ROOT / "tests"))
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "KILL": kill},
        capture_output=True,
        text=True,
    )
    assert done.returncode == (-signal.SIGKILL if kill else 0), done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def flags(tmp_path_factory):
    folder = write_folder(tmp_path_factory.mktemp("data") / "pictures", count=20)
    options = "--image-size 32 --batch-size 4 --epochs 4 --per-class 12 --val-per-class 2"
    return ["--data", str(folder), *options.split(), "--precision", "float32"]


@pytest.fixture(scope="module")
def uninterrupted(flags, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    run_train(*flags, "--out", out)
    return out


def test_a_finished_training_leaves_the_promised_files(uninterrupted):
    names = {"model.weights.h5", "card.json", "history.csv", "curves.png", "split.csv"}
    assert {file.name for file in uninterrupted.iterdir()} == names
    history = pd.read_csv(uninterrupted / "history.csv")
    assert list(history["epoch"]) == [1, 2, 3, 4]
    card = json.loads((uninterrupted / "card.json").read_text())
    assert card["class_names"] == ["blue", "green"] and card["test"]["images"] == 16
    split = pd.read_csv(uninterrupted / "split.csv")
    assert split["part"].value_counts().to_dict() == {"train": 20, "test": 16, "validation": 4}
    assert split["file"].is_unique


@pytest.mark.parametrize("kills", [["step 8"], ["write 3", "write 4", "step 3"]])
def test_killed_and_started_again_it_ends_where_it_would_have(
    flags, uninterrupted, tmp_path, kills
):
    for kill in kills:
        run_train(*flags, "--out", tmp_path, kill=kill)
    output = run_train(*flags, "--out", tmp_path)
    assert "Going on after epoch" in output
    columns = ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"]
    whole, resumed = (pd.read_csv(f / "history.csv")[columns] for f in (uninterrupted, tmp_path))
    np.testing.assert_allclose(resumed, whole, rtol=1e-4, atol=1e-5)
    cards = [json.loads((f / "card.json").read_text()) for f in (uninterrupted, tmp_path)]
    assert cards[0]["test"] == cards[1]["test"]
    assert not list(tmp_path.glob("part-*"))


def test_a_finished_training_is_not_begun_again_nor_overwritten(flags, uninterrupted, tmp_path):
    before = (uninterrupted / "model.weights.h5").read_bytes()
    assert "holds this very training run, finished" in run_train(*flags, "--out", uninterrupted)
    with pytest.raises(AssertionError, match="epochs 4 -> 5"):
        run_train(*flags, "--epochs", 5, "--out", uninterrupted)
    assert (uninterrupted / "model.weights.h5").read_bytes() == before


def test_an_unfinished_training_with_other_settings_is_kept(flags, tmp_path):
    run_train(*flags, "--out", tmp_path, kill="step 8")
    before = (tmp_path / training.CHECKPOINT).read_bytes()
    with pytest.raises(AssertionError, match=r"learning_rate 0\.001 -> 0\.01"):
        run_train(*flags, "--learning-rate", 0.01, "--out", tmp_path)
    assert (tmp_path / training.CHECKPOINT).read_bytes() == before
    assert "Going on" not in run_train(*flags, "--overwrite", "--out", tmp_path)


# --- the recipe


def test_the_learning_rate_climbs_then_falls_to_zero():
    rate = training.learning_rate_schedule(0.1, steps=10, epochs=100)
    values = np.array([float(rate(step)) for step in range(0, 1001, 10)])
    assert values[0] == 0 and values[-1] < 1e-6
    assert values.argmax() == 5 and np.isclose(values.max(), 0.1)
    assert (np.diff(values[:6]) > 0).all() and (np.diff(values[5:]) < 0).all()


def test_a_prepared_block_starts_as_the_identity():
    inputs = keras.Input((8, 8, 16))
    block = keras.Model(inputs, resnet.identity_block(inputs, (4, 4, 16)))
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 16)).astype("float32")
    relu = np.maximum(x, 0)
    assert not np.allclose(block(x), relu)
    training.zero_init_residual(block)
    training.set_batch_norm_momentum(block, steps=50)
    assert (block(x).numpy() == relu).all()
    momenta = {layer.momentum for layer in block.layers if hasattr(layer, "momentum")}
    assert momenta == {0.9}
    training.set_batch_norm_momentum(block, steps=500)
    assert next(layer.momentum for layer in block.layers if hasattr(layer, "momentum")) == 0.98


def test_the_last_layer_stays_float32_under_mixed_precision():
    recipe = Recipe(image_size=32, precision="mixed_bfloat16")
    model = training.build_model(recipe, 3)
    assert model.get_layer("predictions").compute_dtype == "float32"
    assert model.get_layer("conv2_block1_1_conv").compute_dtype == "bfloat16"
    assert keras.config.dtype_policy().name == "float32"
    assert training.choose_precision() in ("float32", "mixed_bfloat16")


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_weight_decay_spares_biases_and_batch_norm(optimizer):
    recipe = Recipe(weight_decay=0.5, optimizer=optimizer)
    model = training.compile_model(small_network(), recipe, steps=10)
    decayed = {v.name for v in model.trainable_variables if model.optimizer._use_weight_decay(v)}
    assert decayed == {"kernel"}


def test_a_network_gets_the_scaling_that_its_card_names():
    kinds = {"-1..1": keras.layers.Rescaling, "imagenet": keras.layers.Normalization}
    for scaling, kind in kinds.items():
        card = {"architecture": "resnet50", "image_size": 32, "class_names": ["a", "b"]}
        model = models.float32_network(card | {"scaling": scaling})
        assert type(model.get_layer("scaling")) is kind


# --- scores


def test_scores_by_hand():
    labels = np.array([0, 0, 0, 0, 1])
    probabilities = np.array([[0.9, 0.1]] * 3 + [[0.2, 0.8]] + [[0.6, 0.4]])
    found = evaluation.scores(labels, probabilities)
    assert found["accuracy"] == 3 / 5
    assert found["mean_per_class_accuracy"] == (3 / 4 + 0 / 1) / 2
    # Wilson's interval for 3 of 5, from his formula with z = 1.96
    z, p, n = 1.959964, 0.6, 5
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert np.allclose(found["accuracy_interval_95"], [middle - half, middle + half], atol=1e-5)


def test_a_picture_and_its_mirror_image_get_the_same_answer():
    model = small_network()
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3)).astype("uint8")
    one = models.predict_probabilities(model, pixels)
    other = models.predict_probabilities(model, pixels[:, :, ::-1])
    assert one.shape == (3, 2) and np.allclose(one, other, atol=1e-6)
    assert not np.allclose(one, model.predict(pixels, verbose=0), atol=1e-6)


def test_a_picture_that_is_read_larger_is_shown_whole_and_by_its_middle():
    model = small_network()
    large = np.random.default_rng(0).integers(0, 256, (2, 40, 40, 3)).astype("uint8")
    whole = tf.image.resize(large, (32, 32), antialias=True).numpy()
    views = [whole, large[:, 4:36, 4:36]]
    each = [models.predict_probabilities(model, view) for view in views]
    found = models.predict_probabilities(model, large)
    assert np.allclose(found, np.mean(each, axis=0), atol=1e-6)
    assert not np.allclose(found, each[0], atol=1e-6)


def test_pictures_are_read_larger_for_networks_that_were_trained_on_small_crops():
    assert models.test_size(64, min_crop_scale=0.45) == batches.load_size(64) == 80
    assert models.test_size(64, min_crop_scale=0.85) == 64


def test_the_most_likely_class_comes_first():
    found = models.top_k(np.array([0.2, 0.5, 0.3]), ["a", "b", "c"], k=2)
    assert [name for name, _ in found] == ["b", "c"]


# --- models on disk


@pytest.fixture
def saved(tmp_path, small):
    model = small_network((32, 32, 3), 2)
    models.save_float16(model, tmp_path / models.WEIGHTS)
    card = {"class_names": ["a", "b"], "image_size": 32, "scaling": "-1..1"}
    models.save_card(tmp_path, card)
    return tmp_path, model


def test_a_model_comes_back_rounded_to_float16(saved):
    folder, model = saved
    loaded, card = models.load_model(folder)
    for before, after in zip(model.get_weights(), loaded.get_weights(), strict=True):
        assert (after == before.astype("float16").astype("float32")).all()
    assert card["class_names"] == ["a", "b"] and card["versions"]["keras"] == keras.__version__
    with h5py.File(folder / models.WEIGHTS) as file:
        kinds = set()
        file.visititems(lambda _, item: kinds.add(str(getattr(item, "dtype", "group"))))
    assert kinds == {"group", "float16"}
    small_network((32, 32, 3), 2).load_weights(folder / models.WEIGHTS)  # plain Keras will do


def test_weights_too_large_for_float16_are_not_written(tmp_path):
    model = small_network()
    model.get_layer("predictions").set_weights([np.full((4, 2), 1e6), np.zeros(2)])
    with pytest.raises(UserError, match="too large for float16"):
        models.save_float16(model, tmp_path / models.WEIGHTS)
    assert not (tmp_path / models.WEIGHTS).exists()


def rewrite_card(folder, **changes):
    card = json.loads((folder / models.CARD).read_text()) | changes
    (folder / models.CARD).write_text(json.dumps(card))


DAMAGE = {
    "no card": (lambda f: (f / models.CARD).unlink(), "No trained model"),
    "card cut short": (lambda f: (f / models.CARD).write_text('{"class'), "is damaged"),
    "card of another kind": (lambda f: (f / models.CARD).write_text("[1]"), "is damaged"),
    "card without classes": (lambda f: rewrite_card(f, class_names=[]), "is damaged"),
    "no weights": (lambda f: (f / models.WEIGHTS).unlink(), "is missing"),
    "weights cut short": (
        lambda f: (f / models.WEIGHTS).write_bytes((f / models.WEIGHTS).read_bytes()[:500]),
        "is damaged or not the one",
    ),
    "weights that do not fit": (
        lambda f: rewrite_card(f, class_names=["a", "b", "c"]),
        "does not fit its card",
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_model_gets_one_line(saved, name):
    folder, _ = saved
    damage, message = DAMAGE[name]
    damage(folder)
    with pytest.raises(UserError, match=message) as error:
        models.load_model(folder)
    assert "\n" not in str(error.value)


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "card.json"
    path.write_text("before")

    def fail(part):
        part.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(UserError, match="No space left on device"):
        files.atomic_write(path, fail)
    assert [file.name for file in tmp_path.iterdir()] == ["card.json"]
    assert path.read_text() == "before"


def test_a_damaged_checkpoint_gets_one_line(tmp_path):
    assert training.previous_run(tmp_path, {}) == (None, [])
    (tmp_path / training.CHECKPOINT).write_bytes(b"half a file")
    with pytest.raises(UserError, match="--overwrite"):
        training.previous_run(tmp_path, {})
