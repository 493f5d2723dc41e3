"""Splits into training, validation and test images."""

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupKFold

from helpers import UserError
from helpers.files import write_csv


def split(labels, class_names, per_class=None, val_per_class=0, seed=0):
    """Splits images class by class: index arrays (train, val, test).

    per_class images of each class are for training (None: 80 %), the rest for testing;
    val_per_class of the training images become validation images. Raises UserError if a class has
    too few images.
    """
    rng = np.random.default_rng(seed)
    train, val, test = [], [], []
    for label, name in enumerate(class_names):
        rows = rng.permutation(np.flatnonzero(labels == label))
        count = min(int(0.8 * len(rows)), len(rows) - 1) if per_class is None else per_class
        if count <= val_per_class or count >= len(rows):
            raise UserError(
                f"Class {name!r} has {len(rows)} pictures, too few: "
                f"{max(count, val_per_class + 1)} for training ({val_per_class} of them for "
                "validation) and one for testing are needed. Add pictures, or lower --per-class "
                "or --val-per-class."
            )
        train.append(rows[: count - val_per_class])
        val.append(rows[count - val_per_class : count])
        test.append(rows[count:])
    return tuple(np.sort(np.concatenate(part)) for part in (train, val, test))


def split_groups(labels, class_names, groups, per_class=None, val_per_class=0, seed=0):
    """As split, but all images of a group go to the same part. groups: int (n,).

    The groups form five folds of similar size. Fold seed % 5 is for testing, so the seeds 0-4
    together test every image once; with val_per_class the next fold is for validation.
    per_class=None takes all. Raises UserError if a class has too few images.
    """
    rng = np.random.default_rng(seed)
    folds = [fold for _, fold in GroupKFold(5).split(labels, groups=groups)]
    test, next_fold = folds[seed % 5], folds[(seed + 1) % 5]
    skipped = (seed % 5, (seed + 1) % 5) if val_per_class else (seed % 5,)
    rest = np.concatenate([fold for number, fold in enumerate(folds) if number not in skipped])
    train, val = [], []
    for label, name in enumerate(class_names):
        for part, fold, count in ((train, rest, per_class), (val, next_fold, val_per_class)):
            rows = rng.permutation(fold[labels[fold] == label])
            needed = 1 if count is None else count
            if len(rows) < needed:
                raise UserError(
                    f"Class {name!r} has {len(rows)} pictures where {needed} are needed: "
                    "lower --per-class or --val-per-class."
                )
            part.append(rows[:count])
    return np.sort(np.concatenate(train)), np.sort(np.concatenate(val)), test


def write_split(path, folder, images, parts):
    """Writes a split as CSV with the columns part, class and file."""
    rows = [
        (name, images.class_names[images.labels[i]], Path(images.paths[i]).relative_to(folder))
        for name, part in zip(("train", "validation", "test"), parts, strict=True)
        for i in part
    ]
    write_csv(path, pd.DataFrame(rows, columns=["part", "class", "file"]))
