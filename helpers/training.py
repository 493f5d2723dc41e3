"""Builds a network and trains it by a recipe; a stopped run resumes after its last epoch."""

import itertools
import json
import time
from dataclasses import replace
from pathlib import Path

import h5py
import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from helpers import UserError, distributed, fused
from helpers.batches import eval_batches, steps_per_epoch, train_batches
from helpers.files import atomic_write, write_csv
from helpers.models import CARD, dtype_policy, read_card
from helpers.recipe import STAGES, default_momentum
from helpers.resnet import ARCHITECTURES, copy_weights, imagenet_network

CHECKPOINT, BEST, HISTORY = "checkpoint.weights.h5", "best.weights.h5", "history.csv"

# --- the network --------------------------------------------------------------------------------


def build_model(recipe, classes, init=None):
    """The network to train: from random weights, ImageNet weights or the trained network `init`.

    Of `init` it takes all weights but the classifier's, and the input scaling. Raises UserError if
    ImageNet weights cannot be downloaded.
    """
    keras.utils.set_random_seed(recipe.seed)
    network, shape = ARCHITECTURES[recipe.architecture], (recipe.image_size, recipe.image_size, 3)
    with dtype_policy(recipe.precision):
        if init is not None:
            scaling = init.get_layer("scaling")
            model = network(shape, classes, scaling=scaling.from_config(scaling.get_config()))
            copy_weights(init, model, but=["predictions"])
        elif recipe.imagenet:
            model = imagenet_network(recipe.architecture, shape, classes)
        else:
            model = network(shape, classes)
            if recipe.zero_init_residual:
                zero_init_residual(model)
    return freeze(model, recipe.freeze) if recipe.freeze else model


def zero_init_residual(model):
    """Sets each block's last gamma to 0: it starts as its shortcut (Goyal et al. 2017, 5.1)."""
    for layer in model.layers:
        if layer.name.endswith("_3_bn"):
            layer.gamma.assign(tf.zeros_like(layer.gamma))


def freeze(model, stage):
    """Freezes a network's layers up to `stage` ("conv1" to "conv5"); returns it.

    Frozen BatchNorm layers run in inference mode and keep their moving averages.
    """
    kept = STAGES[: STAGES.index(stage) + 1]
    for layer in model.layers:
        layer.trainable = not layer.name.startswith(kept)
    return model


def set_batch_norm_momentum(model, steps, momentum=None):
    """Sets every BatchNorm layer's momentum, by default from the steps per epoch.

    With Keras's 0.99 the moving averages lag if an epoch has few steps. Source of the rule: Chen
    et al. 2020 (SimCLR), B.8.
    """
    if momentum is None:
        momentum = default_momentum(steps)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = momentum


