"""Training on all GPUs of a machine or on several machines, with the results of one device.

Each replica, a device with a copy of the network, takes an equal part of every batch. See
docs/several-machines.md.
"""

import functools
import json
import os
import signal
from contextlib import contextmanager

import keras
import tensorflow as tf

from helpers import UserError, fused


def worker():
    """(k, n): this process is worker k of the n in TF_CONFIG, (0, 1) without it; 0 is the chief.

    Raises UserError where TF_CONFIG cannot be read.
    """
    try:
        config = json.loads(os.environ.get("TF_CONFIG", "{}"))
        cluster = config.get("cluster", {})
        jobs = [(job, i) for job in ("chief", "worker") for i in range(len(cluster.get(job, [])))]
        if not jobs:
            return 0, 1
        return jobs.index((config["task"]["type"], int(config["task"]["index"]))), len(jobs)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"TF_CONFIG does not say which machine this is ({error}): see docs/several-machines.md."
        ) from error


@functools.cache
def strategy():
    """The tf.distribute strategy for several machines, all GPUs of this one, or one device.

    With several machines it waits for all of them, and must come before the first tensor.
    """
    k, n = worker()
    if n == 1:
        gpus = tf.config.list_physical_devices("GPU")
        return tf.distribute.MirroredStrategy() if len(gpus) > 1 else tf.distribute.get_strategy()
    print(f"Machine {k + 1} of {n}: waiting for the others", flush=True)
    interrupt = signal.signal(signal.SIGINT, signal.SIG_DFL)  # else Ctrl+C would wait as well
    several = tf.distribute.MultiWorkerMirroredStrategy()
    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # TensorFlow would ignore it from here on
    return several


@contextmanager
def other_machines():
    """Inside it, what TensorFlow raises when another machine is gone becomes a UserError."""
    try:
        yield
    except tf.errors.OpError as error:
        if worker()[1] == 1:
            raise
        raise UserError(
            f"Another machine stopped answering ({type(error).__name__}). Start the same command "
            "on all machines again: the run goes on after the last epoch that was saved."
        ) from error


@other_machines()
def from_chief(value):
    """The chief's `value` on every machine: up to 10,000 characters of JSON."""
    with strategy().scope():  # where a new variable starts with the chief's value
        text = tf.Variable(list(json.dumps(value).ljust(10_000).encode()), dtype="float32")
    return json.loads(bytes(map(int, text.numpy())))


def check_same(settings):
    """Raises UserError where this machine's settings, a dict, are not the chief's."""
    chief = from_chief(settings)
    if different := [name for name in settings if settings[name] != chief.get(name)]:
        raise UserError(
            f"This machine and the chief differ in {', '.join(different)}: start the same command "
            "on all machines, with the same images and a folder --out that they share."
        )


def own_rows(batch):
    """This machine's rows of a tensor whose first axis is the whole batch.

    As many from its start as from its end: `augment` mixes row i with row i from the end.
    """
    k, n = worker()
    total = tf.shape(batch)[0]
    count = total // n
    i, first = tf.range(count), k * (count // 2)
    return tf.gather(batch, tf.where(2 * i < count, i + first, i - first + total - count))


def replicate(model, batch_size, any_size=False):
    """A copy of a functional model to train in strategy().scope(): replicated, or fused.

    Raises UserError where the batch cannot be split over the replicas.
    """
    replicas = strategy().num_replicas_in_sync
    if replicas == 1:
        return fused.fuse(model, any_size)
    unit = replicas if worker()[1] == 1 else 2 * replicas  # own_rows takes pairs
    if batch_size % unit:
        raise UserError(
            f"A batch of {batch_size} images cannot be split over {replicas} devices: make "
            f"--batch-size a multiple of {unit}."
        )

    def copy(layer):
        settings = layer.get_config()
        if isinstance(layer, keras.layers.BatchNormalization):
            settings["synchronized"] = True  # mean and variance of the whole batch
        return type(layer).from_config(settings)

    return fused.clone(model, copy, any_size, Replicated)


class Replicated(keras.Model):
    """A functional model whose `fit` works on several machines, despite keras-team/keras#20585."""

    def _maybe_symbolic_build(self, **_):
        # Keras averages the machines' images here. Only the metrics are still to be built.
        with self.distribute_strategy.scope():
            self._symbolic_build(data_batch=(self.inputs[0], self.outputs[0]))

    def train_step(self, data):
        # Keras averages the machines' logs over axis 0, which a scalar does not have.
        return {name: tf.reshape(log, [1]) for name, log in super().train_step(data).items()}

    def fit(self, x, **options):
        """x: a tf.data.Dataset of this machine's rows of the batches."""
        devices = self.distribute_strategy.num_replicas_in_sync // worker()[1]
        split = x.rebatch(x.element_spec[0].shape[0] // devices).repeat()
        rows = self.distribute_strategy.distribute_datasets_from_function(lambda _: split)
        on_one_device = keras.Model(self.inputs, self.outputs)
        on_one_device.compile(loss=self.loss, metrics=["accuracy"], jit_compile=False)
        self.score = on_one_device.evaluate  # the method: Keras would save a model with this one
        return super().fit(rows, **options)

    def evaluate(self, x, **_):
        """Each machine on its own, on one device: the last batch may be too small to split."""
        return self.score(x, verbose=0, return_dict=True)
