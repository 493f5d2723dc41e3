"""Blocks as lines of text, and the mistakes that the checks recognise in them.

A block is one line of text, "shortcut | branch | merge", such as IDENTITY below. conv1(1,f1,s) is
convolution number 1 with its kernel size, filters and strides; a number that occurs twice is one
layer used twice. A mistake is an edit of the line. `compute` returns the output of a line.
"""

import functools
import itertools
import re
import zlib
from collections import Counter

import keras
import numpy as np
from keras import ops

BRANCH = "x conv1(1,f1,1) bn1 relu conv2(k,f2,1) bn2 relu conv3(1,f3,1) bn3"
IDENTITY = f"x | {BRANCH} | add relu"
CONVOLUTIONAL = f"x conv0(1,f3,s) bn0 | {BRANCH.replace('f1,1', 'f1,s')} | add relu"
CONVOLUTIONAL_V15 = f"x conv0(1,f3,s) bn0 | {BRANCH.replace('f2,1', 'f2,s')} | add relu"

CONV = re.compile(r"(conv|biasless)(\d)\((\w+),(\w+),(\w+)(,valid|,dilated)?\)")
BATCH_NORM = re.compile(r"(bn|frozen|batch)(\d)")
MERGES = {
    "add": ops.add,
    "concatenate": lambda x, y: ops.concatenate([x, y], -1),
    "multiply": ops.multiply,
    "average": lambda x, y: (x + y) / 2,
    "maximum": ops.maximum,
    "subtract": ops.subtract,
    "y": lambda x, y: y,
    "2y": lambda x, y: y + y,
}
WORDS = {
    "scale": lambda x: x / 127.5 - 1,
    "scale255": lambda x: x / 255,
    "maxpool": lambda x: ops.max_pool(x, 3, 2),
    "maxpool_same": lambda x: ops.max_pool(x, 3, 2, padding="same"),
    "avgpool": lambda x: ops.average_pool(x, 3, 2),
    "mean": lambda x: ops.mean(x, (1, 2)),
    "max": lambda x: ops.max(x, (1, 2)),
    "half": lambda x: x / 2,
    "LeakyReLU": lambda x: ops.leaky_relu(x, 0.3),  # the layer's slope; the function's is 0.2
}


@functools.lru_cache(maxsize=200)
def weight(role, shape):
    """The value of every weight of this role and shape, here and in the learner's model.

    Variances are large, so that BatchNorm's epsilon makes no difference.
    """
    rng = np.random.default_rng([zlib.crc32(role.encode()), *shape])
    if role == "kernel":
        size = 10 if len(shape) == 4 else 0.01  # a dense kernel leads to softmax
        value = rng.normal(0, size / np.prod(shape[:-1]) ** 0.5, shape)
        return ops.convert_to_tensor(value, "float32")
    low, high = {"gamma": (0.5, 1.5), "moving_variance": (50, 150)}.get(role, (-1, 1))
    return ops.convert_to_tensor(rng.uniform(low, high, shape), "float32")


ROLES = ("kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance")


def fill(model):
    """Sets the model's weights; returns how many there are of each role and shape."""
    known = [v for v in model.variables if v.name in ROLES]
    for variable in known:
        variable.assign(weight(variable.name, tuple(variable.shape)))
    return Counter((v.name, tuple(v.shape)) for v in known)


def walk(words, x, sizes, training, cache):
    """Applies these words to x: (output, {(layer, role): shape} of the weights used).

    cache: earlier results for the same x, sizes and training, since many lines start alike.
    """
    if words in cache:
        return cache[words]
    before, _, word = words.rpartition(" ")
    y, used = walk(before, x, sizes, training, cache) if before else (x, {})
    used = dict(used)

    def take(layer, role, *shape):
        if used.setdefault((layer, role), shape) != shape:
            raise ValueError(f"{layer} would need two shapes")
        return weight(role, shape)

    if match := CONV.fullmatch(word):
        kind, layer, *numbers, option = match.groups()
        kernel, filters, strides = (sizes[n] if n in sizes else int(n) for n in numbers)
        shape = (kernel, kernel, y.shape[-1], filters)
        padding = "valid" if option == ",valid" else "same"
        dilation = 2 if option == ",dilated" else 1
        if padding == "valid" and kernel > min(y.shape[1:3]):
            raise ValueError("the kernel is larger than the map")
        weights = take(f"conv{layer}", "kernel", *shape)
        y = ops.conv(y, weights, strides, padding, dilation_rate=dilation)
        if kind == "conv":
            y = y + take(f"conv{layer}", "bias", filters)
    elif match := BATCH_NORM.fullmatch(word):
        kind, layer = match.groups()
        gamma, beta, mean, variance = (take(f"bn{layer}", role, y.shape[-1]) for role in ROLES[2:])
        if kind == "batch" or (training and kind == "bn"):
            mean, variance = ops.moments(y, (0, 1, 2))
        y = gamma * (y - mean) / ops.sqrt(variance + 1e-4) + beta
    elif word.startswith("pad"):  # padk: as "same" padding for a k x k kernel
        width = (sizes["k"] - 1) // 2 if word == "padk" else int(word[3:])
        y = ops.pad(y, ((0, 0), (width, width), (width, width), (0, 0)))
    elif word == "dense":
        y = ops.matmul(y, take("dense", "kernel", y.shape[-1], sizes["classes"]))
        y = y + take("dense", "bias", sizes["classes"])
    elif word != "x":
        y = WORDS[word](y) if word in WORDS else getattr(keras.activations, word)(y)
    cache[words] = y, used
    return y, used


