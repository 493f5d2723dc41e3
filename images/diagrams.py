"""Diagrams of networks, drawn from their layers. `make images` draws every file of images/ anew.

The functions return a matplotlib Figure. Coordinates are inches.
"""

import json
import re
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from keras import layers
from matplotlib.patches import Circle, Rectangle
from PIL import Image, ImageDraw, ImageFont, ImageOps

from helpers import resnet
from helpers.files import atomic_write
from images import synthetic
from images.blocks import draw_block, draw_blocks, shape_of  # noqa: F401
from images.gradients import NORMS, draw_depth
from images.objects import box, shade, stop_sign
from images.plots import BLUE, DPI, GREY, ORANGE, PURPLE
from images.shapes import BLACK, DARK_GREY, draw_arrow, draw_box, new_axes, text_style

IMAGES = Path(__file__).parent

# --- the whole network, drawn from its layers

BAR, GAP, LEVEL = 0.08, 0.025, 3.1  # a bar's thickness, between bars, the main path's height
PER_CHANNEL = 2.1 / 2048


def draw_network(model):
    """A ResNet as a chain of bars, one for each layer of the main path, above a table of stages.

    A bar is as tall as its layer has output channels, in proportion. Each shortcut starts where
    its block starts and ends at the block's addition.
    """
    stages = {}
    for name, part in parts_of(model).items():
        stages.setdefault(stage_of(name), []).append(part)
    widths = [max(1.4, sum(map(part_width, parts)) + 0.2) for parts in stages.values()]
    axes = new_axes(1.6 + sum(widths), 5.85)
    centres = 1.55 + np.cumsum(widths) - np.array(widths) / 2
    draw_arrow(axes, [(centres[0], LEVEL), (centres[-1] + 0.65, LEVEL)])
    for centre, parts in zip(centres, stages.values(), strict=True):
        x = centre - sum(map(part_width, parts)) / 2
        for part in parts:
            draw_part(axes, x, part)
            x += part_width(part)
    draw_stage_table(axes, centres, stages)
    draw_legend(axes)
    blocks = sum(is_block(part) for parts in stages.values() for part in parts)
    counted = sum(len(counted_layers(part)) for parts in stages.values() for part in parts)
    title = f"ResNet-{counted}: {blocks} blocks, {counted} layers with weights on the main path, "
    title += f"{model.count_params():,} parameters"
    axes.text(0.25, 5.53, title, **text_style(17, weight="bold", ha="left"))
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


def bar_channels(part):
    """The number of output channels of each layer that a part shows as a bar."""
    return [layer.output.shape[-1] for layer in counted_layers(part) or part[-1:]]


def part_width(part):
    bars = len(bar_channels(part)) * (BAR + GAP)
    return bars + 0.32 if is_block(part) else bars + 0.15


def draw_part(axes, x, part):
    """One block or other part, from x to the right: its bars; of a block also the shortcut."""
    channels = bar_channels(part)
    colour = (ORANGE if has_projection(part) else BLUE) if is_block(part) else GREY
    first = x + 0.07
    for number, count in enumerate(channels):
        height = count * PER_CHANNEL
        corner = (first + number * (BAR + GAP), LEVEL - height / 2)
        axes.add_patch(Rectangle(corner, BAR, height, color=colour, linewidth=0, zorder=2))
    if is_block(part):
        end = first + len(channels) * (BAR + GAP) + 0.1
        top = LEVEL + max(0.22, max(channels) * PER_CHANNEL / 2) + 0.17
        draw_addition(axes, end, LEVEL)
        draw_shortcut(axes, x, end, top, colour, has_projection(part))


def draw_addition(axes, x, y, radius=0.1):
    """A circle with a plus: where a shortcut and a branch are added."""
    style = {"facecolor": "white", "edgecolor": BLACK, "linewidth": 1.2, "zorder": 3}
    axes.add_patch(Circle((x, y), radius, **style))
    axes.text(x, y - 0.01, "+", **text_style(12, weight="bold"), zorder=4)


def draw_shortcut(axes, start, end, top, colour, projected):
    """From the block's input, a dot at (start, LEVEL), over its bars into the addition."""
    axes.plot([start], [LEVEL], "o", color=colour, markersize=4, zorder=3)
    corners = [(start, LEVEL), (start, top), (end, top), (end, LEVEL + 0.1)]
    draw_arrow(axes, corners, colour, head=8)
    if projected:
        draw_projection(axes, (start + end) / 2, top)


