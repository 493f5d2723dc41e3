"""Figures of ways to transfer a network, drawn for notebook 06."""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns

from images.plots import BLUE, GREEN, GREY, ORANGE, PURPLE

LOOKS = {  # colour, marker, line
    "from scratch": (GREY, "s", ":"),
    "frozen": (BLUE, "o", "-"),
    "partly frozen": (GREEN, "D", "-."),
    "head first, then all": (PURPLE, "v", "--"),
    "fine-tuned": (ORANGE, "^", "-"),
}


def draw_rates(tries):
    """Accuracy on validation images over the learning rate, a line per way; the best is ringed.

    tries: a DataFrame with the columns way, learning_rate and accuracy.
    """
    figure, axes = plt.subplots(figsize=(8.4, 3.8), layout="constrained")
    for way, (colour, marker, line) in LOOKS.items():
        rows = tries[tries["way"] == way].sort_values("learning_rate")
        if len(rows):
            look = {"color": colour, "marker": marker, "linestyle": line, "label": way}
            axes.plot(rows["learning_rate"], rows["accuracy"], **look)
            best = rows.loc[rows["accuracy"].idxmax()]
            ring = {"s": 170, "facecolors": "none", "edgecolors": colour, "linewidths": 2}
            axes.scatter(best["learning_rate"], best["accuracy"], **ring)
    axes.set_xscale("log")
    rates = sorted(set(tries["learning_rate"]))
    axes.set_xticks(rates, [f"{rate:g}" for rate in rates])
    axes.minorticks_off()
    axes.set(xlabel="learning rate (logarithmic)", ylabel="accuracy on validation sessions")
    axes.grid(alpha=0.3)
    sns.despine(ax=axes)
    figure.legend(frameon=False, loc="outside right upper")
    return figure


def draw_accuracies(tested):
    """Test accuracy of each way with its interval, a point for each test fold.

    tested: a DataFrame with the columns way, fold, accuracy, low and high.
    """
    ways = [way for way in LOOKS if way in set(tested["way"])]
    folds = sorted(set(tested["fold"]))
    figure, axes = plt.subplots(figsize=(8.4, 1.1 + 0.5 * len(ways)), layout="constrained")
    for number, fold in enumerate(folds):
        rows = tested[tested["fold"] == fold].set_index("way").loc[ways]
        places = np.arange(len(ways)) + 0.3 * (number - (len(folds) - 1) / 2)
        bars = [rows["accuracy"] - rows["low"], rows["high"] - rows["accuracy"]]
        look = {"color": (BLUE, ORANGE)[number % 2], "marker": "o^"[number % 2], "capsize": 3}
        axes.errorbar(rows["accuracy"], places, xerr=bars, linestyle="", label=fold, **look)
    axes.set_yticks(range(len(ways)), ways)
    axes.set(xlabel="test accuracy with 95 % interval", ylim=(-0.6, len(ways) - 0.4))
    axes.grid(axis="x", alpha=0.3)
    sns.despine(ax=axes)
    figure.legend(title="test fold", frameon=False, loc="outside right upper")
    return figure


def draw_shifts(table):
    """Accuracies in percent as a heat map: a row per change, a column per way."""
    size = (2.6 + 1.05 * table.shape[1], 1.2 + 0.34 * len(table))
    figure, axes = plt.subplots(figsize=size, layout="constrained")
    look = {"cmap": "cividis", "vmin": 0, "vmax": 100, "linewidths": 0.5}
    sns.heatmap(table, annot=True, fmt=".1f", cbar_kws={"label": "accuracy (%)"}, ax=axes, **look)
    names = [way.replace(" ", "\n") for way in table.columns]
    axes.set_xticks(np.arange(len(names)) + 0.5, names, rotation=0)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.set(xlabel="", ylabel="")
    return figure
