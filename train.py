"""Trains a ResNet-50 and writes it to a folder in models/. See `python train.py --help`."""

import argparse
import io
import os
import sys
from dataclasses import asdict, replace
from pathlib import Path

from helpers.recipe import RECIPES, SETTINGS

RENAMED = {  # flags of earlier versions
    "--smallest-crop": "--min-crop-scale",
    "--validation": "--val-per-class",
    "--start": "--init-from",
    "--restart": "--overwrite",
}
EPILOG = """examples:
  python train.py                      Caltech 101, downloaded the first time: hours on a CPU
  python train.py --image-size 64 --epochs 60     the same at a smaller size, in less than an hour
  python train.py --data sample        synthetic pictures: no download, minutes
  python train.py --data signs         digits in sign language, starting from the
                                       network trained on Caltech 101
  python train.py --data my_pictures   a folder with one sub-folder per class

The defaults above are for caltech101; helpers/recipe.py has those of the other data sets.

To resume a stopped run after its last finished epoch, start the same command again.

All GPUs of a machine are used. For several machines see docs/several-machines.md."""


# --- the command line ---------------------------------------------------------------------------


def main(arguments=None):
    args, recipe = parse_arguments(arguments)
    from helpers import UserError, versions

    try:
        versions.check()
        train(args, recipe)
    except UserError as error:
        print(f"train.py: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("\nStopped. The same command resumes after the last finished epoch.")
        sys.exit(130)


def parse_arguments(arguments=None):
    """The flags as (argparse.Namespace, Recipe)."""
    parser = argparse.ArgumentParser(
        prog="train.py",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Trains a ResNet-50 and scores it on held-out images.",
        epilog=EPILOG,
    )
    parser.error = lambda message: parser.exit(2, f"train.py: {message} (see --help)\n")
    add = parser.add_argument
    add("--data", default="caltech101", help="caltech101, signs, sample or a folder (%(default)s)")
    add("--digits", type=int, choices=(6, 10), default=6, help="signs: 0-5 or 0-9 (%(default)s)")
    add("--data-dir", help="data folder (default: $RESNET50_DATA, else data/ here)")
    add("--out", help="folder for the result (default: models/my-DATA)")
    add("--overwrite", action="store_true", help="discard the run in --out and start over")
    add("--no-cache", action="store_true", help="read images on demand: less memory")
    for name, setting in SETTINGS.items():
        add_setting(parser, name, **setting)
    for old, new in RENAMED.items():
        add(old, nargs="?", action=Renamed, now=new, help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    chosen = {name: getattr(args, name) for name in SETTINGS if getattr(args, name) is not None}
    if args.imagenet or args.init_from == "random":
        chosen["init_from"] = None
    recipe = replace(RECIPES.get(args.data, RECIPES["folder"]), **chosen)
    if recipe.freeze and not recipe.init_from:
        parser.error("argument --freeze: needs --init-from, a network to start from")
    if args.start_size is None and (recipe.start_size or 0) > recipe.image_size:
        recipe = replace(recipe, start_size=None)  # the default is for larger images
    if recipe.start_size and recipe.start_size > recipe.image_size:
        parser.error("argument --start-size: must not exceed --image-size")
    return args, recipe


def add_setting(parser, name, help, choices=None, **limits):
    """Adds the flag of one field of Recipe; without the flag its value is None."""
    default = getattr(RECIPES["caltech101"], name)
    flag = "--" + name.replace("_", "-")
    if isinstance(default, bool):
        on, value = (f"--no-{flag[2:]}", False) if default else (flag, True)
        parser.add_argument(on, dest=name, action="store_const", const=value, help=help)
        return
    shown = help if default is None else f"{help} ({default})"
    kind = number_within(**limits) if limits else str
    parser.add_argument(flag, type=kind, choices=choices, help=shown)


def number_within(at_least, at_most=float("inf"), below=float("inf")):
    """An argparse type: a number of at_least's type within limits."""

    def number(text):
        try:
            value = type(at_least)(text)
        except ValueError:
            value = None
        if value is None or not at_least <= value < float("inf"):
            raise argparse.ArgumentTypeError(f"{text!r} is not a number of {at_least:g} or more")
        if value > at_most:
            raise argparse.ArgumentTypeError(f"must be {at_most} or less")
        if value >= below:
            raise argparse.ArgumentTypeError(f"must be below {below}")
        return value

    return number


class Renamed(argparse.Action):
    """Refuses a flag of an earlier version and names the new one."""

    def __init__(self, *args, now, **options):
        super().__init__(*args, **options)
        self.now = now

    def __call__(self, parser, namespace, values, option_string=None):
        parser.error(f"{option_string} is now called {self.now}")


# --- the run ------------------------------------------------------------------------------------


def train(args, recipe):
    """Trains by the recipe, or resumes an earlier run, and scores the result."""
    from helpers import distributed, models, splits, training

    distributed.strategy()  # with several machines: waits for them, before any computation
    chief = distributed.worker()[0] == 0
    if not chief:
        sys.stdout = io.StringIO()
    out = output_folder(args)
    images, parts, folder = read_data(args, recipe)
    init, init_card = models.load_model(recipe.init_from) if recipe.init_from else (None, {})
    settings = settings_of(recipe, images, init_card)
    if args.overwrite and chief:
        training.discard(out)
    distributed.check_same(settings)  # waits until the chief has discarded
    card, history = training.previous_run(out, settings)
    distributed.check_same({"epochs done": len(history), "finished": bool(card)})
    if card:
        print(f"{out} has this training run, finished (--overwrite trains it again).")
        return report(card["test"], out)
    if history:
        print(f"Resuming after epoch {len(history)} of {recipe.epochs}")
    if chief:
        splits.write_split(out / "split.csv", folder, images, parts)

    recipe = with_precision(recipe, history)
    model = training.build_model(recipe, len(images.class_names), init)
    history = fit(model, images, parts, args, recipe, training.Checkpoint(out, settings, history))
    if not chief:
        return
    minutes = round(sum(row["seconds"] for row in history) / 60, 1)
    print(f"Trained for {minutes} minutes")
    if recipe.val_per_class:
        training.restore(model, out, training.BEST)
        best = training.best_epoch(history)
        print(f"Kept epoch {best['epoch']}, validation accuracy {best['val_accuracy']:.1%}")
    card = describe(args, recipe, images.class_names, settings, init_card, minutes)
    finish(model, card, images, parts[2], out, history)


def settings_of(recipe, images, init_card):
    """What must agree for a run to be resumed: a dict."""
    settings = {"images": len(images.paths), "classes": len(images.class_names), **asdict(recipe)}
    return settings | {"init_sha256": init_card.get("weights_sha256")}


def describe(args, recipe, class_names, settings, init_card, minutes):
    """The card of a trained network, before its scores: a dict."""
    from helpers import models

    return {
        "data": Path(args.data).name,
        "architecture": recipe.architecture,
        "class_names": class_names,
        "image_size": recipe.image_size,
        "test_size": models.test_size(recipe.image_size, recipe.min_crop_scale),
        "scaling": "imagenet" if recipe.imagenet else init_card.get("scaling", "-1..1"),
        "init_from": recipe.init_from,
        "init_sha256": settings["init_sha256"],
        "freeze": recipe.freeze,
        "settings": settings,
        "precision": recipe.precision,
        "minutes": minutes,
    }


def output_folder(args):
    """Makes and returns the folder for the result. Raises UserError."""
    from helpers import UserError, models

    out = Path(args.out or models.MODELS / f"my-{Path(args.data).name}")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"Cannot make the folder {out}: {error.strerror}.") from error
    return out


def read_data(args, recipe):
    """The images and their split: (Images, (train, val, test) rows, folder)."""
    from helpers import batches, data, download, signs, splits

    folder = download.dataset_folder(args.data, args.data_dir)
    print(f"Reading the images of {folder}", flush=True)
    digits = [str(digit) for digit in range(args.digits)] if args.data == "signs" else None
    keep = not args.no_cache or bool(digits)  # there are few photographs of signs
    images = data.load_images(folder, batches.load_size(recipe.image_size), keep, digits)
    if images.skipped:
        print(f"Skipped {len(images.skipped)} files: {' '.join(images.skipped[:3])}")
    how = (recipe.per_class, recipe.val_per_class, recipe.split_seed)
    if digits:
        sessions = signs.sessions(images.paths)
        parts = splits.split_groups(images.labels, images.class_names, sessions, *how)
    else:
        parts = splits.split(images.labels, images.class_names, *how)
    print(
        f"{len(images.class_names)} classes; {len(parts[0]):,} images for training, "
        f"{len(parts[1]):,} for validation, {len(parts[2]):,} for testing"
    )
    return images, parts, folder


def with_precision(recipe, history):
    """The recipe with "auto" replaced by the started run's precision, or the fastest one."""
    from helpers import distributed
    from helpers.precision import choose_precision

    if recipe.precision == "auto":
        precision = history[0]["precision"] if history else choose_precision()
        recipe = replace(recipe, precision=distributed.from_chief(precision))
    print(f"Training in {recipe.precision}", flush=True)
    return recipe


def fit(model, images, parts, args, recipe, checkpoint):
    """Trains on the split's training images; returns the history."""
    from helpers import batches, data, signs, training

    train, val, _ = parts
    inputs = images.paths[train] if images.pixels is None else images.pixels[train]
    backgrounds = None
    if args.data == "signs":
        inputs = signs.with_masks(inputs)
        backgrounds = signs.backgrounds(batches.load_size(recipe.image_size), args.data_dir)
    held_out = None
    if recipe.val_per_class:
        pixels, _ = data.read_images(images.paths[val], recipe.image_size)
        held_out = (pixels, images.labels[val])
    labelled = (inputs, images.labels[train])
    return training.fit(model, labelled, recipe, held_out, checkpoint, backgrounds)


def finish(model, card, images, test, out, history):
    """Saves the weights in float16, scores them on the test images, writes card and curves."""
    import pandas as pd

    from helpers import evaluation, files, models, resnet, training
    from images import plots

    network = models.float32_network(card)
    resnet.copy_weights(model, network)
    stored = models.layers_after(network, card["freeze"]) if card["freeze"] else network
    models.save_float16(stored, out / models.WEIGHTS)
    stored.load_weights(out / models.WEIGHTS)
    probabilities = evaluation.predict_files(network, images.paths[test], card["test_size"])
    card["test"] = evaluation.scores(images.labels[test], probabilities)
    curves = plots.plot_history(pd.DataFrame(history))
    files.atomic_write(
        out / "curves.png", lambda part: curves.savefig(part, format="png", bbox_inches="tight")
    )
    models.save_card(out, card)  # last: from here on the run is finished
    training.discard(out, [training.CHECKPOINT, training.BEST])
    report(card["test"], out)


def report(test, out):
    out = os.path.relpath(out)
    low, high = test["accuracy_interval_95"]
    print(
        f"Test: accuracy {test['accuracy']:.1%} (95 % interval {low:.1%} to {high:.1%}), "
        f"mean per class {test['mean_per_class_accuracy']:.1%}, {test['images']:,} images\n"
        f"Written to {out}. Try it: python predict.py --model {out} PICTURE"
    )


if __name__ == "__main__":
    main()
