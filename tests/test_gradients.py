"""The small networks of notebook 01, and how gradients flow through them."""

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from keras import layers

from experiments import gradients
from images.gradients import gradient_norms, small_net


@pytest.fixture(scope="module")
def pictures():
    return gradients.drawn_pictures(2)


# --- the networks of notebook 01


def a_batch():
    numbers = np.random.default_rng(0)
    images = numbers.uniform(0, 255, (8, 16, 16, 3)).astype("float32")
    return images, numbers.integers(0, 8, 8)


@pytest.mark.parametrize("depth", [4, 10, 20])
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_small_net_has_as_many_layers_with_weights_as_it_says(depth, residual, batch_norm):
    model = small_net(depth, residual, batch_norm)
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
    model = small_net(6, residual=True, batch_norm=False)
    norms = gradient_norms(model, images, labels)
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
    model = small_net(10, residual=True, batch_norm=False)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D) and layer.input.shape[-1] == 16:
            layer.kernel.assign(tf.zeros_like(layer.kernel))
    norms = gradient_norms(model, images, labels)
    assert norms[:3] == pytest.approx([norms[0]] * 3, rel=1e-5)
    assert norms[3] > norms[0] > 0.3 * norms[3]


def test_plain_gradients_vanish_and_residual_ones_do_not():
    images, labels = a_batch()
    keras.utils.set_random_seed(0)
    plain = gradient_norms(small_net(30, False, False), images, labels)
    residual = gradient_norms(small_net(30, True, False), images, labels)
    assert len(plain) == len(residual) == 14
    assert plain[0] < 1e-3 * plain[-1]
    assert residual[0] > 0.5 * residual[-1]


def test_gradient_norms_take_the_batch_s_own_statistics():
    images, labels = a_batch()
    model = small_net(6, residual=False)
    norms = gradient_norms(model, images, labels)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_variance.assign(100 * tf.ones_like(layer.moving_variance))
    assert gradient_norms(model, images, labels) == pytest.approx(norms, rel=1e-4)


# --- what they get while they learn


def test_without_batchnorm_and_biases_every_kernel_has_one_product_with_its_gradient(pictures):
    keras.utils.set_random_seed(0)
    table = gradients.layer_gradients(gradients.fresh_net(10, False, False), *pictures)
    products = table["kernel_dot_gradient"].to_numpy()
    np.testing.assert_allclose(products, products[0], rtol=1e-3)
    assert table["layer"].tolist() == list(range(2, 10))


def test_batchnorm_makes_a_kernel_perpendicular_to_its_gradient(pictures):
    keras.utils.set_random_seed(0)
    table = gradients.layer_gradients(gradients.fresh_net(10, False, True), *pictures)
    cosine = table["kernel_dot_gradient"] / table["kernel"] / table["kernel_gradient"]
    assert np.abs(cosine).max() < 0.03  # epsilon keeps it from 0


def test_padding_from_the_far_side_makes_a_network_blind_to_a_turned_picture(pictures):
    images, _ = pictures
    turned = np.roll(images, 2, axis=2)  # the first convolution has stride 2
    for padding, same in (("wrap", True), ("zero", False)):
        keras.utils.set_random_seed(0)
        model = gradients.fresh_net(10, False, False, "He", padding)
        assert np.allclose(model(turned), model(images), rtol=1e-3, atol=1e-5) == same


def test_the_factor_per_layer_is_that_of_a_known_row():
    norms = 3.0 * 0.5 ** np.arange(4)
    run = pd.DataFrame({"layer": [2, 3, 4, 5], "activation_gradient": norms, "kernel": 2.0})
    run["kernel_gradient"] = [1.0, 1.0, 4.0, 1.0]
    named = {"network": "plain", "batch_norm": True, "initialiser": "He", "padding": "zero"}
    row = gradients.explosion(run.assign(**named, depth=6, seed=0)).iloc[0]
    assert row["activation_ratio"] == 8
    assert row["activation_per_layer"] == pytest.approx(2)
    assert (row["smallest_step"], row["largest_step"], row["spread"]) == (0.5, 2.0, 4.0)


def test_the_jacobian_of_a_dense_layer_is_its_kernel():
    x = keras.Input((3,))
    model = keras.Model(x, layers.Dense(3)(x))
    found = gradients.jacobian(model, np.ones((1, 3), "float32"))
    np.testing.assert_allclose(found, model.layers[-1].kernel.numpy().T, rtol=1e-6)


def test_singular_values_are_those_of_the_part_named(monkeypatch):
    monkeypatch.setattr(gradients, "INITIALISERS", {"Glorot": keras.initializers.GlorotUniform})
    images, _ = gradients.drawn_pictures(1, size=4)
    table = gradients.singular_values(images, [0], blocks=(1, 2))
    assert set(table["blocks"]) == {1, 2}
    plain = table.query("network == 'plain' and not batch_norm")
    one, two = (plain[plain["blocks"] == count]["value"].max() for count in (1, 2))
    assert 0 < two < one


def test_batches_come_in_a_new_order_every_epoch_and_repeat_with_the_seed():
    def orders():
        keras.utils.set_random_seed(0)
        batches = gradients.shuffled_batches(np.arange(16), np.arange(16), 4)
        return [np.concatenate([images for images, _ in batches]).tolist() for _ in range(2)]

    first, second = orders()
    assert first != second and sorted(first) == sorted(second) == list(range(16))
    assert orders() == [first, second]
