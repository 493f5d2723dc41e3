"""Checks of numbers and functions about what a convolutional block reads and costs."""

import math

import numpy as np
from keras import layers

from exercises.checks.blocks import build
from exercises.checks.numbers import compare
from exercises.checks.verdict import call, check, require_function
from images.layer_table import macs


@check("of strides * strides positions one is read, the same one by branch and shortcut.")
def unread_positions(answer, strides=2):
    """The share of input positions that a convolutional block never reads."""
    expected = 1 - 1 / strides**2
    common_mistakes = {
        "That is the share of positions that are read; give that of the others.": 1 / strides**2,
        "That is one axis only; strides skip rows and columns.": 1 - 1 / strides,
        "Branch and shortcut do not complement each other: both start with a strided 1x1 "
        "convolution, and both read the same positions.": 0,
        "Give a share between 0 and 1, not per cent.": 100 * expected,
    }
    hint = "Count the positions whose change leaves the output as it is, and divide by all of them."
    return compare(answer, expected, common_mistakes, hint, tolerance=0.001)


@check("up to this width the projection takes more multiply-adds than the three others together.")
def width_of_even_split(answer, channels=256, out=512):
    """The largest f for which the projection is at least half of a block's multiply-adds.

    The block has filters (f, f, out). All its convolutions have the same output positions.
    """

    def largest(area=9, bias=0, first=channels, projection=channels * out):
        """The largest f with area f^2 + (first + out + bias) f <= projection."""
        linear = first + out + bias
        return math.floor((math.sqrt(linear**2 + 4 * area * projection) - linear) / (2 * area))

    common_mistakes = {
        "That is the first width at which the projection takes less than half; the "
        "question asks for the last one before it.": largest() + 1,
        "The middle kernel was counted as 1x1: it is 3x3.": largest(area=1),
        "The middle kernel counts with its area, 3 * 3, not with its side.": largest(area=3),
        "The first convolution is missing: it reads all input channels.": largest(first=0),
        "That is the width in ResNet-50; there the projection takes about a third.": 128,
        "Half of the block's multiply-adds means: as many as the three other convolutions "
        "together, not twice as many.": largest(projection=channels * out / 2),
    }
    hint = "Try other widths in projection_share, and close in on 0.5."
    return compare(answer, largest(), common_mistakes, hint)


SIZE, FILTERS = (16, 16, 256), 512


@check("it reads every position, halves height and width, and keeps to both budgets.")
def downsampling_shortcut(shortcut, parameters=135_000, multiply_adds=9_000_000):
    """The learner's shortcut(x, filters): (n, 16, 16, 256) -> (n, 8, 8, 512)."""
    require_function(shortcut, "my_shortcut(x, filters)", None, None)
    model = build(shortcut, SIZE, FILTERS, quiet=False)
    return (
        wrong_shape(model)
        or unread(model)
        or too_many_parameters(model, parameters)
        or too_much_work(model, multiply_adds)
    )


def wrong_shape(model):
    """What is wrong with the shape of a shortcut's output; None if nothing is."""
    shape, (h, w, c) = tuple(model.output.shape[1:]), SIZE
    if shape == (h // 2, w // 2, FILTERS):
        return None
    if shape[:2] == (h, w):
        return f"Height and width are still {h} x {w}. They have to be halved."
    if shape == (h // 2, w // 2, c):
        return f"The shortcut still has {c} channels; Add needs `filters` of them."
    if shape == (h // 2, w // 2, 4 * c):
        return f"Four positions side by side give {4 * c} channels; Add needs `filters` of them."
    return f"The output has shape {shape}; it should be {(h // 2, w // 2, FILTERS)}."


def unread(model):
    """A sentence about input positions without any effect on the output; None if all have one."""
    h, w, c = SIZE
    rng = np.random.default_rng(0)
    x = np.repeat(rng.normal(size=(1, h, w, c)).astype("float32"), h * w, axis=0)
    before = np.asarray(call(model, x))
    for number in range(h * w):
        x[number, number // w, number % w] += rng.normal(size=c)
    changes = np.abs(np.asarray(call(model, x)) - before).max(axis=(1, 2, 3))
    share = np.mean(changes <= 1e-4 * np.abs(before).max())
    if share == 0.75:
        return (
            "Your shortcut reads one position in four, and skips the same ones as the 1x1 "
            "convolution with stride 2: first let another layer bring the positions together."
        )
    return f"Your shortcut never reads {share:.0%} of the positions." if share else None


def too_many_parameters(model, budget):
    """A sentence if a model has more parameters than the budget allows, else None."""
    count = model.count_params()
    if count <= budget:
        return None
    for layer in model.layers:
        if isinstance(layer, layers.Conv2D) and max(layer.kernel_size) > 1:
            size = " x ".join(map(str, layer.kernel_size))
            return (
                f"{count:,} parameters, and the budget is {budget:,}: a {size} convolution costs "
                f"{math.prod(layer.kernel_size)} times a 1x1. Pooling has no parameters."
            )
    return f"{count:,} parameters, and the budget is {budget:,}. Which layer has the most?"


def too_much_work(model, budget):
    """A sentence if a model needs more multiply-adds than the budget allows, else None."""
    work = macs(model)
    if work <= budget:
        return None
    return (
        f"{work:,} multiply-adds, and the budget is {budget:,}: which convolution works at all "
        "16 x 16 positions? First reduce height and width, then mix the channels."
    )
