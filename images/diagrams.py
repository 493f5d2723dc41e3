"""Diagrams of networks, drawn from their layers. `make images` draws every file of images/ anew.

The functions return a matplotlib Figure. Coordinates are inches.
"""

import json
import re
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import layers
from PIL import Image, ImageDraw, ImageFont, ImageOps

from helpers import resnet, synthetic
from helpers.plots import BLUE, DPI, GREEN, GREY, ORANGE, PURPLE
from images.gradients import draw_depth, measured_norms
from images.shapes import BLACK, DARK_GREY, draw_arrow, draw_box, new_axes, text_style

IMAGES = Path(__file__).parent

# --- a block, drawn from its layers


def draw_block(model):
    """A small keras.Model, such as one block, as a diagram that is read from left to right.

    Layers in sequence share a column; each convolution and each addition begins a new one. Below
    a column stands its output's shape, height x width x channels.
    """
    columns, sources = columns_of(model)
    depth, on_shortcut = arrange(sources)
    axes = new_axes(max(7.5, 2.05 * max(depth) + 2.1), 5.0 if on_shortcut else 3.7)
    centres = []
    for number, column in enumerate(columns):
        x, y = 1.05 + 2.05 * depth[number], 3.32 if number in on_shortcut else 1.4
        draw_column(axes, x, y, column)
        axes.text(x, y - 0.82 if y > 2 else 0.3, shape_of(column[-1]), **text_style(10, DARK_GREY))
        centres.append((x, y))
    for end, starts in enumerate(sources):
        for start in starts:
            connect(axes, centres[start], centres[end], columns[start], columns[end])
    name = model.name.replace("_", " ").capitalize()
    title = f"{name}: {shape_of(model)}, {model.count_params():,} parameters"
    top = axes.get_ylim()[1]
    axes.text(0.28, top - 0.28, title, **text_style(13, weight="bold", ha="left"))
    note = "Below each column: its output, height × width × channels."
    axes.text(0.28, top - 0.56, note, **text_style(10, DARK_GREY, ha="left"))
    return axes.figure


def columns_of(model):
    """A model's layers in columns, [[layer, ...], ...], and for each column the numbers of those
    whose outputs it takes, [[number, ...], ...]."""
    columns, sources, column_of = [], [], {}
    for layer in model.operations:  # the layers, and sums such as x + y, which are no layers
        inputs = layer.input if isinstance(layer.input, list) else [layer.input]
        origins = [column_of[id(tensor)] for tensor in inputs if id(tensor) in column_of]
        in_sequence = len(origins) == 1 and columns[origins[0]][-1].output is inputs[0]
        if in_sequence and sources[origins[0]] and not isinstance(layer, layers.Conv2D):
            number = origins[0]
            columns[number].append(layer)
        else:
            number = len(columns)
            columns.append([layer])
            sources.append(origins)
        column_of[id(layer.output)] = number
    return columns, sources


def arrange(sources):
    """Each column's distance from the input, in columns, and the set of those on a shortcut.

    The longest path is the main path; a column beside it stands midway between where its path
    leaves the main one and where it arrives.
    """
    depth = []
    for starts in sources:
        depth.append(1 + max((depth[start] for start in starts), default=-1))
    main_path = [len(sources) - 1]
    while sources[main_path[-1]]:
        main_path.append(max(sources[main_path[-1]], key=lambda start: depth[start]))
    on_shortcut = set(range(len(sources))) - set(main_path)
    for column in on_shortcut:
        arrival = next(number for number, starts in enumerate(sources) if column in starts)
        depth[column] = (depth[sources[column][0]] + depth[arrival]) / 2
    return depth, on_shortcut


def draw_column(axes, x, y, column):
    """The layers of a column as a stack of boxes, centred on (x, y)."""
    top = y + height_of(column) / 2
    for layer in column:
        height = height_of([layer])
        draw_box(axes, x, top - height / 2, 1.52, height, colour_of(layer))
        name, *rest = caption(layer)
        first_line = top - height / 2 + 0.105 * len(rest)
        axes.text(x, first_line, name, **text_style(10, weight="bold"))
        for number, line in enumerate(rest, start=1):
            axes.text(x, first_line - 0.21 * number, line, **text_style(10))
        top -= height


