"""Digits in sign language: the Caltech 101 network frozen and fine-tuned. `make signs`.

Each way trains once with each seed, which also chooses the test sessions. The networks are then
tested on corrupted photographs. Finished runs are kept in build/signs and skipped. models/signs
gets results.csv, curves.csv, nearest.csv, heads.csv and one network of seed 0: the smallest of
those about as good as the best.
"""

import argparse
import itertools
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import train
from experiments.command_line import user_errors
from experiments.corruptions import CORRUPTIONS, accuracy_on
from experiments.linear_heads import frozen_backbone, logistic_regression
from experiments.transfer_rates import DIGITS
from helpers import UserError, data, evaluation, models, signs, training
from helpers.batches import load_size
from helpers.download import caltech101, dataset_folder
from helpers.files import ROOT, write_csv
from helpers.precision import choose_precision
from helpers.recipe import RECIPES
from helpers.splits import split_groups
from images.nearest import nearest

# The smallest file comes first: frozen layers are stored in models/caltech101 already.
WAYS = {
    "frozen": ["--freeze", "conv5", "--learning-rate", "1e-2", "--epochs", "20"],
    "fine-tuned": [],
}
BUILD, MODEL = ROOT / "build/signs", models.MODELS / "signs"
SIZE = 100  # pixels, as the photographs are; corruptions are applied at this size


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--seeds", type=int, default=5, help="seeds of the comparison (%(default)s)")
    add("--ways", nargs="+", choices=WAYS, default=list(WAYS), help="(default: all)")
    add("--few-seeds", type=int, default=1, help="seeds with few photos, 0 for none (%(default)s)")
    add("--epochs", type=int, default=RECIPES["signs"].epochs, help="of fine-tuning (%(default)s)")
    add("--ship", choices=WAYS, help="way whose network to keep (default: see above)")
    add("--tables", action="store_true", help="print the tables of models/signs, train nothing")
    args = parser.parse_args()
    with user_errors():
        if not args.tables:
            near_duplicates()
            compare(args.seeds, args.epochs, args.ways)
            few_photos(args.few_seeds)
            ship(args.ship or smallest_of_the_best())
        print(tables())


# --- the split ----------------------------------------------------------------------------------


def near_duplicates():
    """Compares five splits by session with five random ones: nearest.csv, heads.csv.

    The distance of each test photograph to the nearest training photograph, and the accuracy of a
    linear classifier on the features of the Caltech 101 network.
    """
    folder = dataset_folder("signs")
    images = data.load_images(folder, SIZE, classes=DIGITS)
    pixels, _ = data.read_images(images.paths, RECIPES["signs"].image_size)
    features = frozen_backbone().predict(pixels, verbose=0)
    everyone = np.arange(len(images.paths))
    groups = {"at random": everyone, "by session": signs.sessions(images.paths)}
    near, heads = [], []
    for rule, sessions in groups.items():
        order = np.random.default_rng(0).permutation(everyone) if sessions is everyone else everyone
        for seed in range(5):
            parts = split_groups(images.labels[order], DIGITS, sessions, seed=seed)
            train_rows, _, test = (order[part] for part in parts)
            distances, twins = nearest(images.pixels, train_rows, test)
            for distance, one, other in zip(distances, test, twins, strict=True):
                pair = [Path(images.paths[row]).stem for row in (one, other)]
                near.append({"split": rule, "distance": distance, "test": pair[0]})
                near[-1]["nearest"] = pair[1]
            predict = logistic_regression(features[train_rows], images.labels[train_rows])
            accuracy = np.mean(predict(features[test]) == images.labels[test])
            heads.append({"split": rule, "seed": seed, "images": len(test), "accuracy": accuracy})
    MODEL.mkdir(parents=True, exist_ok=True)
    near = pd.DataFrame(near).sort_values(["split", "distance"])
    write_csv(MODEL / "nearest.csv", near.round(4))
    write_csv(MODEL / "heads.csv", pd.DataFrame(heads).round(4))


# --- training runs ------------------------------------------------------------------------------


def compare(seeds, epochs, ways):
    """Trains every way with every seed, and tests each network on every corruption."""
    jobs = itertools.product(range(seeds), ways)
    for seed, way in jobs:
        out = run(way, seed, ["--epochs", str(epochs), *WAYS[way]])
        if not (out / "rows.csv").exists():
            about = {"way": way, "seed": seed, "photos": "all"}
            write_rows(out, [row | about for row in shift_rows(out)])
        gather()
        keras.utils.clear_session()  # gives memory back


