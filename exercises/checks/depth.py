"""Checks of notebook 01 about deep networks: a learning rate, two faults, a wider span."""

import contextlib
import functools
import io

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from exercises.checks.blocks import build
from exercises.checks.numbers import short, two_numbers
from exercises.checks.verdict import (
    Wrong,
    call,
    check,
    require_function,
    returned,
)

# ---------------------------------------------------------------- a learning rate


@check("the rate matters, but no rate of ours brings 30 plain layers to the error of 10.")
def rate_of_deep_plain(answer):
    """(learning rate, training error) of the plain network of 30 layers, the best that was found.

    The recorded sweep (experiments/results/learning_rates.csv): at 0.1, after 40 epochs, three runs
    have errors from 0.27 to 0.50; at 0.01 and at 1 all are above 0.58.
    """
    rate, error = two_numbers(answer, "two numbers, (learning rate, training error)")
    if rate <= 0:
        return "A learning rate is larger than 0. The order is (learning rate, training error)."
    if error < 0 or error > 1:
        return "Give the training error as a share between 0 and 1, after the learning rate."
    if error > 0.84:
        return (
            f"{error:.2f} is about the error of guessing, 7/8: at the rate {rate:g} this network "
            "learns next to nothing. Try others."
        )
    if error < 0.15:
        return (
            "That is about what 10 layers reach. Did you train make_net(30, residual=False), from "
            "new weights and for no more than 40 epochs?"
        )
    if rate < 0.02:
        return f"A rate of {rate:g} makes steps that are too small here: larger ones do better."
    if rate > 0.5:
        return f"A rate of {rate:g} makes steps that are too large here: smaller ones do better."
    return None


# ---------------------------------------------------------------- a network with two faults

DEPTH, SHAPE, BETA = 8, (16, 16, 3), 0.5
PAIRS = (DEPTH - 2) // 2


@check("both faults are gone: the branches learn, and the shortcuts pass x on as it is.")
def repaired_net(net):
    """The learner's repaired network(depth) of notebook 01: a fault that is left shows itself."""
    require_function(net, "my_repaired_net(depth)", DEPTH)
    with contextlib.redirect_stdout(io.StringIO()):
        model = returned(net, DEPTH)
    if not isinstance(model, keras.Model):
        raise Wrong(f"Your function should return a keras.Model; it returns {short(model)}.")
    return wrong_layers(model) or dead_branches(model) or wrong_shortcut(model)


def parts(model, kind):
    return [layer for layer in model.layers if isinstance(layer, kind)]


def wrong_layers(model):
    """What is wrong with the number of layers or of channels; None if nothing is."""
    found = len(parts(model, layers.Conv2D)), len(parts(model, layers.BatchNormalization))
    if found != (DEPTH - 1, DEPTH - 2):
        return (
            f"For depth {DEPTH} the network has {found[0]} convolutions and {found[1]} "
            f"BatchNormalizations; broken_net has {DEPTH - 1} and {DEPTH - 2}. Repair what is "
            "there, and leave no layer out."
        )
    if not parts(model, layers.Dense):
        return "The last layer, Dense, is missing."
    dense = parts(model, layers.Dense)[-1]
    if tuple(dense.kernel.shape) != (16, 8):
        return (
            f"{dense.kernel.shape[0]} numbers reach the last layer; it should be 16, as many as "
            "every block has channels."
        )
    return None


def dead_branches(model):
    """A sentence if neither kernels nor gammas of the branches get a gradient, else None."""
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 255, (16, *SHAPE)).astype("float32")
    learned = [layer.kernel for layer in parts(model, layers.Conv2D)[1:]]
    learned += [layer.gamma for layer in parts(model, layers.BatchNormalization)]
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(call(model, images, training=True)[:, 0] ** 2)
    found = tape.gradient(loss, [variable.value for variable in learned])
    alive = sum(gradient is not None and np.any(np.abs(gradient) > 0) for gradient in found)
    if alive < PAIRS:
        return (
            f"A fault is left: of {len(learned)} kernels and gammas in the branches, "
            f"{len(learned) - alive} get a gradient of exactly 0, and will never learn. Something "
            "closes every branch for good."
        )
    return None


def wrong_shortcut(model):
    """A sentence unless blocks whose branches give 0 pass on what they get, else None.

    The first convolution is made to give 1 everywhere. Then the last betas are set: n blocks should
    add n times beta.
    """
    stem, *convs = parts(model, layers.Conv2D)
    stem.set_weights([np.full_like(w, 0 if w.ndim == 4 else 1) for w in stem.get_weights()])
    for layer in convs:
        layer.set_weights([0 * weights for weights in layer.get_weights()])
    norms = parts(model, layers.BatchNormalization)
    for norm in norms:
        norm.moving_mean.assign(0 * norm.moving_mean)
        norm.beta.assign(0 * norm.beta)
    arrives = what_arrives(model)
    if arrives < 0.01:
        return (
            "The shortcut is missing: with all branches at 0, nothing of the first layer's output "
            "arrives at the end."
        )
    if not 0.99 < arrives < 1.01:
        return (
            f"A fault is left: with all branches at 0, {arrives:.3f} of the first layer's output "
            f"arrives after {PAIRS} blocks, and 1 should. What happens to x in each block?"
        )
    for norm in norms[1::2]:
        norm.beta.assign(np.full(norm.beta.shape, BETA))
    added = what_arrives(model) - 1
    if not np.isclose(added, BETA * PAIRS, rtol=0.02):
        return (
            f"With branches that give {BETA} everywhere, {PAIRS} blocks should add "
            f"{BETA * PAIRS}; yours add {added:.2f}. How do shortcut and branch meet?"
        )
    return None


