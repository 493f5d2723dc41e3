"""Which size, backgrounds and number of epochs suit the digits best, on held-out sessions.

    python experiments/digits_search.py                # the missing runs: an hour on two cores
    python experiments/digits_search.py --runs NAME    # only these

Fine-tunes models/caltech101 on three folds of sessions and scores on a fourth: as they are, and
with the corruptions of SCORED. Their backgrounds are photographs of Caltech 101's objects; those of
BACKGROUND_Google are left for the tests of transfer_study.py. Each run adds a row to
experiments/results/digits_search.csv; runs that are in it are skipped.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from experiments import transfer_rates, variants
from experiments.command_line import user_errors
from experiments.corruptions import accuracy_on
from experiments.tables import add_rows, missing
from helpers import batches, data, download, files, models, signs, training
from helpers.precision import choose_precision
from helpers.recipe import RECIPES

RESULTS = files.ROOT / "experiments/results/digits_search.csv"
RUNS = {
    "64 px": {"image_size": 64},
    "96 px": {"image_size": 96},
    "128 px": {"image_size": 128},
    "96 px, dead leaves": {"image_size": 96},
    "96 px, 80 epochs": {"image_size": 96, "epochs": 80},
    "96 px, dead leaves, 80 epochs": {"image_size": 96, "epochs": 80},
}
SCORED = ("as they are", "other background", "hand at 0.6 of its size", "four at once")
FOLD = 1  # of fold 0, the test of the shipped network's split, no photograph is used
TRAINED = (2, 3, 4)
SIDE = 128  # pixels, for corruptions


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", nargs="+", choices=RUNS, default=list(RUNS))
    parser.add_argument("--seed", type=int, default=0, help="of weights and batches")
    args = parser.parse_args()
    with user_errors():
        search(args.runs, args.seed, RESULTS)


def search(names, seed, file):
    """Trains once for each name that has no row in the CSV `file`."""
    for about in missing(file, [{"run": name, "seed": seed} for name in names]):
        recipe = replace(RECIPES["signs"], **RUNS[about["run"]], seed=seed)
        model, history = trained(recipe, "dead leaves" in about["run"])
        row = {**about, "image_size": recipe.image_size, "epochs": recipe.epochs}
        row |= {"train_accuracy": round(history[-1]["accuracy"], 4), **scores(model)}
        add_rows(file, [row])
        print(*row.values(), flush=True)


def photographs(folds, side):
    """The photographs of these folds of sessions: (uint8 (n, side, side, 3), labels (n,))."""
    images = data.load_images(download.dataset_folder("signs"), side, classes=transfer_rates.DIGITS)
    rows = transfer_rates.joined(transfer_rates.folds_of(images), folds)
    return images.pixels[rows], images.labels[rows]


def trained(recipe, dead_leaves):
    """Fine-tunes as `train.py --data signs` does; returns the network and its history."""
    keras.utils.clear_session()  # frees memory
    recipe = replace(recipe, precision=choose_precision())
    size = batches.load_size(recipe.image_size)
    pixels, labels = photographs(TRAINED, size)
    backgrounds = signs.backgrounds(size)
    if dead_leaves:
        backgrounds = np.concatenate([backgrounds, variants.dead_leaves(len(backgrounds), size)])
    init = models.load_model("caltech101")[0]
    model = training.build_model(recipe, len(transfer_rates.DIGITS), init)
    labelled = (signs.with_masks(pixels), labels)
    history = training.fit(model, labelled, recipe, backgrounds=backgrounds, verbose=0)
    return model, history


def scores(model):
    """The accuracy on the held-out fold for each corruption of SCORED."""
    pixels, labels = photographs([FOLD], SIDE)
    about = (model, signs.with_masks(pixels), labels, objects())
    return {name: round(accuracy_on(*about, name), 4) for name in SCORED}


def objects():
    """Photographs of objects, five of each class of Caltech 101, in random order."""
    folder = download.dataset_folder("caltech101")
    names = [name for name in sorted(folder.iterdir()) if name.name not in data.NOT_OBJECTS]
    chosen = [path for name in names for path in sorted(name.glob("*.jpg"))[:5]]
    pixels, _ = data.read_images(chosen, SIDE)
    return pixels[np.random.default_rng(0).permutation(len(pixels))]


if __name__ == "__main__":
    main()