def few_photos(seeds, per_class=(5, 20, 80), steps=240):
    """Fine-tunes with few photographs per class, always for the same number of steps."""
    if not seeds:
        return
    recipe = replace(RECIPES["signs"], precision=choose_precision())
    size = load_size(recipe.image_size)
    images = data.load_images(dataset_folder("signs"), size, classes=DIGITS)
    sessions = signs.sessions(images.paths)
    inputs = signs.with_masks(images.pixels)
    backgrounds = signs.backgrounds(size)
    init, _ = models.load_model("caltech101")
    for seed, photos in itertools.product(range(seeds), per_class):
        out = BUILD / f"fine-tuned-{photos}-photos-{seed}"
        if (out / "rows.csv").exists():
            continue
        rows, _, test = split_groups(images.labels, DIGITS, sessions, photos, 0, seed)
        batch_size = min(recipe.batch_size, len(rows))
        epochs = steps // (len(rows) // batch_size)
        one = replace(recipe, seed=seed, batch_size=batch_size, epochs=epochs)
        model = training.build_model(one, len(DIGITS), init)
        labelled = (inputs[rows], images.labels[rows])
        training.fit(model, labelled, one, backgrounds=backgrounds, verbose=0)
        probabilities = evaluation.predict_files(model, images.paths[test], recipe.image_size)
        score = evaluation.scores(images.labels[test], probabilities)
        print(f"{photos} photos per class, seed {seed}: {score['accuracy']:.1%}", flush=True)
        row = {"shift": "as they are", "images": len(test), "accuracy": score["accuracy"]}
        write_rows(out, [row | {"way": "fine-tuned", "seed": seed, "photos": photos}])
        gather()
        del model
        keras.utils.clear_session()  # gives memory back


def write_rows(out, rows):
    """Writes the scores of one network, last of all: they mark the run as finished."""
    out.mkdir(parents=True, exist_ok=True)
    write_csv(out / "rows.csv", pd.DataFrame(rows))


def run(name, seed, flags):
    """One training run, unless it is finished; returns its folder."""
    out = BUILD / f"{name.replace(' ', '-')}-{seed}"
    print(f"--- {name}, seed {seed}", flush=True)
    numbers = ["--seed", str(seed), "--split-seed", str(seed)]
    train.main(["--data", "signs", "--out", str(out), *numbers, *flags])
    return out


def shift_rows(out):
    """The accuracy of the network in `out` on its test photographs, for each corruption."""
    model, card = models.load_model(out)
    split = pd.read_csv(out / "split.csv").query("part == 'test'")
    folder = dataset_folder("signs")
    pixels, _ = data.read_images([str(folder / file) for file in split["file"]], SIZE)
    labels = split["class"].astype(str).map(card["class_names"].index).to_numpy()
    images, backgrounds = signs.with_masks(pixels), photographs()
    rows = []
    for name in CORRUPTIONS:
        accuracy = accuracy_on(model, images, labels, backgrounds, name)
        rows.append({"shift": name, "images": len(labels), "accuracy": accuracy})
        print(f"{name:26} {accuracy:.1%}", flush=True)
    return rows


def photographs():
    """Backgrounds that no training run has seen: Caltech 101's BACKGROUND_Google."""
    files = sorted((caltech101() / "BACKGROUND_Google").glob("*.jpg"))
    pixels, errors = data.read_images([str(file) for file in files], SIZE)
    return pixels[[error is None for error in errors]]


def gather():
    """Writes the results so far to models/signs."""
    MODEL.mkdir(parents=True, exist_ok=True)
    done = sorted(BUILD.glob("*/rows.csv"))
    rows = pd.concat([pd.read_csv(path) for path in done])
    rows = rows[["way", "seed", "photos", "shift", "images", "accuracy"]].round(4)
    write_csv(MODEL / "results.csv", rows)
    curves = []
    for path in done:
        about = pd.read_csv(path).iloc[0]
        if str(about["photos"]) == "all":
            history = pd.read_csv(path.with_name("history.csv"))[["epoch", "loss", "accuracy"]]
            curves.append(history.assign(way=about["way"], seed=about["seed"]).round(4))
    write_csv(MODEL / "curves.csv", pd.concat(curves))


