"""Checks of the two blocks.

`exercises.checks.mistakes` describes the right block as a line of text and each known mistake as an
edit of that line, and computes the output of a line. Here the learner's layers get the same weights
(a weight's value depends only on its role and shape); then we search for the line that gives the
learner's output. The style of the code and the order and names of the layers do not matter.
"""

import contextlib
import functools
import inspect
import io
import itertools
import re
import warnings
from collections import Counter

import keras
import numpy as np
from keras import layers

from exercises.checks import mistakes
from exercises.checks.verdict import (
    FUNCTION_TODO,
    NotDone,
    Stopped,
    Wrong,
    call,
    check,
    describe_error,
    require_function,
)

# Settings in which a block is tried: input shape, filters, kernel size, strides. In the first one
# all sizes differ. A block that stops with an error there is tried in the others, where sizes of 1
# (which broadcast to any size) or equal widths let some mistakes run without an error.
IDENTITY_SETTINGS = (
    ((8, 6, 5), (3, 4, 5), 5),
    ((8, 6, 5), (1, 4, 5), 5),
    ((8, 6, 5), (3, 1, 5), 5),
    ((3, 3, 5), (3, 4, 5), 3),
    ((8, 6, 4), (4, 4, 4), 5),
)
CONVOLUTIONAL_SETTINGS = (
    ((8, 6, 2), (3, 4, 5), 5, 3),
    ((8, 6, 2), (1, 4, 5), 5, 3),
    ((8, 6, 2), (3, 1, 5), 5, 3),
    ((8, 6, 1), (3, 4, 5), 5, 3),
    ((8, 6, 5), (3, 4, 5), 5, 1),
    ((3, 3, 2), (3, 4, 5), 5, 3),
    ((4, 4, 2), (3, 4, 5), 5, 2),
    ((3, 3, 2), (3, 4, 5), 3, 1),
    ((8, 6, 4), (4, 4, 4), 5, 3),
)


def build(block, shape, filters, quiet=True, **options):
    """The Keras model of the learner's block. Raises Wrong or NotDone."""
    x = keras.Input(shape)
    with contextlib.ExitStack() as stack:
        if quiet:  # what the learner's code prints is shown only once
            stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
            stack.enter_context(warnings.catch_warnings(action="ignore"))
        y = call(block, x, filters, **options)
    require_tensor(y, x)
    try:
        return keras.Model(x, y)
    except ValueError as error:
        if "unique" in str(error):
            raise Wrong(
                "Two layers of your block have the same name; give each layer its own name. "
                + describe_error(error)
            ) from None
        raise Wrong("The tensor that your function returns does not depend on x.") from None


def require_tensor(y, x):
    """Raises NotDone or Wrong unless y is a Keras tensor other than x."""
    if y is None or y is ...:
        raise NotDone(FUNCTION_TODO)
    if isinstance(y, keras.Model):
        raise Wrong("Your function returns a model; it should return the block's output tensor.")
    if isinstance(y, layers.Layer):
        raise Wrong(
            f"Your function returns the layer {type(y).__name__} itself; it should return the "
            "output of that layer: call it on a tensor."
        )
    if not isinstance(y, keras.KerasTensor):
        raise Wrong(f"Your function returns a {type(y).__name__}; it should return one tensor.")
    if y is x:
        raise Wrong("Your function returns its input x unchanged.")


def picture(shape):
    """The same four random inputs of this shape at every call."""
    return np.random.default_rng(0).normal(size=(4, *shape)).astype("float32")


def observe(block, setting, quiet=True):
    """The block in one setting: its weights, its outputs in prediction and in training, its model.

    Raises Wrong or NotDone.
    """
    shape, filters, *numbers = setting
    options = dict(zip(("kernel_size", "strides"), numbers, strict=False))
    model = build(block, shape, filters, quiet, **options)
    weights = mistakes.fill(model)
    return weights, [call(model, picture(shape), training=t) for t in (False, True)], model


@functools.cache
def cache(setting, training):
    """The results in this setting, which are the same for every learner's block."""
    return {}


def compute(line, setting, training=False):
    """The output of the block `line` in this setting, and its weights; None if shapes differ."""
    shape, filters, kernel_size, *strides = setting
    sizes = dict(zip(("f1", "f2", "f3"), filters, strict=True))
    sizes |= {"k": kernel_size, "s": strides[0] if strides else 1, "c": shape[-1]}
    x = picture(shape)
    return mistakes.compute(line, x, sizes, training, cache(setting, training))


def agrees(line, setting, seen):
    """Whether the block written as `line` has the observed weights and outputs."""
    weights, outputs, _ = seen
    for training, output in zip((False, True), outputs, strict=True):
        result = compute(line, setting, training)
        if result is None or result[1] != weights or not same(result[0], output):
            return False
    return True


