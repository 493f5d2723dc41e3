"""Five ways to learn the digits in sign language, each at its own best learning rate.

    python experiments/transfer_rates.py    # an hour on two cores

All ways take equally many steps on equally treated photographs: cropped, mirrored, other light, but
not pasted on other backgrounds. First each way tries three learning rates: it trains on two folds
of sessions and is scored on a third, none of them in a test of this study. At the best of its rates
it then trains on four folds and is tested on the fifth, for two test folds. Each run adds a row to
experiments/results/transfer_rates.csv, with the photographs that it missed; runs that are in it are
skipped. Delete that file first if the Caltech 101 network has been trained again. Images have
the size of the digits' recipe, as the photographs in notebook 06, which takes these rates.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from experiments.command_line import user_errors
from experiments.tables import add_rows, missing
from helpers import batches, data, download, evaluation, files, models, signs, training
from helpers.precision import choose_precision
from helpers.recipe import RECIPES
from helpers.splits import split_groups

RESULTS = files.ROOT / "experiments/results/transfer_rates.csv"
RATES = {  # larger ones for a single new layer
    "frozen": (1e-2, 3e-2, 1e-1),
    "fine-tuned": (3e-4, 1e-3, 3e-3),
    "from scratch": (3e-4, 1e-3, 3e-3),
    "partly frozen": (3e-4, 1e-3, 3e-3),
    "head first, then all": (3e-4, 1e-3, 3e-3),
}
# The stage up to which each way freezes the Caltech 101 network; None freezes nothing.
WAYS = {
    "frozen": "conv5",
    "fine-tuned": None,
    "from scratch": None,
    "partly frozen": "conv4",
    "head first, then all": None,
}
HEAD_SHARE = 0.25  # of the steps, for the head alone, before all layers train
TEST_FOLDS, VALIDATION_FOLD, FOLDS = (0, 1), 4, 5
DIGITS = list("012345")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--steps", type=int, default=240, help="of each run (%(default)s)")
    args = parser.parse_args()
    with user_errors():
        recipe = replace(RECIPES["signs"], precision=choose_precision())
        size = batches.load_size(recipe.image_size)
        images = data.load_images(download.dataset_folder("signs"), size, classes=DIGITS)
        study(images, args.ways, args.steps, recipe, RESULTS)


def study(images, ways, steps, recipe, file):
    """Adds the missing runs of each way to the CSV `file`: its rates, then the tests at the best.

    "head first, then all" trains its head at the best rate of "frozen", which comes before it.
    """
    folds = folds_of(images)
    searched = [n for n in range(FOLDS) if n not in (*TEST_FOLDS, VALIDATION_FOLD)]
    for way in ways:
        about = {"way": way, "steps": steps}
        wanted = [about | run_of("validation", VALIDATION_FOLD, rate) for rate in RATES[way]]
        measure(images, joined(folds, searched), wanted, recipe, file)
        rate = best_rate(file, way, steps)
        for fold in TEST_FOLDS:
            others = joined(folds, [n for n in range(FOLDS) if n != fold])
            measure(images, others, [about | run_of("test", fold, rate)], recipe, file)


def folds_of(images):
    """The five folds of sessions, fold n the test of split_groups with seed n: index arrays."""
    sessions = signs.sessions(images.paths)
    return [split_groups(images.labels, DIGITS, sessions, seed=n)[2] for n in range(FOLDS)]


def joined(folds, numbers):
    """The rows of these folds, in order."""
    return np.sort(np.concatenate([folds[n] for n in numbers]))


def run_of(part, fold, rate):
    return {"part": part, "fold": fold, "learning_rate": rate}


def measure(images, train, wanted, recipe, file):
    """Trains on the rows `train` for each run of `wanted` that `file` lacks."""
    for run in missing(file, wanted):
        head_first = run["way"] == "head first, then all"
        head_rate = best_rate(file, "frozen", run["steps"]) if head_first else None
        model = trained(images, train, run, recipe, head_rate)
        scored = folds_of(images)[run["fold"]]
        row = {**run, **score(model, images, scored), "precision": recipe.precision}
        add_rows(file, [row])
        print(f"{row['accuracy']:.1%}", *run.values(), flush=True)


def trained(images, train, run, recipe, head_rate=None):
    """The network of one run. head_rate: trains the head first, at this rate."""
    keras.utils.clear_session()  # frees memory
    epochs = round(run["steps"] / batches.steps_per_epoch(len(train), recipe))
    recipe = replace(recipe, seed=run["fold"], freeze=WAYS[run["way"]], epochs=epochs)
    init = None if run["way"] == "from scratch" else models.load_model("caltech101")[0]
    model = training.build_model(recipe, len(DIGITS), init)
    labelled = (images.pixels[train], images.labels[train])
    if head_rate:
        first = replace(recipe, epochs=round(HEAD_SHARE * epochs), learning_rate=head_rate)
        training.fit(training.freeze(model, "conv5"), labelled, first, verbose=0)
        for layer in model.layers:
            layer.trainable = True
        recipe = replace(recipe, epochs=epochs - first.epochs)
    rate = run["learning_rate"]
    training.fit(model, labelled, replace(recipe, learning_rate=rate), verbose=0)
    return model


def score(model, images, rows):
    """How many photographs it was scored on, the share that is right, and the others' names."""
    answers = evaluation.predict_files(model, images.paths[rows], model.input_shape[1])
    wrong = images.paths[rows][answers.argmax(axis=1) != images.labels[rows]]
    missed = " ".join(sorted(Path(path).stem for path in wrong))
    accuracy = round(1 - len(wrong) / len(rows), 4)
    return {"images": len(rows), "accuracy": accuracy, "missed": missed}


def best_rate(file, way, steps):
    """The learning rate with the best score on the validation fold; of equal ones the lowest."""
    rows = pd.read_csv(file).query("way == @way and steps == @steps and part == 'validation'")
    return float(rows.loc[rows["accuracy"].idxmax(), "learning_rate"])


if __name__ == "__main__":
    main()
