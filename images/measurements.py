"""The measurements of notebook 01 as figures. Each function returns a matplotlib Figure."""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns

from images.plots import BLUE, GREY, ORANGE, TITLE

COLOURS = {"plain": ORANGE, "residual": BLUE}


def draw_errors(curves, chance=7 / 8):
    """Training error by epoch, a labelled line per network; bands from the least to the greatest.

    curves: a DataFrame with the columns network ("plain" or "residual"), depth, epoch, error, and
    a row for each run and epoch. The deeper networks are solid, the others dashed.
    """
    figure, axes = plt.subplots(figsize=(9, 4.2), layout="constrained")
    axes.axhline(chance, color=GREY, linewidth=1.2, linestyle=":")
    axes.text(curves["epoch"].max(), chance + 0.015, "guessing", fontsize=11, ha="right")
    for (network, depth), runs in curves.groupby(["network", "depth"]):
        error = runs.groupby("epoch")["error"].agg(["median", "min", "max"])
        style = "-" if depth == curves["depth"].max() else "--"
        marker = {"plain": "s", "residual": "o"}[network]
        label = f"{network}, {depth} layers"
        line = {"color": COLOURS[network], "markevery": max(1, len(error) // 10), "label": label}
        axes.plot(error["median"], style, marker=marker, markersize=5, linewidth=2, **line)
        axes.fill_between(
            error.index, error["min"], error["max"], color=COLOURS[network], alpha=0.15
        )
    axes.set(xlabel="epoch", ylabel="training error", ylim=(-0.02, 1))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(
        frameon=False, fontsize=11, handlelength=3.5, loc="upper left", bbox_to_anchor=(1, 1)
    )
    finish(axes)
    return figure


def draw_rates(errors):
    """Training error against learning rate, a panel per depth; bands from least to greatest.

    errors: a DataFrame with the columns network, depth, learning_rate and error, a row per run.
    """
    depths = sorted(errors["depth"].unique())
    size = {"figsize": (9, 3.4), "sharey": True, "layout": "constrained"}
    figure, panels = plt.subplots(1, len(depths), squeeze=False, **size)
    for axes, depth in zip(panels[0], depths, strict=True):
        for network, runs in errors[errors["depth"] == depth].groupby("network"):
            error = runs.groupby("learning_rate")["error"].agg(["mean", "min", "max"])
            line = {"color": COLOURS[network], "linewidth": 2, "label": network}
            axes.plot(error["mean"], marker={"plain": "s", "residual": "o"}[network], **line)
            axes.fill_between(
                error.index, error["min"], error["max"], color=COLOURS[network], alpha=0.15
            )
        axes.set(xscale="log", xlabel="learning rate", ylim=(-0.02, 1))
        axes.set_title(f"{depth} layers", **TITLE)
        finish(axes)
    panels[0, 0].set_ylabel("training error")
    panels[0, 0].legend(frameon=False, fontsize=11)
    return figure


GRADIENTS = {"activation": "At each layer's output", "kernel": "At each layer's kernel"}


def draw_gradients(table):
    """Norms of the loss's gradient by layer: a column per kind, a row per setting of BatchNorm.

    table: a DataFrame with the columns network, batch_norm, layer, activation and kernel.
    """
    size = {"figsize": (10.4, 6.4), "sharex": True, "sharey": "row", "layout": "constrained"}
    figure, panels = plt.subplots(2, 2, **size)
    for batch_norm, row in zip((False, True), panels, strict=True):
        for axes, (kind, title) in zip(row, GRADIENTS.items(), strict=True):
            runs = dict(list(table[table["batch_norm"] == batch_norm].groupby("network")))
            upper = max(runs, key=lambda network: runs[network][kind].median())
            for network, run in runs.items():
                axes.plot(run["layer"], run[kind], color=COLOURS[network], linewidth=2.4)
                label_line(axes, run["layer"], run[kind], network, network == upper)
            axes.set_yscale("log")
            axes.margins(y=0.12)
            name = "with BatchNorm" if batch_norm else "without BatchNorm"
            axes.set_title(f"{title}, {name}", fontsize=12, weight="bold")
            finish(axes)
    for axes in panels[1]:
        axes.set_xlabel("image  ←  layer  →  loss", fontsize=11)
    for axes in panels[:, 0]:
        axes.set_ylabel("gradient's norm (log scale)")
    return figure


def label_line(axes, x, y, network, above):
    """Writes the network's name beside its line, at a third of its length, where it is free."""
    point = (x.iloc[len(x) // 3], y.iloc[len(x) // 3])
    rising = y.iloc[-1] > y.iloc[0]
    side = {"xytext": (0, 7 if above else -7), "textcoords": "offset points"}
    side |= {"va": "bottom" if above else "top", "ha": "left" if above != rising else "right"}
    axes.annotate(network, point, **side, fontsize=12, weight="bold")


def draw_singular_values(table, smallest=1e-8):
    """How much blocks in a row stretch a small change of their input, direction by direction.

    table: a DataFrame with the columns network, blocks, quantile (0-1) and value. Values below
    `smallest` are drawn there.
    """
    counts = sorted(table["blocks"].unique())
    size = {"figsize": (10.4, 3.9), "sharey": True, "layout": "constrained"}
    figure, panels = plt.subplots(1, len(counts), squeeze=False, **size)
    for axes, count in zip(panels[0], counts, strict=True):
        axes.axhline(1, color=GREY, linewidth=1.2, linestyle=":")
        for network, values in table[table["blocks"] == count].groupby("network"):
            line = {"color": COLOURS[network], "linewidth": 2.4, "label": network}
            marker = {"plain": "s", "residual": "o"}[network]
            drawn = np.maximum(values["value"], smallest)
            axes.plot(100 * values["quantile"], drawn, marker=marker, markevery=4, **line)
        axes.set(yscale="log", xlabel="directions, in % of all")
        axes.set_title(f"{count} block{'s' if count > 1 else ''}", **TITLE)
        finish(axes)
    panels[0, 0].set_ylabel("stretched by (log scale)")
    panels[0, 0].legend(frameon=False, fontsize=11, loc="upper left")
    return figure


def finish(axes):
    axes.grid(alpha=0.3)
    sns.despine(ax=axes)
