"""Checks of notebook 04: leaks, mixup, a learning curve, a confusion matrix, a split by person."""

import numpy as np
import pandas as pd

from exercises.checks.numbers import as_number, compare, short
from exercises.checks.verdict import (
    VALUE_TODO,
    NotDone,
    Wrong,
    check,
    require_function,
    returned,
)
from helpers.models import MODELS


def left_out(value):
    """Whether there are still dots; marking turns them into text."""
    return value is None or value is ... or (isinstance(value, str) and value.strip() == "...")


def is_pair(value):
    return isinstance(value, list | tuple) and len(value) == 2


# ---------------------------------------------------------------- a pipeline with two leaks

PICTURES = 40


@check("no picture is on both sides, and the training pixels know nothing of the test.")
def repaired_pipeline(pipeline):
    """The learner's repaired broken_pipeline(pixels, labels, seed) of notebook 04.

    Pictures of random pixels are traced through it; then those of the test are changed, which
    must change nothing in training.
    """
    require_function(pipeline, "my_pipeline(pixels, labels, seed)", None, None, 0)
    rng = np.random.default_rng(0)
    pixels, labels = rng.uniform(0, 100, (PICTURES, 5, 5, 3)), np.arange(PICTURES)
    parts = returned_parts(pipeline, pixels, labels)
    (train, mirrored), (test, flipped) = (trace(part, pixels) for part in parts[::2])
    return (
        wrong_sides(train, test)
        or wrong_labels(train, parts[1], test, parts[3])
        or wrong_mirrors(train, mirrored, flipped)
        or wrong_size(train, test)
        or wrong_statistics(pipeline, pixels, labels, parts, test)
    )


def returned_parts(pipeline, pixels, labels):
    """The four arrays that the pipeline returns for seed 0. Raises Wrong or NotDone."""
    found = returned(pipeline, pixels.copy(), labels.copy(), 0)
    if not isinstance(found, tuple | list) or len(found) != 4:
        raise Wrong("Return four arrays: training pixels and labels, test pixels and labels.")
    parts = [np.asarray(part) for part in found]
    for name, some, theirs in (("training", *parts[:2]), ("test", *parts[2:])):
        if some.shape[1:] != pixels.shape[1:] or len(some) != len(theirs) or not len(some):
            raise Wrong(
                f"The {name} part has pixels of shape {some.shape} and labels of shape "
                f"{theirs.shape}. The order is: training pixels, their labels, test pixels, their "
                "labels."
            )
    return parts


def trace(part, pixels):
    """Of each picture of a part, the number of its original and whether it is mirrored."""

    def alike(images):  # what standardising leaves as it is, channel by channel
        images = images - images.mean((1, 2), keepdims=True)
        return (images / (images.std((1, 2), keepdims=True) + 1e-9)).reshape(len(images), -1)

    both = np.concatenate([alike(pixels), alike(pixels[:, :, ::-1])])
    distances = np.abs(alike(part)[:, None] - both).mean(2)
    if distances.min(1).max() > 0.01:
        raise Wrong(
            "Some pictures that come out are neither a given picture nor its mirror image, "
            "standardised."
        )
    nearest = distances.argmin(1)
    return nearest % len(pixels), nearest >= len(pixels)


def wrong_sides(train, test):
    shared = np.isin(test, train)
    if shared.any():
        return (
            f"A leak is left: {shared.sum()} of the {len(test)} test pictures are in the training "
            "part too, as they are or mirrored. What is drawn at random, and when?"
        )
    return None


def wrong_labels(train, train_labels, test, test_labels):
    if np.array_equal(train_labels, train) and np.array_equal(test_labels, test):
        return None
    return "Labels have come apart from their pictures: both need the same rows, in the same order."


def wrong_mirrors(train, mirrored, flipped):
    if flipped.any():
        return "The test part has mirrored pictures: only training pictures are augmented."
    if set(train[mirrored]) != set(train[~mirrored]):
        return "Each training picture should be there twice, as it is and mirrored."
    return None


