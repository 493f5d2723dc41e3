"""Training error of plain and residual networks of 20 and 56 layers: `degradation.csv`.

The CIFAR networks of section 4.2 (He et al. 2015) at half their width, on 320 photographs: 40 of
each of the notebooks' eight categories, at 32 pixels. The question is what they can fit, so there
is no augmentation and no weight decay, and the error is that on the training photographs. A run
ends early after five epochs without an error.

    python experiments/degradation.py            # takes hours; resumes a stopped sweep
    python experiments/degradation.py --table    # prints the results so far

First every network trains at every learning rate; then each at its best rate from other initial
weights, and four times as long; then the other rates from other initial weights, and Adam.
"""

import argparse
import sys
import time
from itertools import product
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import keras
import numpy as np
import pandas as pd
from keras import layers

from experiments.command_line import user_errors
from experiments.gradients import RESULTS, shuffled_batches
from experiments.tables import add_rows, missing
from helpers import data, download, files
from helpers.splits import split
from images import synthetic

DEPTHS = (20, 56)
RATES = {"SGD": (0.03, 0.1, 0.01, 0.3, 0.003), "Adam": (1e-3, 3e-4, 3e-3)}
RUN = ["network", "depth", "optimizer", "learning_rate", "epochs", "seed"]  # names one run
BATCH = 32


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="caltech101", help="caltech101, sample or a folder")
    parser.add_argument("--epochs", type=int, default=100, help="(%(default)s)")
    parser.add_argument("--table", action="store_true", help="print the results and stop")
    args = parser.parse_args()
    file = RESULTS / "degradation.csv"
    with user_errors():
        if not args.table:
            run_all(*photographs(args.data), args.epochs, file)
        print(table(pd.read_csv(file)).to_string())


# --- what is trained ------------------------------------------------------------------------------


