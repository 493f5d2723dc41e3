"""The figures. `python -m helpers.pictures` draws those in images/ anew.

The functions return a matplotlib Figure. Diagrams of a network are drawn from its layers, and
their coordinates are inches.
"""

import base64
import html
import io
import json
import re
from itertools import product
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from IPython.display import display
from keras import layers
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path as Route
from PIL import Image, ImageDraw, ImageFont, ImageOps

from helpers import measure, resnet, synthetic

IMAGES = Path(__file__).parent.parent / "images"
BLUE, ORANGE, GREEN, _, PURPLE, _, _, GREY, *_ = sns.color_palette("colorblind")
INK, FAINT = "#1a1a1a", "#5a5a5a"
DPI = 160
# A GIF of one transparent pixel.
NOTHING = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="


def show(figure, alt):
    """Displays a figure in a notebook, with `alt` as the text for those who cannot see it.

    The text goes into the picture's metadata, where nbconvert looks for it, and is the output's
    plain-text form. JupyterLab looks at neither, so an empty picture of one pixel goes before it
    and carries the text to screen readers. The figure is closed: it shall not appear twice.
    """
    picture = io.BytesIO()
    figure.savefig(picture, dpi=DPI, facecolor="white")
    plt.close(figure)
    data = {"image/png": base64.b64encode(picture.getvalue()).decode(), "text/plain": alt}
    width = round(80 * figure.get_figwidth())
    told = f'<img alt="{html.escape(alt)}" src="{NOTHING}" style="display:block">'
    display({"text/html": told}, raw=True)
    display(data, metadata={"image/png": {"alt": alt, "width": width}}, raw=True)


# --- a block, drawn from its layers


def draw_block(model):
    """A small keras.Model, such as one block, as a diagram that is read from left to right.

    Layers that only pass one result on share a column; each convolution and each addition
    begins a new one. Below a column: its output's shape, height x width x channels.
    """
    columns, feeds = columns_of(model)
    depth, beside = arrange(feeds)
    axes = canvas(max(7.5, 2.05 * max(depth) + 2.1), 5.0 if beside else 3.7)
    places = [(1.05 + 2.05 * depth[n], 3.32 if n in beside else 1.4) for n in range(len(feeds))]
    for (x, y), column in zip(places, columns, strict=True):
        draw_column(axes, x, y, column)
        axes.text(x, y - 0.82 if y > 2 else 0.3, shape_of(column[-1]), **style(10, FAINT))
    for target, sources in enumerate(feeds):
        for source in sources:
            link(axes, places[source], places[target], columns[source], columns[target])
    name = model.name.replace("_", " ").capitalize()
    title = f"{name}: {shape_of(model)}, {model.count_params():,} parameters"
    top = axes.get_ylim()[1]
    axes.text(0.28, top - 0.28, title, **style(13, weight="bold", ha="left"))
    note = "Below each column: its output, height × width × channels."
    axes.text(0.28, top - 0.56, note, **style(10, FAINT, ha="left"))
    return axes.figure


def columns_of(model):
    """Groups a model's layers into columns: [[layer, ...], ...], and for each the columns that
    feed it: [[column number, ...], ...]."""
    columns, feeds, made_by = [], [], {}
    for layer in model.operations:  # the layers, and sums such as x + y that are no layer
        inputs = layer.input if isinstance(layer.input, list) else [layer.input]
        sources = [made_by[id(tensor)] for tensor in inputs if id(tensor) in made_by]
        goes_on = len(sources) == 1 and columns[sources[0]][-1].output is inputs[0]
        if goes_on and feeds[sources[0]] and not isinstance(layer, layers.Conv2D):
            number = sources[0]
            columns[number].append(layer)
        else:
            number = len(columns)
            columns.append([layer])
            feeds.append(sources)
        made_by[id(layer.output)] = number
    return columns, feeds