def wrong_size(train, test):
    kept = len(set(test))
    if kept != PICTURES // 4:
        return f"{kept} of {PICTURES} pictures are for testing; a quarter was asked for."
    if len(set(test) | set(train)) < PICTURES:
        return "Some pictures are in neither part."
    return None


def wrong_statistics(pipeline, pixels, labels, parts, test):
    """A sentence unless mean and standard deviation are those of the training pixels."""
    if abs(parts[0].mean()) > 0.05 or abs(parts[0].std() - 1) > 0.05:
        return "The training pixels should have mean 0 and standard deviation 1."
    changed = pixels.copy()
    changed[test] += 500  # brighter
    again = returned_parts(pipeline, changed, labels)
    if not np.array_equal(again[3], parts[3]):
        return "The same seed should give the same split: draw from default_rng(seed)."
    if not np.allclose(again[0], parts[0]):
        return (
            "A leak is left: when the test pictures change, the training pixels change too. Whose "
            "mean and standard deviation are used?"
        )
    if np.allclose(again[2], parts[2]):
        return (
            "The test pictures are standardised by their own mean, so brighter ones look the same. "
            "Use the numbers of the training part."
        )
    return None


@check("15 of 16: without both siblings in the test, the answer is known.")
def share_with_a_sibling(answer, copies=3, in_test=0.25):
    """The share of test copies with at least one other copy of the same picture in training."""
    others = copies - 1
    common_mistakes = {
        "That is the share for one sibling; a picture of three copies has two.": 1 - in_test,
        "That is the share without a sibling in training. Take the rest.": in_test**others,
        "That is the share with all siblings in training; one is enough.": (1 - in_test) ** others,
        "The test copy itself is no sibling: two of the three copies are left.": 1
        - in_test**copies,
        "Adding the two chances gives more than 1: the cases overlap.": others * (1 - in_test),
        "Give a share between 0 and 1, not percent.": 100 * (1 - in_test**others),
    }
    hint = "How likely is it that both siblings are in the test as well?"
    return compare(answer, 1 - in_test**others, common_mistakes, hint, tolerance=0.005)


# ---------------------------------------------------------------- mixup


@check("pictures and targets are mixed by the same share, each with its own partner.")
def mixup(function):
    """The learner's my_mixup(images, targets, lam); the partner of image i is counted from the end.

    images (n, s, s, 3) and targets (n, classes) are float32, lam (n,) in 0-1.
    """
    require_function(function, "my_mixup(images, targets, lam)", None, None, None)
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 255, (6, 4, 4, 3)).astype("float32")
    targets, lam = np.eye(6, dtype="float32"), rng.uniform(0.2, 0.45, 6).astype("float32")
    given = images.copy(), targets.copy()
    found = returned(function, *given, lam.copy())
    if not isinstance(found, tuple | list) or len(found) != 2:
        raise Wrong("Return two arrays: the mixed images and the mixed targets.")
    mixed, mixed_targets = (np.asarray(part) for part in found)
    if mixed.shape != images.shape or mixed_targets.shape != targets.shape:
        raise Wrong(
            f"The shapes are {mixed.shape} and {mixed_targets.shape}; they should stay "
            f"{images.shape} and {targets.shape}."
        )
    if not (np.array_equal(given[0], images) and np.array_equal(given[1], targets)):
        return "Your function overwrites what it is given. Make new arrays."
    return wrong_mix(mixed, images, lam, "images") or wrong_mix(
        mixed_targets, targets, lam, "targets"
    )


