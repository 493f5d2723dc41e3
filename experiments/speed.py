"""Ratios, measured side by side in one run: `make bench`. Times of one machine mean little.

1. A training step: ours with fused layers, ours as the notebooks build it, and that of
   keras.applications.ResNet50.
2. Training from a folder of JPEG files against training from the same images in memory.

`python experiments/speed.py FOLDER` measures the second on a folder of your own, one sub-folder per
class, in place of the synthetic pictures.
"""

import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from helpers import batches, data, download, fused, training
from helpers.recipe import Recipe

SIZE, BATCH, ROUNDS = 64, 32, 5
RECIPE = Recipe(image_size=SIZE, batch_size=BATCH, epochs=100)


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
    slowest = min(rate.values())
    print(title)
    for name, images in rate.items():
        print(f"  {name:<32} {images:7.1f} images/s  {images / slowest:5.2f}")
    print(flush=True)


def application(precision, classes):
    """The library's network, compiled as its users compile it."""
    scaled = keras.layers.Rescaling(1 / 127.5, offset=-1)(keras.Input((SIZE, SIZE, 3)))
    model = keras.applications.ResNet50(weights=None, input_tensor=scaled, classes=classes)
    model.compile(keras.optimizers.AdamW(1e-3), "categorical_crossentropy", jit_compile=False)
    return model


def plain(precision, classes):
    """Our network as the notebooks build it."""
    recipe = replace(RECIPE, precision=precision)
    return training.compile_model(training.build_model(recipe, classes), recipe, steps=8)


def fast(precision, classes):
    """Our network as train.py trains it."""
    recipe = replace(RECIPE, precision=precision)
    model = fused.fuse(training.build_model(recipe, classes))
    return training.compile_model(model, recipe, steps=8)


def bench_step(trials=3):
    """Builds the networks anew in each trial: one and the same network, built twice in one process,
    can differ by more than half in speed, for as long as it lives. The best trials are compared."""
    classes, steps, precision = 101, 8, training.choose_precision()
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 255, (steps * BATCH, SIZE, SIZE, 3)).astype("float32")
    y = keras.utils.to_categorical(rng.integers(0, classes, len(x)), classes)
    shown = batches.without_autotune(tf.data.Dataset.from_tensor_slices((x, y)).batch(BATCH))
    builders = {"ours, fused": fast, "ours, plain": plain, "keras.applications": application}
    best = dict.fromkeys(builders, 0)
    for trial in range(trials):
        runs = {}
        for name in sorted(builders, reverse=trial % 2 == 0):
            model = builders[name](precision, classes)

            def run(model=model):
                model.fit(shown, epochs=1, verbose=0)
                return len(x)

            run()  # builds and traces
            runs[name] = run
        rate = rates(runs)
        best = {name: max(best[name], rate[name]) for name in best}
        keras.backend.clear_session()
    title = f"Training step, {SIZE} px, batch {BATCH}, {precision} (the library's: float32)"
    report(f"{title}, best of {trials}", best)


def bench_folder(folder):
    images = data.load_images(folder, batches.load_size(SIZE))
    rng = np.random.default_rng(0)
    chosen = rng.choice(len(images.paths), 320, replace=len(images.paths) < 320)
    classes = len(images.class_names)
    recipe = replace(RECIPE, epochs=ROUNDS + 1, precision="float32")
    labelled = (images.paths[chosen], images.labels[chosen])
    shown, steps = batches.train_batches(*labelled, classes, recipe)
    model = fast("float32", classes)
    ready = [(x.numpy(), y.numpy()) for x, y in shown.take(steps)]
    pipeline = iter(shown)

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
    bench_folder(sys.argv[1] if len(sys.argv) > 1 else download.dataset_folder("sample"))
