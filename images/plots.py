"""The plots of the notebooks. Each function returns a matplotlib Figure; `show` displays it."""

import base64
import html
import io
import math

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from IPython.display import display

BLUE, ORANGE, GREEN, _, PURPLE, _, _, GREY, *_ = sns.color_palette("colorblind")
LIGHT_BLUE = tuple(1 - 0.6 * (1 - value) for value in BLUE)  # mixed with white
DPI = 160
TITLE = {"fontsize": 13, "weight": "bold", "loc": "left"}
TRANSPARENT_GIF = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="


def show(figure, alt):
    """Displays a figure in a notebook; `alt` describes it for those who cannot see it.

    nbconvert takes the description from the metadata, and it is the output's plain text.
    JupyterLab reads neither to a screen reader, so an image of one transparent pixel comes first
    and carries it too. The figure is closed: it must not appear a second time.
    """
    png = io.BytesIO()
    figure.savefig(png, dpi=DPI, facecolor="white")
    plt.close(figure)
    pixel = f'<img alt="{html.escape(alt)}" src="{TRANSPARENT_GIF}" style="display:block">'
    display({"text/html": pixel}, raw=True)
    data = {"image/png": base64.b64encode(png.getvalue()).decode(), "text/plain": alt}
    width = round(80 * figure.get_figwidth())
    display(data, metadata={"image/png": {"alt": alt, "width": width}}, raw=True)


def plot_history(history):
    """Loss and accuracy of training and validation after each epoch.

    history: a DataFrame, one row per epoch; of its columns loss, val_loss, accuracy and
    val_accuracy, as Keras names them, those that exist are plotted.
    """
    figure, panels = plt.subplots(1, 2, figsize=(10.4, 3.9), layout="constrained")
    epochs = np.arange(1, len(history) + 1)
    for axes, metric in zip(panels, ("loss", "accuracy"), strict=True):
        curves = {metric: ("training", "--", ORANGE), f"val_{metric}": ("validation", "-", BLUE)}
        for column, (label, line, colour) in curves.items():
            if column in history:
                axes.plot(epochs, history[column], line, color=colour, label=label, linewidth=2)
        axes.set_title(metric.capitalize(), **TITLE)
        axes.set_xlabel("epoch", fontsize=11)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize=11)
        sns.despine(ax=axes)
    panels[1].set_ylim(0, 1)
    return figure


def plot_per_class(accuracy, ends=12):
    """Accuracy per class as bars, best first; of many classes, only the best and worst `ends`.

    accuracy: {class name: accuracy in 0-1}, a dict or a pandas.Series.
    """
    accuracy = pd.Series(accuracy).sort_values(ascending=False)
    accuracy.index = accuracy.index.str.replace("_", " ")
    parts, width = {"All classes": accuracy}, 7
    if len(accuracy) > 2 * ends:
        best, worst = accuracy.head(ends), accuracy.tail(ends)
        parts, width = {f"The {ends} best classes": best, f"The {ends} worst classes": worst}, 10.4
    size = (width, 1.2 + 0.29 * max(len(part) for part in parts.values()))
    figure, panels = plt.subplots(1, len(parts), figsize=size, layout="constrained", squeeze=False)
    for axes, (title, part) in zip(panels[0], parts.items(), strict=True):
        sns.barplot(x=part.values, y=part.index, color=LIGHT_BLUE, ax=axes)
        axes.axvline(accuracy.mean(), color=ORANGE, linestyle="--", linewidth=2)
        axes.set_title(title, **TITLE)
        axes.set(xlim=(0, 1), ylabel="")
        axes.set_xlabel(f"accuracy (dashed: mean of all classes, {accuracy.mean():.2f})")
        sns.despine(ax=axes)
    return figure


def show_images(images, titles=None, columns=8):
    """A grid of images: arrays (h, w, 3) in 0-255, or (h, w) of any range, drawn in viridis."""
    columns = min(columns, len(images))
    rows = math.ceil(len(images) / columns)
    size = (1.3 * columns, rows * (1.3 if titles is None else 1.55))
    figure, panels = plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False)
    for axes in panels.flat:
        axes.axis("off")
    for number, (image, axes) in enumerate(zip(images, panels.flat, strict=False)):
        image = np.asarray(image)
        axes.imshow(image.astype("uint8") if image.ndim == 3 else image, cmap="viridis")
        if titles is not None:
            axes.set_title(str(titles[number]).replace("_", " "), fontsize=10)
    return figure
