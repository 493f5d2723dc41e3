"""Gradients of activations and kernels in untrained plain and residual networks.

    python experiments/gradients.py    # about 5 minutes; writes four tables to experiments/results

gradients.csv: per layer, before training, the loss's gradient with respect to the layer's output
and kernel (median of the seeds). explosion.csv: the same per network, as a factor per layer and
from the first layer to the last. gradients_training.csv: how the first training steps change it,
with BatchNorm. singular_values.csv: how much up to 20 consecutive blocks stretch a small change of
their input.
"""

import sys
from itertools import product
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from keras import layers, ops

from helpers import files
from images import synthetic
from images.gradients import small_net

RESULTS = Path(__file__).resolve().parent / "results"
DEPTHS = (10, 20, 30, 50)
SEEDS = range(3)
INITIALISERS = {"Glorot": keras.initializers.GlorotUniform, "He": keras.initializers.HeNormal}
NETWORK = ["network", "batch_norm", "initialiser", "padding", "depth"]  # names one network
MEASURED = ["signal", "activation_gradient", "kernel", "kernel_gradient", "kernel_dot_gradient"]


def main():
    images, labels = drawn_pictures(4)
    rows = measure_gradients(images, labels, DEPTHS, SEEDS)
    layer_means = rows.groupby(NETWORK + ["layer"], sort=False)[MEASURED].median().reset_index()
    write(layer_means, "gradients.csv")
    write(explosion(rows), "explosion.csv")
    write(singular_values(images, SEEDS), "singular_values.csv")
    write(while_training(*drawn_pictures(32), (30, 50), SEEDS), "gradients_training.csv")


def write(table, name):
    """Writes a table to experiments/results with four significant digits."""
    numbers = {column: table[column].map("{:.4g}".format) for column in table.select_dtypes(float)}
    files.write_csv(RESULTS / name, table.assign(**numbers))
    print(name, len(table), "rows", flush=True)


def drawn_pictures(per_category, size=16):
    """Synthetic pictures of the eight categories: float32 (n, size, size, 3), and labels (n,)."""
    drawn = [
        np.asarray(synthetic.draw_picture(category, number).resize((size, size)), "float32")
        for category in synthetic.CATEGORIES
        for number in range(1, per_category + 1)
    ]
    return np.stack(drawn), np.repeat(np.arange(len(synthetic.CATEGORIES)), per_category)


def shuffled_batches(images, labels, size=32):
    """Batches in a new order every epoch, for `fit`.

    `fit` shuffles arrays too; but after `set_random_seed` it draws the same order in every epoch,
    and a network with BatchNorm learns those very batches. Measured with Keras 3.15.1.
    """
    pairs = tf.data.Dataset.from_tensor_slices((images, labels))
    return pairs.shuffle(len(images)).batch(size)


# --- networks -------------------------------------------------------------------------------------


def fresh_net(depth, residual, batch_norm, initialiser="Glorot", padding="zero"):
    """`small_net` with other initial weights, and with the padding "zero" or "wrap"."""
    model = small_net(depth, residual, batch_norm)
    if padding == "wrap":
        model = keras.models.clone_model(
            model, clone_function=without_padding, call_function=call_wrapped
        )
    for layer in model.layers:
        if isinstance(layer, layers.Conv2D):
            layer.kernel.assign(INITIALISERS[initialiser]()(layer.kernel.shape))
    return model


def without_padding(layer):
    """A new layer of the same kind; convolutions no longer pad."""
    config = layer.get_config()
    if isinstance(layer, layers.Conv2D):
        config["padding"] = "valid"
    return type(layer).from_config(config)


def call_wrapped(layer, x, **options):
    """Calls a layer; a convolution's input is first padded by one pixel from the opposite side."""
    if isinstance(layer, layers.Conv2D):
        x = ops.concatenate([x[:, -1:], x, x[:, :1]], axis=1)
        x = ops.concatenate([x[:, :, -1:], x, x[:, :, :1]], axis=2)
    return layer(x, **options)


# --- gradients ------------------------------------------------------------------------------------


def measure_gradients(images, labels, depths, seeds):
    """`layer_gradients` of every network: a pandas.DataFrame with a row per layer and seed."""
    networks = [*product((False, True), (False, True), INITIALISERS, ["zero"], depths)]
    networks += [*product((False,), (False, True), INITIALISERS, ["wrap"], depths)]
    tables = []
    for (residual, batch_norm, initialiser, padding, depth), seed in product(networks, seeds):
        keras.utils.clear_session()
        keras.utils.set_random_seed(seed)
        model = fresh_net(depth, residual, batch_norm, initialiser, padding)
        name = "residual" if residual else "plain"
        named = zip(NETWORK, (name, batch_norm, initialiser, padding, depth), strict=True)
        table = layer_gradients(model, images, labels)
        tables.append(table.assign(**dict(named), seed=seed))
    return pd.concat(tables)[NETWORK + ["seed", "layer", *MEASURED]]


