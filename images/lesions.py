"""Bars of what the removal of parts of a network costs, drawn for notebook 05."""

import matplotlib.pyplot as plt
import numpy as np

from images.plots import BLUE, GREEN, ORANGE

HATCHES = {"first block of its stage": (ORANGE, "//"), "identity block": (BLUE, "")}


def draw_photograph_lesions(lesions):
    """Points of accuracy lost without each block's branch, with the accuracy's 95 % interval.

    lesions: a row for each of silenced ("nothing", "conv2_block1", ...), accuracy, low and high.
    """
    table = lesions.set_index("silenced")
    whole, table = table["accuracy"]["nothing"], table.drop("nothing")
    lost = 100 * (whole - table["accuracy"])
    ends = 100 * (table["accuracy"] - table["low"]), 100 * (table["high"] - table["accuracy"])
    first = np.array([name.endswith("block1") for name in table.index])
    places = np.arange(len(table))
    figure, axes = plt.subplots(figsize=(10, 3.8), layout="constrained")
    for (kind, (colour, hatch)), chosen in zip(HATCHES.items(), (first, ~first), strict=True):
        bars = [ends[1][chosen], ends[0][chosen]]  # a higher accuracy is a smaller loss
        look = {"color": colour, "hatch": hatch, "edgecolor": "white"}
        axes.bar(places[chosen], lost[chosen], yerr=bars, capsize=2, label=kind, **look)
    axes.axhline(0, color="black", linewidth=0.8)
    names = [f"{name[:5]}\nblock {name[11:]}" for name in table.index]
    axes.set_xticks(places, names, fontsize=9)
    axes.set_ylabel("accuracy lost (points)")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(frameon=False, ncols=2, loc="outside upper center")
    return figure


def draw_ways(accuracy, lines):
    """Accuracy without a block's branch beside accuracy without its shortcut.

    accuracy: a DataFrame, a row per block, with the columns branch and shortcut. lines: accuracies
    to draw as lines, {label: value}.
    """
    figure, axes = plt.subplots(figsize=(6.5, 3.2), layout="constrained")
    places, width = np.arange(len(accuracy)), 0.38
    looks = {"branch": (ORANGE, "//", -width / 2), "shortcut": (GREEN, "..", width / 2)}
    for way, (colour, hatch, shift) in looks.items():
        look = {"color": colour, "hatch": hatch, "edgecolor": "white"}
        bars = axes.bar(places + shift, accuracy[way], width, label=f"without the {way}", **look)
        if way == "shortcut":  # bars of height 0 are easily missed
            axes.bar_label(bars, fmt="%.2f", padding=2, fontsize=9)
    for (label, value), style in zip(lines.items(), ("--", ":"), strict=True):
        axes.axhline(value, color="black", linestyle=style, linewidth=1.2, label=label)
    axes.set_xticks(places, [name.replace("_", ", ") for name in accuracy.index])
    axes.set_ylabel("accuracy on your pictures")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(frameon=False, ncols=4, loc="outside upper center", fontsize=9)
    return figure
