"""Heat maps over pictures, drawn for notebook 05."""

import matplotlib.pyplot as plt
import numpy as np

LEVELS = (0.25, 0.5, 0.75)  # contours, in shares of a map's highest value
COLOURS = ("#F0E442", "#E69F00", "#D55E00")  # yellow, orange, vermilion: also apart in grey


def draw_contours(axes, picture, heat, title=""):
    """Contours of a map (s, s) on the grey picture (s, s, 3); a map of zeros has none."""
    axes.imshow(picture.mean(axis=-1), cmap="gray", vmin=-90, vmax=320)  # paler than black to white
    if heat.max() > 0:
        levels = [level * heat.max() for level in LEVELS]
        axes.contour(heat, levels, colors=COLOURS, linewidths=(1.5, 2, 2.5))
    axes.set_title(title.replace("_", " "), fontsize=11)
    axes.axis("off")


def draw_grid(axes, grid, title=""):
    """A map as it is, one square for each position."""
    axes.imshow(grid, cmap="cividis", vmin=0)
    axes.set_title(title.replace("_", " "), fontsize=11)
    axes.set(xticks=[], yticks=[])


def draw_grids_and_contours(picture, grids, heats):
    """The picture, and each map {title: array} twice: its grid and, below, contours of its heat."""
    size = (2.5 * (1 + len(grids)), 5.2)
    figure, panels = plt.subplots(2, 1 + len(grids), figsize=size, layout="constrained")
    panels[0, 0].imshow(picture)
    panels[0, 0].set_title("the picture", fontsize=11)
    panels[0, 0].axis("off")
    panels[1, 0].axis("off")
    for column, (title, grid) in enumerate(grids.items(), start=1):
        draw_grid(panels[0, column], grid, title)
        draw_contours(panels[1, column], picture, heats[title])
    figure.legend(handles=contour_handles(), loc=(0.03, 0.15), frameon=False, fontsize=11)
    return figure


def draw_contour_row(pictures, heats, titles):
    """Pictures side by side, each with the contours of its heat."""
    size = (1.9 * len(pictures), 2.2)
    figure, panels = plt.subplots(1, len(pictures), figsize=size, layout="constrained")
    for axes, picture, heat, title in zip(panels, pictures, heats, titles, strict=True):
        draw_contours(axes, np.asarray(picture), heat, title)
    return figure


def contour_handles():
    """Legend entries for the contours."""
    return [
        plt.Line2D([], [], color=colour, linewidth=2.5, label=f"{level:.0%} of the highest")
        for level, colour in zip(LEVELS, COLOURS, strict=True)
    ]
