"""Trains a ResNet-50 and writes it to a folder of models/. `python train.py --help` tells more."""

import argparse
import os
import sys
from pathlib import Path

# What differs between the data sets; everything else has one default for all.
PHOTOGRAPHS = dict(validation=0, mixup=0.2, cutmix=0.5, smallest_crop=0.45)
RECIPES = {
    "caltech101": dict(per_class=30, epochs=140, **PHOTOGRAPHS),
    "sample": dict(per_class=45, epochs=24, validation=5, mixup=0.0, cutmix=0.0, smallest_crop=0.7),
    "signs": dict(
        per_class=None,
        epochs=40,
        validation=0,
        mixup=0.0,
        cutmix=0.0,
        smallest_crop=0.85,
        start="caltech101",
    ),
    "folder": dict(per_class=None, epochs=100, **PHOTOGRAPHS),
}


STAGES = ("conv1", "conv2", "conv3", "conv4", "conv5")


def at_least(lowest, kind=int):
    """An argparse type: a number of that kind, not below `lowest`."""

    def number(text):
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not lowest <= value < float("inf"):
            raise argparse.ArgumentTypeError(f"{text!r} is not a number of {lowest} or more")
        return value

    return number


def parse_arguments(arguments=None):
    parser = argparse.ArgumentParser(
        prog="train.py",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Trains a ResNet-50 and scores it on held-out images.",
        epilog="examples:\n"
        "  python train.py                      Caltech 101, downloaded at the first start\n"
        "  python train.py --data sample        drawn pictures: no internet, minutes\n"
        "  python train.py --data signs         digits in sign language, from the network that\n"
        "                                       knows Caltech 101\n"
        "  python train.py --data my_pictures   a folder with one sub-folder a class\n\n"
        "A training that was stopped, however it was, goes on when the same command is started\n"
        "again, from the last epoch that it finished.",
    )
    parser.error = lambda message: parser.exit(2, f"train.py: {message} (see --help)\n")
    add = parser.add_argument
    add("--data", default="caltech101", help="caltech101, signs, sample or a folder (%(default)s)")
    add("--digits", type=int, choices=(6, 10), default=6, help="signs: 0-5 or 0-9 (%(default)s)")
    add("--data-dir", help="where data is kept (default: $RESNET50_DATA, else data/ here)")
    add("--out", help="folder for the result (default: models/my-DATA)")
    add("--restart", action="store_true", help="discard what --out holds and begin anew")
    add("--epochs", type=at_least(1), help="passes over the training images")
    add("--batch-size", type=at_least(2), default=32, help="images a step (%(default)s)")
    add("--image-size", type=at_least(32), default=64, help="side in pixels (%(default)s)")
    add("--per-class", type=at_least(1), help="training images a class; the rest is for the test")
    add("--validation", type=at_least(0), help="of those, images a class kept for validation")
    add("--seed", type=at_least(0), default=0, help="of weights, order, crops (%(default)s)")
    add("--split-seed", type=at_least(0), default=0, help="of the split (%(default)s)")
    add("--learning-rate", type=at_least(0, float), default=1e-3, help="highest (%(default)s)")
    add("--weight-decay", type=at_least(0, float), default=0.05, help="AdamW's (%(default)s)")
    add("--label-smoothing", type=at_least(0, float), default=0.1, help="(%(default)s)")
    add("--mixup", type=at_least(0, float), help="alpha of the Beta distribution, 0 for none")
    add("--cutmix", type=at_least(0, float), help="share of the images mixed by CutMix instead")
    add("--smallest-crop", type=at_least(0.1, float), help="of a side, 1 for no crops")
    add(
        "--precision",
        choices=("auto", "float32", "mixed_bfloat16"),
        default="auto",
        help="auto measures which is faster here (%(default)s)",
    )
    add("--imagenet", action="store_true", help="start from ImageNet weights (a download)")
    add("--start", help="network to start from: its name in models/, its folder, or random")
    add("--freeze", choices=STAGES, metavar="STAGE", help="keep --start up to conv1 ... conv5")
    add("--no-cache", action="store_true", help="read images from disk as needed: less memory")
    args = parser.parse_args(arguments)
    recipe = RECIPES.get(args.data, RECIPES["folder"])
    for name, value in recipe.items():
        if getattr(args, name) is None:
            setattr(args, name, value)
    if args.imagenet or args.start == "random":
        args.start = None
    if args.freeze and not args.start:
        parser.error("argument --freeze: needs a network to --start from")
    if args.label_smoothing >= 1:
        parser.error("argument --label-smoothing: must be below 1")
    if args.cutmix > 1:
        parser.error("argument --cutmix: must be 1 or less")
    if args.smallest_crop > 1:
        parser.error("argument --smallest-crop: must be 1 or less")
    return args


def main(arguments=None):
    args = parse_arguments(arguments)
    from helpers import UserError, start  # now, not above: TensorFlow takes seconds to start

    try:
        start.check()
        train(args)
    except UserError as error:
        sys.exit(print(f"train.py: {error}", file=sys.stderr) or 2)
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on after the last finished epoch.")
        sys.exit(130)


def settings_of(args, data, start_sha256=None):
    """What must be the same for a stopped training to go on."""
    names = "image_size per_class validation epochs batch_size seed split_seed learning_rate"
    names += " weight_decay label_smoothing mixup cutmix smallest_crop precision imagenet"
    chosen = {name: getattr(args, name) for name in names.split()}
    if start_sha256:
        chosen |= {"start": args.start, "start_sha256": start_sha256, "freeze": args.freeze}
    return {"images": len(data.paths), "classes": len(data.class_names), **chosen}