def draw_projection(axes, x, y):
    """A box on the shortcut: its 1x1 convolution."""
    style = {"facecolor": "white", "edgecolor": ORANGE, "hatch": "/////", "linewidth": 1.4}
    axes.add_patch(Rectangle((x - 0.12, y - 0.08), 0.24, 0.16, **style, zorder=3))


def draw_stage_table(axes, centres, stages):
    """The table below the bars: each stage's output, filters, counted layers and parameters."""
    rows = {"output": 1.29, "filters": 0.97, "layers counted": 0.65, "parameters": 0.33}
    for row, y in rows.items():
        axes.text(0.25, y, row, **text_style(14, DARK_GREY, ha="left"))
    for x, (stage, parts) in zip(centres, stages.items(), strict=True):
        axes.text(x, 1.64, stage, **text_style(15, weight="bold"))
        cells = [shape_of(parts[-1][-1]), *stage_cells(parts)]
        for y, cell in zip(rows.values(), cells, strict=True):
            axes.text(x, y, cell, **text_style(14))


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
    """What bars, boxes and plus signs mean, in two lines below the title."""
    for x, colour, text in (
        (0.34, ORANGE, "convolutional block"),
        (2.99, BLUE, "identity block"),
        (5.14, GREY, "other layers"),
    ):
        axes.add_patch(Rectangle((x - 0.09, 4.9), BAR, 0.24, color=colour, linewidth=0))
        axes.text(x + 0.14, 5.02, text, **text_style(14, ha="left"))
    draw_addition(axes, 7.19, 5.02)
    axes.text(7.39, 5.02, "addition", **text_style(14, ha="left"))
    draw_projection(axes, 8.84, 5.02)
    axes.text(9.06, 5.02, "projection on the shortcut", **text_style(14, ha="left"))
    note = "Each bar: one layer, as tall as it has output channels"
    axes.text(0.25, 4.59, note, **text_style(14, DARK_GREY, ha="left"))


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


def draw_test_image(size=(400, 300)):
    """A large picture of a stop sign on its post, under a cloudy sky; size: (width, height)."""
    rng = np.random.default_rng(3)
    width, height = (synthetic.OVERSAMPLING * side for side in size)
    picture = synthetic.mix((120, 165, 215), (225, 235, 245), synthetic.value_noise((6, 8), rng))
    picture = picture.resize((width, height), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(picture)
    bushes = rng.uniform((0, 0.80), (1, 1.05), (90, 2)) * (width, height)
    for x, y in bushes[bushes[:, 1].argsort()]:
        pen.ellipse(box(x, y, 60), shade(rng, (52, 96, 44), 18))
    pen.rectangle((width / 2 - 12, height / 2, width / 2 + 12, height), (128, 130, 132))
    sign = stop_sign(np.random.default_rng(0), post=False).resize((500, 500))
    picture.paste(sign, (width // 2 - 250, height // 2 - 290), sign)
    return picture.reduce(synthetic.OVERSAMPLING)


FIGURES = {
    "skip_connection.png": draw_skip_connection,
    "identity_block.png": lambda: draw_block(
        example_block(resnet.identity_block, (64, 64, 256)),
    ),
    "convolutional_block.png": lambda: draw_block(
        example_block(resnet.convolutional_block, (128, 128, 512)),
    ),
    "resnet50.png": lambda: draw_network(resnet.ResNet50()),
    "vanishing_gradient.png": lambda: draw_depth(pd.read_csv(NORMS)),
}
JPEGS = {"sample.jpg": synthetic_sheet, "test.jpg": draw_test_image}


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
    metadata = {"Software": None, "Content": json.dumps(content(figure))}
    how = dict(dpi=DPI, facecolor="white", metadata=metadata)
    atomic_write(path, lambda part: figure.savefig(part, **how))
    plt.close(figure)


def draw_all(folder=IMAGES):
    """Draws every file of images/ anew."""
    Path(folder).mkdir(exist_ok=True)
    for name, draw in FIGURES.items():
        save(draw(), Path(folder) / name)
    for name, draw in JPEGS.items():
        draw().save(Path(folder) / name, quality=90)


if __name__ == "__main__":
    draw_all()
