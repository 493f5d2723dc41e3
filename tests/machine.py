"""Trains with the small network: what test_distributed.py starts, as several machines.

Each line of the input is JSON: a list of machines, each of them [environment, trainings], where
trainings is [["--data", ...], ...]. Every machine becomes a process that runs train.py with each of
these lists of arguments. When all have ended, one line is the answer: [[exit code, output, error
output], ...]. The processes are forks of this one, so TensorFlow is imported once.

The checkpoints stay, to be compared. A machine that is not the chief cannot write or discard
anything. With the environment variable DIE=SIGNAL the process gets that signal when the second
epoch of its last training begins; with KERAS the first training is followed by what Keras makes of
several machines; with DEVICES there are two logical CPUs, which in the end try AdamW as well.
"""

import contextlib
import json
import os
import signal
import sys
import tempfile
import traceback

from helpers import files, versions

versions.import_tensorflow_quietly()
import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
import test_fused  # noqa: E402
from conftest import small_network  # noqa: E402

import train  # noqa: E402
from helpers import distributed, fused, models, resnet, training  # noqa: E402


def say(*words):
    """Prints, on every machine: train.py silences those that are not the chief."""
    print(*words, file=sys.__stdout__, flush=True)


def use_two_devices():
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    distributed.strategy = lambda: mirrored


def die_in_second_epoch():
    begin = training.Checkpoint.on_epoch_begin

    def begin_or_die(self, epoch, logs=None):
        if epoch == 1:
            os.kill(os.getpid(), getattr(signal, os.environ["DIE"]))
        begin(self, epoch, logs)

    training.Checkpoint.on_epoch_begin = begin_or_die


def try_keras():
    with distributed.strategy().scope():
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
    try:
        model.fit(np.ones((8, 2)), np.ones((8, 1)), batch_size=4, verbose=0)
        say("Keras can.")
    except Exception as error:
        say("Keras cannot:", error)


def try_adamw():
    """Trains with Keras's AdamW and with ours; says the weights and the optimizer's state."""
    keras.utils.set_random_seed(0)
    plain = test_fused.network()
    for kind in (keras.optimizers.AdamW, fused.AdamW):
        with distributed.strategy().scope():
            model = fused.fuse(plain)
            test_fused.compile_with(model, kind, weight_decay=0.05)
        model.fit(*test_fused.batch(16), batch_size=8, epochs=2, shuffle=False, verbose=0)
        weights = [*model.weights, *model.optimizer.variables]
        say(json.dumps([weight.numpy().ravel().tolist() for weight in weights]))


def run(trainings):
    chief = '"index": 1' not in os.environ["TF_CONFIG"]
    if not chief:
        for module in (files, models, training):
            module.atomic_write = None
    resnet.ARCHITECTURES["resnet50"] = small_network
    training.discard = (lambda *arguments: None) if chief else None
    if "DEVICES" in os.environ:
        use_two_devices()
    say("The chief's number:", distributed.from_chief(distributed.worker()[0] + 5))
    for number, arguments in enumerate(trainings):
        if number:
            tf.get_logger().setLevel("ERROR")  # it warns of the many graphs in one process
        if number == len(trainings) - 1 and "DIE" in os.environ:
            die_in_second_epoch()
        train.main(arguments)
        if number == 0 and "KERAS" in os.environ:
            try_keras()
    if "DEVICES" in os.environ:
        try_adamw()


def fork(environment, trainings, outputs):
    """Starts a machine, whose output and errors go to these two files; returns its process's id."""
    process = os.fork()
    if process:
        return process
    signal.alarm(300)  # a machine that hangs ends
    code = 1
    try:
        for number, file in enumerate(outputs, 1):
            os.dup2(file.fileno(), number)
        os.environ.update(environment)
        run(trainings)
        code = 0
    except SystemExit as stop:
        code = stop.code
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def run_together(machines):
    """[(exit code, output, error output)] of these machines, each (environment, trainings)."""
    with contextlib.ExitStack() as stack:
        outputs = [stack.enter_context(tempfile.TemporaryFile("w+")) for _ in 2 * machines]
        pairs = list(zip(outputs[::2], outputs[1::2], strict=True))
        started = [fork(*machine, pair) for machine, pair in zip(machines, pairs, strict=True)]
        codes = [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in started]
        for file in outputs:
            file.seek(0)
        texts = [[file.read() for file in pair] for pair in pairs]
    return [(code, *text) for code, text in zip(codes, texts, strict=True)]


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(run_together(json.loads(line))), flush=True)
