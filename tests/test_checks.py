"""The checks name each mistake in a sentence of its own, and accept right code in any form."""

import blocks_catalogue as catalogue
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from helpers import checks, resnet
from helpers.checks import mistakes

RIGHT = [
    *((checks.identity_block, block) for block in catalogue.RIGHT_IDENTITY),
    *((checks.convolutional_block, block) for block in catalogue.RIGHT_CONVOLUTIONAL),
]
WRONG = {
    **{
        f"identity: {name}": (checks.identity_block, catalogue.IDENTITY, mistake)
        for name, mistake in catalogue.WRONG_IDENTITY.items()
    },
    **{
        f"convolutional: {name}": (checks.convolutional_block, catalogue.CONVOLUTIONAL, mistake)
        for name, mistake in catalogue.WRONG_CONVOLUTIONAL.items()
    },
}


def name_of(value):
    return getattr(value, "__name__", None)


@pytest.mark.parametrize(("check", "block"), RIGHT, ids=name_of)
@pytest.mark.filterwarnings("ignore:a warning of the learner")
def test_right_blocks_are_accepted(check, block):
    assert check.verdict(block)[0] == "right", check.verdict(block)[1]


@pytest.fixture(scope="module")
def said():
    """The sentences so far: {(check, sentence): name of the block}."""
    return {}


@pytest.mark.parametrize("name", WRONG)
def test_each_wrong_block_has_its_own_sentence(name, said):
    check, source, (word, *edits) = WRONG[name]
    status, sentence = check.verdict(catalogue.mutated(source, edits))
    assert status == "wrong"
    assert word in sentence
    assert said.setdefault((check, sentence), name) == name


def test_every_known_mistake_is_in_the_catalogue(said):
    if len(said) < len(WRONG):
        pytest.skip("needs all wrong blocks to have been checked")
    for check, line, table in (
        (checks.identity_block, mistakes.IDENTITY, mistakes.IDENTITY_MISTAKES),
        (checks.convolutional_block, mistakes.CONVOLUTIONAL, mistakes.CONVOLUTIONAL_MISTAKES),
    ):
        possible = {sentence for edits, sentence in table.items() if mistakes.edited(line, edits)}
        assert possible <= {sentence for of, sentence in said if of is check}


# ---------------------------------------------------------------- the block of version 1.5


def v15(middle="f2, kernel_size, strides", first="f1, 1", pad="", padding="same"):
    conv = f'    y = layers.Conv2D({middle}, padding="{padding}")(y)\n'
    edits = ["f1, 1, strides", first, catalogue.MIDDLE_CONV, pad + conv]
    return catalogue.mutated(catalogue.CONVOLUTIONAL, edits)


def test_v15_is_accepted_with_padding_on_one_side_or_both():
    assert checks.block_v15.verdict(v15())[0] == "right"
    pad = "    y = layers.ZeroPadding2D(kernel_size // 2)(y)\n"
    both = v15("f2, kernel_size, strides", pad=pad, padding="valid")
    assert checks.block_v15.verdict(both)[0] == "right"


@pytest.mark.parametrize(
    ("block", "word"),
    [
        (resnet.convolutional_block, "still in the first"),
        (v15(first="f1, 1, strides"), "acts twice"),
        (v15("f2, kernel_size"), "branch ignores strides"),
        (v15("f2, 3, strides"), "kernel_size is ignored"),
    ],
)
def test_v15_mistakes_are_named(block, word):
    status, sentence = checks.block_v15.verdict(block)
    assert (status, word in sentence) == ("wrong", True), sentence


# ---------------------------------------------------------------- unfinished and broken answers

