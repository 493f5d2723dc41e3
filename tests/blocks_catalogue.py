"""Blocks as learners write them: right ones in many forms, and wrong ones, each a small edit.

`PYTHONPATH=. python tests/blocks_catalogue.py` prints what the checks say about each.

A wrong block is (edits of the source below, a word that its sentence must hold).
"""

import functools
import warnings

import keras
from keras import layers, ops

from exercises import checks
from helpers import resnet

IDENTITY = """
def block(x, filters, kernel_size=3):
    f1, f2, f3 = filters
    shortcut = x
    y = layers.Conv2D(f1, 1)(x)
    y = layers.BatchNormalization()(y)
    y = layers.Activation("relu")(y)  # first
    y = layers.Conv2D(f2, kernel_size, padding="same")(y)
    y = layers.BatchNormalization()(y)
    y = layers.Activation("relu")(y)  # middle
    y = layers.Conv2D(f3, 1)(y)
    y = layers.BatchNormalization()(y)
    y = layers.Add()([shortcut, y])
    return layers.Activation("relu")(y)
"""

CONVOLUTIONAL = """
def block(x, filters, kernel_size=3, strides=2):
    f1, f2, f3 = filters
    shortcut = layers.Conv2D(f3, 1, strides)(x)
    shortcut = layers.BatchNormalization()(shortcut)
    y = layers.Conv2D(f1, 1, strides)(x)
    y = layers.BatchNormalization()(y)
    y = layers.Activation("relu")(y)  # first
    y = layers.Conv2D(f2, kernel_size, padding="same")(y)
    y = layers.BatchNormalization()(y)
    y = layers.Activation("relu")(y)  # middle
    y = layers.Conv2D(f3, 1)(y)
    y = layers.BatchNormalization()(y)
    y = layers.Add()([shortcut, y])
    return layers.Activation("relu")(y)
"""

FIRST = '    y = layers.Activation("relu")(y)  # first\n'
MIDDLE = '    y = layers.Activation("relu")(y)  # middle\n'
BN = "    y = layers.BatchNormalization()(y)\n"
ADD = "    y = layers.Add()([shortcut, y])\n"
LAST_CONV = "    y = layers.Conv2D(f3, 1)(y)\n"
MIDDLE_CONV = '    y = layers.Conv2D(f2, kernel_size, padding="same")(y)\n'
RELU = '    y = layers.Activation("relu")(y)\n'
OUT = '    return layers.Activation("relu")(y)\n'
ALWAYS_BATCH = """
class Always(layers.BatchNormalization):
    def call(self, x, training=None, mask=None):
        return super().call(x, training=True)

"""
START = "    f1, f2, f3 = filters\n"


def same_padded(size):
    """The first convolution with this kernel size, padded; `strides` may follow or not."""
    pad = "y = functools.partial(layers.Conv2D, padding='same')"
    return f"{pad}(f1, {size}"


