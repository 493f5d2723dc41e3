"""The check of the whole network: it names the first stage that differs from Table 1.

It records the convolutions while the learner's network runs on a picture; their sizes show the
stages. If all are right, it compares the output with that of the network written as text, as for
the blocks, to find mistakes in scaling, padding, pooling and the last layer.
"""

import functools
from collections import Counter
from unittest import mock

import keras
import numpy as np
from keras import layers

from exercises.checks import mistakes
from exercises.checks.blocks import same
from exercises.checks.verdict import (
    FUNCTION_TODO,
    NotDone,
    call,
    check,
    require_function,
)

STAGES = {  # Table 1: filters, blocks, strides
    "conv2": ((64, 64, 256), 3, 1),
    "conv3": ((128, 128, 512), 4, 2),
    "conv4": ((256, 256, 1024), 6, 2),
    "conv5": ((512, 512, 2048), 3, 2),
}
STEM = "scale pad3 conv1(7,64,2,valid) bn1 relu pad1 maxpool"
HEAD = "mean dense softmax"
NETWORK = f"{STEM} | {HEAD}"

NETWORK_MISTAKES = {
    "scale -> ": "The pixels are not scaled: the network starts with Rescaling, to -1..1.",
    "scale -> scale255": "The pixels are scaled to 0..1; here they go from -1 to 1.",
    "pad3 conv1(7,64,2,valid) -> conv1(7,64,2)": 'conv1: padding="same" adds 2 pixels on one side '
    "and 3 on the other here. ImageNet weights expect 3 on every side: ZeroPadding2D(3).",
    "pad1 maxpool -> maxpool_same": 'The pooling after conv1 has padding="same", which pads one '
    "side only here. ImageNet weights expect ZeroPadding2D(1) before it.",
    "pad3 conv1(7,64,2,valid) -> conv1(7,64,2); pad1 maxpool -> maxpool_same": "conv1 and its "
    'pooling have padding="same", which pads one side more than the other. ImageNet weights '
    "expect ZeroPadding2D(3) and ZeroPadding2D(1).",
    "maxpool -> avgpool": "The pooling after conv1 takes the average; it should take the maximum.",
    "bn1 relu -> bn1": "conv1: the ReLU after its BatchNormalization is missing.",
    "bn1 relu -> relu bn1": "conv1: BatchNormalization and ReLU are swapped.",
    "bn1 -> ": "conv1: its BatchNormalization is missing.",
    "mean -> max": "The last pooling takes the maximum over the map; it should take the average.",
    "dense softmax -> dense": "The last layer has no softmax: its outputs are not probabilities.",
    "dense softmax -> dense sigmoid": "The last layer has sigmoid instead of softmax: the "
    "probabilities of the classes do not sum to 1.",
    "dense softmax -> dense relu": "The last layer has ReLU instead of softmax.",
    "dense softmax -> dense relu softmax": "There is a ReLU between the dense layer and softmax.",
}