def train(args):
    import keras
    import numpy as np

    from helpers import UserError, data, resnet, signs, training

    out = Path(args.out or training.MODELS / f"my-{Path(args.data).name}")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"Cannot make the folder {out}: {error.strerror}.") from error

    # The images, and what is whose
    digits = [str(digit) for digit in range(args.digits)] if args.data == "signs" else None
    folder = data.dataset_folder(args.data, args.data_dir)
    print(f"Reading the images of {folder}", flush=True)
    keep = not args.no_cache or bool(digits)  # the photos of signs are few
    images = data.load_images(folder, data.stored_size(args.image_size), keep, digits)
    if images.skipped:
        print(f"Skipped {len(images.skipped)} files: {' '.join(images.skipped[:3])}")
    class_names, labels = images.class_names, images.labels
    how = (args.per_class, args.validation, args.split_seed)
    if digits:
        parts = data.split_groups(labels, class_names, signs.sittings(images.paths), *how)
    else:
        parts = data.split(labels, class_names, *how)
    learn, validate, test = parts
    print(
        f"{len(class_names)} classes; {len(learn):,} images to train on, "
        f"{len(validate):,} to validate, {len(test):,} to test"
    )

    # What `out` holds already
    start, start_card = training.load_model(args.start) if args.start else (None, {})
    settings = settings_of(args, images, start_card.get("weights_sha256"))
    if args.restart:
        training.discard(out)
    card, history = training.found_in(out, settings)
    if card:
        print(f"{out} holds this very training, finished (--restart trains anew).")
        return report(card["test"], out)
    if history:
        print(f"Going on after epoch {len(history)} of {args.epochs}")
    data.write_split(out / "split.csv", folder, images, parts)

    # The network and its batches
    precision = args.precision
    if precision == "auto":
        precision = history[0]["precision"] if history else training.choose_precision()
    print(f"Training in {precision}", flush=True)
    keras.utils.set_random_seed(args.seed)
    pixels = images.pixels[learn] if keep else images.paths[learn]
    backgrounds = None
    if digits:
        masks = signs.hand_masks(pixels)
        pixels = np.concatenate([pixels, masks[..., None]], axis=-1)
        backgrounds = signs.backgrounds(data.stored_size(args.image_size), args.data_dir)
    batches, steps = data.training_batches(
        pixels,
        labels[learn],
        len(class_names),
        size=args.image_size,
        batch_size=args.batch_size,
        epochs=args.epochs,
        first_epoch=len(history),
        seed=args.seed,
        mixup=args.mixup,
        cutmix=args.cutmix,
        smallest_crop=args.smallest_crop,
        backgrounds=backgrounds,
    )
    model = training.new_network(args.image_size, len(class_names), args.imagenet, precision, start)
    if args.freeze:
        training.freeze(model, args.freeze)
    training.prepare(model, steps, fresh=not (args.imagenet or start))
    training.compile_model(
        model, steps, args.epochs, args.learning_rate, args.weight_decay, args.label_smoothing
    )
    if history:
        training.restore(model, out)
    held_out = None
    if args.validation:
        pixels, _ = data.read_images(images.paths[validate], args.image_size)
        held_out = data.plain_batches(pixels, labels[validate], len(class_names))

    # The training
    if len(history) < args.epochs:
        model.fit(
            batches,
            epochs=args.epochs,
            initial_epoch=len(history),
            steps_per_epoch=steps,
            validation_data=held_out,
            shuffle=False,  # training_batches has done that
            verbose=0,
            callbacks=[
                training.Checkpoint(out, settings, history, precision),
                training.ProgressBar(args.epochs, steps, len(history)),
            ],
        )
    minutes = sum(row["seconds"] for row in history) / 60
    print(f"Trained for {minutes:.1f} minutes")
    if args.validation:
        training.restore(model, out, training.BEST)
        best = training.best_epoch(history)
        print(f"Kept epoch {best['epoch']}, validation accuracy {best['val_accuracy']:.1%}")

    # The score of what is kept, the rounded weights, on images that nothing above has looked at
    scaling = "imagenet" if args.imagenet else start_card.get("scaling", "-1..1")
    final = training.float32_network(args.image_size, len(class_names), scaling)
    resnet.copy_weights(model, final)
    own = training.after(final, args.freeze) if args.freeze else final
    training.save_float16(own, out / training.WEIGHTS)
    own.load_weights(out / training.WEIGHTS)
    read_size = training.read_size(args.image_size, args.smallest_crop)
    probabilities = []
    for some in np.array_split(test, len(test) // 1000 + 1):  # bounded memory
        pixels, _ = data.read_images(images.paths[some], read_size)
        probabilities.append(training.predict_probabilities(final, pixels))
    score = training.scores(labels[test], np.concatenate(probabilities))
    card = {
        "data": Path(args.data).name,
        "class_names": class_names,
        "image_size": args.image_size,
        "read_size": read_size,
        "scaling": scaling,
        "start": args.start,
        "start_sha256": start_card.get("weights_sha256"),
        "frozen": args.freeze,
        "test": score,
        "settings": settings,
        "precision": precision,
        "minutes": round(minutes, 1),
        "machine": training.machine(),
    }
    training.finish(out, card, history)
    report(score, out)


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
