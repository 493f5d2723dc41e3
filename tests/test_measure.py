"""helpers.measure: gradients are right, and costs are what a count by hand gives."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from helpers import measure, resnet

# --- gradients


def a_batch():
    numbers = np.random.default_rng(0)
    images = numbers.uniform(0, 255, (8, 16, 16, 3)).astype("float32")
    return images, numbers.integers(0, 8, 8)


@pytest.mark.parametrize("depth", [4, 10, 20])
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_small_net_has_as_many_layers_with_weights_as_it_says(depth, residual, batch_norm):
    model = measure.small_net(depth, residual, batch_norm)
    counted = [
        layer
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense)
    ]
    assert len(counted) == depth
    assert model.output_shape == (None, 8)
    adds = [layer for layer in model.layers if isinstance(layer, keras.layers.Add)]
    assert len(adds) == ((depth - 2) // 2 if residual else 0)
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert len(norms) == (depth - 2 if batch_norm else 0)


def test_gradient_norms_agree_with_finite_differences():
    """Moves the last block's output a little along its gradient and watches the loss."""
    images, labels = a_batch()
    keras.utils.set_random_seed(1)
    model = measure.small_net(6, residual=True, batch_norm=False)
    norms = measure.gradient_norms(model, images, labels)
    assert len(norms) == 2
    head = keras.Model(model.get_layer("block2_out").output, model.output)
    features = keras.Model(model.input, model.get_layer("block2_out").output)(images)

    def loss(features):
        return tf.reduce_mean(
            keras.losses.sparse_categorical_crossentropy(labels, head(features), from_logits=True)
        )

    with tf.GradientTape() as tape:
        tape.watch(features)
        value = loss(features)
    direction = tape.gradient(value, features)
    direction /= tf.norm(direction)
    slope = (loss(features + 0.5 * direction) - loss(features - 0.5 * direction)) / 1.0
    assert norms[-1] == pytest.approx(float(slope), rel=0.01)


def test_gradient_norms_at_the_input_side_follow_the_shortcut():
    """With every kernel in the branches zero, residual blocks pass the gradient on unchanged.

    Only the last output's gradient is larger: no ReLU after it has stopped the inactive values.
    """
    images, labels = a_batch()
    model = measure.small_net(10, residual=True, batch_norm=False)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D) and layer.input.shape[-1] == 16:
            layer.kernel.assign(tf.zeros_like(layer.kernel))
    norms = measure.gradient_norms(model, images, labels)
    assert norms[:3] == pytest.approx([norms[0]] * 3, rel=1e-5)
    assert norms[3] > norms[0] > 0.3 * norms[3]


def test_plain_gradients_vanish_and_residual_ones_do_not():
    images, labels = a_batch()
    keras.utils.set_random_seed(0)
    plain = measure.gradient_norms(measure.small_net(30, False, False), images, labels)
    residual = measure.gradient_norms(measure.small_net(30, True, False), images, labels)
    assert len(plain) == len(residual) == 14
    assert plain[0] < 1e-3 * plain[-1]
    assert residual[0] > 0.5 * residual[-1]


def test_gradient_norms_take_the_batch_s_own_statistics():
    images, labels = a_batch()
    model = measure.small_net(6, residual=False)
    norms = measure.gradient_norms(model, images, labels)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_variance.assign(100 * tf.ones_like(layer.moving_variance))
    assert measure.gradient_norms(model, images, labels) == pytest.approx(norms, rel=1e-4)


# --- cost


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
    assert measure.macs(model) == products


def test_cost_of_the_50_layer_network():
    """3.8e9 in Table 1; the receptive field is 483 in Araujo et al. 2019, Table 1."""
    model = resnet.ResNet50((224, 224, 3), 1000)
    assert measure.macs(model) == 3_857_973_248
    fields = measure.receptive_field(model)
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
    fields = measure.receptive_field(model)
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
def test_ledger_leaves_nothing_out(by):
    model = resnet.ResNet50(classes=6)
    table = measure.layer_table(model, by)
    assert table["parameters"].sum() == model.count_params()
    assert table["multiply-adds"].sum() == measure.macs(model)
    assert table["output"].iloc[-1] == "6"


def test_ledger_by_stage_reads_as_table_1():
    table = measure.layer_table(resnet.ResNet50((224, 224, 3), 1000))
    assert table.loc["conv1":"conv5", "output"].tolist() == [
        "112 x 112 x 64",
        "56 x 56 x 64",
        "56 x 56 x 256",
        "28 x 28 x 512",
        "14 x 14 x 1024",
        "7 x 7 x 2048",
    ]
    assert table["receptive field"].tolist() == [1, 1, 7, 11, 35, 99, 291, 483, "all", "all"]
    assert measure.readable(table).loc["conv2", "multiply-adds"] == "667,942,912"


def test_ledger_by_block_keeps_the_blocks_apart():
    table = measure.layer_table(resnet.ResNet50(classes=6), by="block")
    blocks = table[table.index.str.contains("block")]
    assert len(blocks) == 16
    identity = blocks[~blocks.index.str.endswith("block1")]
    assert set(identity["multiply-adds"]) == {17_825_792}
