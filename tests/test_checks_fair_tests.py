"""The checks of notebook 04: leaks, mixup, a learning curve, a confusion matrix, splits, words."""

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from exercises import checks
from helpers.batches import mix

# ---------------------------------------------------------------- a pipeline with two leaks

REPAIRED = """
def my_pipeline(pixels, labels, seed=0):
    order = np.random.default_rng(seed).permutation(len(pixels))
    held_out, rest = np.split(order, [len(pixels) // 4])
    train = np.concatenate([pixels[rest], pixels[rest][:, :, ::-1]])
    mean, std = train.mean(), train.std()
    train_labels = np.concatenate([labels[rest], labels[rest]])
    test, test_labels = pixels[held_out], labels[held_out]
    return (train - mean) / std, train_labels, (test - mean) / std, test_labels
"""
BROKEN = """
def broken_pipeline(pixels, labels, seed=0):
    both = np.concatenate([pixels, pixels[:, :, ::-1]])
    both_labels = np.concatenate([labels, labels])
    both = (both - both.mean()) / both.std()
    held_out, rest = np.split(np.random.default_rng(seed).permutation(len(both)), [len(both) // 4])
    return both[rest], both_labels[rest], both[held_out], both_labels[held_out]
"""


def made(source, *edits):
    for old, new in zip(edits[::2], edits[1::2], strict=True):
        assert old in source
        source = source.replace(old, new)
    space = {"np": np}
    exec(source, space)
    return next(value for name, value in space.items() if name.endswith(("pipeline", "split")))


PER_CHANNEL = ("train.mean(), train.std()", "train.mean((0, 1, 2)), train.std((0, 1, 2))")
BY_MASK = (
    "    order = np.random.default_rng(seed).permutation(len(pixels))\n"
    "    held_out, rest = np.split(order, [len(pixels) // 4])\n",
    "    rest = np.arange(len(pixels))\n"
    "    held_out = np.random.default_rng(seed).choice(rest, len(pixels) // 4, replace=False)\n"
    "    rest = np.setdiff1d(rest, held_out)\n",
)


@pytest.mark.parametrize("edits", [(), PER_CHANNEL, BY_MASK], ids=range(3))
def test_a_repaired_pipeline_is_right_in_any_form(edits):
    status, sentence = checks.repaired_pipeline.verdict(made(REPAIRED, *edits))
    assert status == "right", sentence


@pytest.mark.parametrize(
    ("edits", "word"),
    [
        (("train.mean(), train.std()", "pixels.mean(), pixels.std()"), "training pixels change"),
        (("(test - mean) / std", "(test - test.mean()) / test.std()"), "by their own mean"),
        (("[rest][:, :, ::-1]", "[rest]"), "as it is and mirrored"),
        (
            (
                "test, test_labels = pixels[held_out]",
                "test, test_labels = pixels[held_out, :, ::-1]",
            ),
            "test part has mirrored",
        ),
        (("[labels[rest], labels[rest]]", "[labels[rest], labels[rest][::-1]]"), "come apart"),
        (("len(pixels) // 4", "len(pixels) // 2"), "20 of 40 pictures"),
        (("pixels[held_out], labels[held_out]", "pixels[rest], labels[rest]"), "30 of the 30"),
        (("(train - mean) / std", "train / 255"), "mean 0 and standard deviation 1"),
        (("default_rng(seed)", "default_rng()"), "same seed"),
        (("(train - mean) / std, train_labels,", ""), "Return four arrays"),
        (("train_labels, (test - mean) / std", "(test - mean) / std, train_labels"), "order is"),
        (("pixels[rest][:, :, ::-1]]", "pixels[rest][:, ::-1]]"), "neither a given picture"),
        (
            ("rest = np.split(order, [len(pixels) // 4])", "rest = order[:10], order[12:]"),
            "neither",
        ),
    ],
)
def test_what_is_left_in_the_pipeline_is_named(edits, word):
    status, sentence = checks.repaired_pipeline.verdict(made(REPAIRED, *edits))
    assert (status, word in sentence) == ("wrong", True), sentence


def test_the_broken_pipeline_and_a_half_repaired_one_leak():
    for pipeline in (made(BROKEN), made(BROKEN, "(both - both.mean()) / both.std()", "both / 58")):
        status, sentence = checks.repaired_pipeline.verdict(pipeline)
        assert status == "wrong"
        assert "test pictures are in the training part too" in sentence


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (0.75, "one sibling"),
        (1 / 16, "without a sibling"),
        (9 / 16, "all siblings"),
        (63 / 64, "no sibling"),
        (1.5, "overlap"),
        (93.75, "not percent"),
    ],
)
def test_a_wrong_share_of_siblings_is_named(answer, word):
    status, sentence = checks.share_with_a_sibling.verdict(answer)
    assert (status, word in sentence) == ("wrong", True), sentence