def wrong_mix(mixed, given, lam, what):
    """A sentence unless `mixed` is lam times `given` plus 1 - lam times its reverse."""
    share = lam.reshape(-1, *[1] * (given.ndim - 1))

    def is_it(first, second=0.0):
        return np.allclose(mixed, first + second, rtol=1e-3, atol=1e-3)

    if is_it(share * given, (1 - share) * given[::-1]):
        return None
    if is_it(given):
        return f"The {what} come out as they went in."
    if is_it((1 - share) * given, share * given[::-1]):
        return f"The shares of the {what} are swapped: lam belongs to the image itself."
    if is_it(share[::-1] * given, (1 - share[::-1]) * given[::-1]):
        return f"The {what} get the shares of their partners: do not reverse lam."
    if is_it(share * given, (1 - share[::-1]) * given[::-1]):
        return f"In the {what}, both shares of a mixture should come from the same lam."
    if is_it(given, given[::-1]):
        return f"The {what} are added up without shares."
    for one in (share[0], share.mean()):
        if is_it(one * given, (1 - one) * given[::-1]):
            return f"All {what} get one share; each should get its own number of lam."
    for partner in (np.roll(given, 1, 0), np.roll(given, -1, 0)):
        if is_it(share * given, (1 - share) * partner):
            return f"The {what} meet their neighbours; the partner is counted from the end."
    if given.ndim == 4 and is_it(share * given, (1 - share) * given[:, ::-1]):
        return "Each image meets itself upside down: reverse the first axis, that of the batch."
    return f"The mixed {what} are not lam times their own plus 1 - lam times their partner's."


# ---------------------------------------------------------------- a learning curve


@check("more pictures help. Ask of each step whether it is larger than chance could make it.")
def learning_curve(answer, largest=35):
    """[(training pictures per class, validation accuracy), ...] of three runs or more."""
    if left_out(answer):
        raise NotDone(VALUE_TODO)
    pairs = list(answer.items()) if isinstance(answer, dict) else answer
    if not isinstance(pairs, list | tuple) or not all(is_pair(pair) for pair in pairs):
        raise Wrong(f"Give a list of pairs (pictures, accuracy). Received: {short(answer)}")
    if any(left_out(share) for _, share in pairs):
        raise NotDone("train with at least three numbers of pictures, and enter your accuracies.")
    if len(pairs) < 3:
        return f"{len(pairs)} points make no curve: train with three numbers or more."
    curve = sorted((as_number(count), as_number(share)) for count, share in pairs)
    counts, shares = (np.array(part) for part in zip(*curve, strict=True))
    if counts.max() <= 1 < shares.max():
        return "The other way round: (pictures per class, accuracy)."
    if counts.min() < 1 or (counts % 1).any() or counts.max() > largest:
        return f"Pictures per class are whole numbers from 1 to {largest}."
    if shares.max() > 1 or shares.min() < 0:
        return "Give accuracies as shares between 0 and 1."
    if counts[-1] < 4 * counts[0]:
        return (
            f"From {counts[0]:g} to {counts[-1]:g} pictures is too short a range to see a trend in "
            "40 validation pictures: the largest number should be four times the smallest, or more."
        )
    if shares.max() < 0.25:
        return "No run got far above chance. Do not shorten the training: leave the steps as set."
    if shares[-1] <= shares[0]:
        return (
            f"{counts[-1]:g} pictures per class did no better than {counts[0]:g}. Did each run "
            "take equally many steps?"
        )
    return None


# ---------------------------------------------------------------- a confusion matrix


@check("of that class's photographs, the largest share goes to one wrong class.")
def most_confused_pair(answer, least=20, folder=None):
    """(true class, predicted class) with the highest rate among classes of `least` photographs.

    By the recorded predictions of models/caltech101.
    """
    if left_out(answer):
        raise NotDone(VALUE_TODO)
    if not is_pair(answer):
        raise Wrong(f"Give two names, (true class, predicted class). Received: {short(answer)}")
    if any(left_out(part) for part in answer):
        raise NotDone(VALUE_TODO)
    table = pd.read_csv((folder or MODELS / "caltech101") / "predictions.csv")
    counts = pd.crosstab(table["class"], table["class_1"])
    images, named = counts.sum(axis=1), counts.sum(axis=0)
    truth, guess = (str(name).strip() for name in answer)
    for name in (truth, guess):
        if name not in images.index:
            return f"{short(name)} is no class of Caltech 101; spell it as in the table."
    if truth == guess:
        return "The diagonal holds what is right; mistakes are beside it."
    wrong = counts.stack()
    wrong = wrong[[one != other for one, other in wrong.index]]
    rates = wrong / images.loc[wrong.index.get_level_values(0)].to_numpy()
    best = rates[[images[one] >= least for one, _ in rates.index]].max()
    rate, reverse = (rates.get(pair, 0.0) for pair in ((truth, guess), (guess, truth)))
    if images[truth] >= least and rate == best:
        return None
    if images[guess] >= least and reverse == best:
        return "These two, but the other way round: rows are true classes, columns predictions."
    by_column = wrong / named.loc[wrong.index.get_level_values(1)].to_numpy()
    if rate and by_column[truth, guess] == by_column.max() and wrong[truth, guess] < wrong.max():
        return "You divided by columns; a true class is a row."
    return wrong_pair(truth, guess, wrong, best, images, least)


