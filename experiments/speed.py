"""Two ratios, measured side by side in one run: `make bench`. Times of one machine mean little.

1. A training step of our ResNet50 against keras.applications.ResNet50, compiled the same way.
2. Training from a folder of JPEG files against training from the same images in memory.

`python tests/bench.py FOLDER` measures the second on a folder of your own (one sub-folder a class)
in place of the synthetic pictures.
"""

import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from helpers import data, resnet, training  # isort: skip  (first: TensorFlow starts quietly)

import keras
import numpy as np

SIZE, BATCH, ROUNDS = 64, 32, 5


def rates(runs):
    """Calls each function in turn, ROUNDS times over; returns images/s of each, median."""
    seconds = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            start = time.perf_counter()
            images = run()
            seconds[name].append((time.perf_counter() - start) / images)
    return {name: 1 / statistics.median(some) for name, some in seconds.items()}


def report(title, rate):
    (first, one), (second, other) = rate.items()
    print(title)
    print(f"  {first:<32} {one:7.1f} images/s")
    print(f"  {second:<32} {other:7.1f} images/s")
    print(f"  ratio {one / other:.3f}\n", flush=True)


def bench_step(trials=3):
    """Builds both networks anew in each trial, in turns first: one and the same network, built
    twice in one process, can differ by more than half in speed, for as long as it lives. So the
    best of the trials are compared."""
    classes, steps = 101, 8
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 255, (steps * BATCH, SIZE, SIZE, 3)).astype("float32")
    y = keras.utils.to_categorical(rng.integers(0, classes, len(x)), classes)

    def application():
        scaled = keras.layers.Rescaling(1 / 127.5, offset=-1)(keras.Input((SIZE, SIZE, 3)))
        return keras.applications.ResNet50(weights=None, input_tensor=scaled, classes=classes)

    def ours():
        return resnet.ResNet50((SIZE, SIZE, 3), classes)

    best = {"ours": 0, "keras.applications": 0}
    builders = {"ours": ours, "keras.applications": application}
    for trial in range(trials):
        runs = {}
        for name in sorted(builders, reverse=trial % 2 == 0):
            model = training.compile_model(builders[name](), steps, 100, 1e-3, 0.05, 0.1)

            def run(model=model):
                model.fit(x, y, batch_size=BATCH, epochs=1, verbose=0, shuffle=False)
                return len(x)

            run()  # builds and traces
            runs[name] = run
        rate = rates(runs)
        print(f"  trial {trial + 1}:", {name: round(r, 1) for name, r in rate.items()}, flush=True)
        best = {name: max(best[name], rate[name]) for name in best}
        keras.backend.clear_session()
    report(f"Training step, {SIZE} px, batch {BATCH}, float32, best of {trials}", best)


def bench_folder(folder):
    images = data.load_images(folder, data.stored_size(SIZE))
    rng = np.random.default_rng(0)
    chosen = rng.choice(len(images.paths), 320, replace=len(images.paths) < 320)
    pixels, classes = images.pixels[chosen], len(images.class_names)
    options = dict(size=SIZE, batch_size=BATCH, epochs=ROUNDS + 1)
    batches, steps = data.training_batches(pixels, images.labels[chosen], classes, **options)
    model = training.new_network(SIZE, classes, False, "float32")
    training.compile_model(model, steps, 100, 1e-3, 0.05, 0.1)
    ready = [(x.numpy(), y.numpy()) for x, y in batches.take(steps)]
    pipeline = iter(batches)

    def from_folder():
        for _ in range(steps):
            model.train_on_batch(*next(pipeline))
        return steps * BATCH

    def from_memory():
        for x, y in ready:
            model.train_on_batch(x, y)
        return steps * BATCH

    from_memory()  # builds and traces
    from_folder()  # the first epoch
    title = f"Training after the first epoch, {len(images.paths):,} files"
    report(
        title, rates({"read from files, augmented": from_folder, "tensors in memory": from_memory})
    )


if __name__ == "__main__":
    bench_step()
    bench_folder(sys.argv[1] if len(sys.argv) > 1 else data.dataset_folder("sample"))
