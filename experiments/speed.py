"""The speed of training and prediction, compared in one run: `make bench`, on an idle machine.

Each network runs in its own process: the same network, built twice in one process, can differ by
half in speed. The processes take turns, and the table shows medians. Ratios are reproducible;
images/s vary from day to day.

`python experiments/speed.py FOLDER` reads the pictures of your folder (one sub-folder per class) in
the row "from files". PyTorch's rows need an environment with PyTorch, which `--torch FOLDER` names;
this makes the default one:

    python -m venv build/torch && build/torch/bin/python -m pip install torch numpy
"""

import argparse
import itertools
import os
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

CLASSES, STEPS = 101, 6
# {function below or, with "torch", in speed_torch.py: (label, precision)}. The first is ours.
TRAIN = {
    "train_fused": ("ours, faster layers", "fastest"),
    "train_files": ("ours, faster layers, from files", "fastest"),
    "train_plain": ("ours, plain layers", "fastest"),
    "train_library": ("keras.applications, compiled by default", "float32"),
    "torch_train": ("PyTorch, channels last, fused AdamW", "fastest"),
}
PREDICT = {
    "predict_folded": ("ours, folded layers", "fastest"),
    "predict_plain": ("ours, plain layers", "float32"),
    "predict_library": ("keras.applications", "float32"),
    "torch_predict": ("PyTorch, channels last", "fastest"),
}
# Title, rows, sizes (image, batch), cost in forward passes (a backward pass costs two).
TABLES = [
    ("Training", TRAIN, [(64, 32), (64, 64), (128, 32)], 3),
    ("Prediction", PREDICT, [(64, 64)], 1),
]

# --- the rows: each function returns (a function to time, the images it processes) --------------


def training_steps(model, batches, batch, adamw):
    """Steps on the next batches (x, y) of an iterator."""
    import keras

    optimizer = adamw(1e-3, weight_decay=0.05)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=0.1)
    model.compile(optimizer, loss, metrics=["accuracy"])

    def run():
        for x, y in itertools.islice(batches, STEPS):
            model.train_on_batch(x, y)

    return run, STEPS * batch


def noise(size, batch):
    """Repeats one batch of random pixels and labels, ready in memory."""
    import tensorflow as tf

    x = tf.random.uniform((batch, size, size, 3), maxval=255)
    return itertools.repeat((x, tf.one_hot(tf.range(batch) % CLASSES, CLASSES)))


def ours(size, precision="float32"):
    from helpers import models, resnet

    with models.dtype_policy(precision):
        return resnet.ResNet50((size, size, 3), CLASSES)


def library(size):
    import keras

    scaled = keras.layers.Rescaling(1 / 127.5, offset=-1)(keras.Input((size, size, 3)))
    return keras.applications.ResNet50(weights=None, input_tensor=scaled, classes=CLASSES)


def train_fused(size, batch, precision, folder):
    from helpers import fused

    model = fused.fuse(ours(size, precision))
    return training_steps(model, noise(size, batch), batch, fused.AdamW)


def train_files(size, batch, precision, folder):
    """Reads and augments pictures while it trains, as `train.py --no-cache` does."""
    import numpy as np

    from helpers import batches, data, fused, recipe

    images = data.load_images(folder, batches.load_size(size), keep=False)
    chosen = np.random.default_rng(0).integers(0, len(images.paths), 20 * batch)
    settings = recipe.Recipe(image_size=size, batch_size=batch, epochs=1000)
    labelled = (images.paths[chosen], images.labels[chosen])
    shown = iter(batches.train_batches(*labelled, CLASSES, settings)[0])
    return training_steps(fused.fuse(ours(size, precision)), shown, batch, fused.AdamW)


def train_plain(size, batch, precision, folder):
    from keras.optimizers import AdamW

    return training_steps(ours(size, precision), noise(size, batch), batch, AdamW)


def train_library(size, batch, precision, folder):
    from keras.optimizers import AdamW

    return training_steps(library(size), noise(size, batch), batch, AdamW)


def prediction_steps(model, size, batch):
    """Predicts random images, as models.predict_probabilities does."""
    import tensorflow as tf

    from helpers.batches import without_autotune

    pixels = tf.random.uniform((STEPS * batch, size, size, 3), maxval=255)
    images = tf.data.Dataset.from_tensor_slices(tf.cast(pixels, tf.uint8)).batch(batch)
    return lambda: model.predict(without_autotune(images), verbose=0), STEPS * batch


def predict_folded(size, batch, precision, folder):
    from helpers import inference

    dtype = precision.removeprefix("mixed_")
    return prediction_steps(inference.fold_batch_norm(ours(size), dtype), size, batch)


def predict_plain(size, batch, precision, folder):
    return prediction_steps(ours(size), size, batch)


