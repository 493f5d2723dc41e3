"""The ideas of notebook 01 as drawings: function classes, batch normalisation, routes."""

from itertools import product

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.patches import Ellipse

from helpers.plots import BLUE, GREEN, GREY, ORANGE, PURPLE
from images.shapes import BLACK, DARK_GREY, draw_arrow, draw_box, new_axes, text_style, tint

# --- what a network can compute, as an area

TARGET = (3.9, 2.75)
# Ellipses, as centre, width and height. Each nested one is the last, enlarged from a point in it.
APART = (
    ((1.35, 1.6), 1.5, 1.1),
    ((2.15, 1.75), 2.3, 1.7),
    ((1.95, 2.95), 2.7, 2.0),
    ((1.4, 2.25), 2.6, 3.3),
)
NESTED = tuple(
    ((0.75 + 0.55 * scale, 1.55 + 0.2 * scale), 1.3 * scale, 1.25 * scale)
    for scale in (1, 1.5, 2, 2.4)
)
COLOURS = (BLUE, ORANGE, GREEN, PURPLE)


def draw_function_classes():
    """What networks 1 to 4, each deeper than the last, can compute: areas apart, and nested.

    The idea is that of Zhang et al., Dive into Deep Learning, section 8.6.
    """
    axes = new_axes(10.4, 4.6)
    titles = ("Areas apart: deeper may be farther away", "Nested areas: deeper is never worse")
    for left, title, areas in ((0.3, titles[0], APART), (5.6, titles[1], NESTED)):
        axes.text(left, 4.3, title, **text_style(13, weight="bold", ha="left"))
        for number, area in reversed([*enumerate(areas, start=1)]):
            draw_area(axes, left, number, *area)
        axes.plot(left + TARGET[0], TARGET[1], "*", color=BLACK, markersize=17, zorder=5)
        axes.text(left + TARGET[0], TARGET[1] - 0.32, "target", **text_style(11))
    note = "An area: all that a network can compute, whatever its weights. A dot: its best."
    axes.text(0.3, 0.25, note, **text_style(11, DARK_GREY, ha="left"))
    return axes.figure


def draw_area(axes, left, number, centre, width, height):
    """One area, its point nearest to the target, and a line from there to the target."""
    colour = COLOURS[number - 1]
    style = {"facecolor": (*tint(colour), 0.75), "edgecolor": colour, "linewidth": 1.8}
    axes.add_patch(Ellipse((left + centre[0], centre[1]), width, height, **style))
    x, y = nearest(centre, width, height)
    line = [left + x, left + TARGET[0]], [y, TARGET[1]]
    axes.plot(*line, ":", color=DARK_GREY, linewidth=1.2)
    axes.plot(left + x, y, "o", color=colour, markeredgecolor=BLACK, markersize=7, zorder=5)
    axes.text(left + x - 0.17, y - 0.02, str(number), **text_style(12, weight="bold"), zorder=5)


def nearest(centre, width, height):
    """The point on the edge of an ellipse that is nearest to the target."""
    angles = np.linspace(0, 2 * np.pi, 3600)
    edge = np.stack([np.cos(angles) * width / 2, np.sin(angles) * height / 2], axis=1) + centre
    return edge[np.argmin(np.linalg.norm(edge - TARGET, axis=1))]


# --- batch normalisation


def draw_batch_norm(stages):
    """Histograms of a few channels, one panel for each stage: {title: (n, h, w, channels), ...}."""
    figure, panels = plt.subplots(1, len(stages), figsize=(10.4, 3), layout="constrained")
    for axes, (title, values) in zip(panels, stages.items(), strict=True):
        for channel, colour in zip(range(values.shape[-1]), COLOURS, strict=False):
            part = values[..., channel].ravel()
            style = {"color": colour, "alpha": 0.45, "density": True}
            axes.hist(part, bins=60, label=f"channel {channel}", **style)
        axes.axvline(0, color=GREY, linewidth=1, zorder=0)
        axes.set_title(title, fontsize=11, weight="bold")
        axes.set(xlabel="value", yticks=[])
        sns.despine(ax=axes, left=True)
    panels[0].set_ylabel("how often")
    panels[0].legend(frameon=False, fontsize=10)
    return figure


# --- routes through residual blocks


def draw_routes():
    """Three residual blocks multiplied out, and what is left of the routes without block 2."""
    axes = new_axes(10.4, 5.1)
    routes = list(product((False, True), repeat=3))
    rows = [4.2 - 0.5 * number for number in range(8)]
    heads = ("Residual: 2 x 2 x 2 = 8 routes", "Without block 2: 4 routes", "Plain: 1 route")
    for left, title in zip((0.3, 3.85, 7.4), heads, strict=True):
        axes.text(left, 4.75, title, **text_style(13, weight="bold", ha="left"))
    for y, route in zip(rows, routes, strict=True):
        draw_route(axes, 0.3, y, route)
        draw_route(axes, 3.85, y, route, lost=route[1])
    draw_route(axes, 7.4, rows[0], (True, True, True))
    axes.text(7.4, rows[1] - 0.1, "without block 2: none", **text_style(11, ha="left"))
    draw_route(axes, 7.4, rows[2] - 0.2, (True, True, True), lost=True)
    note = "Each row is one way from input to output: through a block's branch, or past it."
    axes.text(0.3, 0.28, note, **text_style(11, DARK_GREY, ha="left"))
    return axes.figure


def draw_route(axes, left, y, route, lost=False):
    """One row: a box for each block whose branch the route goes through; a lost route is grey."""
    draw_arrow(axes, [(left, y), (left + 2.85, y)], GREY if lost else BLACK, head=9, width=1.5)
    for number, through in enumerate(route, start=1):
        x = left + 0.82 * number - 0.3
        if through and not (lost and number == 2):
            draw_box(axes, x, y, 0.56, 0.4, GREY if lost else BLUE)
            axes.text(x, y, f"$F_{number}$", **text_style(11, DARK_GREY if lost else BLACK))
        elif through:
            axes.plot(x, y, "x", color=ORANGE, markersize=13, markeredgewidth=3, zorder=4)