def compute(line, x, sizes, training=False, cache=None):
    """(output, weights by role and shape) of the block `line`; None if shapes do not match."""
    shortcut, branch, end = line.split(" | ")
    merge, _, end = end.partition(" ")
    cache = {} if cache is None else cache
    try:
        shortcut, used = walk(shortcut, x, sizes, training, cache)
        branch, needed = walk(branch, x, sizes, training, cache)
        if merge == "concatenate" and shortcut.shape[:-1] != branch.shape[:-1]:
            return None
        if merge not in ("concatenate", "y", "2y"):
            np.broadcast_shapes(shortcut.shape, branch.shape)  # else ValueError
        y, late = walk(f"x {end}".strip(), MERGES[merge](shortcut, branch), sizes, training, {})
    except ValueError:
        return None
    used = [*used.items(), *needed.items(), *late.items()]
    if len(dict(used)) < len(set(used)):
        return None  # one layer would need two shapes
    return y, Counter((role, shape) for (_, role), shape in dict(used).items())


def layer_counts(line):
    """How many convolutions and BatchNormalizations the line has."""
    return len(set(re.findall(r"(?:conv|biasless)(\d)", line))), len(
        set(re.findall(r"(?:bn|frozen|batch)(\d)", line))
    )


def edited(line, edits):
    """The line after the edits "old -> new; old -> new"; None if it lacks an `old`."""
    for edit in edits.split("; "):
        old, new = edit.split("->")
        if not old.strip() or old.strip() not in line:
            return None
        line = " ".join(line.replace(old.strip(), new.strip()).split())
    return line


# ---------------------------------------------------------------- the tables: edits, sentence

