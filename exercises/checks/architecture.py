"""Checks of exercises about whole networks: finding faults in one, designing one for a budget."""

import re

import keras
from keras import layers

from exercises.checks.numbers import short
from exercises.checks.verdict import VALUE_TODO, NotDone, Wrong, check
from helpers.resnet import stage, stem
from images.layer_table import layer_table

# ---------------------------------------------------------------- two faults

FAULTS = {  # block: what a right description mentions, what to say if it does not
    "conv3_block3": (
        r"short\s?cut|skip|itself|twice|doubl|residual|\bx\b|y, y|add\w* .*(branch|input|same)|"
        r"input.*(lost|miss|never|not|same)|same (input|tensor)",
        "You found conv3_block3. Now say what is wrong in it: look at the inputs of its Add layer.",
    ),
    "conv4_block5": (
        r"[13]\s?[x×]\s?[13]|\([13], ?[13]\)|pointwise|(kernel|filter).{0,8}(size|\b1\b|\bone\b)",
        "You found conv4_block5. Now say what is wrong in it: compare its layers one by one, and "
        "look at kernel sizes.",
    ),
}
NOT_FOUND = {
    "conv3_block3": "conv4_block5 is one of the two. The other fault changes no shape and no "
    "count: give both networks the same weights, and compare the outputs block by block.",
    "conv4_block5": "conv3_block3 is one of the two. The other shows in the layer table: print it "
    "by block for both networks, and compare the parameters.",
}


def block_number(name):
    """ "conv3_block2" -> (3, 2), which sorts as the blocks stand in the network."""
    return tuple(int(digits) for digits in re.findall(r"\d+", name))


@check("conv3_block3 adds its branch to itself, and conv4_block5 has a 1x1 kernel in the middle.")
def two_faults(answer):
    """The two faults of exercises.faulty: two texts, each with a block's name and what is wrong."""
    if answer is None or answer is ...:
        raise NotDone(VALUE_TODO)
    texts = [answer] if isinstance(answer, str) else answer
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        raise Wrong("Give a list of two texts, such as 'conv2_block1: no ReLU after the addition'.")
    if [text.strip() for text in texts if text.strip() != "..."] == []:
        raise NotDone(VALUE_TODO)
    about = {name: text for text in texts for name in re.findall(r"conv\d_block\d", text)}
    if not about:
        raise Wrong(f"Name the block of each fault, such as conv2_block1. Received: {short(texts)}")
    for name in sorted(set(about) - set(FAULTS), key=block_number):
        return innocent(name)
    for name in FAULTS:
        if name not in about:
            return NOT_FOUND[name]
    for name, (pattern, advice) in FAULTS.items():
        if not re.search(pattern, re.sub(r"conv\d_block\d", "", about[name]), re.IGNORECASE):
            return advice
    return None


def innocent(name):
    """What to say about a block without a fault: one that follows a fault may still differ."""
    if block_number(name) > (3, 3):
        return (
            f"{name} has no fault of its own: its output differs because its input does. Look for "
            "the first block whose output differs."
        )
    return f"{name} is as it should be: same layers, same connections, same output."


# ---------------------------------------------------------------- a network under a budget

ROW = '("conv2", (64, 64, 256), 3, 1)'


def read_plan(answer):
    """The learner's plan as [(name, (f1, f2, f3), blocks, strides), ...]. Raises Wrong, NotDone."""
    if answer is None or answer is ...:
        raise NotDone(VALUE_TODO)
    try:
        rows = [(name, tuple(map(int, f)), int(n), int(s)) for name, f, n, s in answer]
        names = [str(name) for name, *_ in rows]
    except (TypeError, ValueError):
        raise Wrong(f"Give a list of stages, each a row such as {ROW}.") from None
    if not rows:
        raise Wrong(f"The plan is empty. Write a row for each stage, such as {ROW}.")
    if len(set(names)) < len(names):
        raise Wrong("Two stages have the same name: their layers would have the same names too.")
    for name, filters, blocks, strides in rows:
        if len(filters) != 3:
            raise Wrong(f"{name}: a stage has three widths (f1, f2, f3), not {len(filters)}.")
        if min(filters) < 32:
            raise Wrong(f"{name}: {min(filters)} channels are too few; 32 is the least here.")
        if not 1 <= blocks <= 40:
            raise Wrong(f"{name}: {blocks} blocks. A stage has at least 1, and 40 are plenty.")
        if strides not in (1, 2):
            raise Wrong(f"{name}: a stage's stride is 1 or 2, not {strides}.")
    return rows


@check("it keeps within both budgets, and its last position spans what ResNet-50's does.")
def small_resnet(answer, parameters=5_000_000, multiply_adds=100_000_000, span=483):
    """A plan of stages whose network for 64 x 64 pixels and 101 classes keeps to a budget."""
    plan = read_plan(answer)
    inputs = keras.Input((64, 64, 3))
    x = stem(inputs)
    for name, filters, blocks, strides in plan:
        x = stage(x, filters, blocks, strides, str(name))
    if x.shape[1] < 2:
        return "The last map is 1 x 1: too many stages have stride 2 for 64 pixels."
    outputs = layers.Dense(101, name="predictions")(layers.GlobalAveragePooling2D()(x))
    table = layer_table(keras.Model(inputs, outputs), by="layer")
    stages = table.groupby(lambda layer: layer.partition("_")[0])
    reached = max(field for field in table["receptive field"] if field != "all")
    if (total := table["parameters"].sum()) > parameters:
        most = stages["parameters"].sum().idxmax()
        return (
            f"{total:,} parameters are {total - parameters:,} too many. {most} has the most: they "
            "grow with the square of its widths."
        )
    if (total := table["multiply-adds"].sum()) > multiply_adds:
        most = stages["multiply-adds"].sum().idxmax()
        return (
            f"{total:,} multiply-adds are {total - multiply_adds:,} too many. {most} takes the "
            "most: count its blocks, its widths and the side of its map."
        )
    if reached < span:
        return (
            f"The span is {reached} pixels, {span - reached} too few. Every 3x3 convolution adds "
            "twice the product of the strides so far: blocks late in the network add most."
        )
    return None
