"""Training on several GPUs or machines, with the results of one device.

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
    """(k, n): this process is worker k of n, by TF_CONFIG; 0 is the chief. Raises UserError."""
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
    """The tf.distribute strategy for several machines, several GPUs or one device.

    With several machines it waits for all of them; call it before you create a tensor.
    """
    k, n = worker()
    if n == 1:
        gpus = tf.config.list_physical_devices("GPU")
        return tf.distribute.MirroredStrategy() if len(gpus) > 1 else tf.distribute.get_strategy()
    print(f"Machine {k + 1} of {n}: waiting for the others", flush=True)
    interrupt = signal.signal(signal.SIGINT, signal.SIG_DFL)  # or Ctrl+C would wait, too
    several = tf.distribute.MultiWorkerMirroredStrategy()
    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # TensorFlow would ignore it from here on
    return several


@contextmanager
def other_machines():
    """Turns TensorFlow's errors about a lost machine into a UserError."""
    try:
        yield
    except tf.errors.OpError as error:
        if worker()[1] == 1:
            raise
        raise UserError(
            f"Another machine stopped answering ({type(error).__name__}). Start the same command "
            "on all machines again: the run resumes after the last saved epoch."
        ) from error


@other_machines()
def from_chief(value):
    """The chief's `value` on every machine: up to 10,000 characters of JSON."""
    with strategy().scope():  # new variables get the chief's value
        text = tf.Variable(list(json.dumps(value).ljust(10_000).encode()), dtype="float32")
    return json.loads(bytes(map(int, text.numpy())))


def check_same(settings):
    """Raises UserError if this machine's settings, a dict, differ from the chief's."""
    chief = from_chief(settings)
    if different := [name for name in settings if settings[name] != chief.get(name)]:
        raise UserError(
            f"This machine and the chief differ in {', '.join(different)}: start the same command "
            "on all machines, with the same images and a folder --out that they share."
        )


def own_rows(batch):
    """This machine's rows of a tensor whose first axis is the whole batch.

    Half come from its start, half from its end: `mix` pairs row i with row i from the end.
    """
    k, n = worker()
    total = tf.shape(batch)[0]
    count = total // n
    i, first = tf.range(count), k * (count // 2)
    return tf.gather(batch, tf.where(2 * i < count, i + first, i - first + total - count))


def replicate(model, batch_size, any_size=False):
    """A copy of a functional model to train in strategy().scope(): replicated, or fused.

    Raises UserError if the batch cannot be divided among the replicas.
    """
    replicas = strategy().num_replicas_in_sync
    if replicas == 1:
        return fused.fuse(model, any_size)
    unit = replicas if worker()[1] == 1 else 2 * replicas  # own_rows takes pairs
    if batch_size % unit:
        raise UserError(
            f"A batch of {batch_size} images cannot be divided among {replicas} devices: make "
            f"--batch-size a multiple of {unit}."
        )

    on_cpus = not tf.config.list_physical_devices("GPU")  # elsewhere untried

    def copy(layer):
        settings = layer.get_config()
        if isinstance(layer, keras.layers.BatchNormalization):
            settings["synchronized"] = True  # mean and variance of the whole batch
        return (fused.faster_class(layer) if on_cpus else type(layer)).from_config(settings)

    return fused.clone(model, copy, any_size, Replicated)


class Replicated(keras.Model):
    """A functional model whose `fit` works on several machines, despite keras-team/keras#20585."""

    def _maybe_symbolic_build(self, **_):
        """Does nothing: compile_model has built loss and metrics; Keras would average images."""

    def train_step(self, data):
        # Keras averages the machines' logs over axis 0, which a scalar lacks.
        return {name: tf.reshape(log, [1]) for name, log in super().train_step(data).items()}

    def fit(self, x, **options):
        """x: a tf.data.Dataset of this machine's rows of the batches."""
        devices = self.distribute_strategy.num_replicas_in_sync // worker()[1]
        split = x.rebatch(x.element_spec[0].shape[0] // devices).repeat()
        rows = self.distribute_strategy.distribute_datasets_from_function(lambda _: split)
        on_one_device = keras.Model(self.inputs, self.outputs)
        on_one_device.compile(loss=self.loss, metrics=["accuracy"], jit_compile=False)
        self.score = on_one_device.evaluate  # a model as attribute would be saved with this one
        return super().fit(rows, **options)

    def evaluate(self, x, **_):
        """Runs on one device of each machine: the last batch may be too small to divide."""
        return self.score(x, verbose=0, return_dict=True)
