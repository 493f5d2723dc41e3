"""The recipe: learning rate, precision, checkpoints, scores, and models on disk.

Nothing here loops over batches: `model.fit` does. What a killed training needs to go on lies
in one file, written whole or not at all.
"""

import json
import os
import platform
import time
import warnings
from pathlib import Path

import h5py
import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from scipy.stats import binomtest
from sklearn.metrics import balanced_accuracy_score

from helpers import UserError
from helpers.data import ROOT, digest, stored_size, write_table, write_whole
from helpers.resnet import ResNet50, copy_weights, imagenet_resnet50, imagenet_scaling

MODELS = ROOT / "models"
CHECKPOINT, BEST = "checkpoint.weights.h5", "best.weights.h5"
WEIGHTS, CARD, HISTORY = "model.weights.h5", "card.json", "history.csv"
STAGES = ("conv1", "conv2", "conv3", "conv4", "conv5")  # how the layers' names begin

# --- the recipe ---------------------------------------------------------------------------------


def choose_precision():
    """ "mixed_bfloat16" if this machine convolves faster in bfloat16 than in float32.

    On a CPU with AVX512-BF16 training becomes about 1.6 times as fast, on others slower; half
    a second of measuring tells.
    """
    seconds = {}
    for dtype in ("float32", "bfloat16"):
        x = tf.cast(tf.random.stateless_uniform((32, 16, 16, 128), (0, 0)), dtype)
        kernel = tf.cast(tf.random.stateless_uniform((3, 3, 128, 128), (0, 1)), dtype)
        convolve = tf.function(lambda x, k: tf.reduce_sum(tf.nn.conv2d(x, k, 1, "SAME")))
        convolve(x, kernel)
        times = []
        for _ in range(5):
            start = time.perf_counter()
            convolve(x, kernel).numpy()
            times.append(time.perf_counter() - start)
        seconds[dtype] = min(times)
    return "mixed_bfloat16" if seconds["bfloat16"] < 0.8 * seconds["float32"] else "float32"


def new_network(size, classes, imagenet, precision, start=None):
    """A ResNet50 to train: from a random start, from ImageNet weights or from the network `start`.

    Of `start`, trained on other classes, all but the last layer is taken, and how it scales
    pixels.
    """
    keras.config.set_dtype_policy(precision)
    try:
        if start is not None:
            scaling = start.get_layer("scaling")
            scaling = scaling.from_config(scaling.get_config())
            model = ResNet50((size, size, 3), classes, scaling=scaling)
            copy_weights(start, model, but=["predictions"])
            return model
        return (imagenet_resnet50 if imagenet else ResNet50)((size, size, 3), classes)
    except Exception as error:
        if not imagenet:
            raise
        raise UserError(
            f"The ImageNet weights could not be had ({' '.join(str(error).split())}): check the "
            "connection, or leave out --imagenet."
        ) from error
    finally:
        keras.config.set_dtype_policy("float32")


def freeze(model, stage):
    """Keeps a network's layers up to `stage` ("conv1" to "conv5") as they are; returns it.

    Their weights get no gradient, and their BatchNorm layers run in inference mode: they
    normalise with the stored averages, and leave them as they are.
    """
    last = STAGES.index(stage)
    for layer in model.layers:
        layer.trainable = not layer.name.startswith(STAGES[: last + 1])
    return model


def after(model, stage):
    """The layers that `freeze(model, stage)` leaves free, as a model that shares their weights."""
    last = STAGES.index(stage)
    kept = [layer for layer in model.layers if layer.name.startswith(STAGES[: last + 1])]
    return keras.Model(kept[-1].output, model.output)


def prepare(model, steps, fresh=True):
    """Sets a network up for a training of `steps` steps an epoch; returns it.

    If it is fresh, the last gamma of each block becomes 0, so that each block starts as its
    shortcut alone (Goyal et al. 2017, section 5.1). BatchNorm forgets faster where an epoch is
    short, or its averages lag behind (Chen et al. 2020, "SimCLR", B.8).
    """
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = float(np.clip(1 - 10 / steps, 0.9, 0.99))
            if fresh and layer.name.endswith("_3_bn"):
                layer.gamma.assign(tf.zeros_like(layer.gamma))
    return model