def same(a, b):
    """Whether two arrays are equal up to rounding and BatchNormalization's epsilon."""
    a, b = np.asarray(a), np.asarray(b)
    return a.shape == b.shape and np.allclose(a, b, rtol=1e-3, atol=1e-3 * np.abs(a).max())


def find_mistake(block, line, common_mistakes, settings):
    """None if `block` does what `line` says, else what is wrong. Raises Wrong or NotDone."""
    first, *others = settings
    seen, stopped = {}, None
    try:
        seen[first] = observe(block, first, quiet=False)
        if agrees(line, first, seen[first]):
            return training_mistake(seen[first][2])
    except Stopped as error:
        stopped = error
        for setting in others:
            with contextlib.suppress(Wrong):
                seen[setting] = observe(block, setting)
        if not seen:
            raise
    tried = settings if stopped else [first]
    roles = Counter(role for role, _ in next(iter(seen.values()))[0].elements())
    for wrong, sentence in itertools.chain(
        mistakes.wrong_lines(line, common_mistakes),
        mistakes.doubly_wrong_lines(line, common_mistakes),
    ):
        if mistakes.layer_counts(wrong) == (roles["kernel"], roles["gamma"]) and all(
            agrees(wrong, s, seen[s]) if s in seen else compute(wrong, s) is None for s in tried
        ):
            return sentence
    if stopped:
        raise stopped
    return describe(line, first, seen[first])


# Layers that do not belong in a block.
FOREIGN = re.compile(
    "Pool|Dropout|UpSampling|Dense|Separable|Depthwise|Transpose|LayerNorm|GroupNorm|Noise"
)
ACTIVATION = re.compile("^(LeakyReLU|PReLU|ELU|Softmax)$")


def foreign(layer):
    """A sentence about a layer that does not belong in a block; None for other layers."""
    name = type(layer).__name__
    if FOREIGN.search(name):
        return f"The block has a {name} layer, which does not belong there."
    if ACTIVATION.search(name):
        return f"The block has the activation {name}; it should be ReLU."
    if name == "Activation" and layer.activation.__name__ not in ("relu", "linear"):
        return f"The block has the activation {layer.activation.__name__}; it should be ReLU."
    if name == "ReLU" and (layer.max_value is not None or layer.negative_slope or layer.threshold):
        return "A ReLU of the block has arguments that change it; use it without arguments."
    rate = getattr(layer, "dilation_rate", 1)
    if np.any(np.array(rate) != 1):
        return f"A convolution is dilated (dilation_rate={rate}); leave dilation_rate at 1."
    return None


def describe(line, setting, seen):
    """A sentence about a block with an unknown mistake."""
    (right, right_weights), (weights, outputs, model) = compute(line, setting), seen
    for layer in model.layers:
        if sentence := foreign(layer):
            return sentence
    for what, these, those in (("lacks", right_weights, weights), ("has", weights, right_weights)):
        for role, shape in these - those:
            more = "" if what == "lacks" else " that should not be there"
            return (
                f"Called with x of {setting[0]}, filters={setting[1]}, kernel_size={setting[2]}, "
                f"the block {what} a {role} of shape {shape}{more}."
            )
    if tuple(right.shape) != tuple(outputs[0].shape):
        return (
            f"The output has shape {tuple(outputs[0].shape)[1:]} instead of "
            f"{tuple(right.shape)[1:]} for x of {setting[0]} and filters={setting[1]}."
        )
    return (
        "All layers are there, but the output differs. Check line by line: is each layer "
        "called on the right tensor?"
    )


def default_mistake(block, **defaults):
    """What is wrong with the defaults of the block's arguments, or None."""
    parameters = inspect.signature(block).parameters
    for name, default in defaults.items():
        own = parameters[name].default if name in parameters else default
        if own != default:
            return f"The argument {name} has the default {own}; it should be {default}."
    return None


def training_mistake(model):
    """What is wrong with BatchNormalizations called with `training`, or None.

    Keras uses that argument if the whole network is called without it, as in block(x).
    """
    try:
        config = model.get_config()["layers"]
    except Exception:  # a layer of the learner's own may not have one
        return None
    norms = [layer for layer in config if layer["class_name"] == "BatchNormalization"]
    statistics = {True: "the batch, even in prediction", False: "the past, even in training"}
    for value, when in statistics.items():
        count = sum(
            node["kwargs"].get("training") is value
            for layer in norms
            for node in layer["inbound_nodes"]
        )
        if count:
            verb = "is" if count == 1 else "are"
            which = f"{count} of the {len(norms)} BatchNormalizations {verb}"
            if count == len(norms):
                which = "Every BatchNormalization is"
            return (
                f"{which} called with training={value}: block(x) then uses the statistics of "
                f"{when}. Leave out `training`."
            )
    return None


