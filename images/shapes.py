"""The shapes that the diagrams are made of. Coordinates are inches from the lower left corner."""

import matplotlib.pyplot as plt
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path

BLACK, DARK_GREY = "#1a1a1a", "#5a5a5a"


def new_axes(width, height):
    """Axes without lines or labels that fill a new figure of this size, in inches."""
    figure = plt.figure(figsize=(width, height))
    axes = figure.add_axes([0, 0, 1, 1], xlim=(0, width), ylim=(0, height))
    axes.axis("off")
    return axes


def text_style(size, colour=BLACK, weight="normal", ha="center"):
    """Arguments of axes.text; size in points."""
    return {"fontsize": size, "color": colour, "weight": weight, "ha": ha, "va": "center"}


def tint(colour, strength=0.3):
    """An RGB colour in 0-1, mixed with white: strength 1 leaves it as it is, 0 makes it white."""
    return tuple(1 - strength * (1 - value) for value in colour)


def draw_box(axes, x, y, width, height, colour, hatch=""):
    """A box with round corners, centred on (x, y): a tint of the colour, with a full edge."""
    box = FancyBboxPatch(
        (x - width / 2 + 0.05, y - height / 2 + 0.05),
        width - 0.1,
        height - 0.1,
        boxstyle="round,pad=0.03",
        facecolor=tint(colour),
        edgecolor=colour,
        hatch=hatch,
        linewidth=1.4,
    )
    axes.add_patch(box)


def draw_arrow(axes, points, colour=BLACK, head=12):
    """An arrow along straight lines from the first point to the last; head: its size in points."""
    arrow = FancyArrowPatch(
        path=Path(points),
        arrowstyle="-|>",
        mutation_scale=head,
        color=colour,
        linewidth=2,
        joinstyle="round",
        shrinkA=0,
        shrinkB=0,
        fill=False,
    )
    axes.add_patch(arrow)
