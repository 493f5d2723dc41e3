"""Reliability diagrams and curves of what a network answers, drawn for notebook 05."""

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import binomtest

from images.plots import BLUE, GREEN, GREY, ORANGE

SERIES = (("o-", BLUE), ("s--", GREEN), ("^:", ORANGE))  # marker and line, so that grey will do


def draw_reliability(panels):
    """Reliability diagrams: {title: {label: table}}.

    A table has the columns images, confidence and accuracy, one row per group; bars are 95 %
    Wilson intervals. Without the column images, there are no bars. All panels have the same labels.
    """
    columns = 3 if len(panels) > 1 else 1  # of the legend: a single panel is narrow
    size = (0.5 + 4.1 * len(panels), 4.7 if columns == 3 else 5.3)
    figure, axes = plt.subplots(1, len(panels), figsize=size, layout="constrained", squeeze=False)
    for panel, (title, tables) in zip(axes[0], panels.items(), strict=True):
        panel.plot([0, 1], [0, 1], color=GREY, linewidth=1.5, label="perfectly calibrated")
        for (style, colour), (label, table) in zip(SERIES, tables.items(), strict=False):
            bars = wilson_bars(table) if "images" in table else None
            panel.errorbar(
                table["confidence"], table["accuracy"], bars, fmt=style, color=colour, label=label
            )
        panel.set_title(title, fontsize=12)
        panel.set(xlabel="mean top probability", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))
        panel.set_aspect("equal")
        panel.grid(alpha=0.3)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, ncols=columns, loc="outside lower center")
    return figure


def wilson_bars(table):
    """How far 95 % Wilson intervals reach below and above each group's accuracy: (2, groups)."""
    bars = []
    for accuracy, count in zip(table["accuracy"], table["images"], strict=True):
        interval = binomtest(round(accuracy * count), int(count)).proportion_ci(method="wilson")
        bars.append((max(accuracy - interval.low, 0), max(interval.high - accuracy, 0)))
    return np.transpose(bars)


def draw_top_probabilities(panels):
    """Histograms of top probabilities: {title: {label: values}}, the first label filled."""
    size = (5.2 * len(panels), 3.2)
    figure, axes = plt.subplots(1, len(panels), figsize=size, layout="constrained")
    for panel, (title, groups) in zip(axes, panels.items(), strict=True):
        shared = {"bins": np.linspace(0, 1, 21), "density": True}
        (first, known), (second, unknown) = groups.items()
        panel.hist(known, **shared, color=BLUE, alpha=0.55, label=first)
        panel.hist(unknown, **shared, histtype="step", color=ORANGE, linewidth=2.5, label=second)
        panel.set_title(title, fontsize=12)
        panel.set(xlabel="top probability", ylabel="density", xlim=(0, 1))
        panel.legend(frameon=False)
        panel.spines[["top", "right"]].set_visible(False)
    return figure


def draw_answers(answers, threshold):
    """What a threshold does: coverage, accuracy of the answers, and backgrounds answered."""
    figure, axes = plt.subplots(figsize=(9.8, 3.8), layout="constrained")
    labels = {
        "accuracy": "accuracy of the answers",
        "coverage": "photographs with an answer",
        "backgrounds_answered": "backgrounds with an answer",
    }
    for (style, colour), (column, label) in zip(SERIES, labels.items(), strict=True):
        axes.plot(answers["threshold"], answers[column], style, color=colour, label=label)
    axes.axvline(threshold, color=GREY, linewidth=1.5, label="threshold used below")
    axes.set(xlabel="threshold on the top probability", ylabel="share", ylim=(0, 1.02))
    axes.grid(alpha=0.3)
    figure.legend(frameon=False, ncols=4, loc="outside upper center")
    return figure