def height_of(column):
    return sum(0.2 + 0.21 * len(caption(layer)) for layer in column)


def caption(layer):
    """The lines of text in a layer's box: its kind, and a convolution's sizes."""
    if isinstance(layer, layers.Conv2D):
        size = " × ".join(str(side) for side in layer.kernel_size)
        return ["Conv2D", f"{size}, {layer.filters} filters", f"stride {layer.strides[0]}"]
    name = type(layer).__name__
    if isinstance(layer, layers.Activation):
        name = layer.activation.__name__
    names = {"InputLayer": "Input x", "Add": "Add  +", "BatchNormalization": "BatchNorm"}
    return [names.get(name, "ReLU" if name.lower() == "relu" else name)]


def colour_of(layer):
    colours = {"Conv2D": BLUE, "BatchNorm": GREEN, "ReLU": ORANGE, "Add  +": PURPLE}
    return colours.get(caption(layer)[0], GREY)


def shape_of(thing):
    """A layer's output shape as text, "4 × 4 × 256"; of a model, its input's and its output's."""
    shape = " × ".join(str(side) for side in thing.output.shape[1:])
    if isinstance(thing, keras.Model):
        return f"{shape_of(thing.layers[0])} → {shape}"
    return shape


def connect(axes, start, end, source, target):
    """An arrow between two columns; a shortcut leaves at the top and arrives from above.

    start, end: the columns' centres (x, y); source, target: their layers.
    """
    (x0, y0), (x1, y1) = start, end
    top_of_source, top_of_target = y0 + height_of(source) / 2, y1 + height_of(target) / 2
    if y0 == y1 and x1 - x0 < 3:
        draw_arrow(axes, [(x0 + 0.76, y0), (x1 - 0.76, y1)])
    elif y1 > y0:
        draw_arrow(axes, [(x0, top_of_source), (x0, y1), (x1 - 0.76, y1)], ORANGE)
    elif y1 < y0:
        draw_arrow(axes, [(x0 + 0.76, y0), (x1, y0), (x1, top_of_target)], ORANGE)
        axes.text(x0, y0 + 0.72, "shortcut: a projection of x", **text_style(10, weight="bold"))
    else:
        draw_arrow(axes, [(x0, top_of_source), (x0, 2.6), (x1, 2.6), (x1, top_of_target)], ORANGE)
        middle = (x0 + x1) / 2
        axes.text(middle, 2.78, "shortcut: x itself", **text_style(10, weight="bold"))


# --- the whole network, drawn from its layers


def draw_network(model):
    """A ResNet as a row of slabs, one for each block, above a table of its stages."""
    stages = {}
    for name, part in parts_of(model).items():
        stages.setdefault(stage_of(name), []).append(part)
    widths = [max(1.25, 0.42 * len(parts)) + 0.3 for parts in stages.values()]
    axes = new_axes(1.3 + sum(widths), 5.2)
    centres = 1.25 + np.cumsum(widths) - np.array(widths) / 2
    draw_arrow(axes, [(centres[0], 3.0), (1.25 + sum(widths) - 0.2, 3.0)])
    for x, parts in zip(centres, stages.values(), strict=True):
        for number, part in enumerate(parts):
            draw_slab(axes, x + 0.42 * (number - (len(parts) - 1) / 2), part)
    draw_stage_table(axes, centres, stages)
    draw_legend(axes)
    blocks = sum(is_block(part) for parts in stages.values() for part in parts)
    counted = sum(len(counted_layers(part)) for parts in stages.values() for part in parts)
    title = f"ResNet-{counted}: {blocks} blocks, {counted} layers with weights on the main path, "
    title += f"{model.count_params():,} parameters"
    axes.text(0.25, 4.88, title, **text_style(14, weight="bold", ha="left"))
    return axes.figure


def parts_of(model):
    """The model's layers by block, {"conv2_block1": [layer, ...], ...}, without the scaling."""
    parts = {}
    for layer in model.layers:
        if layer.name != "scaling":
            name = re.match(r"conv\d_block\d+|conv1|pool1|.*", layer.name).group()
            parts.setdefault(name, []).append(layer)
    return parts