def learning_rate_schedule(peak, steps, epochs):
    """A straight climb to `peak`, then half a cosine down to 0 (Loshchilov and Hutter 2016)."""
    warm_up = min(5 * steps, max(epochs * steps // 10, 1))
    return keras.optimizers.schedules.CosineDecay(
        0.0, max(epochs * steps - warm_up, 1), warmup_target=peak, warmup_steps=warm_up
    )


def compile_model(model, steps, epochs, learning_rate, weight_decay, label_smoothing):
    """Compiles with AdamW (Loshchilov and Hutter 2017) and smoothed cross-entropy."""
    schedule = learning_rate_schedule(learning_rate, steps, epochs)
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    model.compile(
        optimizer,
        keras.losses.CategoricalCrossentropy(label_smoothing=label_smoothing),
        metrics=["accuracy"],
        # XLA makes training on a CPU several times slower.
        jit_compile="auto" if tf.config.list_physical_devices("GPU") else False,
    )
    optimizer.build(model.trainable_variables)
    return model


# --- checkpoints --------------------------------------------------------------------------------


def write_json(path, content):
    write_whole(path, lambda part: part.write_text(json.dumps(content, indent=1) + "\n"))


class Checkpoint(keras.callbacks.Callback):
    """After each epoch, writes weights, optimizer, history and settings into one file.

    keras.callbacks.BackupAndRestore keeps neither history nor best epoch, and a kill while it
    writes can cost what it saved.
    """

    def __init__(self, folder, settings, history, precision):
        super().__init__()
        self.folder, self.settings, self.history = Path(folder), settings, history
        self.precision = precision

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        row = {"epoch": epoch + 1, **{key: float(value) for key, value in logs.items()}}
        row["learning_rate"] = float(self.model.optimizer.learning_rate)
        row["seconds"] = round(time.perf_counter() - self.start, 2)
        row["precision"] = self.precision
        if "val_accuracy" in row and best_epoch([*self.history, row]) is row:
            write_whole(self.folder / BEST, self.model.save_weights)
        self.history.append(row)
        progress = json.dumps({"settings": self.settings, "history": self.history})

        def write(part):
            self.model.save_weights(part)  # of a compiled model: with the optimizer's state
            with h5py.File(part, "a") as file:
                file.attrs["progress"] = np.bytes_(progress.encode())

        write_whole(self.folder / CHECKPOINT, write)
        write_table(self.folder / HISTORY, pd.DataFrame(self.history))


def read_progress(folder):
    """(settings, history) of the checkpoint in `folder`. Raises UserError."""
    path = Path(folder) / CHECKPOINT
    try:
        with h5py.File(path) as file:
            progress = json.loads(bytes(file.attrs["progress"]))
        return progress["settings"], progress["history"]
    except (OSError, KeyError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}): add --restart to begin anew.") from error


def best_epoch(history):
    """The row of the history with the highest validation accuracy, the latest of several."""
    return max(history, key=lambda row: (row["val_accuracy"], row["epoch"]))


def found_in(folder, settings):
    """What `folder` holds of the training with these settings: (card if finished, history so far).

    Raises UserError, naming what differs, if it holds a training with other settings.
    """
    folder = Path(folder)
    card, history = None, []
    if (folder / CARD).exists():
        card = read_card(folder)
        found = card.get("settings", {})
    elif (folder / CHECKPOINT).exists():
        found, history = read_progress(folder)
    else:
        return None, []
    differing = [name for name in settings if settings[name] != found.get(name)]
    if differing:
        changes = ", ".join(f"{name} {found.get(name)} -> {settings[name]}" for name in differing)
        raise UserError(
            f"{folder} holds a training with other settings ({changes}): name another --out, or "
            "add --restart to discard it."
        )
    return card, history


def discard(folder):
    """Removes a training, finished or not, from `folder`."""
    for name in (CARD, CHECKPOINT, BEST):
        (Path(folder) / name).unlink(missing_ok=True)


def restore(model, folder, name=CHECKPOINT):
    """Loads weights and optimizer state of the checkpoint in `folder`. Raises UserError."""
    path = Path(folder) / name
    try:
        model.load_weights(path)
    except Exception as error:  # h5py and Keras raise many kinds
        raise UserError(f"{path} cannot be read ({error}): add --restart to begin anew.") from error


class ProgressBar(keras.callbacks.Callback):
    """One bar for the whole training, or one line an epoch where the output is no terminal."""

    def __init__(self, epochs, steps, first_epoch=0):
        super().__init__()
        self.epochs, self.steps = epochs, steps
        self.console = Console()
        self.bar = Progress(
            TextColumn("epoch {task.fields[epoch]}/" + str(epochs)),
            BarColumn(bar_width=None),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[numbers]}"),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self.task = self.bar.add_task(
            "", total=epochs * steps, completed=first_epoch * steps, epoch=first_epoch, numbers=""
        )

    def on_train_begin(self, logs=None):
        self.bar.start()

    def on_train_end(self, logs=None):
        self.bar.stop()

    def on_epoch_begin(self, epoch, logs=None):
        self.bar.update(self.task, epoch=epoch + 1)

    def on_train_batch_end(self, batch, logs=None):
        self.bar.update(self.task, advance=1, numbers=self.numbers(logs))

    def on_epoch_end(self, epoch, logs=None):
        self.bar.update(self.task, numbers=self.numbers(logs))
        if not self.console.is_terminal:
            print(f"epoch {epoch + 1}/{self.epochs}  {self.numbers(logs)}", flush=True)

    def numbers(self, logs):
        names = {"loss": "loss", "accuracy": "accuracy", "val_accuracy": "validation"}
        return "  ".join(f"{names[key]} {logs[key]:.3f}" for key in names if key in (logs or {}))