# Mistakes that fit both sources: name: (word of the sentence, old, new, old, new, ...)
EITHER = {
    "relu before the addition": (
        "comes before the addition",
        ADD + OUT,
        RELU + ADD + "    return y\n",
    ),
    "no last relu": ("no ReLU after the addition", OUT, "    return y\n"),
    "relu on both sides": ("both sides of the addition", ADD, RELU + ADD),
    "no first relu": ("between the first and the second", FIRST, ""),
    "no middle relu": ("between the second and the third", MIDDLE, ""),
    "no inner relu": ("Both ReLUs", FIRST, "", MIDDLE, ""),
    "no first bn": ("first convolution of the branch has no BatchN", BN + FIRST, FIRST),
    "no middle bn": ("middle convolution of the branch has no BatchN", BN + MIDDLE, MIDDLE),
    "no last bn": ("third convolution of the branch has no BatchN", BN + ADD, ADD),
    "no bn in the branch": ("whole branch has no BatchN", BN, ""),
    "bn after relu": ("after the activation", BN + FIRST, FIRST + BN, BN + MIDDLE, MIDDLE + BN),
    "first bn after relu": ("After the first", BN + FIRST, FIRST + BN),
    "middle bn after relu": ("After the middle", BN + MIDDLE, MIDDLE + BN),
    "bn after the addition": ("comes after the addition", BN + ADD, ADD + BN),
    "extra bn": ("extra BatchNormalization", ADD, ADD + BN),
    "kernel size ignored": ("kernel_size is ignored", "f2, kernel_size", "f2, 3"),
    "middle 1x1": ("middle convolution is 1x1", "f2, kernel_size", "f2, 1"),
    "kernel size first": (
        "first convolution uses kernel_size",
        "Conv2D(f1, 1",
        'Conv2D(f1, kernel_size, padding="same"',
    ),
    "kernel size last": (
        "third convolution uses kernel_size",
        "y = layers.Conv2D(f3, 1",
        'y = layers.Conv2D(f3, kernel_size, padding="same"',
    ),
    "valid padding": ('padding="same"', ', padding="same"', ""),
    "no bias": (
        "use_bias=False",
        "layers.Conv2D(",
        "layers.Conv2D(use_bias=False, filters=",
        "filters=f1, 1",
        "filters=f1, kernel_size=1",
        "filters=f3, 1",
        "filters=f3, kernel_size=1",
        "f2, kernel_size, p",
        "f2, kernel_size=kernel_size, p",
        "size=1, strides",
        "size=1, strides=strides",
    ),
    "widths 321": ("f3, f2 and f1 channels", "f1, f2, f3 = filters", "f3, f2, f1 = filters"),
    "widths 213": ("f2, f1 and f3 channels", "f1, f2, f3 = filters", "f2, f1, f3 = filters"),
    "last width f2": ("f1, f2 and f2 channels", LAST_CONV, LAST_CONV.replace("f3", "f2")),
    "one bn for all": (
        "used everywhere",
        START,
        START + "    bn = layers.BatchNormalization()\n",
        BN,
        "    y = bn(y)\n",
    ),
    "one bn in two places": (
        "used in two places",
        START,
        START + "    bn = layers.BatchNormalization()\n",
        BN + FIRST,
        "    y = bn(y)\n" + FIRST,
        BN + MIDDLE,
        "    y = bn(y)\n" + MIDDLE,
    ),
    "frozen": ("frozen", "BatchNormalization()", "BatchNormalization(trainable=False)"),
    "always batch": (
        "statistics of the batch even in prediction",
        "layers.BatchNormalization",
        "Always",
        "\ndef block",
        ALWAYS_BATCH + "\ndef block",
    ),
    "concatenate": ("concatenated", "layers.Add()", "layers.Concatenate()"),
    "multiply": ("multiplied", "layers.Add()", "layers.Multiply()"),
    "average": ("averaged", "layers.Add()", "layers.Average()"),
    "maximum": ("Maximum", "layers.Add()", "layers.Maximum()"),
    "subtract": ("subtracted", "layers.Add()", "layers.Subtract()"),
    "no shortcut": ("shortcut is missing", ADD, ""),
    "added to itself": ("added to itself", "[shortcut, y]", "[y, y]"),
    "sigmoid everywhere": ("everywhere is sigmoid", '"relu"', '"sigmoid"'),
    "tanh at the end": ("after the addition is tanh", OUT, OUT.replace("relu", "tanh")),
    "leaky inside": (
        "after the first convolution is leaky_relu",
        FIRST,
        FIRST.replace("relu", "leaky_relu"),
    ),
    "tanh everywhere": ("everywhere is tanh", '"relu"', '"tanh"'),
    "tanh inside": (
        "inside the branch is tanh",
        FIRST,
        FIRST.replace("relu", "tanh"),
        MIDDLE,
        MIDDLE.replace("relu", "tanh"),
    ),
    "layer LeakyReLU at the end": (
        "after the addition is LeakyReLU",
        OUT,
        "    return layers.LeakyReLU()(y)\n",
    ),
    "layer LeakyReLU inside": (
        "inside the branch is LeakyReLU",
        FIRST,
        "    y = layers.LeakyReLU()(y)\n",
        MIDDLE,
        "    y = layers.LeakyReLU()(y)\n",
    ),
    "LeakyReLU of another slope": (
        "has the activation LeakyReLU",
        MIDDLE,
        "    y = layers.LeakyReLU(0.01)(y)\n",
    ),
    "ReLU with an upper end": (
        "arguments that change it",
        MIDDLE,
        "    y = layers.ReLU(max_value=0.5)(y)\n",
    ),
    "training=True in all": (
        "Every BatchNormalization is called with training=True: ",
        "BatchNormalization()(y)",
        "BatchNormalization()(y, training=True)",
        "BatchNormalization()(shortcut)",
        "BatchNormalization()(shortcut, training=True)",
    ),
    "training=False in all": (
        "Every BatchNormalization is called with training=False: ",
        "BatchNormalization()(y)",
        "BatchNormalization()(y, training=False)",
        "BatchNormalization()(shortcut)",
        "BatchNormalization()(shortcut, training=False)",
    ),
    "training=True in the middle": (
        "1 of the",
        BN + MIDDLE,
        BN.replace("(y)", "(y, training=True)") + MIDDLE,
    ),
    "training=True in the middle and at the end": (
        "2 of the",
        BN + MIDDLE,
        BN.replace("(y)", "(y, training=True)") + MIDDLE,
        BN + ADD,
        BN.replace("(y)", "(y, training=True)") + ADD,
    ),
    "last frozen": (
        "The third BatchNormalization is frozen",
        BN + ADD,
        BN.replace("tion()", "tion(trainable=False)") + ADD,
    ),
    "halved shortcut": ("shortcut is halved", "[shortcut, y]", "[shortcut * 0.5, y]"),
    "dilated": (
        "middle convolution is dilated",
        'padding="same")(y)',
        'padding="same", dilation_rate=2)(y)',
    ),
    "dilated by three": (
        "dilation_rate=(3, 3)",
        'padding="same")(y)',
        'padding="same", dilation_rate=3)(y)',
    ),
    "first 3x3": ("first convolution is 3x3", "y = layers.Conv2D(f1, 1", same_padded(3)),
    "first 2x2": ("first convolution is 2x2", "y = layers.Conv2D(f1, 1", same_padded(2)),
    "first 7x7": ("first convolution is 7x7", "y = layers.Conv2D(f1, 1", same_padded(7)),
    "last 3x3": (
        "third convolution is 3x3",
        LAST_CONV,
        LAST_CONV.replace("1)", '3, padding="same")'),
    ),
    "last 3x3 without padding": (
        "third convolution is 3x3 without padding",
        LAST_CONV,
        LAST_CONV.replace("1)", "3)"),
    ),
    "no middle convolution": ("middle convolution is missing", MIDDLE_CONV + BN + MIDDLE, ""),
    "dropout": ("has a Dropout", ADD, "    y = layers.Dropout(0.5)(y)\n" + ADD),
    "layer norm": ("has a LayerNormalization", BN + ADD, BN.replace("Batch", "Layer") + ADD),
    "no gamma": (
        "lacks a gamma",
        "BatchNormalization()",
        "BatchNormalization(scale=False)",
    ),
    "two mistakes": ("Two mistakes", OUT, "    return y\n", FIRST, ""),
    "unknown step": ("output differs", ADD, "    y = y * 0.5 + 1\n" + ADD),
    "returns x": ("returns its input", OUT, "    return x\n"),
    "fixed names": ("same fixed names", "layers.Add()", 'layers.Add(name="add")'),
    "fixed kernel default": ("kernel_size has the default 5", "kernel_size=3", "kernel_size=5"),
}