def stage_of(part):
    names = {"image": "input", "conv1": "stem", "pool1": "stem"}
    return names.get(part, part.split("_block")[0] if "_block" in part else "head")


def is_block(part):
    return any(isinstance(layer, layers.Add) for layer in part)


def has_projection(part):
    return any(layer.name.endswith("_0_conv") for layer in part)


def counted_layers(part):
    """The convolutions and dense layers on the main path: those that the "50" counts."""
    weighted = [layer for layer in part if isinstance(layer, layers.Conv2D | layers.Dense)]
    return [layer for layer in weighted if not layer.name.endswith("_0_conv")]


def draw_slab(axes, x, part):
    """One block or other part as a slab: the larger its output, the taller. Shortcuts are above."""
    side = part[-1].output.shape[1] if len(part[-1].output.shape) == 4 else 1
    height = 0.3 + 0.25 * np.sqrt(side)
    if has_projection(part):
        colour, hatch = ORANGE, "////"
    else:
        colour, hatch = BLUE if is_block(part) else GREY, ""
    draw_box(axes, x, 3.0, 0.28, height, colour, hatch)
    if is_block(part):
        top = 3.0 + height / 2
        left, right, above = x - 0.15, x + 0.13, top + 0.2
        shortcut = [(left, top + 0.02), (left, above), (right, above), (right, top - 0.02)]
        draw_arrow(axes, shortcut, colour, head=7)


def draw_stage_table(axes, centres, stages):
    """The table below the slabs: each stage's output, filters, counted layers and parameters."""
    rows = {"output": 1.22, "filters": 0.93, "layers counted": 0.64, "parameters": 0.35}
    for row, y in rows.items():
        axes.text(0.25, y, row, **text_style(11, DARK_GREY, ha="left"))
    for x, (stage, parts) in zip(centres, stages.items(), strict=True):
        axes.text(x, 1.54, stage, **text_style(12, weight="bold"))
        cells = [shape_of(parts[-1][-1]), *stage_cells(parts)]
        for y, cell in zip(rows.values(), cells, strict=True):
            axes.text(x, y, cell, **text_style(11))


def stage_cells(parts):
    """Filters of one block, counted layers and parameters of a stage, as text."""
    counted = [counted_layers(part) for part in parts]
    total = sum(len(part) for part in counted)
    if total == 0:
        return ["", "", ""]
    filters = ", ".join(str(layer.filters) for layer in counted[0] if hasattr(layer, "filters"))
    blocks = f"{len(parts)} × {len(counted[0])} = {total}" if is_block(parts[0]) else str(total)
    weights = sum(layer.count_params() for part in parts for layer in part)
    return [filters, blocks, f"{weights:,}"]


def draw_legend(axes):
    for x, colour, hatch, text in (
        (2.9, ORANGE, "////", "convolutional block: the shortcut is projected"),
        (7.6, BLUE, "", "identity block: the shortcut is x itself"),
        (11.8, GREY, "", "other layers"),
    ):
        draw_box(axes, x, 4.47, 0.28, 0.22, colour, hatch)
        axes.text(x + 0.24, 4.47, text, **text_style(11, ha="left"))


# --- the idea


def draw_skip_connection():
    """Two layers without a skip connection, and the same two with one."""
    axes = new_axes(10.7, 5.0)
    plain = "Plain: the layers have to make all of the output."
    residual = "Residual: the layers make only what is to be added to x."
    for y, text in ((4.68, plain), (2.76, residual)):
        axes.text(0.28, y, text, **text_style(13, weight="bold", ha="left"))
    draw_row(axes, 4.02, "y = ReLU(F(x))")
    draw_row(axes, 1.4, "y = ReLU(F(x) + x)")
    draw_box(axes, 6.75, 1.4, 0.5, 0.5, PURPLE)
    axes.text(6.75, 1.4, "+", **text_style(16, weight="bold"))
    draw_arrow(axes, [(0.95, 1.4), (0.95, 2.15), (6.75, 2.15), (6.75, 1.67)], ORANGE)
    axes.text(3.85, 2.32, "skip connection: x itself", **text_style(11, weight="bold"))
    note = "The derivative of F(x) + x is dF/dx + I: the gradient always has a way back past F."
    axes.text(0.28, 0.26, note, **text_style(11, DARK_GREY, ha="left"))
    return axes.figure


