"""Diagrams of blocks, drawn from their layers and read from top to bottom. Units are inches.

Each layer is a box, as wide as the number of its channels. The branch is on the left, the shortcut
on the right, as in Figure 5 of the paper.
"""

import itertools

import keras
from keras import layers

from images.plots import BLUE, GREEN, GREY, ORANGE, PURPLE
from images.shapes import DARK_GREY, draw_arrow, draw_box, new_axes, text_style

PITCH, HEIGHT = 0.58, 0.38  # from one box to the next below it; a box
LABELS, GAP, NOTE = 1.35, 0.4, 1.2  # text left of the branch; between the paths; text on the right
TITLE = 4.1  # room for a block's title
SHORTCUT = PURPLE  # the colour of Add, where the shortcut ends


def draw_block(model, widest=3.2):
    """A small keras.Model with at most one shortcut, such as one block. widest: its widest box."""
    return draw_blocks({model.name.replace("_", " ").capitalize(): model}, widest)


def draw_blocks(models, widest=1.4):
    """Blocks side by side, {title: keras.Model, ...}; their boxes have one scale."""
    paths = [paths_of(model) for model in models.values()]
    scale = widest / max(channels(layer) for branch, _ in paths for layer in branch)
    rows = max(len(branch) for branch, _ in paths)
    right_ends = [0.1]
    for branch, shortcut in paths:
        widths = [LABELS, scale * max(map(channels, branch)), GAP, shortcut_width(shortcut, scale)]
        right_ends.append(right_ends[-1] + max(sum(widths) + 0.3, TITLE))
    axes = new_axes(max(right_ends[-1], 7.6), PITCH * rows + 1.25)
    for left, (title, model), (branch, shortcut) in zip(
        right_ends, models.items(), paths, strict=False
    ):
        draw_title(axes, left + 0.15, title, model)
        draw_paths(axes, left, branch, shortcut, scale)
    drawn = [layer for model in models.values() for layer in model.layers]
    axes.text(0.25, 0.2, note(drawn), **text_style(10, DARK_GREY, ha="left"))
    return axes.figure


def note(drawn):
    """What a caption means, by the example of a drawn convolution: one with a stride, if any is."""
    convolutions = [layer for layer in drawn if isinstance(layer, layers.Conv2D)]
    if not convolutions:
        return "A box's width: its channels."
    example = max(convolutions, key=lambda layer: layer.strides[0])
    meaning = f"a convolution with {example.filters} filters"
    if example.strides[0] > 1:
        meaning += f" and stride {example.strides[0]}"
    return f"{caption(example)}: {meaning}. A box's width: its channels."


def paths_of(model):
    """(branch, shortcut) of a model, from input to output.

    branch: the layers on the longest path. shortcut: None, or (start, layers, end), where start
    and end are layers of the branch.
    """
    sources, maker = {}, {}
    for layer in model.operations:  # the layers, and sums such as x + y, which are no layers
        inputs = layer.input if isinstance(layer.input, list) else [layer.input]
        sources[layer] = [maker[id(tensor)] for tensor in inputs if id(tensor) in maker]
        maker[id(layer.output)] = layer
    length = {}
    for layer, before in sources.items():
        length[layer] = 1 + max((length[source] for source in before), default=0)
    branch = [layer]
    while sources[branch[0]]:
        branch.insert(0, max(sources[branch[0]], key=length.get))
    for before, end in itertools.pairwise(branch):
        for start in sources[end]:
            if start is not before:
                beside = []
                while start not in branch:
                    beside.insert(0, start)
                    (start,) = sources[start]
                return branch, (start, beside, end)
    return branch, None


def channels(layer):
    return layer.output.shape[-1]


def shortcut_width(shortcut, scale):
    """The room that a shortcut needs on the right of the branch."""
    if shortcut is None:
        return 0
    half = scale * max(map(channels, shortcut[1]), default=0) / 2
    return half + max(half, NOTE)