def smallest_of_the_best(plain=0.005, shifted=0.01):
    """The first of WAYS that is at most this much worse than the best, plain and corrupted."""
    rows = pd.read_csv(MODEL / "results.csv").query("photos == 'all'")
    means = pd.DataFrame(
        {
            "plain": rows[rows["shift"] == "as they are"].groupby("way")["accuracy"].mean(),
            "shifted": rows.groupby("way")["accuracy"].mean(),
        }
    )
    near = (means >= means.max() - [plain, shifted]).all(axis=1)
    return next((way for way in WAYS if near.get(way)), means["plain"].idxmax())


def ship(way):
    """Copies the network of seed 0 to models/signs, the card last."""
    print(f"models/signs: {way}, seed 0")
    source = BUILD / f"{way.replace(' ', '-')}-0"
    (MODEL / models.CARD).unlink(missing_ok=True)
    names = (models.WEIGHTS, training.HISTORY, "split.csv", "curves.png", models.CARD)
    for name in names:
        shutil.copyfile(source / name, MODEL / name)


# --- the tables ---------------------------------------------------------------------------------


def tables():
    """The results as Markdown tables. Raises UserError if there are none."""
    if not (MODEL / "results.csv").exists():
        raise UserError(f"{MODEL} has no results yet: start this without --tables.")
    rows = pd.read_csv(MODEL / "results.csv")
    whole = rows[rows["photos"].astype(str) == "all"]
    few = rows[rows["photos"].astype(str) != "all"]
    parts = [split_table(), accuracy_table(whole), corruption_table(whole)]
    if len(few):
        parts.append(few_table(few))
    return "\n\n".join("\n".join(lines) for lines in parts)


def header(*names):
    return ["| " + " | ".join(names) + " |", "|---" * len(names) + "|"]


def percent(accuracies):
    """Mean and standard deviation as text, in percent."""
    spread = accuracies.std() if len(accuracies) > 1 else 0
    return f"{100 * accuracies.mean():.1f} ± {100 * spread:.1f}"


def ways_in(whole):
    return [way for way in WAYS if way in set(whole["way"])]


def split_table():
    near = pd.read_csv(MODEL / "nearest.csv").groupby("split")
    heads = pd.read_csv(MODEL / "heads.csv")
    heads = 100 * heads.pivot(index="split", columns="seed", values="accuracy")
    lines = header(
        "split", "nearest pair", "1 % below", "median", "three nearest pairs", "linear head"
    )
    for rule, table in near:
        cells = [f"{table['distance'].quantile(q):.2f}" for q in (0, 0.01, 0.5)]
        once = table[table["test"] < table["nearest"]].head(3)
        pairs = "; ".join(f"{r.test} {r.nearest} {r.distance:.2f}" for r in once.itertuples())
        scores = " ".join(f"{accuracy:.1f}" for accuracy in heads.loc[rule])
        scores += f", mean {heads.loc[rule].mean():.1f}"
        lines.append(f"| {rule} | " + " | ".join([*cells, pairs, scores]) + " |")
    return lines


def accuracy_table(whole):
    plain = whole[whole["shift"] == "as they are"]
    seeds = sorted(set(plain["seed"]))
    lines = header("test accuracy", *(f"seed {seed}" for seed in seeds), "mean", "all photos")
    for way in ways_in(whole):
        mine = plain[plain["way"] == way].set_index("seed")
        each = mine["accuracy"].reindex(seeds)
        each = " | ".join("" if np.isnan(a) else f"{100 * a:.1f}" for a in each)
        pooled = np.average(mine["accuracy"], weights=mine["images"])
        lines.append(f"| {way} | {each} | {percent(mine['accuracy'])} | {100 * pooled:.1f} |")
    return lines


def corruption_table(whole):
    ways = ways_in(whole)
    lines = header("test photos", *ways)
    for name in CORRUPTIONS:
        mine = whole[whole["shift"] == name]
        cells = [percent(mine[mine["way"] == way]["accuracy"]) for way in ways]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def few_table(few):
    lines = header("photos per class", "fine-tuned, a number per seed")
    for photos, mine in few.groupby(few["photos"].astype(int)):
        accuracies = " ".join(f"{100 * accuracy:.1f}" for accuracy in mine["accuracy"])
        lines.append(f"| {photos} | {accuracies} |")
    return lines


if __name__ == "__main__":
    main()