def draw_row(axes, y, result):
    """x, two layers that make F(x), a ReLU and the result, from left to right."""
    draw_arrow(axes, [(0.75, y), (8.6, y)])
    axes.text(0.5, y, "x", **text_style(15, weight="bold"))
    for x, width, text, colour in (
        (2.05, 1.4, "weight layer", BLUE),
        (3.65, 0.9, "ReLU", ORANGE),
        (5.25, 1.4, "weight layer", BLUE),
        (7.7, 0.9, "ReLU", ORANGE),
    ):
        draw_box(axes, x, y, width, 0.6, colour)
        axes.text(x, y, text, **text_style(11))
    axes.plot([1.35, 1.35, 5.95, 5.95], [y - 0.4, y - 0.47, y - 0.47, y - 0.4], color=DARK_GREY)
    axes.text(3.65, y - 0.64, "F(x)", **text_style(12, DARK_GREY))
    axes.text(8.75, y, result, **text_style(12, ha="left"))


# --- the folder images/


def example_block(block, filters):
    """A block as a model of its own, for an input of 16 x 16 pixels and 256 channels."""
    x = keras.Input((16, 16, 256), name="x")
    return keras.Model(x, block(x, filters), name=block.__name__)


def synthetic_sheet(rows=4, side=216):
    """The first synthetic pictures of each category, one category a column."""
    names = synthetic.CATEGORIES
    sheet = Image.new("RGB", (len(names) * (side + 8), rows * (side + 8) + 36), "white")
    font = ImageFont.load_default(size=24)
    for column, name in enumerate(names):
        x = column * (side + 8) + 4
        centre = (x + side / 2, 20)
        ImageDraw.Draw(sheet).text(centre, name.replace("_", " "), BLACK, font, anchor="mm")
        for row in range(rows):
            picture = ImageOps.fit(synthetic.draw_picture(name, row + 1), (side, side))
            sheet.paste(picture, (x, 40 + row * (side + 8)))
    return sheet


FIGURES = {
    "skip_connection.png": draw_skip_connection,
    "identity_block.png": lambda: draw_block(
        example_block(resnet.identity_block, (64, 64, 256)),
    ),
    "convolutional_block.png": lambda: draw_block(
        example_block(resnet.convolutional_block, (128, 128, 512)),
    ),
    "resnet50.png": lambda: draw_network(resnet.ResNet50()),
    "vanishing_gradient.png": lambda: draw_depth(measured_norms()),
}
JPEGS = {"sample.jpg": synthetic_sheet, "test.jpg": synthetic.draw_test_image}


def content(figure):
    """What a figure says, apart from how it is rendered: its texts and the points of its lines.

    The bytes of a PNG change with the versions of matplotlib and FreeType; this does not. It is
    stored in the file, so that a test can tell whether the file is still what would be drawn.
    """
    texts = [text for axes in figure.axes for text in (axes.title, *axes.texts)]
    lines = [line for axes in figure.axes for line in axes.lines if len(line.get_xdata())]
    return {
        "texts": [text.get_text() for text in texts],
        "places": [[round(float(p), 3) for p in text.get_position()] for text in texts],
        "lines": [line.get_xydata().astype(float).tolist() for line in lines],
    }


def save(figure, path):
    """Writes a figure and its content to a PNG: all of the file or none of it."""
    part = path.with_name("part-" + path.name)
    metadata = {"Software": None, "Content": json.dumps(content(figure))}
    figure.savefig(part, dpi=DPI, facecolor="white", metadata=metadata)
    plt.close(figure)
    part.replace(path)


def draw_all(folder=IMAGES):
    """Draws every file of images/ anew."""
    Path(folder).mkdir(exist_ok=True)
    for name, draw in FIGURES.items():
        save(draw(), Path(folder) / name)
    for name, draw in JPEGS.items():
        draw().save(Path(folder) / name, quality=90)


if __name__ == "__main__":
    draw_all()