MISTAKES = {
    # the order around the addition
    "bn3 | add relu -> bn3 relu | add": "The last ReLU comes before the addition. Add the shortcut "
    "first, then apply ReLU to the sum.",
    "add relu -> add": "There is no ReLU after the addition: the block ends with "
    "relu(shortcut + branch).",
    "bn3 | -> bn3 relu |": "There is a ReLU on both sides of the addition. Remove the one at the "
    "end of the branch.",
    "bn3 | add relu -> | add bn3 relu": "The last BatchNormalization comes after the addition. It "
    "belongs to the branch, before the two paths meet.",
    "add relu -> add bn4 relu": "There is an extra BatchNormalization after the addition: remove "
    "it.",
    # steps left out of the branch
    "bn1 relu -> bn1": "The ReLU between the first and the second convolution is missing.",
    "bn2 relu -> bn2": "The ReLU between the second and the third convolution is missing.",
    "bn1 relu -> bn1; bn2 relu -> bn2": "Both ReLUs inside the branch are missing: without them "
    "the three convolutions are one linear map.",
    "bn1 relu -> relu": "The first convolution of the branch has no BatchNormalization.",
    "bn2 relu -> relu": "The middle convolution of the branch has no BatchNormalization.",
    "bn3 | -> |": "The third convolution of the branch has no BatchNormalization: it comes right "
    "before the addition.",
    "bn1 ->; bn2 ->; bn3 ->": "The whole branch has no BatchNormalization: one follows each "
    "convolution.",
    "bn0 ->; bn1 ->; bn2 ->; bn3 ->": "There is no BatchNormalization in the block at all: one "
    "follows each convolution.",
    "conv2(k,f2,1) bn2 relu ->": "The middle convolution is missing, with its BatchNormalization "
    "and ReLU: the branch has three.",
    "relu conv3(1,f3,1) bn3 -> ": "The third convolution is missing: the branch has three, and "
    "the last one makes f3 channels.",
    # the order inside the branch
    "bn1 relu -> relu bn1; bn2 relu -> relu bn2": "BatchNormalization comes after the activation. "
    "The order is convolution, BatchNormalization, ReLU.",
    "bn1 relu -> relu bn1": "After the first convolution, BatchNormalization and ReLU are swapped.",
    "bn2 relu -> relu bn2": "After the middle convolution, BatchNormalization and ReLU are "
    "swapped.",
    # kernels, padding, bias
    "(k, -> (3,": "kernel_size is ignored: the middle convolution is always 3x3.",
    "conv1(1 -> conv1(k; conv3(1 -> conv3(k": "kernel_size is used for the first and the third "
    "convolution too. It is for the middle one only; the others are 1x1.",
    "(1, -> (3,": "All convolutions that should be 1x1 are 3x3. Only the middle one is larger.",
    "conv1(1 -> conv1(k": "The first convolution uses kernel_size; it should be 1x1.",
    "conv3(1 -> conv3(k": "The third convolution uses kernel_size; it should be 1x1.",
    "conv2(k -> conv2(1": "The middle convolution is 1x1; it should use kernel_size.",
    ",f2,1) -> ,f2,1,dilated)": "The middle convolution is dilated: it skips positions between "
    "those it reads. Leave dilation_rate at 1.",
    ",f2,1) -> ,f2,1,valid)": 'The middle convolution has no padding="same": it trims the borders, '
    "and the shapes of the two paths differ.",
    ",f2,s) -> ,f2,s,valid)": 'The strided convolution has no padding="same": it trims the '
    "borders, and the shapes of the two paths differ.",
    "conv -> biasless": "The convolutions have no bias (use_bias=False). That works, since "
    "BatchNormalization has its own, but this network keeps the biases so that weights and "
    "parameter counts agree with keras.applications.",
    # layers used twice
    "bn2 -> bn1; bn3 -> bn1": "One BatchNormalization layer is used everywhere in the branch. Each "
    "convolution needs its own: make a new layer each time.",
    "bn2 -> bn1": "One BatchNormalization layer is used in two places: make a new one each time.",
    # training or prediction
    "bn -> frozen": "BatchNormalization is frozen: it uses its moving averages even in training. "
    "Leave out `trainable`.",
    "bn -> batch": "BatchNormalization uses the statistics of the batch even in prediction. Use "
    "layers.BatchNormalization as it is.",
    # how the two paths meet
    "add -> concatenate": "The shortcut is concatenated to the branch, which stacks channels. Use "
    "layers.Add.",
    "add -> multiply": "Shortcut and branch are multiplied; they should be added.",
    "add -> average": "Shortcut and branch are averaged; they should be added.",
    "add -> maximum": "The larger of shortcut and branch is kept (Maximum); they should be added.",
    "add -> subtract": "The branch is subtracted from the shortcut; they should be added.",
}
NO_SHORTCUT = "The shortcut is missing: the output depends on the branch alone."
TWICE = (
    "The branch is added to itself: x was overwritten. Give the branch another name than "
    "the block's input."
)
MID_BRANCH = "The shortcut starts {} of the branch. It starts at the block's input: keep x."

IDENTITY_MISTAKES = MISTAKES | {
    "add -> y": NO_SHORTCUT,
    "add -> 2y": TWICE,
    "conv3(1,f3,1) -> conv1(1,f1,1)": "One convolution layer is used as the first and as the third "
    "convolution: each needs weights of its own.",
    f"{IDENTITY} -> x | x | add relu": "x is added to itself and the branch is ignored: add x and "
    "the branch's output.",
    "x | -> x conv1(1,f1,1) |": MID_BRANCH.format("after the first convolution"),
    "x | -> x conv1(1,f1,1) bn1 |": MID_BRANCH.format("after the first BatchNormalization"),
    "x | -> x conv1(1,f1,1) bn1 relu |": MID_BRANCH.format("after the first ReLU"),
    "x | x conv1 -> x half | x conv1": "The shortcut is halved: add x itself, not x / 2.",
    "x | -> x relu |": "There is a ReLU on the shortcut. The shortcut is x itself, negative values "
    "included.",
    "x | -> x conv0(1,f3,1) bn0 |": "There is a convolution on the shortcut: here the shortcut is "
    "x itself. A projection belongs in the convolutional block.",
    "x | -> x conv0(1,f3,1) |": "There is a convolution without BatchNormalization on the "
    "shortcut: here the shortcut is x itself.",
    "x | -> x bn0 |": "There is a BatchNormalization on the shortcut: here the shortcut is x "
    "itself.",
    f"{IDENTITY} -> x | x bn1 relu conv1(1,f1,1) bn2 relu conv2(k,f2,1) bn3 relu conv3(1,f3,1) "
    "| add": "This is the pre-activation block (ResNet v2), where BatchNormalization and ReLU come "
    "before each convolution. Here they come after it.",
}

