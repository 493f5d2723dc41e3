"""The checks of exercises about whole networks, of BatchNorm's averages, and of their words."""

import keras
import numpy as np
import pytest

from exercises import checks
from exercises.faulty import FAULTS, faulty_resnet50
from helpers.resnet import ResNet50, copy_weights
from images.layer_table import layer_table

# ---------------------------------------------------------------- two faults

FIRST = "conv3_block3: its Add gets the branch twice, the shortcut is lost"
SECOND = "conv4_block5: the middle convolution is 1x1 instead of 3x3"


@pytest.mark.parametrize(
    "answer",
    [
        [FIRST, SECOND],
        (SECOND, FIRST),
        f"{FIRST}. {SECOND}",
        ["In conv3_block3 y is added to itself.", "conv4_block5_2_conv has kernel size (1, 1)."],
        ["conv3_block3: Add has the same tensor on both inputs", "conv4_block5: kernel_size=1"],
        ["conv3_block3 never adds its input", "conv4_block5: the middle one is pointwise"],
    ],
)
def test_the_two_faults_are_right_in_any_order_and_words(answer):
    status, sentence = checks.two_faults.verdict(answer)
    assert status == "right", sentence


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        ([FIRST], "print it by block"),
        ([SECOND], "compare the outputs block by block"),
        ([FIRST, "conv4_block6: its output differs"], "differs because its input does"),
        ([FIRST, "conv2_block2: wrong shortcut"], "conv2_block2 is as it should be"),
        ([FIRST, "conv4_block5 has a fault"], "compare its layers one by one"),
        (["conv3_block3 is wrong", SECOND], "look at the inputs of its Add"),
        (["conv3_block3: an identity block without ReLU", SECOND], "look at the inputs of its Add"),
        ([FIRST, "conv4_block5: a kernel with too many filters"], "compare its layers one by one"),
        (["a kernel", "a shortcut"], "Name the block"),
        (7, "list of two texts"),
    ],
)
def test_what_is_missing_in_the_two_faults_is_named(answer, word):
    status, sentence = checks.two_faults.verdict(answer)
    assert (status, word in sentence) == ("wrong", True), sentence


def test_dots_in_place_of_faults_are_not_done():
    assert checks.two_faults.verdict(["...", "..."])[0] == "not done"


def test_one_fault_shows_in_the_table_and_the_other_in_the_outputs():
    right, faulty = ResNet50(classes=6), faulty_resnet50()
    tables = [layer_table(model, by="block") for model in (right, faulty)]
    differs = tables[0]["parameters"] != tables[1]["parameters"]
    assert list(tables[0].index[differs]) == ["conv4_block5"]
    assert (tables[0]["output"] == tables[1]["output"]).all()
    copy_weights(right, faulty, but=["conv4_block5_2_conv"])
    ends = [layer.name for layer in right.layers if layer.name.endswith("_out")]
    images = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3)).astype("float32")
    found = [
        keras.Model(model.input, [model.get_layer(end).output for end in ends])(images)
        for model in (right, faulty)
    ]
    differs = [end for end, a, b in zip(ends, *found, strict=True) if np.abs(a - b).max() > 1e-4]
    assert differs[0] == "conv3_block3_out"
    assert list(FAULTS) == ["conv3_block3", "conv4_block5"]


# ---------------------------------------------------------------- a network under a budget

SMALL = [
    ("conv2", (32, 32, 128), 3, 1),
    ("conv3", (64, 64, 256), 4, 2),
    ("conv4", (128, 128, 512), 6, 2),
    ("conv5", (192, 192, 768), 3, 2),
]


def with_row(number, *row):
    return [*SMALL[:number], row, *SMALL[number + 1 :]]


def halved():
    return with_row(3, "conv5", (256, 256, 1024), 3, 2)


@pytest.mark.parametrize(
    "plan", [SMALL, [list(row) for row in SMALL], with_row(3, "last", [160, 160, 640], 4, 2)]
)
def test_a_plan_within_its_budget_is_right(plan):
    status, sentence = checks.small_resnet.verdict(plan)
    assert status == "right", sentence


@pytest.mark.parametrize(
    ("plan", "word"),
    [
        (halved(), "6,045,989 parameters are 1,045,989 too many. conv5 has the most"),
        (with_row(0, "conv2", (64, 64, 128), 8, 1), "conv2 takes the most"),
        (with_row(2, "conv4", (128, 128, 512), 3, 2), "The span is 387 pixels, 96 too few"),
        (with_row(3, "conv4", (192, 192, 768), 3, 2), "the same name"),
        (with_row(0, "conv2", (16, 16, 64), 3, 1), "16 channels are too few"),
        (with_row(0, "conv2", (64, 256), 3, 1), "three widths"),
        (with_row(0, "conv2", (32, 32, 128), 0, 1), "0 blocks"),
        (with_row(0, "conv2", (32, 32, 128), 3, 4), "1 or 2, not 4"),
        ([*SMALL, ("a", (32, 32, 64), 1, 2), ("b", (32, 32, 64), 1, 2)], "1 x 1"),
        ([], "The plan is empty"),
        ("conv2", "each a row such as"),
    ],
)
def test_what_a_plan_lacks_is_named(plan, word):
    status, sentence = checks.small_resnet.verdict(plan)
    assert (status, word in sentence) == ("wrong", True), sentence


# ---------------------------------------------------------------- moving averages


@pytest.mark.parametrize("answer", [(300, 30), [280, 27], (460, 44), (240, 24)])
def test_steps_to_catch_up_may_differ_a_little(answer):
    assert checks.steps_to_catch_up.verdict(answer)[0] == "right"


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        ((30, 300), "other way round"),
        ((300, 300), "pass on the momentum"),
        ((0.05, 0.05), "not the share"),
        ((300, 150), "same share in both"),
        ((20, 2), "too early"),
        ((3000, 300), "smallest number"),
        (300, "two numbers"),
        ((300, "many"), "one number"),
    ],
)
def test_wrong_steps_are_named(answer, word):
    status, sentence = checks.steps_to_catch_up.verdict(answer)
    assert (status, word in sentence) == ("wrong", True), sentence


def test_half_an_answer_is_not_done():
    assert checks.steps_to_catch_up.verdict((300, ...))[0] == "not done"