WRONG_IDENTITY = EITHER | {
    "shortcut after the first bn": (
        "starts after the first BatchNormalization",
        "    shortcut = x\n",
        "",
        BN + FIRST,
        BN + "    shortcut = y\n" + FIRST,
    ),
    "all 3x3": (
        "should be 1x1 are 3x3",
        "Conv2D(f1, 1)",
        'Conv2D(f1, 3, padding="same")',
        LAST_CONV,
        LAST_CONV.replace("1)", '3, padding="same")'),
    ),
    "shortcut after the first convolution": (
        "starts after the first convolution",
        "    shortcut = x\n",
        "",
        "Conv2D(f1, 1)(x)\n",
        "Conv2D(f1, 1)(x)\n    shortcut = y\n",
    ),
    "shortcut after the first relu": (
        "starts after the first ReLU",
        "    shortcut = x\n",
        "",
        FIRST,
        FIRST + "    shortcut = y\n",
    ),
    "relu on the shortcut": ("ReLU on the shortcut. ", "shortcut = x", "shortcut = ops.relu(x)"),
    "x added to itself": ("x is added to itself", "[shortcut, y]", "[shortcut, x]"),
    "projection": (
        "convolution on the shortcut: here",
        "shortcut = x",
        "shortcut = layers.BatchNormalization()(layers.Conv2D(f3, 1)(x))",
    ),
    "bare projection": (
        "without BatchNormalization on the",
        "shortcut = x",
        "shortcut = layers.Conv2D(f3, 1)(x)",
    ),
    "bn on the shortcut": (
        "BatchNormalization on the shortcut: here",
        "shortcut = x",
        "shortcut = layers.BatchNormalization()(x)",
    ),
    "silent projection": (
        "shortcut without an error",
        "    shortcut = x\n",
        "    shortcut = x if x.shape[-1] == f3 else layers.Conv2D(f3, 1)(x)\n",
    ),
    "last width from x": (
        "number of filters from x",
        LAST_CONV,
        LAST_CONV.replace("f3", "x.shape[-1]"),
    ),
    "kernel size for all": (
        "first and the third convolution too",
        "Conv2D(f1, 1)",
        'Conv2D(f1, kernel_size, padding="same")',
        LAST_CONV,
        LAST_CONV.replace("1)", 'kernel_size, padding="same")'),
    ),
    "one convolution twice": (
        "One convolution layer",
        START,
        START + "    conv = layers.Conv2D(f3, 1)\n",
        "layers.Conv2D(f1, 1)(x)",
        "conv(x)",
        "layers.Conv2D(f3, 1)(y)",
        "conv(y)",
    ),
    "no last convolution": ("third convolution is missing", MIDDLE + LAST_CONV + BN, ""),
    "pre-activation": (
        "pre-activation",
        "layers.Conv2D(f1, 1)(x)",
        "layers.Conv2D(f1, 1)(ops.relu(layers.BatchNormalization()(x)))",
        BN + FIRST + MIDDLE_CONV + BN + MIDDLE + LAST_CONV + BN,
        BN + FIRST + MIDDLE_CONV + BN + MIDDLE + LAST_CONV,
        OUT,
        "    return y\n",
    ),
}

