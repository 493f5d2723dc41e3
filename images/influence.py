"""Maps of what a layer or block reads, drawn for notebook 02."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Patch

from images.plots import BLUE, GREY


def draw_influence(maps, label):
    """Maps of influence with one scale, {title: (h, w), ...}; positions with 0 stay white."""
    figure, panels = plt.subplots(1, len(maps), figsize=(10.4, 3.2), layout="constrained")
    highest = max(np.max(values) for values in maps.values())
    for axes, (title, values) in zip(panels, maps.items(), strict=True):
        shown = np.ma.masked_equal(values, 0)
        image = axes.imshow(shown, cmap="cividis", vmin=0, vmax=highest)
        axes.set_title(title, fontsize=11, weight="bold")
        axes.set(xticks=[], yticks=[])
    figure.colorbar(image, ax=list(panels), label=label, shrink=0.85)
    return figure


def draw_read(masks, corner, side=7):
    """Which positions one output reads, {title: (h, w) of bool, ...}, in a window of the input.

    corner: (row, column) of the window's first position.
    """
    figure, panels = plt.subplots(1, len(masks), figsize=(6.2, 2.9), layout="constrained")
    row, column = corner
    for axes, (title, mask) in zip(panels, masks.items(), strict=True):
        window = mask[row : row + side, column : column + side]
        rows, columns = np.indices(window.shape)
        colours = np.where(window[..., None], BLUE, (1, 1, 1))
        axes.imshow(colours, extent=(column, column + side, row + side, row))
        axes.hlines(rows[:, 0] + row, column, column + side, color=GREY, linewidth=0.8)
        axes.vlines(columns[0] + column, row, row + side, color=GREY, linewidth=0.8)
        axes.set_title(title, fontsize=11, weight="bold")
        axes.set_xticks(columns[0] + column + 0.5, columns[0] + column)
        axes.set_yticks(rows[:, 0] + row + 0.5, rows[:, 0] + row)
        axes.tick_params(length=0)
    handles = [Patch(color=BLUE, label="read"), Patch(fc="white", ec=GREY, label="not read")]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False)
    return figure