# --- scores -------------------------------------------------------------------------------------


def read_size(size, smallest_crop):
    """The side at which pictures are read for a prediction, for a network that takes `size`.

    In small crops things look larger than in whole pictures. A network that was trained on such
    crops is also shown the middle of a picture, which is why that is read larger (the effect:
    Touvron et al. 2019, "Fixing the train-test resolution discrepancy").
    """
    return stored_size(size) if smallest_crop < 0.6 else size


def predict_probabilities(model, pixels, batch_size=64):
    """Probabilities (n, classes) for uint8 images (n, s, s, 3): the mean over several views.

    A view is the picture and, if it is larger than what the network takes (see read_size), its
    middle; each of them as it is and mirrored, since the network has seen both.
    """
    size = model.input_shape[1]
    views = [pixels]
    if pixels.shape[1] > size:
        edge = (pixels.shape[1] - size) // 2
        whole = tf.image.resize(pixels, (size, size), antialias=True).numpy()
        views = [whole, pixels[:, edge : edge + size, edge : edge + size]]
    views += [view[:, :, ::-1] for view in views]
    return np.mean([model.predict(v, batch_size=batch_size, verbose=0) for v in views], axis=0)


def most_likely(probabilities, class_names, top=5):
    """The `top` most likely classes of one picture: a list of (name, probability)."""
    best = np.argsort(-probabilities, kind="stable")[:top]
    return [(class_names[label], float(probabilities[label])) for label in best]


def scores(labels, probabilities):
    """Accuracy, its 95 % Wilson interval, and the mean of the accuracies of the classes.

    The last is what Caltech 101 is judged by: its classes hold between 31 and 800 pictures.
    """
    guesses = np.argmax(probabilities, axis=1)
    right = int((guesses == labels).sum())
    interval = binomtest(right, len(labels)).proportion_ci(method="wilson")
    return {
        "images": len(labels),
        "accuracy": right / len(labels),
        "accuracy_interval_95": [interval.low, interval.high],
        "mean_per_class_accuracy": float(balanced_accuracy_score(labels, guesses)),
    }


# --- models on disk -----------------------------------------------------------------------------