FUNCTION_CHECKS = [
    checks.identity_block,
    checks.convolutional_block,
    checks.block_v15,
    checks.zero_last_gamma,
    checks.residual_jacobian,
    checks.resnet50,
]
ARGUMENTS = {
    checks.identity_block: "x, filters, kernel_size=3",
    checks.convolutional_block: "x, filters, kernel_size=3, strides=2",
    checks.block_v15: "x, filters, kernel_size=3, strides=2",
    checks.zero_last_gamma: "block",
    checks.residual_jacobian: "f, x",
    checks.resnet50: "input_shape=(64, 64, 3), classes=101",
}
VALUE_CHECKS = [
    checks.parameters_of_identity_block,
    checks.gradient_through_blocks,
    checks.receptive_field,
    checks.why_deeper_is_worse,
    checks.output_shape,
    checks.parameters_of_shortcut,
    checks.multiply_adds_of_convolution,
    checks.multiply_adds_of_block,
    checks.unread_pixels,
    checks.weighted_layers,
    checks.non_trainable_parameters,
    checks.parameters_of_resnet50,
    checks.parameters_of_head,
    checks.stage_with_most_parameters,
    checks.stage_with_most_multiply_adds,
]


def with_body(check, body):
    space = {"layers": layers, "keras": keras, "np": np}
    exec(f"def answer({ARGUMENTS[check]}):\n    {body}", space)
    return space["answer"]


@pytest.mark.parametrize("check", FUNCTION_CHECKS, ids=name_of)
@pytest.mark.parametrize(
    "body", ["...", "pass", "return None", "'''What it does.'''", "raise NotImplementedError"]
)
def test_a_stub_is_not_done(check, body):
    assert check.verdict(with_body(check, body))[0] == "not done"


@pytest.mark.parametrize("check", FUNCTION_CHECKS + VALUE_CHECKS, ids=name_of)
@pytest.mark.parametrize("answer", [None, ...])
def test_an_answer_left_out_is_not_done(check, answer, capsys):
    assert check(answer) is None
    assert capsys.readouterr().out.startswith("Not done yet: ")


def test_dots_left_in_a_block_are_not_done():
    block = with_body(checks.identity_block, "return layers.Add()([x, ...])")
    assert checks.identity_block.verdict(block)[0] == "not done"


CRASHES = [
    ("return 1 / 0", "ZeroDivisionError"),
    ("raise SystemExit('bye')", "SystemExit: bye"),
    ("return len(3)", "TypeError"),
    ("return (lambda f: f(f))(lambda f: f(f))", "RecursionError"),
    ("return unknown_name", "NameError"),
    ("raise BaseExceptionGroup('several', [ValueError()])", "Group"),
]


@pytest.mark.parametrize("check", FUNCTION_CHECKS, ids=name_of)
@pytest.mark.parametrize(("body", "word"), CRASHES)
def test_a_crash_is_wrong_and_names_the_error(check, body, word):
    status, sentence = check.verdict(with_body(check, body))
    assert (status, word in sentence, "\n" in sentence) == ("wrong", True, False), sentence


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ("return keras.Model(x, layers.ReLU()(x))", "returns a model"),
        ("return layers.ReLU()", "returns the layer ReLU"),
        ("return x, x", "returns a tuple"),
        ("return [x]", "returns a list"),
        ("return np.zeros((1, 8, 6, 5))", "returns a ndarray"),
        ("return x", "unchanged"),
        ("return layers.ReLU()(keras.Input((8, 6, 5)))", "not made from its input"),
        ("return layers.ReLU()(x)", "lacks a kernel"),
    ],
)
def test_a_wrong_kind_of_output_is_named(body, word):
    status, sentence = checks.identity_block.verdict(with_body(checks.identity_block, body))
    assert (status, word in sentence) == ("wrong", True), sentence


@pytest.mark.parametrize("check", FUNCTION_CHECKS, ids=name_of)
def test_a_wrong_signature_is_named(check):
    for answer in (lambda: None, lambda a, b, c, d, e, f: None, lambda *, key: None):
        status, sentence = check.verdict(answer)
        assert (status, "signature" in sentence) == ("wrong", True), sentence


def test_a_missing_argument_or_default_is_named():
    block = catalogue.mutated(catalogue.IDENTITY, ["kernel_size=3", "kernel_size"])
    assert "kernel_size" in checks.identity_block.verdict(block)[1]
    assert "strides" in checks.convolutional_block.verdict(resnet.identity_block)[1]


def test_a_call_in_place_of_the_function_is_named():
    for answer in (3, "block", keras.Input((8, 6, 5)), layers.ReLU()):
        assert "function itself" in checks.identity_block.verdict(answer)[1]