def arrange(feeds):
    """How far right each column stands, and the set of columns beside the longest path."""
    depth = []
    for sources in feeds:
        depth.append(1 + max((depth[source] for source in sources), default=-1))
    longest = [len(feeds) - 1]
    while feeds[longest[-1]]:
        longest.append(max(feeds[longest[-1]], key=lambda source: depth[source]))
    beside = set(range(len(feeds))) - set(longest)
    for column in beside:  # midway between where its path leaves and where it arrives
        arrival = next(n for n, sources in enumerate(feeds) if column in sources)
        depth[column] = (depth[feeds[column][0]] + depth[arrival]) / 2
    return depth, beside


def draw_column(axes, x, y, column):
    """The layers of a column as boxes on top of one another, centred on (x, y)."""
    top = y + height_of(column) / 2
    for layer in column:
        height = height_of([layer])
        draw_box(axes, x, top - height / 2, 1.52, height, colour_of(layer))
        name, *rest = caption(layer)
        middle = top - height / 2 + 0.105 * len(rest)
        axes.text(x, middle, name, **style(10, weight="bold"))
        for number, line in enumerate(rest, start=1):
            axes.text(x, middle - 0.21 * number, line, **style(10))
        top -= height


def height_of(column):
    return sum(0.2 + 0.21 * len(caption(layer)) for layer in column)


def caption(layer):
    """The lines of text that say what a layer is and does."""
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
    """The output shape of a layer, or what a model makes of what: "8 × 8 × 64 → 4 × 4 × 256"."""
    if isinstance(thing, keras.Model):
        ends = shape_of(thing.layers[0]), " × ".join(str(side) for side in thing.output.shape[1:])
        return " → ".join(ends)
    return " × ".join(str(side) for side in thing.output.shape[1:])


def link(axes, start, end, source, target):
    """An arrow from column to column; a shortcut leaves at the top and arrives from above."""
    (x0, y0), (x1, y1) = start, end
    leaves_top, arrives_top = y0 + height_of(source) / 2, y1 + height_of(target) / 2
    if y0 == y1 and x1 - x0 < 3:
        draw_arrow(axes, [(x0 + 0.76, y0), (x1 - 0.76, y1)])
    elif y1 > y0:
        draw_arrow(axes, [(x0, leaves_top), (x0, y1), (x1 - 0.76, y1)], ORANGE)
    elif y1 < y0:
        draw_arrow(axes, [(x0 + 0.76, y0), (x1, y0), (x1, arrives_top)], ORANGE)
        axes.text(x0, y0 + 0.72, "shortcut: a projection of x", **style(10, weight="bold"))
    else:
        draw_arrow(axes, [(x0, leaves_top), (x0, 2.6), (x1, 2.6), (x1, arrives_top)], ORANGE)
        axes.text((x0 + x1) / 2, 2.78, "shortcut: x itself", **style(10, weight="bold"))


# --- the whole network, drawn from its layers


def draw_network(model):
    """ResNet-50 as a row of slabs, one for each block; what each stage makes stands below."""
    stages = {}
    for name, part in parts_of(model).items():
        stages.setdefault(stage_of(name), []).append(part)
    widths = [max(1.25, 0.42 * len(parts)) + 0.3 for parts in stages.values()]
    axes = canvas(1.3 + sum(widths), 5.2)
    middles = 1.25 + np.cumsum(widths) - np.array(widths) / 2
    draw_arrow(axes, [(middles[0], 3.0), (1.25 + sum(widths) - 0.2, 3.0)])
    for x, parts in zip(middles, stages.values(), strict=True):
        for number, part in enumerate(parts):
            draw_slab(axes, x + 0.42 * (number - (len(parts) - 1) / 2), part)
    draw_stage_table(axes, middles, stages)
    draw_legend(axes)
    blocks = sum(is_block(part) for parts in stages.values() for part in parts)
    counted = sum(len(counted_layers(part)) for parts in stages.values() for part in parts)
    title = f"ResNet-{counted}: {blocks} blocks, {counted} layers with weights on the main path, "
    title += f"{model.count_params():,} parameters"
    axes.text(0.25, 4.88, title, **style(14, weight="bold", ha="left"))
    return axes.figure