def test_the_share_of_siblings_is_what_a_draw_gives():
    in_test = np.random.default_rng(0).random((100_000, 3)) < 0.25
    with_sibling = ~in_test[:, 1:].all(axis=1)
    share = with_sibling[in_test[:, 0]].mean()
    assert checks.share_with_a_sibling.verdict(share)[0] == "right"
    assert checks.share_with_a_sibling.verdict(0.94)[0] == "right"


# ---------------------------------------------------------------- mixup


def column(lam):
    return lam[:, None, None, None]


def mixed(images, targets, lam):
    images = column(lam) * images + (1 - column(lam)) * images[::-1]
    return images, lam[:, None] * targets + (1 - lam[:, None]) * targets[::-1]


def in_tensorflow(images, targets, lam):
    images, targets, lam = map(tf.constant, (images, targets, lam))
    other = tf.reverse(images, [0]), tf.reverse(targets, [0])
    share = tf.reshape(lam, (-1, 1))
    pixels = share[..., None, None]
    return pixels * images + (1 - pixels) * other[0], share * targets + (1 - share) * other[1]


def in_a_loop(images, targets, lam):
    n = len(images)
    pairs = [(i, n - 1 - i) for i in range(n)]
    return (
        np.stack([lam[i] * images[i] + (1 - lam[i]) * images[j] for i, j in pairs]),
        np.stack([lam[i] * targets[i] + (1 - lam[i]) * targets[j] for i, j in pairs]),
    )


@pytest.mark.parametrize("function", [mixed, in_tensorflow, in_a_loop])
def test_mixup_is_right_in_any_form(function):
    status, sentence = checks.mixup.verdict(function)
    assert status == "right", sentence


def test_what_is_right_is_what_the_training_does():
    images = np.random.default_rng(0).uniform(0, 255, (4, 3, 3, 3)).astype("float32")
    seed = (0, 5)
    theirs, shares = mix(images, np.eye(4, dtype="float32"), seed, mixup=1.0, cutmix=0.0)
    lam = np.diag(shares)
    ours, our_shares = mixed(images, np.eye(4, dtype="float32"), lam)
    assert np.allclose(ours, theirs, atol=1e-3) and np.allclose(our_shares, shares, atol=1e-6)


def in_place(images, targets, lam):
    images *= column(lam)
    return mixed(images, targets, lam)


WRONG_MIXES = [
    (lambda x, t, lam: (x, mixed(x, t, lam)[1]), "images come out as they went in"),
    (lambda x, t, lam: (mixed(x, t, lam)[0], t), "targets come out as they went in"),
    (lambda x, t, lam: mixed(x, t, 1 - lam), "images are swapped"),
    (lambda x, t, lam: (mixed(x, t, lam)[0], mixed(x, t, 1 - lam)[1]), "targets are swapped"),
    (lambda x, t, lam: mixed(x, t, lam[::-1]), "shares of their partners"),
    (lambda x, t, lam: mixed(x, t, np.full(6, lam[0])), "get one share"),
    (lambda x, t, lam: mixed(x, t, np.full(6, lam.mean())), "get one share"),
    (lambda x, t, lam: (x + x[::-1], t + t[::-1]), "without shares"),
    (
        lambda x, t, lam: (column(lam) * x + (1 - column(lam)) * np.roll(x, 1, 0), t),
        "meet their neighbours",
    ),
    (
        lambda x, t, lam: (column(lam) * x + (1 - column(lam)) * x[:, ::-1], t),
        "itself upside down",
    ),
    (
        lambda x, t, lam: (column(lam) * x + column(1 - lam[::-1]) * x[::-1], t),
        "same lam",
    ),
    (lambda x, t, lam: (lam * x, t), "could not be broadcast"),
    (lambda x, t, lam: mixed(x, t, lam)[0], "Return two arrays"),
    (lambda x, t, lam: (mixed(x, t, lam)[0][:3], t), "The shapes are (3, 4, 4, 3)"),
    (lambda x, t, lam: mixed(x, t, lam**2), "not lam times"),
    (in_place, "overwrites"),
    (lambda x, t: (x, t), "signature does not fit"),
]


@pytest.mark.parametrize(("function", "word"), WRONG_MIXES, ids=range(len(WRONG_MIXES)))
def test_a_wrong_mixup_is_named(function, word):
    status, sentence = checks.mixup.verdict(function)
    assert (status, word in sentence) == ("wrong", True), sentence


# ---------------------------------------------------------------- a learning curve