def cifar_net(depth, residual, widths=(8, 16, 32), classes=8):
    """A plain or residual network of 6n + 2 layers: (n, 32, 32, 3) -> logits (n, classes).

    Three stages of n pairs of 3x3 convolutions, each with BatchNorm; a stage after the first
    halves the image. Shortcuts have no parameters: where the shape changes they skip every other
    pixel and pad with zero channels. Source: section 4.2, option A; here the first convolution has
    stride 2, for a quarter of the multiply-adds.
    """
    inputs = keras.Input((32, 32, 3), name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    x = layers.Activation("relu")(conv_bn(x, widths[0], strides=2))
    for width in widths:
        for _ in range((depth - 2) // 6):
            strides = 1 if x.shape[-1] == width else 2
            y = layers.Activation("relu")(conv_bn(x, width, strides))
            y = conv_bn(y, width)
            if residual:
                y = layers.Add()([shortcut(x, width, strides), y])
            x = layers.Activation("relu")(y)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(classes)(x))


def conv_bn(x, width, strides=1):
    """A 3x3 convolution with He initialisation, then BatchNorm."""
    options = {"padding": "same", "use_bias": False, "kernel_initializer": "he_normal"}
    x = layers.Conv2D(width, 3, strides, **options)(x)
    return layers.BatchNormalization(momentum=0.9)(x)


def shortcut(x, width, strides):
    """x itself, or every other pixel of x with channels of zeros added up to `width`."""
    if strides == 1:
        return x
    x = x[:, ::strides, ::strides]
    return keras.ops.pad(x, ((0, 0), (0, 0), (0, 0), (0, width - x.shape[-1])))


def photographs(name, per_class=40):
    """The training images, `per_class` of each category: uint8 (n, 32, 32, 3), and labels (n,)."""
    folder = download.dataset_folder(name)
    images = data.load_images(folder, 32, classes=synthetic.CATEGORIES)
    train, *_ = split(images.labels, images.class_names, per_class)
    return images.pixels[train], images.labels[train]


# --- the sweep ------------------------------------------------------------------------------------


def run_all(images, labels, epochs, file):
    """All runs, the most important first. The best rates are those of the first seed."""
    first = settings("SGD", epochs, (0,))
    sweep(images, labels, first, file)
    best = best_rates(pd.read_csv(file), first)
    for times, seeds in ((1, (1, 2)), (4, (0, 1))):
        for seed in seeds:
            todo = [(*key, "SGD", rate, times * epochs, seed) for key, rate in best.items()]
            sweep(images, labels, todo, file)
    sweep(images, labels, settings("Adam", epochs, (0,)), file)
    sweep(images, labels, settings("SGD", epochs, (1, 2)), file)
    sweep(images, labels, settings("Adam", epochs, (1, 2)), file)


def settings(optimizer, epochs, seeds):
    """Every network at every rate of one optimizer: a list of runs, named by the columns RUN."""
    runs = product(seeds, RATES[optimizer], DEPTHS, ("plain", "residual"))
    return [(network, depth, optimizer, rate, epochs, seed) for seed, rate, depth, network in runs]


def best_rates(runs, among):
    """The rate with the lowest error, and of those the fastest: {(network, depth): rate}."""
    named = runs[RUN].apply(tuple, axis=1)
    order = runs[named.isin(among)].sort_values(["error", "epochs_run", "loss"])
    best = order.drop_duplicates(["network", "depth"]).sort_values(["depth", "network"])
    return {(row.network, row.depth): row.learning_rate for row in best.itertuples()}


def sweep(images, labels, todo, file):
    """Trains each run in `todo` that has no row in `file`, and adds its row and curve."""
    curves_file = file.with_name(f"{file.stem}_curves.csv")
    for named in missing(file, [dict(zip(RUN, run, strict=True)) for run in todo]):
        start = time.time()
        curve, scores = train(images, labels, named)
        curve = curve.assign(**named)[[*RUN, "epoch", "loss", "error"]]
        if curves_file.exists():
            curve = pd.concat([pd.read_csv(curves_file), curve])
        # A run that was stopped between the two files left a curve.
        curve = curve.drop_duplicates([*RUN, "epoch"], keep="last")
        files.write_csv(curves_file, curve)
        row = named | scores | {"seconds": round(time.time() - start)}
        add_rows(file, [row])
        print(row, flush=True)


def train(images, labels, run):
    """One training run: (its curve, thinned to 20 epochs, and its final scores).

    run: a dict with the keys RUN. The learning rate falls to a tenth after half of the updates and
    again after three quarters, as in section 4.2. error: of the last epoch, during training
    (BatchNorm on each batch); error_inference: of the trained network (BatchNorm with its moving
    averages).
    """
    keras.utils.clear_session()
    keras.utils.set_random_seed(run["seed"])
    model = cifar_net(run["depth"], run["network"] == "residual", classes=int(labels.max()) + 1)
    rate, epochs = run["learning_rate"], run["epochs"]
    steps = -(-len(images) // BATCH) * epochs
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay(
        [steps // 2, steps * 3 // 4], [rate, rate / 10, rate / 100]
    )
    method = {
        "SGD": keras.optimizers.SGD(schedule, momentum=0.9),
        "Adam": keras.optimizers.Adam(schedule),
    }[run["optimizer"]]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # Ten steps per call: less overhead.
    quick = {"jit_compile": False, "steps_per_execution": 10}
    model.compile(method, loss, metrics=["accuracy"], **quick)
    stop = keras.callbacks.LambdaCallback(on_epoch_end=stop_when_fitted(model))
    batches = shuffled_batches(images, labels, BATCH)
    history = model.fit(batches, epochs=epochs, shuffle=False, verbose=0, callbacks=[stop]).history
    curve = pd.DataFrame({"loss": history["loss"], "error": 1 - np.array(history["accuracy"])})
    curve = curve.round(4).assign(epoch=np.arange(1, len(curve) + 1))
    _, accuracy = model.evaluate(images, labels, 256, verbose=0)
    scores = {"parameters": model.count_params(), "epochs_run": len(curve)}
    scores |= {"loss": curve["loss"].iloc[-1], "error": curve["error"].iloc[-1]}
    scores |= {"error_inference": round(1 - accuracy, 4)}
    every = max(1, epochs // 20)
    kept = (curve["epoch"] % every == 0) | curve["epoch"].isin((1, len(curve)))
    return curve[kept], scores


def stop_when_fitted(model, epochs=5):
    """For on_epoch_end: ends a run after so many epochs in a row without a training error."""
    right = []

    def check(epoch, logs):
        right.append(logs["accuracy"] == 1)
        model.stop_training = len(right) >= epochs and all(right[-epochs:])

    return check


# --- the table ------------------------------------------------------------------------------------


def table(runs):
    """Mean training error per network and learning rate, in percent."""
    means = runs.groupby(["optimizer", "epochs", "network", "depth", "learning_rate"])["error"]
    return (100 * means.mean()).round(1).unstack()


if __name__ == "__main__":
    main()