def layer_gradients(model, images, labels):
    """Gradients at each 3x3 convolution of the pairs: a pandas.DataFrame, one row per layer.

    images (n, h, w, 3), labels int (n,); BatchNorm works as in training. layer: counted from the
    image, which is 0. signal: root mean square of the output after the ReLU; activation_gradient:
    norm of the loss's gradient there; kernel and kernel_gradient: norms; kernel_dot_gradient: sum
    of kernel x gradient.
    """
    activations = [layer for layer in model.layers if isinstance(layer, layers.Activation)]
    kernels = [layer.kernel for layer in model.layers if isinstance(layer, layers.Conv2D)][1:]
    probe = keras.Model(model.input, [*(layer.output for layer in activations), model.output])
    with tf.GradientTape() as tape:
        *features, logits = probe(images, training=True)
        losses = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        loss = tf.reduce_mean(losses)
    of_features, of_kernels = tape.gradient(loss, [features, [k.value for k in kernels]])
    rows = [
        {
            "layer": layer,
            "signal": float(np.sqrt(np.mean(np.square(feature)))),
            "activation_gradient": float(np.linalg.norm(of_feature)),
            "kernel": float(np.linalg.norm(kernel)),
            "kernel_gradient": float(np.linalg.norm(of_kernel)),
            "kernel_dot_gradient": float(np.sum(kernel * of_kernel)),
        }
        for layer, (feature, of_feature, kernel, of_kernel) in enumerate(
            zip(features, of_features, kernels, of_kernels, strict=True), start=2
        )
    ]
    return pd.DataFrame(rows)


def explosion(rows):
    """How the norms change from the last layer to the first: the median of the seeds per network.

    *_ratio: first layer (next to the image) / last; *_per_layer: the factor per layer, from a line
    fitted to the logarithms; *_step: gradient / kernel norm; spread: largest step / smallest.
    """
    tables = []
    for (*network, _), run in rows.groupby(NETWORK + ["seed"], sort=False):
        row = dict(zip(NETWORK, network, strict=True))
        for kind in ("activation", "kernel"):
            norms = run[f"{kind}_gradient"].to_numpy()
            row[f"{kind}_ratio"] = norms[0] / norms[-1]
            row[f"{kind}_per_layer"] = np.exp(-np.polyfit(run["layer"], np.log(norms), 1)[0])
        step = run["kernel_gradient"] / run["kernel"]
        row |= {"smallest_step": step.min(), "largest_step": step.max()}
        row["spread"] = row["largest_step"] / row["smallest_step"]
        tables.append(row)
    return pd.DataFrame(tables).groupby(NETWORK, sort=False).median().reset_index()


def while_training(images, labels, depths, seeds, rates=(0.01, 0.1), steps=(0, 1, 2, 5, 10, 40)):
    """`explosion` with BatchNorm after some steps of SGD on batches of 32: the median of the seeds.

    loss: of the last batch, before its step; "nan" everywhere if the network diverged.
    """
    tables = []
    for residual, depth, rate, seed in product((False, True), depths, rates, seeds):
        keras.utils.clear_session()
        keras.utils.set_random_seed(seed)
        model = small_net(depth, residual)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(rate), loss, jit_compile=False)
        named = {"network": "residual" if residual else "plain", "batch_norm": True}
        named |= {"initialiser": "Glorot", "padding": "zero", "depth": depth, "seed": seed}
        rng = np.random.default_rng(seed)
        last_loss = np.nan
        for step in range(max(steps) + 1):
            if step in steps:
                table = layer_gradients(model, images[::8], labels[::8]).assign(**named)
                tables.append(explosion(table).assign(rate=rate, step=step, loss=last_loss))
            batch = rng.choice(len(images), 32, replace=False)
            last_loss = model.train_on_batch(images[batch], labels[batch])
    columns = ["network", "depth", "rate", "step"]
    means = pd.concat(tables).groupby(columns, sort=False)
    return means[["loss", "activation_ratio", "kernel_ratio", "spread"]].median().reset_index()


# --- singular values ------------------------------------------------------------------------------


def singular_values(images, seeds, blocks=(1, 5, 10, 20)):
    """Of the Jacobian of several consecutive blocks: a pandas.DataFrame, 33 quantiles per network.

    The Jacobian is taken at one picture. BatchNorm uses the statistics of all `images`, so that
    pictures do not affect each other.
    """
    rows = []
    networks = product((False, True), (False, True), INITIALISERS, seeds)
    for residual, batch_norm, initialiser, seed in networks:
        keras.utils.clear_session()
        keras.utils.set_random_seed(seed)
        model = fresh_net(2 * max(blocks) + 2, residual, batch_norm, initialiser)
        record_statistics(model, images)
        start = next(layer for layer in model.layers if isinstance(layer, layers.Conv2D)).output
        point = keras.Model(model.input, start)(images[:1])
        name = "residual" if residual else "plain"
        for count in blocks:
            part = keras.Model(start, model.get_layer(f"block{count}_out").output)
            values = np.linalg.svd(jacobian(part, point), compute_uv=False)
            for quantile in np.linspace(0, 1, 33).round(5):
                value = np.quantile(values, quantile)
                row = [name, batch_norm, initialiser, count, seed, quantile, value]
                rows.append(row)
    columns = ["network", "batch_norm", "initialiser", "blocks", "seed", "quantile", "value"]
    rows = pd.DataFrame(rows, columns=columns).groupby([*columns[:4], "quantile"], sort=False)
    return rows["value"].median().reset_index()


def record_statistics(model, images):
    """Sets every BatchNorm's mean and variance to those of these images."""
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = 0.0
    model(images, training=True)


def jacobian(model, point):
    """The derivative of each output number with respect to each input number: (outputs, inputs).

    point: (1, ...). Takes one backward pass, on a copy of the point for each output number.
    """
    outputs = model(point)
    count = int(tf.size(outputs))
    copies = tf.repeat(point, count, axis=0)
    with tf.GradientTape() as tape:
        tape.watch(copies)
        outputs = tf.reshape(model(copies), (count, count))
    weights = tf.eye(count)  # of copy i, only output i
    return tf.reshape(tape.gradient(outputs, copies, weights), (count, -1)).numpy()


if __name__ == "__main__":
    main()