CONVOLUTIONAL_MISTAKES = MISTAKES | {
    # where the stride is
    "f1,s -> f1,1; f2,1 -> f2,s": "The stride is in the middle convolution. That is the variant "
    '"v1.5"; here it belongs in the first 1x1 convolution.',
    "f1,s -> f1,1; conv3(1,f3,1 -> conv3(1,f3,s": "The stride is in the third convolution; it "
    "belongs in the first 1x1 convolution.",
    "f2,1 -> f2,s": "The stride is used twice in the branch, in the first and the middle "
    "convolution. Only the first has it.",
    "f1,s -> f1,1": "The branch ignores strides, the shortcut does not: the first convolution "
    "needs strides too.",
    "conv0(1,f3,s -> conv0(1,f3,1": "The shortcut ignores strides, the branch does not: its "
    "convolution needs the same strides.",
    "s) -> 1)": "strides is ignored: nothing in the block reduces height and width.",
    "s) -> 2)": "The strides are fixed at 2: use the argument strides.",
    "f1,s -> f1,2": "The stride of the branch is fixed at 2: use the argument strides.",
    "conv0(1,f3,s -> conv0(1,f3,2": "The stride of the shortcut is fixed at 2: use the argument "
    "strides.",
    # the projection
    "x conv0(1,f3,s) bn0 -> x; add -> y": NO_SHORTCUT,
    "x conv0(1,f3,s) bn0 -> x; add -> 2y": TWICE,
    f"{CONVOLUTIONAL} -> x conv0(1,f3,s) bn0 | x conv0(1,f3,s) bn0 | add relu": "The shortcut is "
    "added to itself and the branch is ignored: add the shortcut and the branch's output.",
    "(1, -> (k,": "kernel_size is used for all convolutions. It is for the middle one only; the "
    "others are 1x1.",
    "x conv0(1,f3,s) bn0 -> x": "The shortcut has no projection. Where shape or channels change, "
    "x needs a 1x1 convolution and BatchNormalization.",
    "bn0 | -> |": "The shortcut's convolution has no BatchNormalization.",
    "bn0 | x conv1 -> bn0 half | x conv1": "The shortcut is halved: add the "
    "projection as it is, not divided by 2.",
    "bn0 | -> bn0 relu |": "There is a ReLU on the shortcut, after the projection. The shortcut "
    "ends with BatchNormalization.",
    "bn0 -> bn3": "Shortcut and branch share their last BatchNormalization layer: make two.",
    "conv0(1 -> conv0(3": "The shortcut's convolution is 3x3; it should be 1x1.",
    "conv0(1 -> conv0(k": "The shortcut's convolution uses kernel_size; it should be 1x1.",
    "conv0(1,f3 -> conv0(1,f1": "The shortcut's convolution makes f1 channels; it should make f3, "
    "as the branch does.",
    "conv0(1,f3 -> conv0(1,f2": "The shortcut's convolution makes f2 channels; it should make f3, "
    "as the branch does.",
    "conv0(1,f3 -> conv0(1,c": "The shortcut's convolution keeps the number of channels; it should "
    "make f3, as the branch does.",
    "conv0(1,f3 -> conv0(1,1": "The shortcut's convolution makes 1 channel, and Add broadcasts it "
    "without an error; it should make f3 channels.",
    "x conv0(1,f3,s) -> x conv1(1,f1,s) bn1 relu conv0(1,f3,1)": MID_BRANCH.format(
        "after the first ReLU"
    ),
    "x conv0(1,f3,s) -> x conv1(1,f1,s) conv0(1,f3,1)": MID_BRANCH.format(
        "after the first convolution"
    ),
    "x conv0(1,f3,s) -> x conv1(1,f1,s) bn1 relu conv0(1,f3,s)": MID_BRANCH.format(
        "after the first ReLU"
    ),
    "x conv0(1,f3,s) -> x relu conv0(1,f3,s)": "There is a ReLU on the shortcut, before the "
    "projection. The projection is applied to the block's input as it is.",
}

