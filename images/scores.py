"""Figures of a trained network's scores: a confusion matrix, accuracy over training images."""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.colors import PowerNorm

from images.plots import BLUE


def draw_confusion(matrix, class_names, most=16):
    """A confusion matrix in shares of each row, (classes, classes) in 0-1: rows are true classes.

    Up to `most` classes have numbers, in percent; of more classes every fifth is named.
    """
    few = len(class_names) <= most
    figure, axes = plt.subplots(figsize=(7, 6) if few else (9.5, 8.5), layout="constrained")
    norm = PowerNorm(1 if few else 0.5, 0, 1)  # a root makes small shares visible
    picture = axes.imshow(matrix, cmap="cividis", norm=norm)
    figure.colorbar(picture, ax=axes, shrink=0.8, label="share of the true class")
    ticks = np.arange(0, len(class_names), 1 if few else 5)
    names = [class_names[tick].replace("_", " ") for tick in ticks]
    size = 10 if few else 8
    axes.set_xticks(ticks, names, rotation=90, fontsize=size)
    axes.set_yticks(ticks, names, fontsize=size)
    axes.set_xlabel("predicted class", fontsize=11)
    axes.set_ylabel("true class", fontsize=11)
    for (row, column), share in np.ndenumerate(matrix) if few else ():
        colour = "black" if share > 0.5 else "white"
        if share:
            axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", color=colour)
    return figure


def draw_images_per_class(table):
    """Validation accuracy over the training images per class, with 95 % intervals.

    table: a DataFrame with the columns per_class, accuracy, low and high.
    """
    table = table.sort_values("per_class")
    figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
    bars = [table["accuracy"] - table["low"], table["high"] - table["accuracy"]]
    axes.errorbar(table["per_class"], table["accuracy"], bars, color=BLUE, marker="o", capsize=3)
    axes.set_xscale("log")
    axes.set_xticks(table["per_class"], table["per_class"].astype(str))
    axes.minorticks_off()
    axes.set(xlabel="training images per class (logarithmic)", ylabel="validation accuracy")
    axes.set_ylim(0, None)
    axes.grid(alpha=0.3)
    sns.despine(ax=axes)
    return figure
