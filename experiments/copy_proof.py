"""How closely a deep plain network with hand-set weights copies a shallow one.

    python experiments/copy_proof.py    # about 2 minutes; writes experiments/results/copy_proof.csv

A trained plain network of 10 layers gets pairs of copying layers on top, each with BatchNorm:
kernels that are 1 in the middle, gamma = sqrt(variance + epsilon) and beta = mean. In inference the
deeper network computes the same function. In training BatchNorm uses each batch's mean and
variance, so the copy is only approximate.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import keras
import numpy as np
import pandas as pd
from keras import layers

from experiments.gradients import RESULTS, drawn_pictures, record_statistics, shuffled_batches
from helpers import files
from images.gradients import small_net


def main():
    images, labels = drawn_pictures(32)
    rows = []
    for seed in range(3):
        keras.utils.set_random_seed(seed)
        shallow = trained_net(images, labels)
        for depth in (30, 50):
            deeper = deepen(shallow, depth, images)
            for batch in (None, 256, 64, 32, 16):
                row = {"seed": seed, "depth": depth, "batch": batch or "inference"}
                rows.append(row | compare(shallow, deeper, images, labels, batch))
    files.write_csv(RESULTS / "copy_proof.csv", pd.DataFrame(rows))
    print(pd.DataFrame(rows).groupby(["depth", "batch"]).median().to_string())


def trained_net(images, labels, depth=10, epochs=40):
    """A trained plain network whose moving averages are the statistics of all images."""
    model = small_net(depth, residual=False)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.05), loss, jit_compile=False)
    model.fit(shuffled_batches(images, labels), epochs=epochs, shuffle=False, verbose=0)
    record_statistics(model, images)
    return model


def deepen(shallow, depth, images):
    """A plain network of `depth` layers that equals `shallow` in inference.

    The first layers get shallow's weights, the added pairs copy. Their BatchNorms hold the mean and
    variance of shallow's last feature maps.
    """
    deeper = small_net(depth, residual=False)
    count = len(shallow.weights) - 2  # all but the dense layer's
    new = [*shallow.get_weights()[:count], *deeper.get_weights()[count:-2]]
    deeper.set_weights([*new, *shallow.get_weights()[-2:]])
    last_block = [layer for layer in shallow.layers if layer.name.endswith("_out")][-1]
    features = keras.Model(shallow.input, last_block.output)(images, training=False)
    mean, variance = np.mean(features, (0, 1, 2)), np.var(features, (0, 1, 2))
    for layer in deeper.layers[deeper.layers.index(deeper.get_layer(last_block.name)) + 1 : -2]:
        if isinstance(layer, layers.Conv2D):
            layer.set_weights([copying_kernel(layer.kernel.shape), np.zeros(layer.filters)])
        if isinstance(layer, layers.BatchNormalization):
            gamma = np.sqrt(variance + layer.epsilon)
            layer.set_weights([gamma, mean, mean, variance])
    return deeper


def copying_kernel(shape):
    """A kernel (k, k, c, c) that copies: output channel i is the middle pixel of channel i."""
    kernel = np.zeros(shape, "float32")
    kernel[shape[0] // 2, shape[1] // 2] = np.eye(shape[2])
    return kernel


def compare(shallow, deeper, images, labels, batch):
    """The difference of the logits, and both networks' training errors.

    batch: None for inference; else BatchNorm works as in training, on random batches of this size.
    difference is the largest; relative_difference the root mean square, in standard deviations of
    shallow's logits.
    """
    order = np.random.default_rng(0).permutation(len(images))
    outputs = []
    for model in (shallow, deeper):
        if batch is None:
            outputs.append(model(images[order], training=False).numpy())
        else:
            parts = np.split(images[order], len(images) // batch)
            kept = model.get_weights()
            outputs.append(np.concatenate([model(part, training=True) for part in parts]))
            model.set_weights(kept)  # with the moving averages
    expected, found = outputs
    errors = [np.mean(output.argmax(1) != labels[order]) for output in outputs]
    return {
        "difference": np.abs(found - expected).max(),
        "relative_difference": np.sqrt(np.mean((found - expected) ** 2)) / expected.std(),
        "error_shallow": errors[0],
        "error_deeper": errors[1],
    }


if __name__ == "__main__":
    main()
