"""Why a linear head scored higher than the frozen network: how it is trained, or what it is shown?

    python experiments/linear_heads.py    # minutes on two cores

Two kinds of head on the features of the frozen Caltech 101 network: logistic regression, and a
dense layer trained by AdamW. Each learns from the training photographs as they are; cropped,
mirrored and in other light; and also cut out and pasted on other backgrounds (batches.copy_paste).
Each is tested on the test photographs as they are, for five splits by session. Writes
experiments/results/linear_heads.csv.
"""

import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from experiments.command_line import user_errors
from experiments.transfer_rates import DIGITS, FOLDS, folds_of, joined
from helpers import batches, data, download, files, models, signs, training
from helpers.recipe import RECIPES

RESULTS = files.ROOT / "experiments/results/linear_heads.csv"
VERSIONS = 2  # of each training photograph, where they differ
STEPS, BATCH_SIZE, RATE = 600, 32, 3e-3


def main():
    with user_errors():
        size = batches.load_size(RECIPES["signs"].image_size)
        images = data.load_images(download.dataset_folder("signs"), size, classes=DIGITS)
        rows = measure(images, signs.backgrounds(size))
    files.write_csv(RESULTS, pd.DataFrame(rows))
    print(pd.DataFrame(rows).pivot_table("accuracy", "shown", "head").round(3))


def measure(images, backgrounds):
    """The accuracy of each head, for each way to show the photographs and each split."""
    backbone = frozen_backbone()
    pixels, _ = data.read_images(images.paths, RECIPES["signs"].image_size)
    tested = backbone.predict(pixels, verbose=0)
    folds, rows = folds_of(images), []
    for shown, versions in versions_of(images, backgrounds, pixels).items():
        features = [backbone.predict(version, verbose=0) for version in versions]
        for fold, test in enumerate(folds):
            train = joined(folds, [n for n in range(FOLDS) if n != fold])
            learned = np.concatenate([version[train] for version in features])
            labels = np.tile(images.labels[train], len(features))
            for name, fit in HEADS.items():
                accuracy = float(np.mean(fit(learned, labels)(tested[test]) == images.labels[test]))
                row = {"head": name, "shown": shown, "fold": fold, "images": len(test)}
                rows.append(row | {"accuracy": round(accuracy, 4)})
                print(rows[-1], flush=True)
    return rows


def frozen_backbone():
    """The Caltech 101 network from images of the digits' size to features: a keras.Model."""
    recipe = replace(RECIPES["signs"], precision="float32")
    network = training.build_model(recipe, len(DIGITS), models.load_model("caltech101")[0])
    return keras.Model(network.input, network.get_layer("avg_pool").output)


def versions_of(images, backgrounds, pixels):
    """The photographs as a head may be shown them: {name: list of arrays (n, s, s, 3)}."""
    cut, numbers = signs.with_masks(images.pixels), range(VERSIONS)
    return {
        "as they are": [pixels],
        "cropped": [augmented(images.pixels, None, number) for number in numbers],
        "cropped and pasted": [augmented(cut, backgrounds, number) for number in numbers],
    }


def augmented(images, backgrounds, number):
    """All images as a training run sees them: (n, size, size, 3)."""
    recipe, parts = RECIPES["signs"], []
    for first in range(0, len(images), 100):
        some, seed = images[first : first + 100], (number, first)
        if backgrounds is not None:
            some = batches.copy_paste(some, backgrounds, np.add(seed, 1))
        given = np.zeros((len(some), 1), "float32"), seed, recipe.image_size
        crops = {"mixup": 0.0, "min_crop_scale": recipe.min_crop_scale}
        parts.append(batches.augment(some, *given, **crops)[0])
    return np.concatenate(parts)


def logistic_regression(features, labels):
    """Fits a head; returns the function from features to digits."""
    head = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=300))
    return head.fit(features, labels).predict


def dense_layer(features, labels):
    """Fits a head; returns the function from features to digits."""
    keras.utils.set_random_seed(0)
    head = keras.Sequential([keras.Input(features.shape[1:]), keras.layers.Dense(len(DIGITS))])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    head.compile(keras.optimizers.AdamW(RATE, weight_decay=0.05), loss)
    epochs = round(STEPS * BATCH_SIZE / len(features))
    order = np.random.default_rng(0).permutation(len(features))
    head.fit(features[order], labels[order], BATCH_SIZE, epochs, verbose=0)
    return lambda tested: head.predict(tested, verbose=0).argmax(axis=1)


HEADS = {"logistic regression": logistic_regression, "dense layer": dense_layer}


if __name__ == "__main__":
    main()