WRONG_CONVOLUTIONAL = EITHER | {
    "shortcut added to itself": (
        "added to itself and the branch",
        "[shortcut, y]",
        "[shortcut] * 2",
    ),
    "all 3x3": (
        "should be 1x1 are 3x3",
        "f1, 1, strides",
        'f1, 3, strides, padding="same"',
        "f3, 1, strides",
        'f3, 3, strides, padding="same"',
        LAST_CONV,
        LAST_CONV.replace("1)", '3, padding="same")'),
    ),
    "kernel size first and last": (
        "first and the third convolution too",
        "f1, 1, strides",
        'f1, kernel_size, strides, padding="same"',
        LAST_CONV,
        LAST_CONV.replace("1)", 'kernel_size, padding="same")'),
    ),
    "no last convolution": ("third convolution is missing", MIDDLE + LAST_CONV + BN, ""),
    "shortcut after the first convolution": (
        "starts after the first convolution",
        "Conv2D(f1, 1, strides)(x)\n",
        "Conv2D(f1, 1, strides)(x)\n"
        "    shortcut = layers.BatchNormalization()(layers.Conv2D(f3, 1)(y))\n",
    ),
    "kernel size first": (
        "first convolution uses kernel_size",
        "f1, 1, strides",
        'f1, kernel_size, strides, padding="same"',
    ),
    "stride in the middle": (
        "v1.5",
        "f1, 1, strides",
        "f1, 1",
        "f2, kernel_size",
        "f2, kernel_size, strides",
    ),
    "stride in the third": (
        "is in the third",
        "f1, 1, strides",
        "f1, 1",
        LAST_CONV,
        LAST_CONV.replace("1)", "1, strides)"),
    ),
    "stride twice": ("used twice in the branch", "f2, kernel_size", "f2, kernel_size, strides"),
    "branch ignores strides": ("branch ignores strides", "f1, 1, strides", "f1, 1"),
    "shortcut ignores strides": ("shortcut ignores strides", "f3, 1, strides", "f3, 1"),
    "strides ignored": ("strides is ignored", ", strides)", ")"),
    "strides fixed": ("fixed at 2: use", ", strides)", ", 2)"),
    "branch strides fixed": ("stride of the branch is fixed", "f1, 1, strides", "f1, 1, 2"),
    "shortcut strides fixed": ("stride of the shortcut is fixed", "f3, 1, strides", "f3, 1, 2"),
    "no projection": (
        "has no projection",
        "    shortcut = layers.Conv2D(f3, 1, strides)(x)\n"
        "    shortcut = layers.BatchNormalization()(shortcut)\n",
        "    shortcut = x\n",
    ),
    "projection only where needed": (
        "leaves the projection out",
        "    y = layers.Conv2D(f1",
        "    if (strides, x.shape[-1]) == (1, f3):\n        shortcut = x\n    y = layers.Conv2D(f1",
    ),
    "no bn on the shortcut": (
        "shortcut's convolution has no",
        "layers.BatchNormalization()(shortcut)",
        "shortcut",
    ),
    "relu on the shortcut": (
        "after the projection",
        ADD,
        "    shortcut = ops.relu(shortcut)\n" + ADD,
    ),
    "relu before the shortcut": (
        "before the projection",
        "1, strides)(x)\n    shortcut = l",
        "1, strides)(ops.relu(x))\n    shortcut = l",
    ),
    "one bn for both ends": (
        "share their last",
        START,
        START + "    bn = layers.BatchNormalization()\n",
        "layers.BatchNormalization()(shortcut)",
        "bn(shortcut)",
        BN + ADD,
        "    y = bn(y)\n" + ADD,
    ),
    "shortcut 3x3": ("convolution is 3x3", "f3, 1, strides", 'f3, 3, strides, padding="same"'),
    "shortcut 2x2": ("convolution is 2x2", "f3, 1, strides", 'f3, 2, strides, padding="same"'),
    "shortcut with one channel": ("makes 1 channel", "f3, 1, strides", "1, 1, strides"),
    "shortcut kernel size": (
        "shortcut's convolution uses kernel_size",
        "f3, 1, strides",
        'f3, kernel_size, strides, padding="same"',
    ),
    "shortcut f1": ("shortcut's convolution makes f1", "f3, 1, strides", "f1, 1, strides"),
    "shortcut f2": ("shortcut's convolution makes f2", "f3, 1, strides", "f2, 1, strides"),
    "shortcut keeps channels": ("keeps the number", "f3, 1, strides", "x.shape[-1], 1, strides"),
    "shortcut after the first relu": (
        "starts after the first ReLU",
        FIRST,
        FIRST + "    shortcut = layers.BatchNormalization()(layers.Conv2D(f3, 1)(y))\n",
    ),
    "kernel size for all": (
        "used for all",
        "f1, 1, strides",
        'f1, kernel_size, strides, padding="same"',
        "f3, 1, strides",
        'f3, kernel_size, strides, padding="same"',
        LAST_CONV,
        LAST_CONV.replace("1)", 'kernel_size, padding="same")'),
    ),
    "pooling for stride": (
        "has a MaxPooling2D",
        "layers.Conv2D(f1, 1, strides)(x)",
        'layers.Conv2D(f1, 1)(layers.MaxPooling2D(strides, padding="same")(x))',
    ),
    "strides default": ("strides has the default 1", "strides=2", "strides=1"),
    "no bn at all": (
        "no BatchNormalization in the block at all",
        BN,
        "",
        "    shortcut = layers.BatchNormalization()(shortcut)\n",
        "",
    ),
}


