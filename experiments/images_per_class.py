"""How accuracy grows with the number of training images per class.

    python experiments/images_per_class.py    # an hour and a half on two cores

Caltech 101, split 0, at 64 pixels: trains on 1, 5, 10, 20 and 25 of the 30 training images per
class and scores on the other 5, so the test images stay unused. All runs take equally many
steps. Each run adds a row to experiments/results/images_per_class.csv; runs that are in it are
skipped. With 505 images, one standard error is about 2 points.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from experiments.ablation import train_and_score
from experiments.command_line import user_errors
from experiments.tables import add_rows, missing
from helpers import batches, data, download, files, models
from helpers.precision import choose_precision
from helpers.recipe import Recipe
from helpers.splits import split

RESULTS = files.ROOT / "experiments/results/images_per_class.csv"
RECIPE = Recipe(image_size=64, start_size=None, per_class=30, val_per_class=5)
COUNTS = (1, 5, 10, 20, 25)
STEPS = 3000  # 38 epochs of 25 images per class


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", nargs="+", type=int, default=COUNTS, help="images per class")
    parser.add_argument("--steps", type=int, default=STEPS, help="of each run (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of weights, batches and choice")
    args = parser.parse_args()
    with user_errors():
        size = batches.load_size(RECIPE.image_size)
        images = data.load_images(download.dataset_folder("caltech101"), size)
        measure(images, args.counts, args.steps, replace(RECIPE, seed=args.seed), RESULTS)


def measure(images, counts, steps, recipe, file):
    """Trains once for each number of images per class that has no row in `file`."""
    recipe = replace(recipe, precision=choose_precision())
    wanted = [{"per_class": count, "steps": steps, "seed": recipe.seed} for count in counts]
    for about in missing(file, wanted):
        row = {**about, **run(images, about["per_class"], steps, recipe)}
        add_rows(file, [row])
        print(f"{row['accuracy']:.1%}  {row['per_class']} images per class", flush=True)


def run(images, count, steps, recipe):
    """One training run on `count` images per class: its scores on the validation images."""
    labels = images.labels
    train, val, _ = split(labels, images.class_names, recipe.per_class, recipe.val_per_class)
    rows = first_of_each(train, labels, count, recipe.seed)
    epochs = max(steps // batches.steps_per_epoch(len(rows), recipe), 1)
    size = models.test_size(recipe.image_size, recipe.min_crop_scale)
    score = train_and_score(images, rows, val, replace(recipe, epochs=epochs), size)
    low, high = score["accuracy_interval_95"]
    found = {"images": score["images"], "accuracy": score["accuracy"], "low": low, "high": high}
    return {**{k: round(v, 4) for k, v in found.items()}, "precision": recipe.precision}


def first_of_each(rows, labels, count, seed):
    """`count` of the rows of each class, drawn at random; fewer are always among more."""
    drawn = np.random.default_rng(seed).permutation(rows)
    chosen = [drawn[labels[drawn] == label][:count] for label in np.unique(labels[rows])]
    return np.sort(np.concatenate(chosen))


if __name__ == "__main__":
    main()
