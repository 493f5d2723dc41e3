"""Small plain and residual networks, and a figure of the gradient's norm at each of their blocks.

Notebook 01 builds `small_net` and `gradient_norms`, line for line.
"""

from itertools import product
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
import tensorflow as tf
from keras import layers

from helpers.files import write_csv
from images import synthetic
from images.plots import BLUE, ORANGE, TITLE

NORMS = Path(__file__).with_name("vanishing_gradient.csv")  # what measured_norms() found


def small_net(depth, residual, batch_norm=True, width=16, classes=8):
    """A plain or a residual network for experiments: (n, h, w, 3) -> logits (n, classes).

    depth counts layers with weights, as "50" in ResNet-50 does: the first convolution, pairs of
    3x3 convolutions and the dense layer. Each pair ends in an activation named "block1_out",
    "block2_out" ... Source: the plain and residual networks of section 4.2, with one width.
    """
    inputs = keras.Input((None, None, 3), name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    x = layers.Conv2D(width, 3, strides=2, padding="same", activation="relu")(x)
    for number in range(1, (depth - 2) // 2 + 1):
        y = layers.Conv2D(width, 3, padding="same")(x)
        y = layers.BatchNormalization()(y) if batch_norm else y
        y = layers.Activation("relu")(y)
        y = layers.Conv2D(width, 3, padding="same")(y)
        y = layers.BatchNormalization()(y) if batch_norm else y
        y = layers.Add()([x, y]) if residual else y
        x = layers.Activation("relu", name=f"block{number}_out")(y)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(classes)(x), name=f"small_net_{depth}")


def gradient_norms(model, images, labels):
    """How large the loss's gradient is at each block's output: a list of norms, input side first.

    images (n, h, w, 3), labels (n,) whole numbers; the model gives logits. The blocks are the
    layers whose names end in "_out". BatchNorm works as in training, on this batch.
    """
    blocks = [layer for layer in model.layers if layer.name.endswith("_out")]
    probe = keras.Model(model.input, [*(layer.output for layer in blocks), model.output])
    with tf.GradientTape() as tape:
        *features, logits = probe(images, training=True)
        losses = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        loss = tf.reduce_mean(losses)
    return [float(np.linalg.norm(g)) for g in tape.gradient(loss, features)]


def measured_norms(depths=(10, 34), seeds=(0, 1, 2)):
    """The table for draw_depth: untrained networks, one batch of synthetic pictures; about 10 s."""
    names = [(name, number) for name in synthetic.CATEGORIES for number in range(1, 5)]
    images = [synthetic.draw_picture(*name).resize((32, 32)) for name in names]
    images = np.stack([np.asarray(image, "float32") for image in images])
    labels = np.repeat(np.arange(len(synthetic.CATEGORIES)), 4)
    rows = []
    for residual, batch_norm, depth, seed in product((False, True), (False, True), depths, seeds):
        keras.utils.set_random_seed(seed)
        model = small_net(depth, residual, batch_norm)
        norms = gradient_norms(model, images, labels)
        kind = "residual" if residual else "plain"
        rows += [
            (kind, batch_norm, depth, seed, layer, norm) for layer, norm in enumerate(norms, 1)
        ]
    norms = pd.DataFrame(rows, columns=["kind", "batch_norm", "depth", "seed", "layer", "norm"])
    return norms.assign(norm=[float(f"{norm:.4g}") for norm in norms["norm"]])


def draw_depth(norms):
    """Gradient norms at each block of plain and residual networks, on a logarithmic axis.

    norms: a DataFrame with the columns kind ("plain" or "residual"), batch_norm, depth, layer
    (1 is the first block), seed and norm. Lines are medians over the seeds, bands their range.
    """
    last = norms.groupby("depth")["layer"].transform("max")
    networks = norms["kind"] + ", " + norms["depth"].astype(str) + " layers"
    norms = norms.assign(position=(norms["layer"] - 1) / (last - 1), network=networks)
    figure, panels = plt.subplots(1, 2, figsize=(10.4, 4.9), sharey=True, layout="constrained")
    titles = {False: "Without batch normalisation", True: "With batch normalisation"}
    for axes, (batch_norm, title) in zip(panels, titles.items(), strict=True):
        draw_panel(axes, norms[norms["batch_norm"] == batch_norm])
        axes.set_title(title, **TITLE)
    handles, labels = panels[0].get_legend_handles_labels()
    for axes in panels:
        axes.get_legend().remove()
    style = {"ncols": 4, "frameon": False, "fontsize": 11, "handlelength": 3.2}
    figure.legend(handles, labels, loc="outside lower center", **style)
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.1)
    return figure


def draw_panel(axes, norms):
    """One panel of draw_depth: the deepest networks solid, plain ones square, residual round."""
    deepest = f"{norms['depth'].max()} layers"
    networks = sorted(norms["network"].unique())
    plain = {name: name.startswith("plain") for name in networks}
    sns.lineplot(
        norms,
        x="position",
        y="norm",
        hue="network",
        style="network",
        hue_order=networks,
        style_order=networks,
        palette={name: ORANGE if plain[name] else BLUE for name in networks},
        markers={name: "s" if plain[name] else "o" for name in networks},
        dashes={name: "" if name.endswith(deepest) else (3, 2) for name in networks},
        estimator="median",
        errorbar=("pi", 100),  # from the least to the greatest
        linewidth=2,
        ax=axes,
    )
    axes.set_yscale("log")
    axes.set_xlabel("place in the network: 0 first block, 1 last block", fontsize=11)
    axes.set_ylabel("norm of the loss's gradient (log scale)", fontsize=11)
    axes.grid(alpha=0.3)
    sns.despine(ax=axes)


if __name__ == "__main__":
    write_csv(NORMS, measured_norms())