def what_arrives(model):
    """The mean of what reaches the last layer; BatchNorm as in inference."""
    before = keras.Model(model.input, parts(model, layers.Dense)[-1].input)
    return float(np.mean(before(np.zeros((1, *SHAPE), "float32"), training=False)))


# ---------------------------------------------------------------- a bottleneck with a wider span

CHANNELS, SPAN, BUDGET = 256, 5, 74_368
SIDE = 11


@check("it keeps its shape and its shortcut, reads all 5 x 5 positions, and stays in the budget.")
def wider_block(block, parameters=BUDGET):
    """The learner's block(x): 256 channels, a span of 5 x 5, with x itself as the shortcut."""
    require_function(block, "my_wider_block(x)", None)

    @functools.wraps(block)  # an error in it is an error in the learner's lines
    def of_x(x, _):
        return block(x)

    model = build(of_x, (SIDE, SIDE, CHANNELS), None, quiet=False)
    if tuple(model.output.shape[1:]) != (SIDE, SIDE, CHANNELS):
        shape = tuple(model.output.shape[1:])
        return f"The output has shape {shape}; x has {(SIDE, SIDE, CHANNELS)}."
    if sentence := wrong_sum(model):
        return sentence
    convolutions = len(parts(model, layers.Conv2D))
    norms = len(parts(model, layers.BatchNormalization))
    if norms < convolutions:
        return f"{convolutions} convolutions and {norms} BatchNormalizations: one follows each."
    return wrong_span(model) or too_many(model, parameters)


def wrong_sum(model):
    """A sentence unless the block gives relu(x), or x, once all its gammas are 0."""
    for step in model.operations:  # layers, and sums such as x + y
        if type(step).__name__ == "Add" and len({tensor.shape for tensor in step.input}) > 1:
            few = min(tensor.shape[-1] for tensor in step.input)
            return (
                f"The branch has {few} channel, and the addition repeats it {CHANNELS} times "
                f"without an error. The last convolution should have {CHANNELS} filters."
            )
    kept = model.get_weights()
    for layer in parts(model, layers.BatchNormalization):
        layer.gamma.assign(0 * layer.gamma)
    x = np.random.default_rng(0).normal(size=(1, SIDE, SIDE, CHANNELS)).astype("float32")
    y = np.asarray(model(x))
    model.set_weights(kept)
    if np.allclose(y, np.maximum(x, 0), atol=1e-5) or np.allclose(y, x, atol=1e-5):
        return None
    if np.allclose(y, 0, atol=1e-5):
        return "The shortcut is missing: with all gammas at 0 the block gives 0, not relu(x)."
    return "With all gammas at 0 the block should give relu(x): is the shortcut x itself?"


def wrong_span(model):
    """A sentence unless the middle of the output depends on exactly 5 x 5 positions."""
    middle, reach = SIDE // 2, SPAN // 2
    x = tf.constant(np.random.default_rng(0).normal(size=(8, SIDE, SIDE, CHANNELS)), "float32")
    with tf.GradientTape() as tape:
        tape.watch(x)
        output = tf.reduce_sum(model(x)[:, middle, middle] ** 2)
    read = np.abs(tape.gradient(output, x)).sum(axis=(0, 3)) > 0
    rows = np.flatnonzero(read.any(axis=1))
    span = int(rows[-1] - rows[0] + 1)
    if span < SPAN:
        return f"The span is {span} x {span} positions: a k x k kernel adds k - 1."
    if span > SPAN:
        return f"The span is {span} x {span} positions; {SPAN} x {SPAN} is asked for."
    inside = read[middle - reach : middle + reach + 1, middle - reach : middle + reach + 1]
    if not inside.all():
        return (
            f"The span is {SPAN} x {SPAN}, but only {inside.sum()} of its {SPAN**2} positions are "
            "read: a dilated kernel leaves gaps."
        )
    return None


def too_many(model, budget):
    """A sentence if a block has more parameters than the budget allows, else None."""
    count = model.count_params()
    if count <= budget:
        return None
    costly = max(parts(model, layers.Conv2D), key=lambda layer: layer.count_params())
    size, (*_, narrow, wide) = " x ".join(map(str, costly.kernel_size)), costly.kernel.shape
    return (
        f"{count:,} parameters are {count - budget:,} too many. The {size} convolution from "
        f"{narrow} to {wide} channels has the most."
    )