def save_float16(model, path):
    """Writes a model's weights as float16: half the size, loaded by plain `load_weights`.

    The model must not be compiled: its file would hold the optimizer's state as well.
    """

    def write(part):
        whole = part.with_name(f"float32-{part.name}")
        try:
            model.save_weights(whole)
            with h5py.File(whole) as source, h5py.File(part, "w") as target:
                source.visititems(lambda name, item: copy_item(target, name, item))
                target.attrs.update(source.attrs)
        finally:
            whole.unlink(missing_ok=True)

    def copy_item(target, name, item):
        if isinstance(item, h5py.Group):
            copy = target.require_group(name)
        elif item.dtype == "float32":
            halves = item[()].astype("float16")
            if not np.isfinite(halves).all():
                raise UserError("A weight is too large for float16: the training went astray.")
            packing = dict(compression="gzip", shuffle=True) if halves.ndim else {}
            copy = target.create_dataset(name, data=halves, **packing)
        else:
            copy = target.create_dataset(name, data=item[()])
        copy.attrs.update(item.attrs)

    write_whole(path, write)


def machine():
    """This machine, in words."""
    gpus = [g.name for g in tf.config.list_physical_devices("GPU")]
    return f"{os.cpu_count()} cores, {', '.join(gpus) or 'no GPU'}, {platform.machine()}"


def save_card(folder, card):
    """Writes the card of the weights in `folder`; returns it whole.

    It comes last and knows the weights' digest: what has no card, or another digest, is no model.
    """
    versions = {"python": platform.python_version(), "tensorflow": tf.__version__}
    versions |= {"keras": keras.__version__, "numpy": np.__version__}
    card = {**card, "versions": versions, "weights_sha256": digest(Path(folder) / WEIGHTS)}
    write_json(Path(folder) / CARD, card)
    return card


def finish(folder, card, history):
    """Writes card and curves of a training whose weights are written; removes its checkpoints."""
    from helpers import plots  # now, not above: a prediction needs no plotting library

    figure = plots.plot_history(pd.DataFrame(history))
    write_whole(
        Path(folder) / "curves.png",
        lambda part: figure.savefig(part, format="png", bbox_inches="tight"),
    )
    save_card(folder, card)
    for name in (CHECKPOINT, BEST):
        (Path(folder) / name).unlink(missing_ok=True)


def read_card(folder):
    """The card of the model in `folder` (a dict). Raises UserError."""
    path = Path(folder) / CARD
    if not path.is_file():
        raise UserError(
            f"No trained model in {folder}: train one (python train.py --data sample takes "
            "minutes), or name another with --model."
        )
    try:
        card = json.loads(path.read_text())
        card = {"read_size": card["image_size"], **card}
        sizes = 32 <= card["image_size"] <= card["read_size"]
        if len(card["class_names"]) < 2 or not sizes or not card["scaling"]:
            raise ValueError("impossible values")
        return card
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is damaged ({error!r}): train or fetch the model anew.") from error


def model_folder(name):
    """The folder that `name` means: a folder, or the name of one in models/."""
    return Path(name) if Path(name).is_dir() else MODELS / name


def load_model(name):
    """The model `name` (a folder, or the name of one in models/): (keras.Model, card).

    A network that was trained with its first stages frozen stores the others alone, and is put
    together with the one it started from. Raises UserError if either is missing or has changed.
    """
    folder = model_folder(name)
    card = read_card(folder)
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise UserError(f"{weights} is missing: train or fetch the model anew.")
    if digest(weights) != card["weights_sha256"]:
        raise UserError(f"{weights} is damaged or not the one its card names: fetch both anew.")
    model = float32_network(card["image_size"], len(card["class_names"]), card["scaling"])
    own = model
    if card.get("frozen"):  # up to that stage it is the network that the training started from
        start, start_card = load_model(card["start"])
        if start_card["weights_sha256"] != card["start_sha256"]:
            raise UserError(
                f"{folder} goes with other weights than {model_folder(card['start'])} holds now: "
                "fetch both anew, or train it again."
            )
        copy_weights(start, model, but=["predictions"])
        own = after(model, card["frozen"])
    try:
        with warnings.catch_warnings(action="ignore"):  # Keras warns, then raises
            own.load_weights(weights)
    except Exception as error:  # h5py and Keras raise many kinds
        raise UserError(f"{weights} does not fit its card: fetch both anew.") from error
    return model, card


def float32_network(size, classes, scaling):
    """An untrained ResNet50 in float32; scaling: "imagenet" or "-1..1"."""
    keras.config.set_dtype_policy("float32")
    layer = imagenet_scaling() if scaling == "imagenet" else None
    return ResNet50((size, size, 3), classes, scaling=layer)