def parts_of(model):
    """The model's layers by block: {"conv2_block1": [layer, ...], ...}; without the scaling."""
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


def counted_layers(part):
    """The convolutions and dense layers on the main path: those the "50" counts."""
    weighted = [layer for layer in part if isinstance(layer, layers.Conv2D | layers.Dense)]
    return [layer for layer in weighted if not layer.name.endswith("_0_conv")]


def draw_slab(axes, x, part):
    """One block or other part: the larger its output's height, the higher; the shortcut above."""
    side = part[-1].output.shape[1] if len(part[-1].output.shape) == 4 else 1
    height = 0.3 + 0.25 * np.sqrt(side)
    projects = len([layer for layer in part if isinstance(layer, layers.Conv2D)]) == 4
    colour = (ORANGE if projects else BLUE) if is_block(part) else GREY
    draw_box(axes, x, 3.0, 0.28, height, colour, "////" if projects else "")
    if is_block(part):
        top = 3.0 + height / 2
        route = [(x - 0.15, top + 0.02), (x - 0.15, top + 0.2), (x + 0.13, top + 0.2)]
        draw_arrow(axes, [*route, (x + 0.13, top - 0.02)], colour, head=7)


def draw_stage_table(axes, middles, stages):
    """Below each stage: its output, filters, counted layers and parameters."""
    rows = {"output": 1.22, "filters": 0.93, "layers counted": 0.64, "parameters": 0.35}
    for row, y in rows.items():
        axes.text(0.25, y, row, **style(11, FAINT, ha="left"))
    for x, (stage, parts) in zip(middles, stages.items(), strict=True):
        axes.text(x, 1.54, stage, **style(12, weight="bold"))
        cells = [shape_of(parts[-1][-1]), *stage_cells(parts)]
        for y, cell in zip(rows.values(), cells, strict=True):
            axes.text(x, y, cell, **style(11))


def stage_cells(parts):
    """Filters of one block, counted layers and parameters of a stage, as text."""
    counted = [counted_layers(part) for part in parts]
    filters = ", ".join(str(layer.filters) for layer in counted[0] if hasattr(layer, "filters"))
    total = sum(len(part) for part in counted)
    blocks = f"{len(parts)} × {len(counted[0])} = {total}" if is_block(parts[0]) else str(total)
    weights = sum(layer.count_params() for part in parts for layer in part)
    return [filters, blocks, f"{weights:,}"] if total else ["", "", ""]


def draw_legend(axes):
    for x, colour, hatch, text in (
        (2.9, ORANGE, "////", "convolutional block: the shortcut is projected"),
        (7.6, BLUE, "", "identity block: the shortcut is x itself"),
        (11.8, GREY, "", "other layers"),
    ):
        draw_box(axes, x, 4.47, 0.28, 0.22, colour, hatch)
        axes.text(x + 0.24, 4.47, text, **style(11, ha="left"))


# --- the idea


def draw_skip_connection():
    """Two layers without a skip connection, and the same two with one."""
    axes = canvas(10.7, 5.0)
    plain = "Plain: the layers have to make all of the output."
    residual = "Residual: the layers make only what is to be added to x."
    for y, text in ((4.68, plain), (2.76, residual)):
        axes.text(0.28, y, text, **style(13, weight="bold", ha="left"))
    draw_row(axes, 4.02, "y = ReLU(F(x))")
    draw_row(axes, 1.4, "y = ReLU(F(x) + x)")
    draw_box(axes, 6.75, 1.4, 0.5, 0.5, PURPLE)
    axes.text(6.75, 1.4, "+", **style(16, weight="bold"))
    draw_arrow(axes, [(0.95, 1.4), (0.95, 2.15), (6.75, 2.15), (6.75, 1.67)], ORANGE)
    axes.text(3.85, 2.32, "skip connection: x itself", **style(11, weight="bold"))
    note = "The derivative of F(x) + x is dF/dx + I: the gradient always has a way back past F."
    axes.text(0.28, 0.26, note, **style(11, FAINT, ha="left"))
    return axes.figure