def twice_mistake(block, width):
    """What goes wrong if two of the learner's blocks follow each other, or None."""
    filters = (width, width, width)
    named = "name" in inspect.signature(block).parameters

    @functools.wraps(block)  # so that errors name the learner's lines
    def two(x, filters):
        x = block(x, filters, **({"name": "first"} if named else {}))
        return block(x, filters, **({"name": "second"} if named else {}))

    try:
        both = build(two, (8, 6, width), filters)
    except Wrong as error:
        if "unique" in str(error):
            return (
                "Two of your blocks cannot be in one network: their layers have the same fixed "
                "names. Leave the names out, or build them from an argument `name`."
            )
        raise
    one = build(block, (8, 6, width), filters)
    if len(both.weights) < 2 * len(one.weights):
        return (
            "Two of your blocks share weights: some layers are made outside the function. "
            "Make every layer inside it."
        )
    return None


@check("your block computes what Figure 5 of the paper shows, for every width and kernel size.")
def identity_block(block):
    """The learner's identity_block(x, filters, kernel_size=3) -> tensor. Source: Figure 5."""
    example = "identity_block(x, filters, kernel_size=3)"
    require_function(block, example, None, None, kernel_size=3)
    wrong = find_mistake(block, mistakes.IDENTITY, mistakes.IDENTITY_MISTAKES, IDENTITY_SETTINGS)
    if wrong:
        return wrong
    with contextlib.suppress(Stopped):
        model = build(block, (8, 6, 7), (3, 4, 5), kernel_size=3)
        if (1, 1, 4, 7) in {tuple(weight.shape) for weight in model.weights}:
            return (
                "The third convolution takes its number of filters from x; it should make "
                "f3 = filters[2]."
            )
        return (
            "For an x of 7 channels and f3 = 5 your block changes the shortcut without an error. "
            "An identity block has no projection: let the addition fail, or raise ValueError."
        )
    return default_mistake(block, kernel_size=3) or twice_mistake(block, 4)


def projecting_block(block, line, common_mistakes):
    """What is wrong with a block with a projection, or None. Raises Wrong, NotDone."""
    example = "block(x, filters, kernel_size=3, strides=2)"
    require_function(block, example, None, None, kernel_size=3, strides=2)
    wrong = find_mistake(block, line, common_mistakes, CONVOLUTIONAL_SETTINGS)
    if wrong:
        return wrong
    setting = ((8, 6, 5), (3, 4, 5), 5, 1)  # here x could be added as it is
    if not agrees(line, setting, observe(block, setting)):
        return (
            "With strides=1 and x of f3 channels, your block leaves the projection out. A "
            "convolutional block always has one."
        )
    return default_mistake(block, kernel_size=3, strides=2) or twice_mistake(block, 4)


@check("your block projects its shortcut, and its strides are in the right places.")
def convolutional_block(block):
    """The learner's convolutional_block(x, filters, kernel_size=3, strides=2) -> tensor."""
    return projecting_block(block, mistakes.CONVOLUTIONAL, mistakes.CONVOLUTIONAL_MISTAKES)


@check('this is the "v1.5" block: the stride is in the middle convolution.')
def block_v15(block):
    """As convolutional_block, with the stride in the middle convolution.

    Keras pads a strided 3x3 convolution on one side, other libraries on both: both are right.
    """
    line, setting = mistakes.CONVOLUTIONAL_V15, CONVOLUTIONAL_SETTINGS[0]
    padded = line.replace("conv2(k,f2,s)", "padk conv2(k,f2,s,valid)")
    with contextlib.suppress(Exception):
        if agrees(padded, setting, observe(block, setting)):
            line = padded
    return projecting_block(block, line, mistakes.V15_MISTAKES)


# The two faults of notebook 02's broken block, as edits of the right one: what a test shows.
FAULTS = {
    "conv0(1,f3 -> conv0(1,1": "every channel of the output gets the same number from the shortcut",
    "bn3 | -> bn3 relu |": "the branch never lowers a value, it only raises it",
}


@check("both faults are gone, and your block computes what the convolutional block computes.")
def repaired_block(block):
    """The learner's repaired block of notebook 02: faults that are left get their symptom only."""
    example = "block(x, filters, kernel_size=3, strides=2)"
    require_function(block, example, None, None, kernel_size=3, strides=2)
    line, setting = mistakes.CONVOLUTIONAL, CONVOLUTIONAL_SETTINGS[0]
    with contextlib.suppress(Stopped):  # an error is named below
        seen = observe(block, setting)
        if agrees(mistakes.edited(line, "; ".join(FAULTS)), setting, seen):
            return "Both faults are still there. Compare what goes into Add with Figure 5's arrows."
        for edits, symptom in FAULTS.items():
            if agrees(mistakes.edited(line, edits), setting, seen):
                return f"One fault is gone, one is left: {symptom}."
    return projecting_block(block, line, mistakes.CONVOLUTIONAL_MISTAKES)