V15_MISTAKES = CONVOLUTIONAL_MISTAKES | {
    "f1,1 -> f1,s; f2,s -> f2,1": "The stride is still in the first 1x1 convolution. In v1.5 it "
    "is in the middle one.",
    "f1,1 -> f1,s": "The stride is used twice in the branch, in the first and the middle "
    "convolution. In v1.5 only the middle one has it.",
    "f2,s -> f2,1": "The branch ignores strides, the shortcut does not: the middle convolution "
    "needs strides too.",
    "f2,s -> f2,1; conv3(1,f3,1 -> conv3(1,f3,s": "The stride is in the third convolution; in "
    "v1.5 it belongs in the middle one.",
}

RELU_PLACES = {  # edits that replace a ReLU by ACTIVATION: where
    "relu -> ACTIVATION": "everywhere",
    "bn1 relu -> bn1 ACTIVATION; bn2 relu -> bn2 ACTIVATION": "inside the branch",
    "add relu -> add ACTIVATION": "after the addition",
    "bn1 relu -> bn1 ACTIVATION": "after the first convolution",
    "bn2 relu -> bn2 ACTIVATION": "after the middle convolution",
}
ACTIVATIONS = (
    *("sigmoid", "tanh", "elu", "selu", "gelu", "silu", "softplus", "relu6"),
    *("leaky_relu", "LeakyReLU"),
)
PLACES = {"1": "first", "2": "middle", "3": "third"}


def wrong_lines(line, common_mistakes):
    """All known mistakes in `line`: a list of (wrong line, sentence), each with one mistake."""
    table = [*common_mistakes.items(), *wrong_activations(), *wrong_layers(), *wrong_widths()]
    found = [(edited(line, edits), sentence) for edits, sentence in table]
    return [(wrong, sentence) for wrong, sentence in found if wrong not in (None, line)]


def wrong_activations():
    """(edits, sentence) for other activations than ReLU."""
    for name, (edits, where) in itertools.product(ACTIVATIONS, RELU_PLACES.items()):
        sentence = f"The activation {where} is {name}; it should be ReLU."
        yield edits.replace("ACTIVATION", name), sentence


def wrong_layers():
    """(edits, sentence) for single layers: a 1x1 kernel of another size, a frozen BatchNorm."""
    for size, layer in itertools.product((2, 3, 5, 7), "13"):
        sentence = f"The {PLACES[layer]} convolution is {size}x{size}; it should be 1x1."
        yield f"conv{layer}(1 -> conv{layer}({size}", sentence
    for layer, strides in itertools.product("13", "1s"):
        sentence = f"The {PLACES[layer]} convolution is 3x3 without padding; it should be 1x1."
        numbers = f",f{layer},{strides}"
        yield f"conv{layer}(1{numbers}) -> conv{layer}(3{numbers},valid)", sentence
    yield "conv0(1 -> conv0(2", "The shortcut's convolution is 2x2; it should be 1x1."
    for layer, place in {**PLACES, "0": "shortcut's"}.items():
        yield (
            f"bn{layer} -> frozen{layer}",
            f"The {place} BatchNormalization is frozen: it uses its moving averages even in "
            "training. Leave out `trainable`.",
        )


def wrong_widths():
    """(edits, sentence) for convolutions whose numbers of filters are mixed up."""
    for a, b, c in itertools.product(("f1", "f2", "f3"), repeat=3):
        sentence = (
            f"The three convolutions make {a}, {b} and {c} channels; they should make "
            "f1, f2 and f3, in this order."
        )
        changes = f"conv1(1,f1 -> conv1(1,{a}; conv2(k,f2 -> conv2(k,{b}; conv3(1,f3 -> conv3(1,{c}"
        yield changes, sentence
        yield f"{changes}; conv0(1,f3 -> conv0(1,{c}", sentence


def doubly_wrong_lines(line, common_mistakes):
    """The same with two of the known mistakes in each line."""
    pairs = itertools.combinations(common_mistakes.items(), 2)
    for (edits, sentence), (other_edits, other_sentence) in pairs:
        once = edited(line, edits)
        twice = once and edited(once, other_edits)
        if twice not in (None, line, once):
            yield twice, f"Two mistakes. {sentence} {other_sentence}"
