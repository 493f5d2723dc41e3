"""What a network costs, and how its gradients flow."""

import math
import re
from numbers import Integral

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from keras import layers

# --- gradients


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


# --- cost


def macs(model):
    """Multiply-adds for one image: every convolution and dense layer of a model.

    Each kernel is used once at each output position. Biases and batch normalisation are left
    out, as is usual: in ResNet-50 they are not one in a hundred.
    """
    return sum(layer_macs(layer) for layer in model.layers)


def layer_macs(layer):
    """Multiply-adds of one layer for one image; 0 for all but Conv2D and Dense."""
    if not isinstance(layer, layers.Conv2D | layers.Dense):
        return 0
    return math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:-1])


def receptive_field(model):
    """How far each layer can see, in input pixels along one axis: {layer name: pixels}.

    Where paths meet, the longest counts; pixels beyond the image's edge are counted too;
    math.inf from a global pooling or dense layer on. Source: Araujo et al. 2019, "Computing
    Receptive Fields of Convolutional Neural Networks", equation (2).
    """
    seen = {}  # tensor -> (what a position sees, distance to the next position), in input pixels
    fields = {}
    for layer in model.layers:
        inputs = layer.input if isinstance(layer.input, list) else [layer.input]
        field, step = max((seen[id(tensor)] for tensor in inputs), default=(1, 1))
        if isinstance(layer, layers.Conv2D | layers.MaxPooling2D | layers.AveragePooling2D):
            size = layer.kernel_size if isinstance(layer, layers.Conv2D) else layer.pool_size
            field, step = field + (size[0] - 1) * step, step * layer.strides[0]
        elif isinstance(layer, layers.GlobalAveragePooling2D | layers.Dense):
            field = math.inf
        seen[id(layer.output)] = field, step
        fields[layer.name] = field
    return fields


def layer_table(model, by="stage"):
    """What the parts of a network make and cost: a pandas.DataFrame with a row for each part.

    by: "layer", "block" or "stage", read from names such as "conv2_block1_1_conv". Multiply-adds
    are for one image; the receptive field is that of the part's last layer, in pixels, or "all".
    """
    pattern = {
        "layer": ".*",
        "block": r"(conv|pool)\d(_block\d+)?|.*",
        "stage": r"(conv|pool)\d|.*",
    }
    fields = receptive_field(model)
    rows = {}
    for layer in model.layers:
        part = re.match(pattern[by], layer.name).group()
        row = rows.setdefault(part, {"output": "", "parameters": 0, "multiply-adds": 0})
        row["output"] = " x ".join(str(size) for size in layer.output.shape[1:])
        row["parameters"] += layer.count_params()
        row["multiply-adds"] += layer_macs(layer)
        row["receptive field"] = "all" if math.isinf(fields[layer.name]) else fields[layer.name]
    return pd.DataFrame.from_dict(rows, orient="index")


def readable(table):
    """The same table with commas in its whole numbers, for display."""
    return table.map(lambda cell: f"{cell:,}" if isinstance(cell, Integral) else cell)