def mutated(source, edits):
    """The function that the edited source defines; every `old` has to be there."""
    for old, new in zip(edits[::2], edits[1::2], strict=True):
        if old not in source and "shortcut" not in old and "size=1, strides" not in old:
            raise ValueError(f"The source does not hold {old!r}")
        source = source.replace(old, new)
    space = {"layers": layers, "ops": ops, "keras": keras, "functools": functools}
    exec(source, space)
    return space["block"]


# ---------------------------------------------------------------- right, written differently


def straight(x, filters, kernel_size=3):
    y = layers.Conv2D(filters[0], (1, 1), padding="valid")(x)
    y = layers.BatchNormalization(axis=-1, epsilon=1e-5, momentum=0.9)(y)
    y = layers.ReLU()(y)
    y = layers.Conv2D(filters[1], (kernel_size, kernel_size), (1, 1), padding="same")(y)
    y = layers.BatchNormalization(axis=3, epsilon=1.001e-5)(y)
    y = layers.ReLU()(y)
    y = layers.Conv2D(filters[2], (1, 1), padding="same")(y)
    y = layers.BatchNormalization()(y)
    return layers.ReLU()(x + y)


def loop(x, filters, kernel_size=3):
    y = x
    for number, (width, size) in enumerate(zip(filters, (1, kernel_size, 1), strict=True)):
        if number > 0:
            y = keras.activations.relu(y)
        y = layers.BatchNormalization()(layers.Conv2D(width, size, padding="same")(y))
    return keras.activations.relu(layers.add([y, x]))