def test_layers_made_outside_the_function_are_named():
    made = {}

    def block(x, filters, kernel_size=3):
        y = x
        for place, (width, size) in enumerate(zip(filters, (1, kernel_size, 1), strict=True)):
            key = (x.shape[1:], place)
            conv = made.setdefault((*key, width, size), layers.Conv2D(width, size, padding="same"))
            bn = made.setdefault((*key, filters), layers.BatchNormalization())
            y = bn(conv(y))
            y = layers.ReLU()(y) if place < 2 else y
        return layers.ReLU()(layers.Add()([x, y]))

    assert "share weights" in checks.identity_block.verdict(block)[1]


def test_the_verdict_is_one_line_after_what_the_learner_prints(capsys):
    with pytest.warns(UserWarning, match="a warning of the learner"):
        assert checks.identity_block(catalogue.talkative) is None
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("building")
    assert len(lines) == 2
    assert lines[1].startswith("Right: ")


# ---------------------------------------------------------------- the last gamma, the Jacobian


def change(layer, **values):
    def zero_last_gamma(block):
        for name, value in values.items():
            variable = getattr(block.get_layer(f"identity_block_{layer}"), name)
            variable.assign(np.full(variable.shape, value))

    return zero_last_gamma


def all_gammas(block):
    for number in "123":
        change(f"{number}_bn", gamma=0)(block)


def on_a_copy(block):
    block.get_layer("identity_block_3_bn").get_weights()[0][:] = 0


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (change("1_bn", gamma=0), "That is the first"),
        (change("2_bn", gamma=0), "That is the middle"),
        (change("3_bn", gamma=1.5), "not to 0"),
        (change("3_bn", beta=0), "only shifts"),
        (change("3_bn", gamma=0, beta=1), "not to 0"),
        (change("3_bn", gamma=0, moving_variance=0), "moving_variance too"),
        (change("3_conv", kernel=0), "kernel has changed"),
        (all_gammas, "Every gamma"),
        (on_a_copy, "Nothing in the block has changed"),
    ],
)
def test_a_wrong_gamma_is_named(answer, word):
    status, sentence = checks.zero_last_gamma.verdict(answer)
    assert (status, word in sentence) == ("wrong", True), sentence


def test_the_last_gamma_alone_or_with_its_beta_is_right():
    assert checks.zero_last_gamma.verdict(change("3_bn", gamma=0))[0] == "right"
    assert checks.zero_last_gamma.verdict(change("3_bn", gamma=0, beta=0))[0] == "right"


def jacobian(target=lambda f, x: x + f(x), finish=lambda tape, y, x: tape.jacobian(y, x)):
    def residual_jacobian(f, x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = target(f, x)
        return finish(tape, y, x)

    return residual_jacobian


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (jacobian(lambda f, x: f(x)), "branch alone"),
        (jacobian(lambda f, x: x - f(x)), "subtracted"),
        (jacobian(lambda f, x: 1.0 * x), "identity alone"),
        (jacobian(finish=lambda tape, y, x: tape.gradient(y, x)), "tape.gradient"),
        (jacobian(finish=lambda tape, y, x: tf.transpose(tape.jacobian(y, x))), "swapped"),
        (jacobian(lambda f, x: f(x), lambda t, y, x: 1 + t.jacobian(y, x)), "every entry"),
        (jacobian(finish=lambda tape, y, x: y), "value of x + f(x)"),
        (jacobian(finish=lambda tape, y, x: None), "watch x"),
        (jacobian(finish=lambda tape, y, x: 2 * tape.jacobian(y, x)), "not I + dF/dx"),
        (jacobian(finish=lambda tape, y, x: np.eye(4)), "shape (4, 4)"),
        (jacobian(finish=lambda tape, y, x: "matrix"), "returns a str"),
    ],
)
def test_a_wrong_jacobian_is_named(answer, word):
    status, sentence = checks.residual_jacobian.verdict(answer)
    assert (status, word in sentence) == ("wrong", True), sentence


def test_a_right_jacobian_is_accepted():
    assert checks.residual_jacobian.verdict(jacobian())[0] == "right"
    branch = jacobian(lambda f, x: f(x))
    assert checks.residual_jacobian.verdict(lambda f, x: branch(f, x) + np.eye(3))[0] == "right"
