"""Tables of what the trained network predicts for the photographs.

    python experiments/records.py    # half an hour on two cores

Runs models/caltech101 on the test photographs of its split and on BACKGROUND_Google, pictures of
none of its classes. Writes predictions, backgrounds, classes, reliability, answers, lesions and
colours (.csv) beside the weights.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from experiments.command_line import user_errors
from helpers import data, download, evaluation, files, inference, models

GROUPS = 10  # of equal size, in a reliability diagram
GREY_CLASS = "car_side"  # all its 123 photographs are greyscale
THRESHOLDS = np.arange(10) / 10


def top_five(names, probabilities, class_names):
    """One row per picture: its file, and the five most likely classes with their probabilities."""
    rows = []
    for name, some in zip(names, probabilities, strict=True):
        row = {"file": name}
        for place, (guess, p) in enumerate(models.top_k(some, class_names), 1):
            row |= {f"class_{place}": guess, f"p_{place}": round(p, 4)}
        rows.append(row)
    return pd.DataFrame(rows)


def scores_by_class(predictions):
    """One row per class: images, top-1 and top-5 accuracy, the most frequent wrong class."""
    rows = []
    for name, some in predictions.groupby("class", sort=False):
        guesses = some["class_1"]
        wrong = guesses[guesses != name].value_counts()
        rows.append(
            {
                "class": name,
                "images": len(some),
                "accuracy": round((guesses == name).mean(), 4),
                "top_5": round((some.filter(like="class_") == name).any(axis=1).mean(), 4),
                "mistaken_for": wrong.index[0] if len(wrong) else "",
                "times": wrong.iloc[0] if len(wrong) else 0,
            }
        )
    return pd.DataFrame(rows)


def reliability(labels, probabilities, temperature):
    """Mean top probability and accuracy in GROUPS groups, without and with the temperature."""
    rows = []
    for name, value in (("before", 1.0), ("after", temperature)):
        some = models.temper(probabilities, value)
        confidence, right = some.max(axis=1), some.argmax(axis=1) == labels
        order = np.argsort(confidence, kind="stable")
        for group in np.array_split(order, GROUPS):
            row = {"temperature": name, "images": len(group)}
            row |= {"confidence": confidence[group].mean(), "accuracy": right[group].mean()}
            rows.append(row)
    return pd.DataFrame(rows).round(4)


def answers(labels, probabilities, backgrounds, threshold):
    """The effect of thresholds on the top probability; the last row has the card's threshold.

    coverage: fraction of test photographs with an answer; accuracy: of these answers;
    backgrounds_answered: fraction of backgrounds with an answer; auroc: of separating the two by
    the top probability.
    """
    known, unknown = probabilities.max(axis=1), backgrounds.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    kind = np.repeat([1, 0], [len(known), len(unknown)])
    auroc = roc_auc_score(kind, np.concatenate([known, unknown]))
    rows = []
    for value in [*THRESHOLDS, threshold]:
        answered = known >= value
        accuracy = right[answered].mean() if answered.any() else np.nan
        row = {"threshold": value, "coverage": answered.mean(), "accuracy": accuracy}
        rows.append(row | {"backgrounds_answered": (unknown >= value).mean(), "auroc": auroc})
    return pd.DataFrame(rows).round(4)


def lesions(model, pixels, labels):
    """Accuracy without the branch of one block; the first row is the whole network.

    pixels: uint8 (n, s, s, 3), one view of each picture. Source: Veit et al. 2016, section 4.1.
    """
    model = inference.fold_batch_norm(model)  # twice as fast
    rows = [{"silenced": "nothing", **plain_scores(model, pixels, labels)}]
    for layer in [layer for layer in model.layers if layer.name.endswith("_3_conv")]:
        weights = layer.get_weights()
        layer.set_weights([0 * weight for weight in weights])
        block = layer.name.removesuffix("_3_conv")
        rows.append({"silenced": block, **plain_scores(model, pixels, labels)})
        layer.set_weights(weights)
    return pd.DataFrame(rows)


def colours(model, pixels, labels, grey_class):
    """What becomes of a class of greyscale photographs, and of the others, in other colours.

    right: share of the class's own photographs that are recognised; others_right: the same of the
    others; others_called_so: share of the others that are named after the class. pixels: uint8
    (n, s, s, 3), one view of each picture.
    """
    own = labels == grey_class
    model = inference.fold_batch_norm(model)
    versions = {
        "as they are": pixels,
        "grey": pixels @ np.array([0.299, 0.587, 0.114], "float32"),  # as Pillow's mode L
        "brown tint": pixels * np.array([1, 0.85, 0.65], "float32"),
    }
    rows = []
    for name, some in versions.items():
        some = np.stack(3 * [some], axis=-1) if some.ndim == 3 else some
        guesses = model.predict(some, batch_size=64, verbose=0).argmax(axis=1)
        right, named = guesses == labels, guesses == grey_class
        row = {"colours": name, "images": own.sum(), "right": right[own].mean()}
        row |= {"others": (~own).sum(), "others_right": right[~own].mean()}
        rows.append(row | {"others_called_so": named[~own].mean()})
    return pd.DataFrame(rows).round(4)


def plain_scores(model, pixels, labels):
    found = evaluation.scores(labels, model.predict(pixels, batch_size=64, verbose=0))
    low, high = found["accuracy_interval_95"]
    row = {"accuracy": found["accuracy"], "low": low, "high": high}
    row["mean_per_class_accuracy"] = found["mean_per_class_accuracy"]
    return {name: round(value, 4) for name, value in row.items()}


def write(photographs, folder):
    """Writes all tables of the model in `folder`; photographs: Caltech 101's folder."""
    model, card = models.load_model(folder)
    names, temperature = card["class_names"], card.get("temperature", 1.0)
    split = pd.read_csv(folder / "split.csv")
    test = split[split["part"] == "test"].reset_index(drop=True)
    labels = test["class"].map(names.index).to_numpy()
    paths = [photographs / file for file in test["file"]]
    said = evaluation.predict_files(model, paths, card["test_size"])
    calibrated = models.temper(said, temperature)
    predictions = top_five(test["file"], calibrated, names)
    predictions.insert(1, "class", test["class"])
    others = data.image_files([photographs / "BACKGROUND_Google"])
    theirs = evaluation.predict_files(model, others, card["test_size"])
    theirs = models.temper(theirs, temperature)
    pixels, _ = data.read_images(paths, card["image_size"])
    tables = {
        "predictions": predictions,
        "backgrounds": top_five([path.name for path in others], theirs, names),
        "classes": scores_by_class(predictions),
        "reliability": reliability(labels, said, temperature),
        "answers": answers(labels, calibrated, theirs, card.get("threshold", 0.5)),
        "lesions": lesions(model, pixels, labels),
        "colours": colours(model, pixels, labels, names.index(GREY_CLASS)),
    }
    for name, table in tables.items():
        files.write_csv(folder / f"{name}.csv", table)
        print(f"{name}.csv: {len(table):,} rows")


def main():
    with user_errors():
        write(download.dataset_folder("caltech101"), models.MODELS / "caltech101")


if __name__ == "__main__":
    main()
