"""The checks name each mistake in a sentence of its own, and accept right code in any form."""

import functools

import blocks_catalogue as catalogue
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from exercises import checks
from exercises.checks import mistakes
from exercises.checks.explanations import EXPLANATIONS
from helpers import resnet
from images.layer_table import layer_table

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


@functools.cache
def verdict_on(name):
    """(status, sentence) on a wrong block of the catalogue, worked out once in a process."""
    check, source, (_, *edits) = WRONG[name]
    return check.verdict(catalogue.mutated(source, edits))


@pytest.mark.parametrize("name", WRONG)
def test_each_wrong_block_is_named(name):
    word = WRONG[name][2][0]
    status, sentence = verdict_on(name)
    assert (status, word in sentence) == ("wrong", True), sentence


def test_no_two_wrong_blocks_have_the_same_sentence():
    first = {}
    for name, (check, *_) in WRONG.items():
        sentence = verdict_on(name)[1]
        assert first.setdefault((check, sentence), name) == name


def test_every_known_mistake_is_in_the_catalogue():
    for check, line, table in (
        (checks.identity_block, mistakes.IDENTITY, mistakes.IDENTITY_MISTAKES),
        (checks.convolutional_block, mistakes.CONVOLUTIONAL, mistakes.CONVOLUTIONAL_MISTAKES),
    ):
        possible = {sentence for edits, sentence in table.items() if mistakes.edited(line, edits)}
        found = {verdict_on(name)[1] for name, (of, *_) in WRONG.items() if of is check}
        assert possible <= found, possible - found


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
        (v15(first="f1, 1, strides"), "used twice in the branch"),
        (v15("f2, kernel_size"), "branch ignores strides"),
        (v15("f2, 3, strides"), "kernel_size is ignored"),
    ],
)
def test_v15_mistakes_are_named(block, word):
    status, sentence = checks.block_v15.verdict(block)
    assert (status, word in sentence) == ("wrong", True), sentence


# ---------------------------------------------------------------- unfinished and broken answers

