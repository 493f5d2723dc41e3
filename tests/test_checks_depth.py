"""The checks of notebook 01 about deep networks: a rate, two faults, a wider span, and words."""

import blocks_catalogue as catalogue
import keras
import pandas as pd
import pytest
from keras import layers

from exercises import checks
from exercises.checks import depth
from helpers.files import ROOT
from helpers.resnet import conv_bn, identity_block

RESULTS = ROOT / "experiments" / "results"

# ---------------------------------------------------------------- a learning rate


def recorded(epoch=40):
    return pd.read_csv(RESULTS / "learning_rates.csv").query(f"depth == 30 and epoch == {epoch}")


@pytest.mark.parametrize("epoch", [30, 35, 40])
@pytest.mark.parametrize("rate", [0.03, 0.1, 0.3])
def test_every_recorded_run_at_a_middle_rate_is_a_right_answer(rate, epoch):
    runs = recorded(epoch).query(f"network == 'plain' and learning_rate == {rate}")
    assert len(runs) == 3
    for error in runs["error"]:
        assert checks.rate_of_deep_plain.verdict((rate, error))[0] == "right"


@pytest.mark.parametrize("rate", [0.003, 0.01, 1.0])
def test_recorded_runs_at_other_rates_are_called_too_small_or_too_large(rate):
    for error in recorded().query(f"network == 'plain' and learning_rate == {rate}")["error"]:
        status, sentence = checks.rate_of_deep_plain.verdict((rate, error))
        assert status == "wrong"
        assert ("too small" in sentence) == (rate < 0.1), sentence


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        ((0.1, 40), "share between 0 and 1"),
        ((0, 0.1), "order is (learning rate"),
        ((-0.1, 0.4), "larger than 0"),
        ((0.1, 0.02), "what 10 layers reach"),
        ((0.001, 0.87), "error of guessing"),
        ((0.01, 0.69), "too small"),
        ((1, 0.61), "too large"),
        (0.1, "two numbers"),
        ((0.1, "low"), "one number"),
    ],
)
def test_a_wrong_rate_is_named(answer, word):
    status, sentence = checks.rate_of_deep_plain.verdict(answer)
    assert (status, word in sentence) == ("wrong", True), sentence


def test_half_a_rate_is_not_done():
    assert checks.rate_of_deep_plain.verdict((0.1, ...))[0] == "not done"


# ---------------------------------------------------------------- two faults

BROKEN = """
def net(depth):
    inputs = keras.Input((16, 16, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    x = layers.Conv2D(16, 3, strides=2, padding="same", activation="relu")(x)
    for _ in range((depth - 2) // 2):
        y = layers.Conv2D(16, 3, padding="same")(x)
        y = layers.BatchNormalization(gamma_initializer="zeros")(y)  # first
        y = layers.Activation("relu")(y)
        y = layers.Conv2D(16, 3, padding="same")(y)
        y = layers.BatchNormalization()(y)  # last
        y = layers.Average()([x, y])
        x = layers.Activation("relu")(y)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(8)(x))
"""
GAMMA = ('gamma_initializer="zeros")(y)  # first', ")(y)")
ADD = ("layers.Average()", "layers.Add()")
LAST = "layers.BatchNormalization()(y)  # last"


def net(*edits):
    source = BROKEN
    for old, new in zip(edits[::2], edits[1::2], strict=True):
        assert old in source
        source = source.replace(old, new)
    space = {"layers": layers, "keras": keras}
    exec(source, space)
    return space["net"]


def with_zeros_at_the_end():
    zeros = LAST.replace("tion()", 'tion(gamma_initializer="zeros")')
    return net(*GAMMA, *ADD, LAST, zeros)


RIGHT_NETS = [
    net(*GAMMA, *ADD),
    with_zeros_at_the_end(),
    net(*GAMMA, "layers.Average()([x, y])", "x + y"),
    net(
        *GAMMA,
        *ADD,
        'padding="same", activation="relu")(x)',
        'padding="same")(x)\n    x = layers.ReLU()(x)',
    ),
]


@pytest.mark.parametrize("answer", RIGHT_NETS)
def test_a_repaired_network_is_right_in_any_form(answer):
    status, sentence = checks.repaired_net.verdict(answer)
    assert status == "right", sentence


@pytest.mark.parametrize(
    ("edits", "word"),
    [
        ((), "gradient of exactly 0"),
        (ADD, "gradient of exactly 0"),
        (GAMMA, "0.125 of the first layer's output arrives after 3 blocks"),
        ((*GAMMA, "layers.Average()([x, y])", "y"), "shortcut is missing"),
        ((*GAMMA, "layers.Average()", "layers.Maximum()"), "should add 1.5"),
        ((*GAMMA, "layers.Average()", "layers.Subtract()"), "should add 1.5"),
        ((*GAMMA, *ADD, LAST, "y  # last"), "7 convolutions and 3 BatchNormalizations"),
        ((*GAMMA, *ADD, "layers.GlobalAveragePooling2D()", "layers.Flatten()"), "1024"),
        ((*GAMMA, "layers.Average()", "layers.Concatenate()"), "numbers reach the last layer"),
        (("return keras.Model(inputs, layers.Dense(8)(x))", "return x"), "return a keras.Model"),
    ],
)
def test_a_fault_that_is_left_in_the_network_is_named(edits, word):
    status, sentence = checks.repaired_net.verdict(net(*edits))
    assert (status, word in sentence) == ("wrong", True), sentence