def with_helper(inputs, filters, kernel_size=3):
    def step(tensor, width, size, last=False):
        tensor = layers.Conv2D(width, size, padding="same")(tensor)
        tensor = layers.BatchNormalization()(tensor)
        return tensor if last else ops.relu(tensor)

    a, b, c = filters
    out = step(step(step(inputs, a, 1), b, kernel_size), c, 1, last=True)
    return ops.relu(ops.add(inputs, out))


class Bottleneck(layers.Layer):
    """A block as a layer, its parts in a list, made from last to first."""

    def __init__(self, filters, kernel_size, strides=1, projected=False):
        super().__init__()
        self.parts = [
            (layers.Conv2D(f, k, s, padding="same"), layers.BatchNormalization())
            for f, k, s in zip(filters[::-1], (1, kernel_size, 1), (1, 1, strides), strict=True)
        ][::-1]
        self.projection = layers.Conv2D(filters[2], 1, strides) if projected else None
        self.projection_bn = layers.BatchNormalization() if projected else None

    def call(self, x, training=None):
        y = x
        for number, (conv, bn) in enumerate(self.parts):
            y = bn(conv(y), training=training)
            y = ops.relu(y) if number < 2 else y
        if self.projection is not None:
            x = self.projection_bn(self.projection(x), training=training)
        return ops.relu(x + y)


def subclassed(x, filters, kernel_size=3):
    return Bottleneck(filters, kernel_size)(x)


