"""A network with folded batch normalisation predicts what the plain one does."""

import os
from pathlib import Path

import keras
import numpy as np
import pytest

from helpers import data, download, evaluation, inference, models, resnet, training
from helpers.files import sha256
from images import synthetic


def imagenet_scaled(model, card):
    """The same network with ImageNet's input scaling; its first kernel makes up for it."""
    network = models.float32_network(card | {"scaling": "imagenet"})
    resnet.copy_weights(model, network)
    kernel, bias = model.get_layer("conv1_conv").get_weights()
    offset = (np.array(resnet.IMAGENET_MEAN_RGB) / 127.5 - 1)[:, None] * kernel
    network.get_layer("conv1_conv").set_weights([kernel / 127.5, bias + offset.sum((0, 1, 2))])
    return network


@pytest.fixture(scope="module")
def trained():
    """The trained network of Caltech 101, and its card."""
    return models.load_model("caltech101")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    synthetic.write_pictures(folder, per_category=2)
    return data.load_images(folder, 128).pixels


def assert_same_answers(network, pixels):
    """To rounding in float32; within 0.01 in bfloat16, which keeps 8 bits of each number."""
    plain = models.predict_probabilities(network, pixels)
    assert np.ptp(plain.max(axis=1)) > 0.1  # sure of some pictures, unsure of others
    for precision, tolerance in (("float32", 1e-4), ("bfloat16", 0.01)):
        folded = inference.fold_batch_norm(network, precision)
        found = models.predict_probabilities(folded, pixels)
        np.testing.assert_allclose(found, plain, atol=tolerance)


def test_a_folded_network_gives_the_same_answers(trained, drawn):
    assert_same_answers(trained[0], drawn)


def test_a_folded_network_that_was_frozen_and_scaled_for_imagenet_gives_the_same_answers(
    trained, drawn
):
    few = drawn[: models.FEW]  # for more, TensorFlow would build three graphs once again
    assert_same_answers(training.freeze(imagenet_scaled(*trained), "conv4"), few)


@pytest.mark.skipif("REAL_CALTECH101" not in os.environ, reason="$REAL_CALTECH101 names no file")
def test_a_folded_network_gives_the_same_answers_to_photographs(trained, photographs):
    assert_same_answers(trained[0], photographs)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    archive = Path(os.environ["REAL_CALTECH101"])
    (folder / "caltech-101.zip").symlink_to(archive.resolve())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CALTECH101_SHA256", sha256(archive))
        files = sorted(download.caltech101(folder).glob("*/*.jpg"))[::150]  # about 60
    return data.read_images(files, 128)[0]


def two_blocks():
    """A network of two blocks whose batch normalisation has random weights."""
    inputs = keras.Input((32, 32, 3), name="image")
    x = keras.layers.Rescaling(1 / 127.5, offset=-1, name="scaling")(inputs)
    x = resnet.convolutional_block(x, (4, 4, 8), name="conv2_block1")
    x = resnet.identity_block(x, (4, 4, 8), name="conv2_block2")
    x = keras.layers.GlobalAveragePooling2D(name="avg_pool")(x)
    model = keras.Model(inputs, keras.layers.Dense(2, "softmax", name="predictions")(x))
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 2, weight.shape) for weight in layer.weights])
    return model


def test_a_folded_network_has_no_batch_normalisation_and_leaves_the_plain_one_alone():
    plain = two_blocks()
    before = plain.get_weights()
    folded = inference.fold_batch_norm(plain, "bfloat16")
    kept = [layer.name for layer in plain.layers if "_bn" not in layer.name]
    assert [layer.name for layer in folded.layers] == kept
    assert folded.get_layer("conv2_block1_1_conv").kernel.dtype == "bfloat16"
    assert folded.get_layer("predictions").kernel.dtype == "float32"
    for one, other in zip(plain.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("precision", "tolerance"), [("float32", 1e-6), ("bfloat16", 0.01), ("float16", 0.002)]
)
def test_each_precision_gives_the_same_answers(precision, tolerance):
    plain = two_blocks()
    pixels = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3)).astype("uint8")
    one = models.predict_probabilities(plain, pixels)
    other = models.predict_probabilities(inference.fold_batch_norm(plain, precision), pixels)
    assert np.ptp(one[:, 0]) > 2e-3
    np.testing.assert_allclose(other, one, atol=tolerance)


def test_files_are_scored_on_a_folded_network(monkeypatch, folder):
    plain = two_blocks()
    files = sorted(folder.glob("*/*.jpg"))
    pixels, _ = data.read_images(files, 32)
    used = []
    predict = models.predict_probabilities

    def noted(model, pixels):
        used.append(model)
        return predict(model, pixels)

    monkeypatch.setattr(evaluation, "predict_probabilities", noted)
    found = evaluation.predict_files(plain, np.array(files, str), 32)
    np.testing.assert_allclose(found, predict(plain, pixels), atol=1e-6)
    assert not any("_bn" in layer.name for model in used for layer in model.layers)
