"""helpers.measure: gradients are right, and costs are what a count by hand gives."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from helpers import measure

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