ARGUMENTS = {
    checks.identity_block: "x, filters, kernel_size=3",
    checks.convolutional_block: "x, filters, kernel_size=3, strides=2",
    checks.block_v15: "x, filters, kernel_size=3, strides=2",
    checks.repaired_block: "x, filters, kernel_size=3, strides=2",
    checks.downsampling_shortcut: "x, filters",
    checks.zero_last_gamma: "block",
    checks.repaired_net: "depth",
    checks.wider_block: "x",
    checks.resnet50: "input_shape=(64, 64, 3), classes=101",
    checks.freeze_all_but_head: "model",
    checks.mcnemar: "first, second",
    checks.repaired_pipeline: "pixels, labels, seed=0",
    checks.mixup: "images, targets, lam",
    checks.split_by_person: "people, labels, seed",
    checks.grad_cam_weights: "maps, top, labels",
    checks.temperature_scaling: "probabilities, temperature",
    checks.neighbours: "features, k=5",
}
FUNCTION_CHECKS = list(ARGUMENTS)
TEXT_CHECKS = [checks.CHECKS[name] for name in EXPLANATIONS]
VALUE_CHECKS = [
    check for check in checks.CHECKS.values() if check not in FUNCTION_CHECKS + TEXT_CHECKS
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


@pytest.mark.parametrize("check", FUNCTION_CHECKS + VALUE_CHECKS + TEXT_CHECKS, ids=name_of)
@pytest.mark.parametrize("answer", [None, ...])
def test_an_answer_left_out_is_not_done(check, answer, capsys):
    assert check(answer) is None
    assert capsys.readouterr().out.startswith("Not done yet: ")


def test_dots_left_in_a_block_are_not_done():
    block = with_body(checks.identity_block, "return layers.Add()([x, ...])")
    assert checks.identity_block.verdict(block)[0] == "not done"


def test_the_line_that_stopped_is_shown():
    def block(x, filters, kernel_size=3):
        return layers.Add()([x, filters])

    sentence = checks.identity_block.verdict(block)[1]
    assert sentence.endswith(": return layers.Add()([x, filters]))"), sentence


def test_names_used_twice_are_named():
    block = with_body(
        checks.identity_block,
        "return layers.ReLU(name='relu')(layers.ReLU(name='relu')(x))",
    )
    assert "same name" in checks.identity_block.verdict(block)[1]


CRASHES = [
    ("return 1 / 0", "ZeroDivisionError"),
    ("raise SystemExit('bye')", "SystemExit: bye"),
    ("return len(3)", "TypeError"),
    ("return (lambda f: f(f))(lambda f: f(f))", "RecursionError"),
    ("return unknown_name", "NameError"),
    ("return keras.layers.Layer().compute_output_shape((1,))", "NotImplementedError"),
    ("raise BaseExceptionGroup('several', [ValueError()])", "Group"),
]


@pytest.mark.parametrize(
    ("check", "body", "word"),
    # Every crash in one check, one crash in every check: all of them call answers in one way.
    [(FUNCTION_CHECKS[0], *crash) for crash in CRASHES]
    + [(check, *CRASHES[0]) for check in FUNCTION_CHECKS[1:]],
    ids=name_of,
)
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
        ("return layers.ReLU()(keras.Input((8, 6, 5)))", "does not depend on x"),
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


def test_checking_leaves_the_random_numbers_of_later_cells_alone():
    keras.utils.set_random_seed(1)
    expected = keras.initializers.RandomNormal()((2, 2))
    keras.utils.set_random_seed(1)
    checks.identity_block.verdict(resnet.identity_block)
    np.testing.assert_array_equal(keras.initializers.RandomNormal()((2, 2)), expected)


# ---------------------------------------------------------------- the last gamma


def parts(block, kind):
    return [layer for layer in block.layers if isinstance(layer, kind)]


def change(number, kind=layers.BatchNormalization, **values):
    def zero_last_gamma(block):
        for name, value in values.items():
            variable = getattr(parts(block, kind)[number], name)
            variable.assign(np.full(variable.shape, value))

    return zero_last_gamma


def all_gammas(block):
    for number in range(3):
        change(number, gamma=0)(block)


def on_a_copy(block):
    parts(block, layers.BatchNormalization)[2].get_weights()[0][:] = 0


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (change(0, gamma=0), "That is the first"),
        (change(1, gamma=0), "That is the middle"),
        (change(2, gamma=1.5), "not to 0"),
        (change(2, beta=0), "only shifts"),
        (change(2, gamma=0, beta=1), "3_bn/beta too"),
        (change(2, gamma=0, beta=0), "3_bn/beta too"),
        (change(2, gamma=0, moving_variance=0), "moving_variance too"),
        (change(2, layers.Conv2D, kernel=0), "kernel has changed"),
        (all_gammas, "Every gamma"),
        (on_a_copy, "Nothing in the block has changed"),
    ],
)
def test_a_wrong_gamma_is_named(answer, word):
    status, sentence = checks.zero_last_gamma.verdict(answer)
    assert (status, word in sentence) == ("wrong", True), sentence


def searching(block):
    """Sets one vector after the other to 0, until the block is relu(x)."""
    x = np.random.default_rng(1).normal(size=(1, 8, 6, 5)).astype("float32")
    for variable in block.trainable_variables:
        kept = variable.numpy()
        variable.assign(0 * kept)
        if kept.ndim == 1 and np.allclose(block(x), np.maximum(x, 0)):
            return
        variable.assign(kept)
    raise ValueError("none")


def test_the_last_gamma_alone_is_right():
    assert checks.zero_last_gamma.verdict(change(2, gamma=0))[0] == "right"
    assert checks.zero_last_gamma.verdict(searching)[0] == "right"


# ---------------------------------------------------------------- the whole network

PLAN = {
    "conv2": ((64, 64, 256), 3, 1),
    "conv3": ((128, 128, 512), 4, 2),
    "conv4": ((256, 256, 1024), 6, 2),
    "conv5": ((512, 512, 2048), 3, 2),
}


def network(
    plan=PLAN,
    stem=resnet.stem,
    scale=(1 / 127.5, -1),
    first=resnet.convolutional_block,
    other=resnet.identity_block,
    pool=layers.GlobalAveragePooling2D,
    end="softmax",
):
    """A learner's function that builds ResNet-50, or a wrong one."""

    def my_resnet50(input_shape=(64, 64, 3), classes=101):
        inputs = keras.Input(input_shape)
        x = stem(layers.Rescaling(*scale)(inputs) if scale else inputs)
        for name, (filters, blocks, strides) in plan.items():
            x = first(x, filters, strides=strides, name=f"{name}_1")
            for number in range(2, blocks + 1):
                x = other(x, filters, name=f"{name}_{number}")
        return keras.Model(inputs, layers.Dense(classes, end)(pool()(x)))

    return my_resnet50