def wrong_pair(truth, guess, wrong, best, images, least):
    """What is wrong with a pair that is not the most confused one."""
    if images[truth] < least:
        return (
            f"{truth} has {images[truth]} test photographs, too few: one more mistake moves its "
            f"rate by {1 / images[truth]:.0%}. Take classes of {least} or more."
        )
    number = wrong.get((truth, guess), 0)
    rate = number / images[truth]
    if number == wrong.max():
        return (
            f"That is the largest number of mistakes, {number}, but {truth} has {images[truth]:,} "
            f"photographs: the rate is {rate:.1%}. Divide each row by its sum."
        )
    return (
        f"{rate:.1%} of the photographs of {truth} are called {guess}; another pair reaches "
        f"{best:.1%}."
    )


# ---------------------------------------------------------------- a split by person


@check("nobody is on both sides, every class is on both, and the seed decides.")
def split_by_person(function):
    """The learner's my_split(people, labels, seed): bool (n,), True for test photographs."""
    require_function(function, "my_split(people, labels, seed)", None, None, 0)
    people, labels = photographs_of_people()
    splits = []
    for seed in range(12):
        in_test = np.asarray(returned(function, people.copy(), labels.copy(), seed))
        if in_test.dtype != bool or in_test.shape != people.shape:
            raise Wrong(
                f"Return an array of {len(people)} True or False, one for each photograph. "
                f"Received: {in_test.dtype} of shape {in_test.shape}"
            )
        if sentence := unfair(in_test, people, labels, seed):
            return sentence
        splits.append(in_test)
    if all(np.array_equal(splits[0], other) for other in splits[1:]):
        return "Every seed gives the same split: draw the people with default_rng(seed)."
    again = returned(function, people.copy(), labels.copy(), 0)
    if not np.array_equal(splits[0], np.asarray(again)):
        return "The same seed gave two different splits: draw from default_rng(seed) alone."
    return None


def photographs_of_people():
    """Names and labels of 240 photographs; the last class was photographed by four people."""
    rng = np.random.default_rng(1)
    names = np.array([f"person {letter}" for letter in "ABCDEFGHIJKL"])
    people = np.concatenate([np.repeat(names, 18), np.repeat(names[:4], 6)])
    labels = np.concatenate([np.tile(np.arange(3), 72), np.full(24, 3)])
    order = rng.permutation(len(people))
    return people[order], labels[order]


def unfair(in_test, people, labels, seed):
    """What is wrong with one split, in a sentence; None if nothing is."""
    both = np.intersect1d(people[in_test], people[~in_test])
    if len(both):
        return (
            f"With seed {seed}, {len(both)} of {len(np.unique(people))} people are on both sides. "
            "Draw people, not photographs."
        )
    share = in_test.mean()
    if not 0.15 <= share <= 0.35:
        return (
            f"With seed {seed}, {share:.0%} of the photographs are for testing; 15 to 35 % were "
            "asked for."
        )
    for name, part in (("test", in_test), ("training", ~in_test)):
        missing = np.setdiff1d(labels, labels[part])
        if len(missing):
            return (
                f"With seed {seed}, the {name} part has no photograph of class {missing[0]}, which "
                "few people photographed. Look before you return, and draw again."
            )
    return None
