"""images.layer_table: costs are what a count by hand gives."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from helpers import resnet
from images.layer_table import layer_table, macs, readable, receptive_field


@pytest.fixture(scope="module")
def resnet50():
    """The network of Table 1."""
    return resnet.ResNet50((224, 224, 3), 1000)


def test_multiply_adds_are_those_of_loops():
    """Counts every product that a plain implementation of the layers would make."""
    x = keras.Input((6, 6, 2))
    y = keras.layers.Conv2D(5, 3, strides=2, padding="same")(x)
    y = keras.layers.BatchNormalization()(y)
    y = keras.layers.Flatten()(y)
    model = keras.Model(x, keras.layers.Dense(4)(y))
    products = 0
    for _row in range(3):
        for _column in range(3):
            for _filter in range(5):
                products += 3 * 3 * 2
    products += (3 * 3 * 5) * 4
    assert macs(model) == products


def test_cost_of_the_50_layer_network(resnet50):
    """3.8e9 in Table 1; the receptive field is 483 in Araujo et al. 2019, Table 1."""
    assert macs(resnet50) == 3_857_973_248
    fields = receptive_field(resnet50)
    assert fields["conv5_block3_out"] == 483
    assert fields["predictions"] == float("inf")


def test_receptive_field_is_where_the_gradient_is():
    """The pixels that move the middle position of each layer span just that square."""
    keras.utils.set_random_seed(0)
    x = keras.Input((65, 65, 3))
    y = keras.layers.Conv2D(16, 7, strides=2, padding="same", name="first")(x)
    y = keras.layers.AveragePooling2D(3, strides=2, padding="same", name="pool")(y)
    y = resnet.convolutional_block(y, (32, 32, 64), strides=2, name="conv2_block1")
    y = resnet.identity_block(y, (32, 32, 64), name="conv2_block2")
    model = keras.Model(x, y)
    fields = receptive_field(model)
    for name in ("first", "pool", "conv2_block1_2_conv", "conv2_block1_add", "conv2_block2_add"):
        part = keras.Model(x, model.get_layer(name).output)
        images = tf.random.stateless_normal((1, 65, 65, 3), seed=(0, 1))
        with tf.GradientTape() as tape:
            tape.watch(images)
            output = part(images)
            middle = output.shape[1] // 2
            value = tf.reduce_sum(output[0, middle, middle] ** 2)
        moved = np.any(tape.gradient(value, images)[0] != 0, axis=(1, 2))
        rows = np.flatnonzero(moved)
        assert rows[-1] - rows[0] + 1 == fields[name], name


@pytest.mark.parametrize("by", ["layer", "block", "stage"])
def test_the_layer_table_leaves_nothing_out(by, resnet50):
    table = layer_table(resnet50, by)
    assert table["parameters"].sum() == resnet50.count_params()
    assert table["multiply-adds"].sum() == macs(resnet50)
    assert table["output"].iloc[-1] == "1000"


def test_the_layer_table_by_stage_reads_as_table_1(resnet50):
    table = layer_table(resnet50)
    assert table.loc["conv1":"conv5", "output"].tolist() == [
        "112 x 112 x 64",
        "56 x 56 x 64",
        "56 x 56 x 256",
        "28 x 28 x 512",
        "14 x 14 x 1024",
        "7 x 7 x 2048",
    ]
    assert table["receptive field"].tolist() == [1, 1, 7, 11, 35, 99, 291, 483, "all", "all"]
    assert readable(table).loc["conv2", "multiply-adds"] == "667,942,912"


def test_the_layer_table_by_block_keeps_the_blocks_apart(resnet50):
    table = layer_table(resnet50, by="block")
    blocks = table[table.index.str.contains("block")]
    assert len(blocks) == 16
    identity = blocks[~blocks.index.str.endswith("block1")]
    assert set(identity["multiply-adds"]) == {218_365_952}