def predict_library(size, batch, precision, folder):
    return prediction_steps(library(size), size, batch)


# --- processes that take turns ------------------------------------------------------------------


def take_turns(run, images):
    """In a worker process: for each line of input, runs and prints images/s."""
    run()  # builds the graph
    print("ready", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        run()
        print(images / (time.perf_counter() - start), flush=True)


def start_worker(name, python, *arguments):
    """The process of one row, warmed up: a subprocess.Popen."""
    script = "speed_torch.py" if "torch" in name else "speed.py"
    command = [python, Path(__file__).with_name(script), "--worker", name, *map(str, arguments)]
    pipe = subprocess.PIPE
    worker = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
    if worker.stdout.readline() != "ready\n":
        sys.exit(f"{name} did not start: see its error above.")
    return worker


def rates(workers, rounds):
    """Images/s of workers, {name: process}, that take turns: {name: median of the rounds}."""
    found = {name: [] for name in workers}
    for _ in range(rounds):
        for name, worker in workers.items():
            print(file=worker.stdin, flush=True)
            found[name].append(float(worker.stdout.readline()))
    for worker in workers.values():
        worker.stdin.close()
        worker.wait()
    return {name: statistics.median(some) for name, some in found.items()}


# --- the table ----------------------------------------------------------------------------------


def peak(dtype):
    """GFLOP/s of a product of 2,048 x 2,048 matrices, the best of twelve."""
    import tensorflow as tf

    matrix = tf.ones((2048, 2048), dtype)
    multiply = tf.function(lambda: tf.reduce_max(tf.matmul(matrix, matrix)))
    seconds = []
    for _ in range(12):
        start = time.perf_counter()
        multiply().numpy()
        seconds.append(time.perf_counter() - start)
    return 2 * 2048**3 / min(seconds) / 1e9


def describe_machine(fastest):
    """Prints versions and the machine's peak; returns the peak: {precision: GFLOP/s}."""
    peaks = {name: peak(name.removeprefix("mixed_")) for name in ("float32", fastest)}
    print(f"{os.cpu_count()} cores, TensorFlow {version('tensorflow')}, Keras {version('keras')}")
    print(", ".join(f"{peaks[name]:.0f} GFLOP/s in {name}" for name in ("float32", fastest)))
    return peaks | {"fastest": peaks[fastest]}


def table(title, rows, columns, cost, peaks):
    """Prints each row's images/s, percentage of the peak, and how many times faster ours is.

    columns: {(image size, batch size): {row: images/s}}; cost: per image, in forward passes.
    """
    from images.layer_table import macs

    print(f"\n{title:<42}" + "".join(f"{f'{size} px, batch {b}':>24}" for size, b in columns))
    operations = {size: 2 * cost * macs(ours(size)) for size, _ in columns}
    for name, (label, precision) in rows.items():
        cells = ""
        for (size, _), found in columns.items():
            share = found[name] * operations[size] / (1e9 * peaks[precision])
            cells += f"{found[name]:12.1f}{share:6.0%}{found[next(iter(rows))] / found[name]:6.2f}"
        print(f"{label:<42}{cells}", flush=True)


def main(args):
    from helpers import download, versions

    versions.import_tensorflow_quietly()
    from helpers import precision

    fastest = args.precision or precision.choose_precision()
    peaks = describe_machine(fastest)
    torch = Path(args.torch) / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if torch.exists():
        subprocess.run([torch, "-c", "import torch; print('PyTorch', torch.__version__)"])
    else:
        print(f"No PyTorch in {args.torch}: the top of experiments/speed.py says how to add it.")
    print("In each column: images/s, percentage of the peak, how many times faster ours is")
    folder = args.folder or download.dataset_folder("sample")
    for title, rows, sizes, cost in TABLES:
        rows = {name: row for name, row in rows.items() if torch.exists() or "torch" not in name}
        columns = {}
        for size in sizes:
            workers = {}
            for name, (_, kind) in rows.items():
                python = torch if "torch" in name else sys.executable
                kind = fastest if kind == "fastest" else kind
                workers[name] = start_worker(name, python, *size, kind, folder)
            columns[size] = rates(workers, args.rounds)
            print(title, size, {name: round(rate, 1) for name, rate in columns[size].items()})
        table(title, rows, columns, cost, peaks)


def work(name, size, batch, precision, folder):
    from helpers import versions

    versions.import_tensorflow_quietly()
    take_turns(*globals()[name](int(size), int(batch), precision, folder))


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("folder", nargs="?", help="of pictures (default: synthetic ones)")
    parser.add_argument("--torch", default="build/torch", help="environment with PyTorch")
    parser.add_argument("--precision", help="dtype policy, by default the fastest one here")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each process (%(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        work(*sys.argv[2:])
    else:
        main(parse_arguments())