def learning_rate_schedule(peak, steps, epochs):
    """Linear warm-up to `peak`, then cosine decay to 0 (Loshchilov and Hutter 2016)."""
    warm_up = min(5 * steps, max(epochs * steps // 10, 1))
    return keras.optimizers.schedules.CosineDecay(
        0.0, max(epochs * steps - warm_up, 1), warmup_target=peak, warmup_steps=warm_up
    )


def build_optimizer(recipe, steps):
    """AdamW (Loshchilov and Hutter 2017) or SGD with Nesterov momentum; only kernels decay."""
    schedule = learning_rate_schedule(recipe.learning_rate, steps, recipe.epochs)
    if recipe.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(
            schedule, momentum=0.9, nesterov=True, weight_decay=recipe.weight_decay
        )
    else:
        optimizer = fused.AdamW(schedule, weight_decay=recipe.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def compile_model(model, recipe, steps):
    """Compiles the model with the recipe's optimizer and loss; returns it.

    In mixed_float16 Keras scales the loss, or small gradients would become 0.
    """
    model.compile(
        build_optimizer(recipe, steps),
        keras.losses.CategoricalCrossentropy(label_smoothing=recipe.label_smoothing),
        metrics=["accuracy"],
        # XLA makes training on a CPU several times slower.
        jit_compile="auto" if tf.config.list_physical_devices("GPU") else False,
    )
    model.optimizer.build(model.trainable_variables)
    # Keras would create loss and metrics in the first step, and so build its graph twice.
    answers = tf.zeros((1, model.output_shape[-1]))
    model.compute_loss(y=answers, y_pred=answers)
    model.compute_metrics(None, answers, answers)
    model.reset_metrics()
    return model


# --- the run ------------------------------------------------------------------------------------


@distributed.other_machines()
def fit(model, train, recipe, val=None, checkpoint=None, backgrounds=None, verbose=2):
    """Trains `model` by the recipe, on faster layers; returns its history, one dict per epoch.

    train, val: (images, labels), images uint8 (n, s, s, 3) with s = load_size(recipe.image_size)
    for training, recipe.image_size for validation; or, for training, n file names. checkpoint:
    where to resume and save. backgrounds: see train_batches. verbose: as in keras.Model.fit.
    """
    run = checkpoint or Checkpoint(None, {})
    steps = steps_per_epoch(len(train[0]), recipe)
    set_batch_norm_momentum(model, steps, recipe.batch_norm_momentum)
    with distributed.strategy().scope():
        batch_size = min(recipe.batch_size, len(train[0]))
        replicated = distributed.replicate(model, batch_size, bool(recipe.start_size))
        fast = compile_model(replicated, recipe, steps)
    if run.history:
        restore(fast, run.folder)
    classes = model.output_shape[-1]
    for part in parts(recipe, len(run.history)):
        first_epoch = len(run.history)
        fast.fit(
            train_batches(*train, classes, part, first_epoch, backgrounds)[0],
            epochs=part.epochs,
            initial_epoch=first_epoch,
            steps_per_epoch=steps,
            validation_data=eval_batches(*val, classes, part.image_size) if val else None,
            shuffle=False,  # train_batches does it
            verbose=verbose,
            callbacks=[run],
        )
    model.set_weights(fast.get_weights())
    return run.history


def parts(recipe, first_epoch=0):
    """The recipes of the run's parts: settings such as the image size change between them."""
    for part, epochs in itertools.groupby(range(first_epoch, recipe.epochs), recipe.at_epoch):
        yield replace(part, epochs=max(epochs) + 1)


class Checkpoint(keras.callbacks.Callback):
    """Records the history and, with a folder, writes a checkpoint after each epoch.

    keras.callbacks.BackupAndRestore saves neither history nor best epoch, and can lose its backup
    if it is killed while writing.
    """

    def __init__(self, folder, settings, history=()):
        super().__init__()
        self.folder, self.settings, self.history = folder, settings, list(history)

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        row = {"epoch": epoch + 1, **{key: float(value) for key, value in logs.items()}}
        row["learning_rate"] = float(self.model.optimizer.learning_rate)
        row["seconds"] = round(time.perf_counter() - self.start, 2)
        row["precision"] = self.model.get_layer("conv1_conv").dtype_policy.name
        self.history.append(row)
        if self.folder is None or distributed.worker()[0] > 0:
            return
        if "val_accuracy" in row and best_epoch(self.history) is row:
            atomic_write(self.folder / BEST, self.model.save_weights)
        atomic_write(self.folder / CHECKPOINT, self.write)
        write_csv(self.folder / HISTORY, pd.DataFrame(self.history))

    def write(self, path):
        self.model.save_weights(path)  # with the optimizer's state, since the model is compiled
        progress = json.dumps({"settings": self.settings, "history": self.history})
        with h5py.File(path, "a") as file:
            file.attrs["progress"] = np.bytes_(progress.encode())


def best_epoch(history):
    """The row of the history with the highest validation accuracy; of equal ones the last."""
    return max(history, key=lambda row: (row["val_accuracy"], row["epoch"]))


def previous_run(folder, settings):
    """The run with these settings in `folder`: (card if finished, else None; history so far).

    Raises UserError if the folder has a run with other settings.
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
    different = [name for name in settings if settings[name] != found.get(name)]
    if different:
        changes = ", ".join(f"{name} {found.get(name)} -> {settings[name]}" for name in different)
        raise UserError(
            f"{folder} has a training run with other settings ({changes}): choose another --out, "
            "or add --overwrite to discard it."
        )
    return card, history


def read_progress(folder):
    """(settings, history) of the checkpoint in `folder`. Raises UserError."""
    path = Path(folder) / CHECKPOINT
    try:
        with h5py.File(path) as file:
            progress = json.loads(bytes(file.attrs["progress"]))
        return progress["settings"], progress["history"]
    except (OSError, KeyError, ValueError) as error:
        raise unreadable(path, error) from error


def restore(model, folder, name=CHECKPOINT):
    """Loads weights and optimizer state of the checkpoint in `folder`. Raises UserError."""
    path = Path(folder) / name
    try:
        model.load_weights(path)
    except Exception as error:  # h5py and Keras raise many kinds
        raise unreadable(path, error) from error


def unreadable(path, error):
    return UserError(f"{path} cannot be read ({error}): add --overwrite to start over.")


def discard(folder, names=(CARD, CHECKPOINT, BEST)):
    """Deletes a run, finished or not, from `folder`."""
    for name in names:
        (Path(folder) / name).unlink(missing_ok=True)