def own_stem(x, conv_padding="valid", pool=layers.MaxPooling2D, size=7, strides=2):
    if conv_padding == "valid":
        x = layers.ZeroPadding2D(3)(x)
    x = layers.Conv2D(64, size, strides, padding=conv_padding)(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    return pool(3, 2)(layers.ZeroPadding2D(1)(x)) if pool else x


def with_stage(name, filters=None, blocks=None, strides=None):
    wanted = (filters, blocks, strides)
    changed = tuple(new or old for new, old in zip(wanted, PLAN[name], strict=True))
    return PLAN | {name: changed}


def version_15(x, filters, kernel_size=3, strides=2, name=None):
    return v15()(x, filters, kernel_size, strides)


def projecting(x, filters, kernel_size=3, name=None):
    return resnet.convolutional_block(x, filters, strides=1, name=name)


def no_last_relu(x, filters, kernel_size=3, name=None):
    block = catalogue.mutated(catalogue.IDENTITY, [catalogue.OUT, "    return y\n"])
    return block(x, filters, kernel_size)


def biasless(x, filters, kernel_size=3, name=None):
    mistake = catalogue.WRONG_IDENTITY["no bias"]
    return catalogue.mutated(catalogue.IDENTITY, mistake[1:])(x, filters, kernel_size)


def without_head(input_shape=(64, 64, 3), classes=101):
    model = network()(input_shape, classes)
    return keras.Model(model.inputs, model.layers[-2].output)


WRONG_NETWORKS = [
    (network(with_stage("conv3", blocks=3)), "conv3: 3 blocks instead of 4"),
    (network(with_stage("conv5", blocks=4)), "conv5: 4 blocks instead of 3"),
    (network(with_stage("conv2", strides=2)), "conv2 ends with maps of 4x6 instead of 8x12"),
    (network(with_stage("conv5", strides=1)), "conv5 ends with maps of 2x3 instead of 1x2"),
    (network(with_stage("conv4", filters=(128, 128, 1024))), "conv4: its 3x3 convolutions have"),
    (network(with_stage("conv4", filters=(256, 256, 512))), "conv4: the projection (1x1"),
    (network({k: PLAN[k] for k in ("conv2", "conv3", "conv4")}), "conv5 is missing"),
    (network(PLAN | {"conv6": ((9, 9, 9), 1, 1)}), "After conv5 comes another stage"),
    (network(first=version_15), "conv3: the stride sits in"),
    (network(other=projecting), "conv2: 2 projections too many"),
    (network(other=no_last_relu), "Check your blocks with their own"),
    (network(other=biasless), "layers have a bias"),
    (network(stem=lambda x: own_stem(x, pool=None)), "or the pooling before it"),
    (network(stem=lambda x: own_stem(x, "same")), 'conv1: padding="same"'),
    (network(stem=lambda x: own_stem(x, pool=layers.AveragePooling2D)), "takes the average"),
    (network(stem=lambda x: own_stem(x, "same", size=3)), "the first convolution is 3x3"),
    (network(stem=lambda x: own_stem(x, strides=1)), "does not have stride 2; it should"),
    (network(scale=None), "not scaled"),
    (network(scale=(1 / 255,)), "scaled to 0..1"),
    (network(end=None), "has no softmax"),
    (network(end="sigmoid"), "sigmoid instead of softmax"),
    (network(pool=layers.GlobalMaxPooling2D), "takes the maximum"),
    (network(pool=layers.Flatten), "dense layers: 4096"),
    (
        lambda input_shape=(64, 64, 3), classes=101: network()((64, 64, 3), classes),
        "input_shape is",
    ),
    (
        lambda input_shape=(64, 64, 3), classes=101: network()(input_shape, 101),
        "classes is ignored: asked for 7, got 101.",
    ),
    (without_head, "for classes=7: average the maps"),
    (lambda input_shape=(64, 64, 3), classes=101: keras.Input((2,)), "returns a KerasTensor"),
    (lambda input_shape=(64, 64, 3), classes=101: keras.Sequential(), "keras.Model(inputs, out"),
]


@pytest.fixture
def zeros(monkeypatch):
    """Networks start with kernels of zeros, which is faster: the check sets every weight."""
    shaped = lambda self, shape, dtype=None: tf.zeros(shape, dtype)  # noqa: E731
    monkeypatch.setattr(keras.initializers.GlorotUniform, "__call__", shaped)


@pytest.mark.parametrize(
    ("answer", "word"), WRONG_NETWORKS, ids=[word for _, word in WRONG_NETWORKS]
)
def test_the_first_stage_that_differs_is_named(answer, word, zeros):
    status, sentence = checks.resnet50.verdict(answer)
    assert (status, word in sentence) == ("wrong", True), sentence


@pytest.mark.filterwarnings("ignore:a warning of the learner")
def test_right_networks_are_accepted_and_left_as_they_were():
    assert checks.resnet50.verdict(resnet.ResNet50)[0] == "right"
    assert (
        checks.resnet50.verdict(network(stem=own_stem, first=catalogue.c_talkative))[0] == "right"
    )
    model = resnet.ResNet50((40, 64, 3), classes=3)
    before = model.get_weights()
    assert checks.resnet50.verdict(model)[0] == "right"
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


# ---------------------------------------------------------------- numbers


def model_of(block, input_shape, filters, **options):
    x = keras.Input(input_shape)
    return keras.Model(x, block(x, filters, **options))


def test_numbers_of_the_network_are_those_of_the_real_one():
    model = resnet.ResNet50(classes=6)
    head = model.get_layer("predictions").count_params()
    assert checks.parameters_of_head.verdict(head)[0] == "right"
    table = layer_table(model)
    fields = {
        "stage_with_most_parameters": "parameters",
        "stage_with_most_multiply_adds": "multiply-adds",
    }
    for name, column in fields.items():
        assert getattr(checks, name).verdict(table[column].idxmax())[0] == "right"


@pytest.mark.parametrize(
    ("check", "answer", "word"),
    [
        (checks.parameters_of_head, 12_288, "bias is missing"),
        (checks.parameters_of_head, 49_158, "flattened"),
        (checks.stage_with_most_parameters, "conv4", "most blocks"),
        (checks.stage_with_most_multiply_adds, 5, "few positions"),
        (checks.stage_with_most_multiply_adds, "the last", "name of a stage"),
    ],
)
def test_each_common_mistake_has_its_sentence(check, answer, word):
    status, sentence = check.verdict(answer)
    assert (status, word in sentence) == ("wrong", True), sentence


@pytest.mark.parametrize(
    "answer", ["many", [1, 2], {}, float("nan"), float("inf"), object, b"x", ""]
)
@pytest.mark.parametrize("check", VALUE_CHECKS, ids=name_of)
def test_an_answer_of_another_kind_is_wrong_in_one_line(check, answer):
    status, sentence = check.verdict(answer)
    assert status == "wrong"
    assert "\n" not in sentence
    assert "could not be checked" not in sentence


HEAD = 6 * 2049  # the parameters of a head for six classes


@pytest.mark.parametrize(
    "answer",
    [
        HEAD,
        float(HEAD),
        str(HEAD),
        f" {HEAD} ",
        np.int64(HEAD),
        np.array([HEAD]),
        tf.constant(HEAD),
    ],
)
def test_a_number_may_come_in_any_form(answer):
    assert checks.parameters_of_head.verdict(answer)[0] == "right"


# ---------------------------------------------------------------- freezing


def freezing(chosen, trainable=False):
    def freeze_all_but_head(model):
        for layer in filter(chosen, model.layers):
            layer.trainable = trainable

    return freeze_all_but_head


def is_norm(layer):
    return isinstance(layer, layers.BatchNormalization)


def freeze_the_whole_then_free_the_head(model):
    model.trainable = False
    model.layers[-1].trainable = True


def freeze_and_begin_anew(model):
    model.set_weights([0 * weights for weights in model.get_weights()])


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (freezing(lambda layer: False), "No layer is frozen"),
        (freezing(lambda layer: True), "The last layer is frozen too"),
        (freezing(lambda layer: layer.name == "predictions"), "The wrong way round"),
        (freezing(lambda layer: layer.name.startswith("conv")), "BatchNormalization layers are"),
        (freezing(is_norm), "The convolutions are still free"),
        (freezing(lambda layer: layer.name.endswith("1")), "Still free: conv2, bn2"),
        (freeze_the_whole_then_free_the_head, "model.trainable is False"),
        (freeze_and_begin_anew, "weights have changed"),
    ],
)
def test_wrong_freezing_is_named(answer, word):
    status, sentence = checks.freeze_all_but_head.verdict(answer)
    assert (status, word in sentence) == ("wrong", True), sentence


def test_freezing_is_right_in_any_form():
    right = freezing(lambda layer: layer.name != "predictions")
    assert checks.freeze_all_but_head.verdict(right)[0] == "right"
    weighted = freezing(lambda layer: layer.weights and layer.name != "predictions")
    assert checks.freeze_all_but_head.verdict(weighted)[0] == "right"