def draw_row(axes, y, result):
    """x, two layers that make F(x), a ReLU and the result, from left to right."""
    draw_arrow(axes, [(0.75, y), (8.6, y)])
    axes.text(0.5, y, "x", **style(15, weight="bold"))
    for x, width, text, colour in (
        (2.05, 1.4, "weight layer", BLUE),
        (3.65, 0.9, "ReLU", ORANGE),
        (5.25, 1.4, "weight layer", BLUE),
        (7.7, 0.9, "ReLU", ORANGE),
    ):
        draw_box(axes, x, y, width, 0.6, colour)
        axes.text(x, y, text, **style(11))
    axes.plot([1.35, 1.35, 5.95, 5.95], [y - 0.4, y - 0.47, y - 0.47, y - 0.4], color=FAINT)
    axes.text(3.65, y - 0.64, "F(x)", **style(12, FAINT))
    axes.text(8.75, y, result, **style(12, ha="left"))


# --- measured figures


def draw_depth(norms):
    """Gradient norms at each block of plain and residual networks, on a logarithmic axis.

    norms: a DataFrame with the columns kind ("plain" or "residual"), batch_norm, depth, layer
    (1 is the first block), seed and norm. Lines: the middle seed; bands: from least to most.
    """
    last = norms.groupby("depth")["layer"].transform("max")
    networks = norms["kind"] + ", " + norms["depth"].astype(str) + " layers"
    norms = norms.assign(place=(norms["layer"] - 1) / (last - 1), network=networks)
    figure, panels = plt.subplots(1, 2, figsize=(10.4, 4.9), sharey=True, layout="constrained")
    titles = {False: "Without batch normalisation", True: "With batch normalisation"}
    for axes, (batch_norm, title) in zip(panels, titles.items(), strict=True):
        draw_norms(axes, norms[norms["batch_norm"] == batch_norm])
        axes.set_title(title, fontsize=13, weight="bold", loc="left")
    handles, labels = panels[0].get_legend_handles_labels()
    for axes in panels:
        axes.get_legend().remove()
    look = {"ncols": 4, "frameon": False, "fontsize": 11, "handlelength": 3.2}
    figure.legend(handles, labels, loc="outside lower center", **look)
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.1)
    return figure


def draw_norms(axes, norms):
    """One panel of draw_depth: the deepest networks solid, plain ones square, residual round."""
    deepest = f"{norms['depth'].max()} layers"
    networks = sorted(norms["network"].unique())
    plain = {name: name.startswith("plain") for name in networks}
    looks = {"hue": "network", "style": "network", "hue_order": networks, "style_order": networks}
    sns.lineplot(
        norms,
        x="place",
        y="norm",
        **looks,
        palette={name: ORANGE if plain[name] else BLUE for name in networks},
        markers={name: "s" if plain[name] else "o" for name in networks},
        dashes={name: "" if name.endswith(deepest) else (3, 2) for name in networks},
        estimator="median",
        errorbar=("pi", 100),
        linewidth=2,
        ax=axes,
    )
    axes.set_yscale("log")
    axes.set_xlabel("place in the network: 0 first block, 1 last block", fontsize=11)
    axes.set_ylabel("norm of the loss's gradient (log scale)", fontsize=11)
    axes.grid(alpha=0.3)
    sns.despine(ax=axes)


