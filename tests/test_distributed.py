"""Several devices and several machines compute what one device does, and stop and go on together.

The machines are processes of this one. Two logical CPUs stand in for two GPUs.
"""

import csv
import json
import os
import re
import socket
import subprocess
import sys

import h5py
import numpy as np
import pytest
import tensorflow as tf
from conftest import small_network, write_folder

import train
from helpers import UserError, batches, distributed, precision, resnet, training
from helpers.files import ROOT
from helpers.recipe import Recipe

# SGD, since AdamW turns a gradient that is rounding alone into a step.
FLAGS = ["--image-size=64", "--start-size=32", "--batch-size=8", "--epochs=3"]
FLAGS += ["--val-per-class=3", "--precision=float32", "--optimizer=sgd", "--learning-rate=0.1"]
FLAGS += ["--no-zero-init-residual"]


@pytest.fixture(scope="module")
def run():
    """A function that runs machines at one time, each [environment, trainings]; see machine.py.

    It returns [[exit code, output, error output], ...].
    """
    quiet = {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    quiet["TF_CONFIG"] = "{}"  # TensorFlow's threads, which no fork survives, start in the machines
    command = [sys.executable, str(ROOT / "tests" / "machine.py")]
    pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(*machines):
        machines = [
            [environment, [[*FLAGS, *map(str, training)] for training in trainings]]
            for environment, trainings in machines
        ]
        process.stdin.write(json.dumps(machines) + "\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    with subprocess.Popen(command, env=os.environ | quiet, cwd=ROOT, **pipes) as process:
        yield run
        process.stdin.close()


def tf_config(addresses, index):
    task = {"type": "worker", "index": index}
    return json.dumps({"cluster": {"worker": addresses}, "task": task})


def two_machines(*trainings, chief=(), other=()):
    """What `run` needs for two machines; chief, other: what is set in their environments."""
    free = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    addresses = [f"127.0.0.1:{server.getsockname()[1]}" for server in free]
    for server in free:
        server.close()
    return [
        [dict(chief, TF_CONFIG=tf_config(addresses, 0)), trainings],
        [dict(other, TF_CONFIG=tf_config(addresses, 1)), trainings],
    ]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The data set, and the folder of a run on one device."""
    folder = tmp_path_factory.mktemp("alone")
    data = write_folder(folder / "pictures", count=23)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(resnet.ARCHITECTURES, "resnet50", small_network)
        patch.setattr(training, "discard", lambda *arguments: None)
        train.main([*FLAGS, "--data", str(data), "--out", str(folder / "out")])
    return data, folder / "out"


def history(folder):
    with open(folder / training.HISTORY) as file:
        return list(csv.DictReader(file))


def assert_same_run(found, wanted):
    """Weights, BatchNorm's averages, optimizer state, losses and scores, equal to rounding."""
    numbers = []
    for folder in (found, wanted):
        run = {}
        with h5py.File(folder / training.CHECKPOINT) as file:
            file.visititems(lambda name, item, run=run: run.update({name: np.array(item)}))
        rows = history(folder)
        for column in ("epoch", "loss", "accuracy", "val_loss", "val_accuracy"):
            run[column] = np.array([float(row[column]) for row in rows])
        numbers.append({name: value for name, value in run.items() if value.dtype.kind in "fiu"})
    assert len(numbers[1]) > 15
    assert numbers[0].keys() == numbers[1].keys()
    for name, value in numbers[1].items():
        np.testing.assert_allclose(numbers[0][name], value, rtol=1e-4, atol=2e-5, err_msg=name)


@pytest.fixture(scope="module")
def first(run, alone, tmp_path_factory):
    """The folders and results of two runs, side by side because the second waits a lot.

    The one is on two devices of one machine, the other on two machines, one of which is killed.
    """
    data, _ = alone
    folders = [tmp_path_factory.mktemp(name) for name in ("devices", "machines")]
    trainings = [["--data", data, "--out", folder, "--overwrite"] for folder in folders]
    devices = [{"TF_CONFIG": "{}", "DEVICES": "2"}, trainings[:1]]
    machines = two_machines(trainings[1], other=[("DIE", "SIGKILL")])
    results = run(devices, *machines)
    return folders, results


@pytest.fixture(scope="module")
def two_devices(first):
    """The run on two devices: its folder, and the lines of its output."""
    (folder, _), [(code, printed, errors), *_] = first
    assert code == 0, errors
    return folder, printed.splitlines()


def test_two_devices_of_one_machine_compute_what_one_does(alone, two_devices):
    assert_same_run(two_devices[0], alone[1])


def test_on_two_devices_the_fused_adamw_equals_keras_adamw(two_devices):
    plain, fast = map(json.loads, two_devices[1][-2:])
    assert len(fast) == len(plain) == 12 + 1 + 2 * 8  # weights, a count of steps, two averages
    for one, other in zip(fast, plain, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


@pytest.fixture(scope="module")
def killed(first):
    """The run on two machines, one of which was killed: its folder, its history, both results."""
    (_, folder), (_, *results) = first
    return folder, history(folder), results


@pytest.fixture(scope="module")
def resumed(run, alone, killed):
    """The same run, resumed; then another, in which the chief is stopped: both results."""
    data, out = alone[0], killed[0]
    trainings = [["--data", data, "--out", out], ["--data", data, "--out", out / "next"]]
    trainings[1] += ["--image-size=32", "--val-per-class=0"]  # a smaller graph to build
    stopped = [("KERAS", "1"), ("DIE", "SIGTERM")]
    return run(*two_machines(*trainings, chief=stopped, other=[("KERAS", "1")]))


def assert_ends_in_one_line(result):
    code, _, errors = result
    assert code == 2, errors
    if tf.__version__ < "2.21":  # TensorFlow's own log lines about the network come before ours
        log = r"(?m)^(WARNING: All log messages before |[IWEF]\d{4} ).*\n"
        errors = re.sub(log, "", errors)
    assert errors.startswith("train.py: Another machine stopped answering")
    assert errors.count("\n") == 1, errors


def test_where_one_of_two_machines_is_killed_the_chief_says_so_in_one_line(killed):
    _, rows, (chief, other) = killed
    assert other[0] == -9, other
    assert_ends_in_one_line(chief)
    assert [row["epoch"] for row in rows] == ["1"]


def test_two_machines_go_on_after_a_kill_and_compute_what_one_does(alone, killed, resumed):
    (_, one), (out, _, _), (chief, _) = alone, killed, resumed
    assert "Resuming after epoch 1 of 3" in chief[1], chief
    assert_same_run(out, one)
    assert (out / "card.json").exists()


def test_the_chief_alone_speaks_and_what_it_says_is_known_to_all(resumed):
    chief, other = resumed
    assert "images for training" in chief[1] and "Test: accuracy" in chief[1]
    assert "images for training" not in other[1] and "Test: accuracy" not in other[1]
    assert "The chief's number: 5" in chief[1] and "The chief's number: 5" in other[1]


def test_keras_alone_cannot_train_on_two_machines(resumed):
    """Where this fails, distributed.Replicated can lose _maybe_symbolic_build and train_step: see
    keras-team/keras#20585."""
    chief, other = resumed
    assert "Keras cannot" in chief[1] and "Keras cannot" in other[1]


def test_where_the_chief_is_stopped_the_others_say_so_in_one_line(resumed):
    stopped, other = resumed
    assert stopped[0] == -15, stopped
    assert_ends_in_one_line(other)


@pytest.mark.parametrize("name", ["seed", "images", "epochs done"])
def test_a_machine_that_differs_from_the_chief_is_told_so(name, monkeypatch, capsys, folder):
    def from_chief(value):
        return {**value, name: 77} if name in value else value

    monkeypatch.setattr(distributed, "from_chief", from_chief)
    with pytest.raises(SystemExit) as stop:
        train.main(["--data", str(folder), "--out", str(folder.parent / "out"), "--per-class=3"])
    assert stop.value.code == 2
    assert f"This machine and the chief differ in {name}: start" in capsys.readouterr().err


def test_all_machines_train_in_the_precision_that_the_chief_measured(monkeypatch):
    monkeypatch.setattr(precision, "choose_precision", lambda: "float32")
    monkeypatch.setattr(distributed, "from_chief", {"float32": "mixed_bfloat16"}.get)
    assert train.with_precision(Recipe(), []).precision == "mixed_bfloat16"


@pytest.mark.parametrize(
    "config",
    [
        "",
        "worker 1",
        "[]",
        '{"cluster": {"worker": ["a:1", "b:1"]}}',
        tf_config(["a:1", "b:1"], 2),
        tf_config(["a:1", "b:1"], "one"),
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "ps", "index": 0}}',
    ],
)
def test_a_wrong_tf_config_is_refused_in_one_line(config, monkeypatch, capsys, folder):
    monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(SystemExit) as stop:
        train.main(["--data", str(folder)])
    errors = capsys.readouterr().err
    assert stop.value.code == 2
    assert errors.startswith("train.py: TF_CONFIG does not say which machine this is")
    assert errors.count("\n") == 1


def test_the_chief_comes_first_and_one_machine_needs_no_tf_config(monkeypatch):
    cluster = {"worker": ["b:1", "c:1"], "chief": ["a:1"]}
    for job, index, wanted in (("chief", 0, 0), ("worker", 0, 1), ("worker", "1", 2)):
        task = {"type": job, "index": index}
        monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": task}))
        assert distributed.worker() == (wanted, 3)
    for nothing in ("{}", '{"task": {"type": "worker", "index": 0}}', tf_config(["a:1"], 0)):
        monkeypatch.setenv("TF_CONFIG", nothing)
        assert distributed.worker() == (0, 1)


@pytest.mark.parametrize("machines, replicas, unit", [(1, 3, 3), (2, 2, 4), (2, 4, 8), (3, 9, 18)])
def test_a_batch_that_cannot_be_split_is_refused(machines, replicas, unit, monkeypatch):
    class Strategy:
        num_replicas_in_sync = replicas

    monkeypatch.setattr(distributed, "strategy", Strategy)
    monkeypatch.setattr(distributed, "worker", lambda: (0, machines))
    model = small_network()
    assert isinstance(distributed.replicate(model, 5 * unit), distributed.Replicated)
    for size in range(5 * unit + 1, 6 * unit):
        with pytest.raises(UserError, match=f"a multiple of {unit}"):
            distributed.replicate(model, size)


@pytest.mark.parametrize("machines", [2, 4])
def test_the_parts_of_a_batch_are_the_batch(machines, monkeypatch):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (20, 40, 40, 4)).astype("uint8")
    images[..., 3] = 255 * (images[..., 3] > 127)
    labels, backgrounds = rng.integers(0, 3, 20), images[:5, ..., :3]
    recipe = Recipe(image_size=32, batch_size=16, epochs=1)

    def part(k, n):
        monkeypatch.setattr(distributed, "worker", lambda: (k, n))
        monkeypatch.setattr(batches, "worker", lambda: (k, n))
        made, _ = batches.train_batches(images, labels, 3, recipe, 0, backgrounds)
        rows = distributed.own_rows(tf.range(16)).numpy()
        return [rows, *(tensor.numpy() for tensor in next(iter(made)))]

    _, whole_images, whole_labels = part(0, 1)
    seen = []
    for k in range(machines):
        rows, part_images, part_labels = part(k, machines)
        seen += list(rows)
        np.testing.assert_allclose(part_images, whole_images[rows], atol=0.01)
        np.testing.assert_allclose(part_labels, whole_labels[rows], atol=1e-6)
    assert sorted(seen) == list(range(16))


def test_each_machine_reads_its_own_rows_of_a_batch_alone(monkeypatch):
    seen = []

    def read_images(paths, size):
        seen.extend(paths)
        return np.zeros((len(paths), size, size, 3), "uint8"), []

    monkeypatch.setattr(batches, "read_images", read_images)
    paths = np.array([f"{number}.jpg" for number in range(16)])
    recipe = Recipe(image_size=32, batch_size=16, epochs=1)
    for k in range(2):
        monkeypatch.setattr(distributed, "worker", lambda k=k: (k, 2))
        monkeypatch.setattr(batches, "worker", lambda k=k: (k, 2))
        made, _ = batches.train_batches(paths, np.arange(16) % 2, 2, recipe)
        assert next(iter(made))[0].shape == (8, 32, 32, 3)
        assert len(seen) == 8 * (k + 1)
    assert sorted(seen) == sorted(paths)
