"""The recipe, checkpoints that outlive a kill, scores, and models on disk."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace

import h5py
import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from conftest import small_network, write_folder

import train
from helpers import UserError, batches, evaluation, files, models, precision, resnet, training
from helpers.files import ROOT
from helpers.recipe import Recipe

# Runs train.py with the small network and kills its own process in the eighth step.
RUNNER = """
import os, signal, sys
sys.path[:0] = [{root!r}, {tests!r}]
from helpers import resnet, training
from conftest import small_network
import train
resnet.ARCHITECTURES["resnet50"] = small_network
left = [8]
def count_down(*args, **kwargs):
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
training.Checkpoint.on_train_batch_end = count_down
train.main(sys.argv[1:])
"""


def run_killed(*arguments):
    """Runs train.py as a process of its own, which is killed in the eighth step."""
    code = RUNNER.format(root=str(ROOT), tests=str(ROOT / "tests"))
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr


def run_train(*arguments):
    """Runs train.py in this process, which costs no start of TensorFlow: (exit code, output)."""
    printed, code = io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed), redirect_stderr(printed):
        patch.setitem(resnet.ARCHITECTURES, "resnet50", small_network)
        try:
            train.main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = stop.code
    return code, printed.getvalue()


class Killed(BaseException):
    """Stands in for a kill. Nothing in the project catches it."""


def run_until(moment, left_behind, *arguments, out):
    """Runs train.py in this process up to a moment: "step N", or "write N" for the middle of the
    N-th file that it writes. `left_behind` gets a copy of the folder `out` as it is then: what a
    kill would leave."""
    kind, _, number = moment.partition(" ")
    left = [int(number)]

    def count_down(*args, **kwargs):
        left[0] -= 1
        if left[0] == 0:
            shutil.copytree(out, left_behind)
            raise Killed

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        if kind == "step":
            patch.setattr(training.Checkpoint, "on_train_batch_end", count_down)
        else:
            patch.setattr(os, "fsync", count_down)
        run_train(*arguments, "--out", out)


@pytest.fixture(scope="module")
def flags(tmp_path_factory):
    folder = write_folder(tmp_path_factory.mktemp("data") / "pictures", count=20)
    options = (
        "--image-size 40 --start-size 32 --unmixed 0.25 --batch-size 4 --epochs 4 --per-class 12 "
        "--val-per-class 2 --precision float32"
    )
    return ["--data", str(folder), *options.split()]


@pytest.fixture(scope="module")
def sizes():
    """The sizes of training and validation images in each part of the uninterrupted run."""
    return []


@pytest.fixture(scope="module")
def uninterrupted(flags, sizes, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    fit = keras.Model.fit

    def noted(model, shown, **options):
        given = (shown, options["validation_data"])
        sizes.append(tuple(dataset.element_spec[0].shape[1] for dataset in given))
        return fit(model, shown, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.Model, "fit", noted)
        assert run_train(*flags, "--out", out)[0] == 0
    return out


@pytest.fixture(scope="module")
def killed(flags, tmp_path_factory):
    """What a process leaves that is killed in the eighth step, in the second epoch."""
    out = tmp_path_factory.mktemp("killed")
    run_killed(*flags, "--out", out)
    return out


def test_a_finished_training_leaves_the_promised_files(uninterrupted):
    names = {"model.weights.h5", "card.json", "history.csv", "curves.png", "split.csv"}
    assert {file.name for file in uninterrupted.iterdir()} == names
    history = pd.read_csv(uninterrupted / "history.csv")
    assert list(history["epoch"]) == [1, 2, 3, 4]
    card = json.loads((uninterrupted / "card.json").read_text())
    assert card["class_names"] == ["blue", "green"] and card["test"]["images"] == 16
    assert (card["image_size"], card["test_size"]) == (40, 50)  # it has learned from small crops
    split = pd.read_csv(uninterrupted / "split.csv")
    assert split["part"].value_counts().to_dict() == {"train": 20, "test": 16, "validation": 4}
    assert split["file"].is_unique


def same_result(one, other):
    columns = ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"]
    whole, resumed = (pd.read_csv(folder / "history.csv")[columns] for folder in (one, other))
    np.testing.assert_allclose(resumed, whole, rtol=1e-4, atol=1e-5)
    cards = [json.loads((folder / "card.json").read_text()) for folder in (one, other)]
    assert cards[0]["test"] == cards[1]["test"]
    assert not list(other.glob("part-*"))


def test_killed_and_started_again_it_ends_where_it_would_have(
    flags, uninterrupted, killed, tmp_path
):
    shutil.copytree(killed, tmp_path / "out")
    code, output = run_train(*flags, "--out", tmp_path / "out")
    assert code == 0 and "Resuming after epoch 1 of 4" in output
    same_result(uninterrupted, tmp_path / "out")


def test_killed_while_it_writes_it_ends_where_it_would_have(flags, uninterrupted, tmp_path):
    out = tmp_path / "0"
    for moment in ("write 3", "write 4", "step 3"):  # each start goes on where the last was killed
        left_behind = out.with_name(str(int(out.name) + 1))
        run_until(moment, left_behind, *flags, out=out)
        assert list(left_behind.glob("part-*"))  # half written, and not in the way
        out = left_behind
    code, output = run_train(*flags, "--out", out)
    assert code == 0 and "Resuming after epoch 1 of 4" in output
    same_result(uninterrupted, out)


def test_a_finished_training_is_not_begun_again_nor_overwritten(flags, uninterrupted, tmp_path):
    before = (uninterrupted / "model.weights.h5").read_bytes()
    code, output = run_train(*flags, "--out", uninterrupted)
    assert code == 0 and "has this training run, finished" in output
    code, output = run_train(*flags, "--epochs", 5, "--out", uninterrupted)
    assert code == 2 and "epochs 4 -> 5" in output
    assert (uninterrupted / "model.weights.h5").read_bytes() == before


def test_an_unfinished_training_with_other_settings_is_kept(flags, killed, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(killed, out)
    before = (out / training.CHECKPOINT).read_bytes()
    code, output = run_train(*flags, "--learning-rate", 0.01, "--out", out)
    assert code == 2 and "learning_rate 0.001 -> 0.01" in output
    assert (out / training.CHECKPOINT).read_bytes() == before
    code, output = run_train(*flags, "--epochs", 1, "--overwrite", "--out", out)
    assert code == 0 and "Resuming" not in output


# --- the recipe


def test_images_grow_and_mixing_ends_within_a_run():
    recipe = Recipe(image_size=128, start_size=64, unmixed=0.25, epochs=12)
    found = [
        (part.image_size, part.mixup, part.cutmix, part.epochs) for part in training.parts(recipe)
    ]
    assert found == [(64, 0.2, 0.5, 4), (96, 0.2, 0.5, 8), (128, 0.2, 0.5, 9), (128, 0.0, 0.0, 12)]
    assert [part.epochs for part in training.parts(recipe, 8)] == [9, 12]
    assert [part.image_size for part in training.parts(Recipe(image_size=80))] == [80]


def test_the_batches_of_a_run_are_those_of_its_parts(uninterrupted, sizes):
    assert sizes == [(32, 32), (40, 40), (40, 40)]


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


@pytest.mark.parametrize(
    ("gpus", "seconds", "chosen"),
    [
        ([], {"float32": 1, "bfloat16": 0.5}, "mixed_bfloat16"),
        ([], {"float32": 1, "bfloat16": 0.9}, "float32"),
        ([], {"float32": 1, "bfloat16": 2, "float16": 0.1}, "float32"),
        (["GPU"], {"float32": 1, "bfloat16": 2, "float16": 0.1}, "mixed_float16"),
        (["GPU"], {"float32": 1, "bfloat16": 0.2, "float16": 0.2}, "mixed_bfloat16"),
        (["GPU"], {"float32": 1, "bfloat16": float("inf"), "float16": 0.2}, "mixed_float16"),
    ],
)
def test_the_precision_is_the_fastest_that_this_machine_has(monkeypatch, gpus, seconds, chosen):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus)
    monkeypatch.setattr(precision, "convolution_seconds", seconds.get)
    assert precision.choose_precision() == chosen


def test_another_program_that_disturbs_one_measurement_does_not_decide(monkeypatch):
    seconds = {"float32": iter([1, 1, 1]), "bfloat16": iter([3, 0.5, 0.6])}
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    monkeypatch.setattr(precision, "convolution_seconds", lambda dtype: next(seconds[dtype]))
    assert precision.choose_precision() == "mixed_bfloat16"


def test_a_precision_without_a_convolution_is_not_chosen(monkeypatch):
    def missing(*arguments):
        raise tf.errors.UnimplementedError(None, None, "no such kernel")

    assert 0 < precision.convolution_seconds("float32") < 60
    monkeypatch.setattr(tf.nn, "conv2d", missing)
    assert precision.convolution_seconds("bfloat16") == float("inf")


def test_mixed_float16_scales_the_loss_and_goes_on_from_a_checkpoint(small, tmp_path):
    recipe = Recipe(image_size=32, batch_size=4, epochs=2, precision="mixed_float16")
    pixels = np.random.default_rng(0).integers(0, 256, (8, 40, 40, 3)).astype("uint8")
    images = (pixels, np.arange(8) % 2)
    history = training.fit(
        training.build_model(recipe, 2), images, recipe, None, training.Checkpoint(tmp_path, {})
    )
    with h5py.File(tmp_path / training.CHECKPOINT) as file:
        assert "inner_optimizer" in file["optimizer"]
    model = training.build_model(recipe, 2)
    run = training.Checkpoint(tmp_path, {}, history)
    longer = training.fit(model, images, replace(recipe, epochs=3), None, run)
    assert [row["epoch"] for row in longer] == [1, 2, 3]
    assert {row["precision"] for row in longer} == {"mixed_float16"}
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_weight_decay_spares_biases_and_batch_norm(optimizer):
    recipe = Recipe(weight_decay=0.5, optimizer=optimizer)
    model = training.compile_model(small_network(), recipe, steps=10)
    decayed = {v.name for v in model.trainable_variables if model.optimizer._use_weight_decay(v)}
    assert decayed == {"kernel"}


def test_the_graph_of_a_training_step_is_built_once():
    recipe = Recipe(image_size=32, batch_size=4, epochs=2, precision="float32")
    model, built = training.compile_model(small_network(), recipe, steps=2), []
    train_step = model.train_step

    def counted(batch):
        built.append(batch)
        return train_step(batch)

    model.train_step = counted
    images, answers = np.zeros((8, 32, 32, 3), "float32"), np.eye(2)[[0, 1] * 4]
    history = model.fit(images, answers, batch_size=4, epochs=2, verbose=0).history
    assert len(built) == 1
    assert history["accuracy"] == [0.5, 0.5]  # nothing is left of what it was compiled with


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


def test_few_pictures_get_the_answers_that_they_get_among_many(monkeypatch):
    model = small_network()
    pixels = np.random.default_rng(0).integers(0, 256, (models.FEW, 40, 40, 3)).astype("uint8")
    few = models.predict_probabilities(model, pixels)
    monkeypatch.setattr(models, "FEW", 0)
    many = models.predict_probabilities(model, pixels)
    assert few.shape == (len(pixels), 2) and np.ptp(few[:, 0]) > 0
    np.testing.assert_allclose(few, many, atol=1e-6)


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
        "does not match the checksum",
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


def test_a_file_is_replaced_not_written_over(tmp_path):
    path = tmp_path / "card.json"
    path.write_text("before")
    with path.open() as reader:  # sees the old file to its end
        files.atomic_write(path, lambda part: part.write_text("after"))
        assert (reader.read(), path.read_text()) == ("before", "after")


def test_a_damaged_checkpoint_gets_one_line(tmp_path):
    assert training.previous_run(tmp_path, {}) == (None, [])
    (tmp_path / training.CHECKPOINT).write_bytes(b"half a file")
    with pytest.raises(UserError, match="--overwrite"):
        training.previous_run(tmp_path, {})


def test_a_model_that_is_compiled_already_can_be_trained():
    recipe = Recipe(image_size=32, per_class=None, batch_size=4, epochs=1, precision="float32")
    model = training.compile_model(small_network(), recipe, steps=2)
    before = model.get_weights()[0].copy()
    images = np.random.default_rng(0).integers(0, 256, (8, 40, 40, 3)).astype("uint8")
    (row,) = training.fit(model, (images, np.arange(8) % 2), recipe, verbose=0)
    assert row["epoch"] == 1 and not (model.get_weights()[0] == before).all()