def measured_norms(depths=(10, 34), seeds=(0, 1, 2)):
    """The table draw_depth draws: fresh networks, one batch of the drawn sample, about 20 s."""
    names = [(name, number) for name in synthetic.CATEGORIES for number in range(1, 5)]
    images = [synthetic.draw_picture(*name).resize((32, 32)) for name in names]
    images = np.stack([np.asarray(image, "float32") for image in images])
    labels = np.repeat(np.arange(len(synthetic.CATEGORIES)), 4)
    rows = []
    for residual, batch_norm, depth, seed in product((False, True), (False, True), depths, seeds):
        keras.utils.set_random_seed(seed)
        net = measure.small_net(depth, residual, batch_norm)
        norms = measure.gradient_norms(net, images, labels)
        run = {"kind": "residual" if residual else "plain", "batch_norm": batch_norm}
        run |= {"depth": depth, "seed": seed}
        rows += [run | {"layer": layer, "norm": norm} for layer, norm in enumerate(norms, 1)]
    return pd.DataFrame(rows)


def plot_history(history):
    """Loss and accuracy after each epoch, for training and validation.

    history: a DataFrame with a row for each epoch and the columns loss, val_loss, accuracy and
    val_accuracy, as Keras names them; columns that are not there are left out.
    """
    figure, panels = plt.subplots(1, 2, figsize=(10.4, 3.9), layout="constrained")
    epochs = np.arange(1, len(history) + 1)
    for axes, what in zip(panels, ("loss", "accuracy"), strict=True):
        for column, label, look in ((what, "training", "--"), (f"val_{what}", "validation", "-")):
            if column in history:
                colour = ORANGE if look == "--" else BLUE
                axes.plot(epochs, history[column], look, color=colour, label=label, linewidth=2)
        axes.set_title(what.capitalize(), fontsize=13, weight="bold", loc="left")
        axes.set_xlabel("epoch", fontsize=11)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize=11)
        sns.despine(ax=axes)
    panels[1].set_ylim(0, 1)
    return figure


def plot_confusion(matrix, class_names):
    """Which classes are taken for which: each row shows how one class's images were labelled.

    matrix: (classes, classes) counts, rows true, columns predicted, as scikit-learn's
    confusion_matrix gives them. Up to 16 classes the counts are written in.
    """
    few = len(class_names) <= 16
    names = [name.replace("_", " ") for name in class_names]
    names = names if few else [name if n % 4 == 0 else "" for n, name in enumerate(names)]
    side = 1.6 + 0.55 * len(names) if few else 9.5
    figure, axes = plt.subplots(figsize=(side + 1.6, side), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.15, h_pad=0.1)
    sns.heatmap(
        np.array(matrix) / np.maximum(np.sum(matrix, axis=1, keepdims=True), 1),
        annot=np.array(matrix) if few else None,
        fmt="d",
        cmap="cividis",
        vmin=0,
        vmax=1,
        square=True,
        xticklabels=names,
        yticklabels=names,
        cbar_kws={"label": "share of the true class's images", "shrink": 0.8},
        ax=axes,
    )
    axes.tick_params(length=0, labelsize=11 if few else 7)
    plt.setp(axes.get_yticklabels(), rotation=0)
    plt.setp(axes.get_xticklabels(), rotation=45 if few else 90, ha="right" if few else "center")
    axes.set_xlabel("predicted class", fontsize=11)
    axes.set_ylabel("true class", fontsize=11)
    return figure


def plot_per_class(accuracy, ends=12):
    """Accuracy of each class as bars, best first; of many classes the best and worst `ends`.

    accuracy: {class name: accuracy in 0-1}, a dict or a pandas.Series.
    """
    accuracy = pd.Series(accuracy).sort_values(ascending=False)
    if few := len(accuracy) <= 2 * ends:
        parts = {"All classes": accuracy}
    else:
        best, worst = accuracy.head(ends), accuracy.tail(ends)
        parts = {f"The {ends} best classes": best, f"The {ends} worst classes": worst}
    size = (7 if few else 10.4, 1.2 + 0.29 * len(next(iter(parts.values()))))
    figure, panels = plt.subplots(1, len(parts), figsize=size, layout="constrained", squeeze=False)
    for axes, (title, part) in zip(panels[0], parts.items(), strict=True):
        sns.barplot(
            x=part.values, y=part.index.str.replace("_", " "), color=tint(BLUE, 0.6), ax=axes
        )
        axes.axvline(accuracy.mean(), color=ORANGE, linestyle="--", linewidth=2)
        axes.set_title(title, fontsize=13, weight="bold", loc="left")
        axes.set(xlim=(0, 1), ylabel="")
        axes.set_xlabel(f"accuracy (dashed: mean of all classes, {accuracy.mean():.2f})")
        sns.despine(ax=axes)
    return figure


