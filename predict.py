"""Classifies pictures. See `python predict.py --help`."""

import argparse
import json
import sys

DEFAULT_MODEL = "caltech101"  # comes with the project, in models/
# Keras imports these if they are installed, for functions that are not used here: a third of the
# time that `import tensorflow` takes.
UNUSED = ("matplotlib", "pandas", "scipy", "sklearn")
MANY = 256  # pictures from which rewriting the network, about two seconds, pays off


def parse_arguments(arguments=None):
    parser = argparse.ArgumentParser(
        prog="predict.py",
        description="Prints the most likely classes of each picture, with their probabilities.",
        epilog="example: python predict.py --model my-sample images/test.jpg holiday/",
    )
    parser.error = lambda message: parser.exit(2, f"predict.py: {message} (see --help)\n")
    add = parser.add_argument
    add("pictures", nargs="+", metavar="PICTURE", help="picture files, or folders of them")
    add("--model", default=DEFAULT_MODEL, help="a name in models/, or a folder (%(default)s)")
    add("--top", type=int, default=5, metavar="N", help="classes to show (%(default)s)")
    add("--json", action="store_true", help="print JSON instead of text")
    args = parser.parse_args(arguments)
    if args.top < 1:
        parser.error("argument --top: must be 1 or more")
    return args


def main(arguments=None):
    args = parse_arguments(arguments)
    from helpers import UserError, versions

    try:
        versions.check(UNUSED)
        sys.exit(predict(args))
    except UserError as error:
        print(f"predict.py: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


def predict(args):
    """Prints the predictions; returns the exit code, 2 if a picture could not be read."""
    from helpers import data, inference, models, precision

    files = data.image_files(args.pictures)
    model, card = models.load_model(args.model)
    if len(files) >= MANY:
        dtype = precision.choose_precision().removeprefix("mixed_")
        model = inference.fold_batch_norm(model, dtype)
    results, unreadable = [], 0
    for start in range(0, len(files), 256):  # bounds the memory
        some = files[start : start + 256]
        pixels, errors = data.read_images(some, card["test_size"])
        probabilities = models.predict_probabilities(model, pixels)
        probabilities = models.temper(probabilities, card.get("temperature", 1.0))
        for file, row, error in zip(some, probabilities, errors, strict=True):
            if error:
                print(f"predict.py: {error}", file=sys.stderr)
                unreadable += 1
                continue
            best = models.top_k(row, card["class_names"], args.top)
            if args.json:
                guesses = [{"class": name, "probability": round(p, 6)} for name, p in best]
                sure = best[0][1] >= card.get("threshold", 0.0)
                results.append({"file": str(file), "sure": sure, "predictions": guesses})
            else:
                show(file, best, card.get("threshold", 0.0))
    if args.json:
        print(json.dumps(results, indent=1, ensure_ascii=False))
    return 2 if unreadable else 0


def show(file, best, threshold):
    width = max(len(name) for name, _ in best)
    print(file)
    if best[0][1] < threshold:
        print(f"  Not sure: below {threshold:.0%}, the picture may show none of the classes.")
    for name, probability in best:
        print(f"  {name:<{width}}  {probability:6.1%}  {'█' * round(30 * probability)}")


if __name__ == "__main__":
    main()
