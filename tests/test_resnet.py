"""The network: its counts, its names, and its equality with keras.applications.ResNet50."""

import ast
from functools import cache
from pathlib import Path

import nbformat
import numpy as np
import pytest

from helpers import resnet  # first: it imports TensorFlow quietly

import keras  # isort: skip

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
PARTS = ("conv_bn", "identity_block", "convolutional_block", "stem", "stage", "ResNet50")


def from_notebooks():
    """The function ResNet50, and all that it calls, as the notebooks 01 to 03 define them."""
    defined = {"keras": keras, "layers": keras.layers}
    for path in sorted(NOTEBOOKS.glob("0[123]_*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type != "code":
                continue
            for node in ast.parse(cell.source).body:
                if getattr(node, "name", None) in PARTS:
                    exec(ast.get_source_segment(cell.source, node), defined)
    missing = set(PARTS) - set(defined)
    assert not missing, f"no notebook defines {missing}"
    return defined["ResNet50"]


def randomise(model, seed=0):
    """Gives each batch normalisation random weights and statistics, so that no two look alike."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma, variance = rng.uniform(0.5, 1.5, (2, *layer.gamma.shape))
            beta, mean = rng.normal(0, 0.1, (2, *layer.gamma.shape))
            layer.set_weights([gamma, beta, mean, variance])


def random_images(size, count=2):
    return np.random.default_rng(1).uniform(0, 255, (count, size, size, 3)).astype("float32")


def features_and_probabilities(model, images):
    probe = keras.Model(model.input, [model.get_layer("avg_pool").output, model.output])
    return [output.numpy() for output in probe(images)]


def largest_differences(ours, library, images):
    """Of the features and of the probabilities; the library gets the pixels as we scale them."""
    scaled = ours.get_layer("scaling")(images)
    expected = features_and_probabilities(library, scaled)
    assert expected[0].std(axis=0).max() > 0.01, "the pictures make no difference: a weak test"
    pairs = zip(features_and_probabilities(ours, images), expected, strict=True)
    return [np.abs(a - b).max() for a, b in pairs]


@cache
def library(size, architecture="resnet50"):
    """The network of keras.applications with random weights."""
    keras.utils.set_random_seed(0)
    networks = {
        "resnet50": keras.applications.ResNet50,
        "resnet101": keras.applications.ResNet101,
    }
    model = networks[architecture](weights=None, input_shape=(size, size, 3), classes=6)
    randomise(model)
    return model


@cache
def network(architecture="resnet50"):
    """Our network of 6 classes, built once in a process; a test that needs weights copies them."""
    return resnet.ARCHITECTURES[architecture]((64, 64, 3), 6)


@pytest.mark.parametrize(
    ("classes", "parameters"), [(6, 23_600_006), (101, 23_794_661), (1000, 25_636_712)]
)
def test_counts_its_parameters(classes, parameters):
    model = network() if classes == 6 else resnet.ResNet50(classes=classes)
    fixed = sum(np.prod(weight.shape) for weight in model.non_trainable_weights)
    assert model.count_params() == parameters
    assert fixed == 53_120


@pytest.mark.parametrize("architecture", resnet.ARCHITECTURES)
def test_has_the_layers_of_keras_applications_in_the_same_order(architecture):
    ours = network(architecture).layers[2:]  # after the image and scaling
    theirs = library(64, architecture).layers
    assert [layer.name for layer in ours] == [layer.name for layer in theirs[1:]]
    for our, their in zip(ours, theirs[1:], strict=True):
        assert our.output.shape == their.output.shape, our.name


@pytest.mark.parametrize(
    # The notebooks' functions are those of helpers (test_notebooks.py): one size each is enough.
    ("source", "size"),
    [("helpers", 64), ("notebooks", 224)],
)
def test_computes_what_keras_applications_computes(source, size):
    ours = network() if source == "helpers" else from_notebooks()((size, size, 3), 6)
    resnet.copy_weights(library(size), ours)
    assert max(largest_differences(ours, library(size), random_images(size))) <= 1e-5


def test_resnet101_computes_what_keras_applications_computes():
    ours = network("resnet101")
    resnet.copy_weights(library(64, "resnet101"), ours)
    assert max(largest_differences(ours, library(64, "resnet101"), random_images(64))) <= 1e-5


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("conv4_block2_2_conv", "conv4_block3_2_conv"),
        ("conv2_block1_0_bn", "conv2_block1_3_bn"),
        ("conv5_block2_1_bn", "conv5_block2_2_bn"),
    ],
)
def test_equality_breaks_when_two_layers_of_one_shape_are_swapped(first, second):
    ours = network()
    resnet.copy_weights(library(64), ours)
    ours.get_layer(first).set_weights(library(64).get_layer(second).get_weights())
    ours.get_layer(second).set_weights(library(64).get_layer(first).get_weights())
    features, probabilities = largest_differences(ours, library(64), random_images(64))
    assert features > 1e-3
    assert probabilities > 1e-4


def test_imagenet_weights_give_the_library_s_features(tmp_path):
    """With the library's own preprocessing: blue first, the mean colour subtracted."""
    keras.utils.set_random_seed(0)
    source = keras.applications.ResNet50(
        weights=None, include_top=False, input_shape=(64, 64, 3), pooling="avg"
    )
    randomise(source)
    # A bias on the first layer, so that its place in the copy is tested as well.
    kernel, bias = source.get_layer("conv1_conv").get_weights()
    bias = np.random.default_rng(2).normal(size=bias.shape)
    source.get_layer("conv1_conv").set_weights([kernel, bias])
    source.save_weights(tmp_path / "source.weights.h5")

    ours = resnet.imagenet_network(
        "resnet50", (64, 64, 3), 6, weights=str(tmp_path / "source.weights.h5")
    )
    images = random_images(64)
    expected = source(keras.applications.resnet50.preprocess_input(images.copy())).numpy()
    features, _ = features_and_probabilities(ours, images)
    assert np.abs(features - expected).max() <= 1e-4 * np.abs(expected).max()


def test_identity_block_names_the_channels_it_needs():
    with pytest.raises(ValueError, match=r"256 channels. Received: \(None, 16, 16, 64\)"):
        resnet.identity_block(keras.Input((16, 16, 64)), (64, 64, 256))


def test_copy_weights_names_the_missing_layer():
    x = keras.Input((8, 8, 4))
    source = keras.Model(x, keras.layers.Conv2D(2, 1, name="only_here")(x))
    with pytest.raises(ValueError, match="only_here"):
        resnet.copy_weights(source, keras.Model(x, keras.layers.Conv2D(2, 1, name="other")(x)))