@pytest.mark.parametrize(
    "answer",
    [
        [(5, 0.5), (10, 0.6), (20, 0.7), (35, 0.85)],
        [[1, 0.2], [5, 0.55], [25, 0.5]],
        (("5", "0.4"), (35, 0.8), (15, 0.6)),
        {5: 0.5, 10: 0.6, 35: 0.7},
    ],
)
def test_a_learning_curve_that_rises_is_right(answer):
    assert checks.learning_curve.verdict(answer)[0] == "right"


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        ({5: 0.5, 35: 0.8}, "2 points make no curve"),
        ({0.5: 5, 0.6: 10, 0.8: 35}, "other way round"),
        ({5: 50, 10: 60, 35: 80}, "between 0 and 1"),
        ({15: 0.6, 20: 0.7, 30: 0.8}, "too short a range"),
        ({5: 0.12, 10: 0.15, 35: 0.2}, "far above chance"),
        ({5: 0.8, 10: 0.7, 35: 0.5}, "equally many steps"),
        ({5: 0.4, 10: 0.5, 280: 0.8}, "from 1 to 35"),
        ([0.5, 0.6, 0.8], "Give a list of pairs"),
        ([(5, 10, 35), (0.5, 0.6, 0.8)], "Give a list of pairs"),
    ],
)
def test_a_wrong_learning_curve_is_named(answer, word):
    status, sentence = checks.learning_curve.verdict(answer)
    assert (status, word in sentence) == ("wrong", True), sentence


@pytest.mark.parametrize(
    "answer", [..., "...", [(5, ...), (15, ...), (35, ...)], [[5, "..."], [35, 0.5]]]
)
def test_a_learning_curve_without_numbers_is_not_done(answer):
    assert checks.learning_curve.verdict(answer)[0] == "not done"


# ---------------------------------------------------------------- a confusion matrix

# 200 airplanes, 30 ketches, 25 schooners and 4 ants: (true class, predicted class, how many)
ANSWERS = [
    ("airplanes", "airplanes", 180),
    ("airplanes", "ketch", 20),
    ("ketch", "ketch", 17),
    ("ketch", "schooner", 12),
    ("ketch", "ant", 1),
    ("schooner", "schooner", 20),
    ("schooner", "ketch", 5),
    ("ant", "schooner", 2),
    ("ant", "ant", 2),
]


@pytest.fixture
def records(tmp_path):
    rows = [(truth, guess) for truth, guess, count in ANSWERS for _ in range(count)]
    pd.DataFrame(rows, columns=["class", "class_1"]).to_csv(tmp_path / "predictions.csv")
    return tmp_path


def test_the_pair_with_the_highest_rate_is_right(records):
    answer = ("ketch", " schooner")
    assert checks.most_confused_pair.verdict(answer, folder=records)[0] == "right"


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (("airplanes", "ketch"), "largest number of mistakes, 20, but airplanes has 200"),
        (("schooner", "ketch"), "other way round"),
        (("ant", "schooner"), "moves its rate by 25%"),
        (("ketch", "ant"), "another pair reaches 40.0%"),
        (("airplanes", "schooner"), "0.0% of the photographs"),
        (("ketch", "ketch"), "diagonal"),
        (("ketch", "boat"), "'boat' is no class"),
        ("ketch", "Give two names"),
    ],
)
def test_a_wrong_pair_is_named(records, answer, word):
    status, sentence = checks.most_confused_pair.verdict(answer, folder=records)
    assert (status, word in sentence) == ("wrong", True), sentence


def test_a_division_by_columns_is_named(records):
    rows = [("ketch", "ant", 1), ("airplanes", "emu", 2)]
    table = pd.read_csv(records / "predictions.csv")
    more = [{"class": truth, "class_1": guess} for truth, guess, n in rows for _ in range(n)]
    more.append({"class": "emu", "class_1": "schooner"})
    pd.concat([table, pd.DataFrame(more)]).to_csv(records / "predictions.csv")
    answer = ("airplanes", "emu")  # all that is called emu is an airplane
    assert "columns" in checks.most_confused_pair.verdict(answer, folder=records)[1]


# ---------------------------------------------------------------- a split by person

SPLIT = """
def my_split(people, labels, seed):
    rng = np.random.default_rng(seed)
    everyone = np.unique(people)
    while True:
        drawn = rng.permutation(everyone)[: len(everyone) // 4]
        in_test = np.isin(people, drawn)
        if set(labels[in_test]) == set(labels[~in_test]) == set(labels):
            return in_test
"""
CHECKED = "if set(labels[in_test]) == set(labels[~in_test]) == set(labels):"


def test_a_split_by_person_is_right():
    status, sentence = checks.split_by_person.verdict(made(SPLIT))
    assert status == "right", sentence


@pytest.mark.parametrize(
    ("edits", "word"),
    [
        (("np.isin(people, drawn)", "rng.random(len(people)) < 0.25"), "12 of 12 people"),
        ((CHECKED, "if True:"), "has no photograph of class 3"),
        (("// 4", "// 2"), "15 to 35 % were asked for"),
        (("return in_test", "return ~in_test"), "15 to 35 %"),
        (("return in_test", "return drawn"), "True or False"),
        (("return in_test", "return np.flatnonzero(in_test)"), "True or False"),
        (("default_rng(seed)", "default_rng(0)"), "Every seed gives the same"),
        (("default_rng(seed)", "default_rng()"), "two different splits"),
    ],
)
def test_a_wrong_split_by_person_is_named(edits, word):
    status, sentence = checks.split_by_person.verdict(made(SPLIT, *edits))
    assert (status, word in sentence) == ("wrong", True), sentence