def sequential(x, filters, kernel_size=3):
    f1, f2, f3 = filters
    branch = keras.Sequential(
        [
            layers.Conv2D(f1, 1),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Conv2D(f2, kernel_size, padding="same"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Conv2D(f3, 1),
            layers.BatchNormalization(),
        ]
    )
    return layers.Activation("relu")(layers.Add()([branch(x), x]))


def nested_model(x, filters, kernel_size=3):
    inner = keras.Input(x.shape[1:])
    y = resnet.conv_bn(inner, filters[0], 1, name="a")
    y = resnet.conv_bn(ops.relu(y), filters[1], kernel_size, name="b")
    y = resnet.conv_bn(ops.relu(y), filters[2], 1, name="c")
    return layers.ReLU()(layers.Add()([x, keras.Model(inner, y)(x)]))


def one_relu_layer(x, filters, kernel_size=3, strides=1):
    f1, f2, f3 = filters
    relu, add = layers.Activation("relu"), layers.Add()
    bn3, bn2, bn1 = (layers.BatchNormalization() for _ in range(3))
    conv3, conv1 = layers.Conv2D(f3, 1), layers.Conv2D(f1, 1)
    conv2 = layers.Conv2D(f2, kernel_size, padding="same")
    y = relu(bn1(conv1(x)))
    y = relu(bn2(conv2(y)))
    return relu(add([bn3(conv3(y)), x]))


def own_padding(x, filters, kernel_size=3):
    f1, f2, f3 = filters
    if x.shape[-1] != f3:
        raise ValueError("The channels differ.")
    y = layers.Conv2D(f1, 1, activation="linear")(x)
    y = layers.ReLU()(layers.BatchNormalization()(y))
    y = layers.ZeroPadding2D(kernel_size // 2)(y)
    y = layers.Conv2D(f2, kernel_size)(y)
    y = layers.ReLU()(layers.BatchNormalization()(y))
    y = layers.BatchNormalization()(layers.Conv2D(f3, 1)(y))
    return layers.ReLU()(layers.Add()([x, y]))


def talkative(x, filters, kernel_size=3, **kwargs):
    print("building", x.shape)
    warnings.warn("a warning of the learner's code", stacklevel=1)
    return straight(x, filters, kernel_size)


def overwritten(x, filters, kernel_size=3):
    x_shortcut = x
    x = layers.BatchNormalization()(layers.Conv2D(filters[0], 1)(x))
    x = layers.Activation("relu")(x)
    x = layers.BatchNormalization()(layers.Conv2D(filters[1], kernel_size, padding="same")(x))
    x = layers.Activation(keras.activations.relu)(x)
    x = layers.BatchNormalization()(layers.Conv2D(filters[2], 1)(x))
    x = layers.Add()([x, x_shortcut])
    x = layers.Activation("relu")(x)
    return x


RIGHT_IDENTITY = [
    resnet.identity_block,
    straight,
    loop,
    with_helper,
    subclassed,
    sequential,
    nested_model,
    one_relu_layer,
    own_padding,
    talkative,
    overwritten,
    functools.partial(straight, kernel_size=3),
    lambda x, filters, kernel_size=3: overwritten(x, list(filters), kernel_size),
]


def c_straight(x, filters, kernel_size=3, strides=2):
    y = layers.Conv2D(filters[0], (1, 1), strides=(strides, strides), padding="same")(x)
    y = layers.BatchNormalization(epsilon=1e-5)(y)
    y = layers.ReLU()(y)
    y = layers.Conv2D(filters[1], kernel_size, padding="same")(y)
    y = layers.BatchNormalization(momentum=0.9)(y)
    y = layers.ReLU()(y)
    y = layers.Conv2D(filters[2], 1)(y)
    y = layers.BatchNormalization()(y)
    shortcut = layers.Conv2D(filters[2], (1, 1), strides=strides)(x)
    shortcut = layers.BatchNormalization()(shortcut)
    return layers.ReLU()(y + shortcut)


def c_loop(x, filters, kernel_size=3, strides=2):
    y = x
    sizes = zip(filters, (1, kernel_size, 1), (strides, 1, 1), strict=True)
    for number, (width, size, stride) in enumerate(sizes):
        if number > 0:
            y = keras.activations.relu(y)
        y = layers.BatchNormalization()(layers.Conv2D(width, size, stride, padding="same")(y))
    x = layers.BatchNormalization()(layers.Conv2D(filters[-1], 1, strides)(x))
    return keras.activations.relu(layers.add([y, x]))


def c_with_helper(inputs, filters, kernel_size=3, strides=2):
    def step(tensor, width, size, stride, last=False):
        tensor = layers.Conv2D(width, size, stride, padding="same")(tensor)
        tensor = layers.BatchNormalization()(tensor)
        return tensor if last else ops.relu(tensor)

    a, b, c = filters
    out = step(step(step(inputs, a, 1, strides), b, kernel_size, 1), c, 1, 1, last=True)
    return ops.relu(ops.add(step(inputs, c, 1, strides, last=True), out))


def c_subclassed(x, filters, kernel_size=3, strides=2):
    return Bottleneck(filters, kernel_size, strides, projected=True)(x)


def c_sequential(x, filters, kernel_size=3, strides=2):
    f1, f2, f3 = filters
    branch = keras.Sequential(
        [
            layers.Conv2D(f1, 1, strides),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Conv2D(f2, kernel_size, padding="same"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Conv2D(f3, 1),
            layers.BatchNormalization(),
        ]
    )
    shortcut = keras.Sequential([layers.Conv2D(f3, 1, strides), layers.BatchNormalization()])
    return layers.Activation("relu")(layers.Add()([branch(x), shortcut(x)]))


def c_nested_model(x, filters, kernel_size=3, strides=2):
    inner = keras.Input(x.shape[1:])
    y = resnet.conv_bn(inner, filters[0], 1, strides, name="a")
    y = resnet.conv_bn(ops.relu(y), filters[1], kernel_size, name="b")
    y = resnet.conv_bn(ops.relu(y), filters[2], 1, name="c")
    shortcut = layers.BatchNormalization()(layers.Conv2D(filters[2], 1, strides)(x))
    return layers.ReLU()(layers.Add()([shortcut, keras.Model(inner, y)(x)]))


def c_subsampled(x, filters, kernel_size=3, strides=2):
    x = x[:, ::strides, ::strides]  # what a strided 1x1 convolution reads
    y = layers.Conv2D(filters[0], 1)(x)
    y = ops.relu(layers.BatchNormalization()(y))
    y = layers.Conv2D(filters[1], kernel_size, padding="same")(y)
    y = ops.relu(layers.BatchNormalization()(y))
    y = layers.BatchNormalization()(layers.Conv2D(filters[2], 1)(y))
    return ops.relu(y + layers.BatchNormalization()(layers.Conv2D(filters[2], 1)(x)))


def c_own_padding(x, filters, kernel_size=3, strides=2):
    f1, f2, f3 = filters
    relu = layers.ReLU()
    y = relu(layers.BatchNormalization()(layers.Conv2D(f1, 1, strides)(x)))
    y = layers.ZeroPadding2D(kernel_size // 2)(y)
    y = relu(layers.BatchNormalization()(layers.Conv2D(f2, kernel_size)(y)))
    y = layers.BatchNormalization()(layers.Conv2D(f3, 1)(y))
    return relu(layers.Add()([layers.BatchNormalization()(layers.Conv2D(f3, 1, strides)(x)), y]))


def c_overwritten(x, filters, kernel_size=3, strides=2):
    x_shortcut = x
    x = layers.BatchNormalization()(layers.Conv2D(filters[0], 1, strides)(x))
    x = layers.Activation("relu")(x)
    x = layers.BatchNormalization()(layers.Conv2D(filters[1], kernel_size, padding="same")(x))
    x = layers.Activation("relu")(x)
    x = layers.BatchNormalization()(layers.Conv2D(filters[2], 1)(x))
    x_shortcut = layers.BatchNormalization()(layers.Conv2D(filters[2], 1, strides)(x_shortcut))
    x = layers.Add()([x_shortcut, x])
    return layers.Activation("relu")(x)


def c_talkative(x, filters, kernel_size=3, strides=2, name="block"):
    print("building", x.shape)
    warnings.warn("a warning of the learner's code", stacklevel=1)
    return resnet.convolutional_block(x, filters, kernel_size, strides, name)


RIGHT_CONVOLUTIONAL = [
    resnet.convolutional_block,
    c_straight,
    c_loop,
    c_with_helper,
    c_subclassed,
    c_sequential,
    c_nested_model,
    c_subsampled,
    c_own_padding,
    c_overwritten,
    c_talkative,
]


def print_sentences():
    """A Markdown table: each wrong block, and what its check says."""
    for check, source, wrong in (
        (checks.identity_block, IDENTITY, WRONG_IDENTITY),
        (checks.convolutional_block, CONVOLUTIONAL, WRONG_CONVOLUTIONAL),
    ):
        print(f"\n| {check.__name__} | sentence |\n|---|---|")
        for name, (_, *edits) in wrong.items():
            print(f"| {name} | {check.verdict(mutated(source, edits))[1]} |")


if __name__ == "__main__":
    print_sentences()
