"""Which recipe trains best: long runs, scored on validation images.

    python experiments/search.py                    # the missing runs
    python experiments/search.py --runs NAME ...    # only these
    python experiments/search.py --runs NAME --trained FOLDER    # trained by train_on_gpu.py

On two cores, 60 epochs at 64 px take half an hour, 400 growing ones four hours.

Caltech 101: 20 of the 30 training images per class are trained on and 10 score, so the test images
stay unused. The run of 400 epochs is on the shipped network's split, 3, the others are on split 0.
Each run adds a row to experiments/results/search.csv; a stopped run resumes after its last epoch
(build/search). With 1,010 images, one standard error is about 1.5 points.
"""

import argparse
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from experiments import variants
from experiments.command_line import user_errors
from experiments.tables import add_rows, missing
from helpers import UserError, batches, data, download, files, models, training
from helpers.recipe import Recipe
from helpers.splits import split

RESULTS = files.ROOT / "experiments/results/search.csv"
RECIPE = Recipe(val_per_class=10, epochs=60, precision="mixed_bfloat16")
VARIANTS = {
    "TrivialAugment": variants.with_trivial_augment,
    "averaged weights": variants.with_averaged_weights,
}
GROWING = {
    "image_size": 96,
    "start_size": 64,
    "batch_size": 64,
    "learning_rate": 1.5e-3,
    "weight_decay": 0.1,
}
RUNS = {
    "base": {},
    "decay 0.5": {"weight_decay": 0.5},
    "decay 0.2": {"weight_decay": 0.2},
    "TrivialAugment": {"weight_decay": 0.2},
    "64 to 128 px": {"weight_decay": 0.2, "image_size": 128, "start_size": 64},
    "rate 2e-3, decay 0.2": {"learning_rate": 2e-3, "weight_decay": 0.2},
    "averaged weights": {"weight_decay": 0.2},
    "unmixed 0.2": {"weight_decay": 0.2, "unmixed": 0.2},
    "crops 0.25": {"weight_decay": 0.2, "min_crop_scale": 0.25},
    "batch 64, rate 2e-3, decay 0.2": {
        "batch_size": 64,
        "learning_rate": 2e-3,
        "weight_decay": 0.2,
    },
    "64 to 96 px": GROWING,
    "64 to 96 px, 220 epochs": {**GROWING, "epochs": 220},
    "64 to 128 px, 400 epochs": {**GROWING, "image_size": 128, "epochs": 400, "split_seed": 3},
    "120 epochs": {"weight_decay": 0.2, "epochs": 120},
    "decay 1": {"weight_decay": 1.0},
    "sgd 0.1, decay 5e-3": {"optimizer": "sgd", "learning_rate": 0.1, "weight_decay": 5e-3},
    "sgd 0.1, decay 2e-2": {"optimizer": "sgd", "learning_rate": 0.1, "weight_decay": 2e-2},
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", nargs="+", choices=RUNS, default=list(RUNS))
    parser.add_argument("--seed", type=int, default=RECIPE.seed, help="of weights and batches")
    parser.add_argument("--trained", metavar="FOLDER", help="of train_on_gpu.py: not trained here")
    args = parser.parse_args()
    with user_errors():
        if args.trained:
            return add_trained(Path(args.trained), args.runs, args.seed)
        search(download.dataset_folder("caltech101"), args.runs, args.seed)


def search(folder, names, seed, results=RESULTS, scratch=files.ROOT / "build/search"):
    """Trains once for each name that has no row in `results`."""
    for about in missing(results, [{"run": name, "seed": seed} for name in names]):
        name = about["run"]
        recipe = replace(RECIPE, **RUNS[name], seed=seed)
        with VARIANTS.get(name, nullcontext)():
            row = {**about, **run(folder, recipe, scratch / f"{name}-{seed}")}
        add_rows(results, [row])
        print(f"{row['accuracy']:.1%}  {name}, seed {seed}", flush=True)


def add_trained(folder, names, seed, results=RESULTS):
    """Adds the row of one run that train_on_gpu.py trained in `folder`. Raises UserError."""
    for about in missing(results, [{"run": name, "seed": seed} for name in names]):
        recipe = replace(RECIPE, **RUNS[about["run"]], seed=seed)
        history = pd.read_csv(folder / "history.csv").to_dict("records")
        if len(names) > 1 or len(history) != recipe.epochs:
            raise UserError(f"{folder} has one run, of {len(history)} epochs: name it with --runs.")
        with np.load(folder / "validation.npz") as held_out:
            found = score(held_out["labels"], held_out["probabilities"])
        add_rows(results, [{**about, **describe(recipe), **found, **last(history)}])


def run(folder, recipe, scratch):
    """One training run: its settings and its scores on the validation images."""
    keras.utils.clear_session()  # frees memory
    images = data.load_images(folder, batches.load_size(recipe.image_size))
    how = (recipe.per_class, recipe.val_per_class, recipe.split_seed)
    train, val, _ = split(images.labels, images.class_names, *how)
    settings = dict(vars(recipe))
    _, history = training.previous_run(scratch, settings)
    scratch.mkdir(parents=True, exist_ok=True)
    model = training.build_model(recipe, len(images.class_names))
    labelled = (images.pixels[train], images.labels[train])
    checkpoint = training.Checkpoint(scratch, settings, history)
    history = training.fit(model, labelled, recipe, checkpoint=checkpoint)
    size = models.test_size(recipe.image_size, recipe.min_crop_scale)
    pixels, _ = data.read_images(images.paths[val], size)
    probabilities = models.predict_probabilities(model, pixels)
    training.discard(scratch)
    return {**describe(recipe), **score(images.labels[val], probabilities), **last(history)}


def describe(recipe):
    """The settings that runs differ in."""
    shown = {key for change in RUNS.values() for key in change} | {"epochs"}
    return {name: value for name, value in vars(recipe).items() if name in shown}


def score(labels, probabilities):
    """Accuracy, cross-entropy in nats, and the best temperature with its cross-entropy.

    "threshold" is that of predict.py after tempering, see sure_from.
    """
    temperature = fit_temperature(labels, probabilities)
    tempered = models.temper(probabilities, temperature)
    return {
        "accuracy": round(float((probabilities.argmax(1) == labels).mean()), 4),
        "cross_entropy": round(cross_entropy(labels, probabilities), 4),
        "temperature": round(temperature, 3),
        "tempered": round(cross_entropy(labels, tempered), 4),
        "threshold": round(sure_from(labels, tempered), 3),
    }


def cross_entropy(labels, probabilities):
    """Mean cross-entropy in nats. labels: int (n,); probabilities: (n, classes)."""
    right = probabilities[np.arange(len(labels)), labels]
    return float(-np.mean(np.log(np.maximum(right, 1e-12))))


def fit_temperature(labels, probabilities):
    """The temperature between 0.1 and 10 with the lowest cross-entropy on held-out images.

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", section 4.2.
    """
    found = minimize_scalar(
        lambda logarithm: cross_entropy(labels, models.temper(probabilities, np.exp(logarithm))),
        bounds=(np.log(0.1), np.log(10)),
        method="bounded",
    )
    return float(np.exp(found.x))


def sure_from(labels, probabilities, accuracy=0.8):
    """The lowest top probability from which on this share of the answers is right; 1 if none."""
    said = probabilities.max(axis=1)
    order = np.argsort(-said)
    right = (probabilities.argmax(axis=1) == labels)[order]
    shares = np.cumsum(right) / np.arange(1, len(right) + 1)
    enough = np.flatnonzero(shares >= accuracy)
    return float(said[order][enough[-1]]) if len(enough) else 1.0


def last(history):
    """The last epoch's training loss and accuracy, on augmented images."""
    return {
        "train_loss": round(history[-1]["loss"], 4),
        "train_accuracy": round(history[-1]["accuracy"], 4),
    }


if __name__ == "__main__":
    main()
