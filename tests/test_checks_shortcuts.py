"""The checks of notebook 02 about what a block reads and costs, the broken block, and words."""

import blocks_catalogue as catalogue
import keras
import numpy as np
import pytest
from keras import layers

from exercises import checks
from helpers import resnet
from images.layer_table import layer_macs, macs

# ---------------------------------------------------------------- what a block reads


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (0.25, "share of positions that are read"),
        (0.5, "one axis only"),
        (0, "do not complement each other"),
        (75, "per cent"),
        (0.6, "too small"),
    ],
)
def test_a_wrong_share_of_unread_positions_is_named(answer, word):
    status, sentence = checks.unread_positions.verdict(answer)
    assert (status, word in sentence) == ("wrong", True), sentence


def test_the_share_of_unread_positions_is_that_of_the_real_block():
    x = keras.Input((6, 6, 3))
    block = keras.Model(x, resnet.convolutional_block(x, (4, 4, 5)))
    image = np.random.default_rng(0).normal(size=(1, 6, 6, 3)).astype("float32")
    copies = np.repeat(image, 36, axis=0)
    before = block(copies).numpy()
    for number in range(36):
        copies[number, number // 6, number % 6] += 1
    changed = np.abs(block(copies).numpy() - before).max(axis=(1, 2, 3)) > 1e-5
    assert checks.unread_positions.verdict(1 - changed.mean())[0] == "right"


# ---------------------------------------------------------------- the width


def projection_share(width):
    x = keras.Input((4, 4, 256))
    model = keras.Model(x, resnet.convolutional_block(x, (width, width, 512), name="b"))
    return layer_macs(model.get_layer("b_0_conv")) / macs(model)


def test_the_width_of_an_even_split_is_that_of_the_real_block():
    assert projection_share(85) >= 0.5 > projection_share(86)
    assert checks.width_of_even_split.verdict(85)[0] == "right"


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (86, "first width"),
        (128, "about a third"),
        (143, "counted as 1x1"),
        (117, "with its side"),
        (95, "first convolution is missing"),
        (52, "not twice as many"),
        (10, "too small"),
    ],
)
def test_a_wrong_width_is_named(answer, word):
    status, sentence = checks.width_of_even_split.verdict(answer)
    assert (status, word in sentence) == ("wrong", True), sentence


# ---------------------------------------------------------------- the shortcut without gaps


def pooled(x, filters):
    return resnet.conv_bn(layers.AveragePooling2D(2)(x), filters, 1)


def largest(x, filters):
    return layers.Conv2D(filters, 1)(layers.MaxPooling2D(2)(x))


def sliced(x, filters):
    rows = x[:, ::2] + x[:, 1::2]
    return layers.Conv2D(filters, 1)((rows[:, :, ::2] + rows[:, :, 1::2]) / 4)


def learned_pooling(x, filters):
    x = layers.DepthwiseConv2D(2, strides=2)(x)
    return layers.BatchNormalization()(layers.Conv2D(filters, 1, use_bias=False)(x))


@pytest.mark.parametrize("shortcut", [pooled, largest, sliced, learned_pooling])
def test_a_shortcut_without_gaps_is_right_in_any_form(shortcut):
    verdict = checks.downsampling_shortcut.verdict(shortcut)
    assert verdict[0] == "right", verdict


def four_slices(x, filters):
    slices = [x[:, row::2, column::2] for row in (0, 1) for column in (0, 1)]
    return layers.Concatenate()(slices)


WRONG_SHORTCUTS = [
    (lambda x, filters: resnet.conv_bn(x, filters, 1, strides=2), "reads one position in four"),
    (lambda x, filters: resnet.conv_bn(x, filters, 3, strides=2), "a 3 x 3 convolution costs 9"),
    (lambda x, filters: layers.Conv2D(filters, 2, 2)(x), "a 2 x 2 convolution costs 4"),
    (lambda x, filters: layers.AveragePooling2D(2)(x), "still has 256 channels"),
    (lambda x, filters: layers.Conv2D(filters, 1)(x), "still 16 x 16"),
    (four_slices, "give 1024 channels"),
    (lambda x, filters: layers.Conv2D(filters, 1)(four_slices(x, filters)), "layer has the most"),
    (
        lambda x, filters: layers.AveragePooling2D(2)(layers.Conv2D(filters, 1)(x)),
        "works at all 16 x 16 positions",
    ),
    (
        lambda x, filters: layers.Conv2D(filters, 1)(layers.MaxPooling2D((2, 1), (2, 2))(x)),
        "never reads 50%",
    ),
    (lambda x, filters: layers.Conv2D(filters, 1)(layers.AveragePooling2D(4)(x)), "(4, 4, 512)"),
    (lambda x, filters: layers.ReLU(), "returns the layer ReLU"),
]


@pytest.mark.parametrize(("shortcut", "word"), WRONG_SHORTCUTS)
def test_a_wrong_shortcut_is_named(shortcut, word):
    status, sentence = checks.downsampling_shortcut.verdict(shortcut)
    assert (status, word in sentence) == ("wrong", True), sentence


# ---------------------------------------------------------------- the broken block

ONE_CHANNEL = ("layers.Conv2D(f3, 1, strides)", "layers.Conv2D(1, 1, strides)")
RELU_TOO_MANY = (catalogue.ADD, catalogue.RELU + catalogue.ADD)


@pytest.mark.parametrize(
    ("edits", "word"),
    [
        ((*ONE_CHANNEL, *RELU_TOO_MANY), "Both faults are still there"),
        (ONE_CHANNEL, "every channel of the output gets the same number"),
        (RELU_TOO_MANY, "never lowers a value"),
        ((catalogue.FIRST, ""), "ReLU between the first and the second"),
        (("[shortcut, y]", "[x, y]"), "no projection"),
    ],
)
def test_a_fault_that_is_left_in_the_broken_block_is_named(edits, word):
    block = catalogue.mutated(catalogue.CONVOLUTIONAL, edits)
    status, sentence = checks.repaired_block.verdict(block)
    assert (status, word in sentence) == ("wrong", True), sentence


def test_the_repaired_block_is_right_in_any_form():
    for block in (resnet.convolutional_block, catalogue.c_loop, catalogue.c_subclassed):
        assert checks.repaired_block.verdict(block)[0] == "right"