def show_images(images, titles=None, columns=8):
    """A grid of pictures: arrays (h, w, 3) of 0-255, or (h, w) of any range, drawn in viridis."""
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    size = (1.3 * columns, rows * (1.3 if titles is None else 1.55))
    figure, panels = plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False)
    for axes in panels.flat:
        axes.axis("off")
    for number, axes in zip(range(len(images)), panels.flat, strict=False):
        image = np.asarray(images[number])
        axes.imshow(image.astype("uint8") if image.ndim == 3 else image, cmap="viridis")
        if titles is not None:
            axes.set_title(str(titles[number]).replace("_", " "), fontsize=10)
    return figure


# --- the folder images/


def example_block(block, filters):
    """A block as a model of its own, for an input of 16 x 16 pixels and 256 channels."""
    x = keras.Input((16, 16, 256), name="x")
    return keras.Model(x, block(x, filters), name=block.__name__)


def sample_sheet(number=4, side=216):
    """The first pictures of each category of the drawn sample, one category a column."""
    names = synthetic.CATEGORIES
    sheet = Image.new("RGB", (len(names) * (side + 8), number * (side + 8) + 36), "white")
    font = ImageFont.load_default(size=24)
    for column, name in enumerate(names):
        x = column * (side + 8) + 4
        middle = (x + side / 2, 20)
        ImageDraw.Draw(sheet).text(middle, name.replace("_", " "), INK, font, anchor="mm")
        for row in range(number):
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
PHOTOS = {"sample.jpg": sample_sheet, "test.jpg": synthetic.draw_test_image}


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
    """Writes a figure with its content; the file is whole or not there."""
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
    for name, draw in PHOTOS.items():
        draw().save(Path(folder) / name, quality=90)


# --- pens


def canvas(width, height):
    """Empty axes that fill a figure; one unit is one inch."""
    figure = plt.figure(figsize=(width, height))
    axes = figure.add_axes([0, 0, 1, 1], xlim=(0, width), ylim=(0, height))
    axes.axis("off")
    return axes


def style(size, color=INK, weight="normal", ha="center"):
    return {"fontsize": size, "color": color, "weight": weight, "ha": ha, "va": "center"}


def tint(colour, share=0.3):
    """The colour mixed with white; share: how much of the colour is left."""
    return tuple(1 - share * (1 - value) for value in colour[:3])


def draw_box(axes, x, y, width, height, colour, hatch=""):
    """A rounded box with its middle at (x, y), light inside and dark at the edge."""
    shape = FancyBboxPatch(
        (x - width / 2 + 0.05, y - height / 2 + 0.05),
        width - 0.1,
        height - 0.1,
        boxstyle="round,pad=0.03",
        facecolor=tint(colour),
        edgecolor=colour,
        hatch=hatch,
        linewidth=1.4,
    )
    axes.add_patch(shape)


def draw_arrow(axes, points, colour=INK, head=12):
    """An arrow along straight pieces from the first point to the last; head in points."""
    axes.add_patch(
        FancyArrowPatch(
            path=Route(points),
            arrowstyle="-|>",
            mutation_scale=head,
            color=colour,
            linewidth=2,
            joinstyle="round",
            shrinkA=0,
            shrinkB=0,
            fill=False,
        )
    )


if __name__ == "__main__":
    draw_all()