# ---------------------------------------------------------------- a wider span


def chain(*sizes, end=256, dilation=1, norm=True, shortcut=True):
    """A learner's block: convolutions (width, kernel size), then a 1x1 one, and the shortcut."""

    def my_wider_block(x):
        y = x
        for width, size in sizes:
            options = {"padding": "same", "dilation_rate": dilation if size > 1 else 1}
            y = layers.Conv2D(width, size, **options)(y)
            y = layers.ReLU()(layers.BatchNormalization()(y) if norm else y)
        y = layers.BatchNormalization()(layers.Conv2D(end, 1)(y))
        return layers.ReLU()(x + y if shortcut else y)

    return my_wider_block


def before(x):
    """A pre-activation block: its output is x, not relu(x), when the branch gives 0."""
    y = x
    for width, size in ((32, 1), (32, 5), (256, 1)):
        y = layers.ReLU()(layers.BatchNormalization()(y))
        y = layers.Conv2D(width, size, padding="same", use_bias=False)(y)
    return layers.Add()([x, layers.BatchNormalization()(y)])


@pytest.mark.parametrize(
    "block", [chain((48, 1), (48, 3), (48, 3)), chain((40, 1), (40, 5)), before], ids=range(3)
)
def test_a_wider_block_is_right_in_any_form(block):
    status, sentence = checks.wider_block.verdict(block)
    assert status == "right", sentence


@pytest.mark.parametrize(
    ("block", "word"),
    [
        (lambda x: identity_block(x, (64, 64, 256)), "The span is 3 x 3"),
        (chain((64, 1), (64, 3), dilation=2), "only 9 of its 25"),
        (chain((32, 1), (32, 7)), "The span is 7 x 7"),
        (chain((64, 1), (64, 3), (64, 3)), "too many. The 3 x 3 convolution from 64 to 64"),
        (chain((64, 1), (64, 5)), "too many. The 5 x 5 convolution from 64 to 64"),
        (chain((48, 1), (48, 3), (48, 3), shortcut=False), "shortcut is missing"),
        (chain((48, 1), (48, 3), (48, 3), norm=False), "4 convolutions and 1 BatchN"),
        (chain((48, 1), (48, 3), (48, 3), end=1), "repeats it 256 times"),
        (lambda x: conv_bn(x, 64, 3), "shape (11, 11, 64)"),
        (
            lambda x: layers.Add()(
                [x, conv_bn(layers.ReLU()(conv_bn(x, 9, 5, name="a")), 256, 1), x]
            ),
            "x itself",
        ),
    ],
)
def test_a_wrong_wider_block_is_named(block, word):
    status, sentence = checks.wider_block.verdict(block)
    assert (status, word in sentence) == ("wrong", True), sentence


def test_the_budget_is_that_of_the_basic_block():
    x = keras.Input((8, 8, 64))
    y = layers.ReLU()(conv_bn(x, 64, 3, name="a"))
    basic = keras.Model(x, layers.ReLU()(layers.Add()([x, conv_bn(y, 64, 3, name="b")])))
    assert basic.count_params() == depth.BUDGET
    cost = pd.read_csv(RESULTS / "block_cost.csv").set_index("block")["parameters"]
    assert cost["basic, 64 wide"] == depth.BUDGET


# ---------------------------------------------------------------- a choice, and words


@pytest.mark.parametrize(
    ("answer", "word"),
    [("a", "training has to find them"), ("b", "as many parameters"), (" D)", "a low training")],
)
def test_a_wrong_prediction_is_named(answer, word):
    status, sentence = checks.which_networks_fit.verdict(answer)
    assert (status, word in sentence) == ("wrong", True), sentence


def test_the_right_prediction_is_what_was_measured():
    runs = pd.read_csv(RESULTS / "degradation.csv").query("epochs == 100")
    lowest = runs.groupby(["network", "depth"])["error"].min()
    assert list(lowest[lowest > 0].index) == [("plain", 56)]
    assert checks.which_networks_fit.verdict("c")[0] == "right"


def test_a_layer_used_in_two_of_three_places_is_counted_in_words():
    for count, verb in ((1, "1 of the 3 BatchNormalizations is"), (2, "2 of the 3 BatchNorm")):
        name = {1: "training=True in the middle", 2: "training=True in the middle and at the end"}
        edits = catalogue.EITHER[name[count]][1:]
        block = catalogue.mutated(catalogue.IDENTITY, edits)
        assert verb in checks.identity_block.verdict(block)[1]