def draw_title(axes, left, title, model):
    sizes = f"{shape_of(model.layers[0])} → {shape_of(model)}"
    top = axes.get_ylim()[1]
    axes.text(left, top - 0.28, title, **text_style(13, weight="bold", ha="left"))
    text = f"{sizes}, {model.count_params():,} parameters"
    axes.text(left, top - 0.54, text, **text_style(10, DARK_GREY, ha="left"))


def draw_paths(axes, left, branch, shortcut, scale):
    """The branch's boxes in a column with their texts on the left; the shortcut beside it."""
    width = scale * max(map(channels, branch))
    middle = left + LABELS + width / 2
    rows = {layer: axes.get_ylim()[1] - 1.05 - PITCH * row for row, layer in enumerate(branch)}
    for layer, y in rows.items():
        draw_layer(axes, middle, y, layer, scale)
        with_shape = isinstance(layer, (keras.layers.InputLayer, layers.Conv2D)) or is_add(layer)
        draw_label(axes, middle - width / 2 - 0.1, y, layer, with_shape)
    ys = list(rows.values())
    for above, below in itertools.pairwise(ys):
        draw_arrow(axes, [(middle, above - HEIGHT / 2), (middle, below + HEIGHT / 2)], head=8)
    if shortcut:
        start, beside, end = shortcut
        half = scale * max(map(channels, beside), default=0) / 2
        ends = [(middle + scale * channels(layer) / 2, rows[layer]) for layer in (start, end)]
        draw_shortcut(axes, left + LABELS + width + GAP + half, ends, beside, scale)


def draw_shortcut(axes, x, ends, beside, scale):
    """A line from the first of `ends` to the second, through the layers beside the branch at x."""
    (x0, top), (x1, bottom) = ends
    first = (top + bottom) / 2 + PITCH * (len(beside) - 1) / 2
    points = [(x0, top), (x, top)]
    for number, layer in enumerate(beside):
        y = first - PITCH * number
        draw_arrow(axes, [*points, (x, y + HEIGHT / 2)], SHORTCUT, head=8)
        draw_layer(axes, x, y, layer, scale)
        axes.text(x, y, caption(layer), **text_style(10))
        points = [(x, y - HEIGHT / 2)]
    draw_arrow(axes, [*points, (x, bottom), (x1, bottom)], SHORTCUT)
    text = "shortcut:\na projection" if beside else "shortcut:\nx itself"
    axes.text(x + 0.12, top - 0.6, text, **text_style(10, weight="bold", ha="left"))


def draw_layer(axes, x, y, layer, scale):
    draw_box(axes, x, y, scale * channels(layer), HEIGHT, colour_of(layer))
    if is_add(layer):
        axes.text(x, y, "+", **text_style(13, weight="bold"))


def draw_label(axes, x, y, layer, with_shape):
    """What a layer is, and below it the shape of its output, right-aligned at x."""
    axes.text(x, y + 0.09 * with_shape, caption(layer), **text_style(10, ha="right"))
    if with_shape:
        axes.text(x, y - 0.11, shape_of(layer), **text_style(9, DARK_GREY, ha="right"))


def caption(layer):
    """A layer in a few signs: "3 × 3, 64, /2" is a convolution with 64 filters and stride 2."""
    if isinstance(layer, layers.Conv2D):
        stride = f", /{layer.strides[0]}" if layer.strides[0] > 1 else ""
        return f"{' × '.join(map(str, layer.kernel_size))}, {layer.filters}{stride}"
    name = type(layer).__name__
    if isinstance(layer, layers.Activation):
        name = layer.activation.__name__
    names = {"InputLayer": "input x", "BatchNormalization": "BatchNorm"}
    return names.get(name, "ReLU" if name.lower() == "relu" else name)


def is_add(layer):
    return type(layer).__name__ == "Add"


def colour_of(layer):
    if isinstance(layer, layers.Conv2D):
        return BLUE
    return {"BatchNorm": GREEN, "ReLU": ORANGE, "Add": PURPLE}.get(caption(layer), GREY)


def shape_of(layer):
    """The shape of a layer's output as text, "4 × 4 × 256"."""
    return " × ".join(str(side) for side in layer.output.shape[1:])