def expected_convolutions(height, width):
    """Stage by stage: {name: [(kernel, channels in, filters, output height, width), ...]}."""
    h, w = -(-height // 2), -(-width // 2)
    found = {"conv1": [(7, 3, 64, h, w)]}
    h, w, c = -(-h // 2), -(-w // 2), 64
    for name, ((f1, f2, f3), blocks, strides) in STAGES.items():
        h, w = -(-h // strides), -(-w // strides)
        found[name] = [(1, c, f3, h, w)]
        for _ in range(blocks):
            found[name] += [(1, c, f1, h, w), (3, f1, f2, h, w), (1, f2, f3, h, w)]
            c = f3
    return found


def watch_convolutions(model, x):
    """(output, [(kernel, channels in, filters, height, width) of each convolution])."""
    seen, call_layer = [], layers.Conv2D.call

    def watched(layer, inputs, *args, **kwargs):
        outputs = call_layer(layer, inputs, *args, **kwargs)
        seen.append((layer.kernel_size[0], inputs.shape[-1], layer.filters, *outputs.shape[1:3]))
        return outputs

    with mock.patch.object(layers.Conv2D, "call", watched):
        return call(model, x, training=False), seen


def stage_mistake(seen, expected):
    """The first stage whose convolutions differ, and how, or None."""
    return (
        first_convolution_mistake(seen, expected["conv1"][0])
        or size_mistake(seen[1:], expected)
        or count_mistake(Counter(seen), expected)
    )


def first_convolution_mistake(seen, expected):
    """What is wrong with the convolution before the first stage, or None."""
    if not seen or seen[0][:3] != expected[:3]:
        first = f"{seen[0][0]}x{seen[0][0]} with {seen[0][2]} filters" if seen else "missing"
        return f"conv1: the first convolution is {first}; it should be 7x7 with 64 filters."
    if seen[0][3:] != expected[3:]:
        return (
            "conv1: the first convolution does not have stride 2; it should halve height and width."
        )
    return None


def size_mistake(seen, expected):
    """The first stage with another width, depth or map size, or None.

    Every block has one 3x3 convolution: their widths and sizes show the stages.
    """
    rest = [conv for conv in seen if conv[0] > 1]
    for name, (filters, blocks, _) in STAGES.items():
        if not rest:
            return f"{name} is missing: the network ends before it."
        width = rest[0][2]
        count = next((n for n, conv in enumerate(rest) if conv[2] != width), len(rest))
        if count > blocks and rest[blocks][3:] != rest[blocks - 1][3:]:
            count = blocks  # the next stage has the same width
        if width != filters[1]:
            return (
                f"{name}: its 3x3 convolutions have {width} filters instead of {filters[1]}. "
                f"The stage has filters={filters}."
            )
        if count != blocks:
            return f"{name}: {count} blocks instead of {blocks}."
        size, should = rest[count - 1][3:], expected[name][0][3:]
        if size != should:
            much = "little" if size[0] > should[0] else "much"
            where = "strides" if name != "conv2" else "strides, or the pooling before it"
            return (
                f"{name} ends with maps of {size[0]}x{size[1]} instead of "
                f"{should[0]}x{should[1]}: it shrinks too {much}. Look at its {where}."
            )
        rest = rest[count:]
    if rest:
        return f"After conv5 comes another stage, with {rest[0][2]} filters: remove it."
    return None


def count_mistake(have, expected):
    """The first stage with too many or too few of some convolution, or None.

    have: how many convolutions there are of each (kernel, channels in, filters, height, width).
    """
    for name, convolutions in expected.items():
        should = Counter(convolutions)
        projection = convolutions[0]
        made = projection[2]
        for conv in should:
            kernel, channels, filters = conv[:3]
            what = f"{kernel}x{kernel} convolution {channels} -> {filters}"
            if have[conv] < should[conv]:
                if sum(n for other, n in have.items() if other[:3] == conv[:3]) >= should[conv]:
                    where = "the wrong convolution of its first block: the first 1x1 has it"
                    return f"{name}: the stride sits in {where}."
                if conv == projection:
                    return f"{name}: the projection ({what}) of its first block is missing."
                return f"{name}: {have[conv]} times {what} instead of {should[conv]} times."
        extra = [conv for conv in have - should if conv == (1, made, made, *projection[3:])]
        if name in STAGES and extra:
            return (
                f"{name}: {sum(have[conv] for conv in extra)} projections too many. Only the first "
                "block is a convolutional block; the others are identity blocks."
            )
    if have != sum(map(Counter, expected.values()), Counter()):
        return "There are more convolutions than Table 1 lists."
    return None


@functools.cache
def cache(shape):
    """The results for pictures of this shape, which are the same for every learner's network."""
    return {}


def compute(line, x, classes):
    """(output, weights) of ResNet-50 with the stem and head of `line`."""
    stem, head = line.split(" | ")
    known = cache(x.shape)
    if stem not in known:
        y, used = mistakes.walk(stem, x, {}, False, {})
        weights = Counter((role, shape) for (_, role), shape in used.items())
        for filters, blocks, strides in STAGES.values():
            sizes = dict(zip(("f1", "f2", "f3"), filters, strict=True)) | {"k": 3, "s": strides}
            for number in range(blocks):
                block = mistakes.IDENTITY if number else mistakes.CONVOLUTIONAL
                y, needs = mistakes.compute(block, y, sizes)
                weights.update(needs)
        known[stem] = y, weights
    y, weights = known[stem]
    y, used = mistakes.walk(head, y, {"classes": classes}, False, {})
    return y, weights + Counter((role, shape) for (_, role), shape in used.items())


@check("stage for stage the network of Table 1, and the same numbers come out.")
def resnet50(answer):
    """The learner's resnet50(input_shape, classes) -> keras.Model, or such a model."""
    shape, classes = (32, 48, 3), 7
    example = "resnet50(input_shape=(64, 64, 3), classes=101)"
    if isinstance(answer, keras.Model):
        model = answer
    else:
        require_function(answer, example, input_shape=shape, classes=classes)
        model = call(answer, input_shape=shape, classes=classes)
    if model is None or model is ...:
        raise NotDone(FUNCTION_TODO)
    if not isinstance(model, keras.Model) or not getattr(model, "inputs", None):
        return (
            f"Your function returns a {type(model).__name__}; it should return "
            "keras.Model(inputs, outputs)."
        )
    takes, gives = model.inputs[0].shape[1:], model.outputs[0].shape
    if model is answer:
        shape, classes = takes, gives[-1]
        if len(shape) != 3 or None in shape or shape[-1] != 3:
            return f"The model should take pictures (h, w, 3). It takes {shape}."
    if tuple(takes) != tuple(shape):
        return f"input_shape is ignored: asked for {shape}, got {tuple(takes)}."
    if tuple(gives) != (None, classes):
        if len(gives) == 2 and any(isinstance(layer, layers.Dense) for layer in model.layers):
            return f"classes is ignored: asked for {classes}, got {gives[-1]}."
        return (
            f"The output has shape {tuple(gives)} instead of (None, {classes}) for "
            f"classes={classes}: average the maps, then use a Dense layer with that many outputs."
        )
    kept = [v.numpy() for v in model.variables]
    try:
        return network_mistake(model, shape, classes)
    finally:
        for variable, value in zip(model.variables, kept, strict=True):
            variable.assign(value)


def network_mistake(model, shape, classes):
    """What is wrong with a model for pictures of this shape, or None."""
    weights = mistakes.fill(model)
    x = np.random.default_rng(0).uniform(0, [[[[255]]], [[[80]]]], (2, *shape)).astype("float32")
    output, seen = watch_convolutions(model, x)
    if wrong := stage_mistake(seen, expected_convolutions(*shape[:2])):
        return wrong
    right, right_weights = compute(NETWORK, x, classes)
    if weights == right_weights and same(right, output):
        return None
    for edits, sentence in NETWORK_MISTAKES.items():
        wrong, wrong_weights = compute(mistakes.edited(NETWORK, edits), x, classes)
        if weights == wrong_weights and same(wrong, output):
            return sentence
    have, should = (Counter(role for role, _ in w.elements()) for w in (weights, right_weights))
    reads = [shape[0] for role, shape in weights if role == "kernel" and len(shape) == 2]
    if reads != [2048]:
        return (
            f"Inputs of the dense layers: {', '.join(map(str, reads)) or 'there is none'}. There "
            "should be one, with 2048 inputs: the averages over the maps of conv5."
        )
    if have["bias"] != should["bias"]:
        return (
            f"{have['bias']} layers have a bias instead of {should['bias']}: every convolution and "
            "the last layer has one, so that the weights agree with keras.applications."
        )
    if have["gamma"] != should["gamma"]:
        return (
            f"There are {have['gamma']} BatchNormalizations instead of {should['gamma']}: one "
            "follows each convolution."
        )
    return (
        "All convolutions are there, but the output differs. Check your blocks with their own "
        "checks, then compare what comes before the first and after the last block."
    )
