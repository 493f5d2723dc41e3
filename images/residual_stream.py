"""The path of additions through a ResNet and through a transformer, drawn side by side."""

from images.diagrams import draw_addition
from images.plots import BLUE, ORANGE, PURPLE
from images.shapes import BLACK, DARK_GREY, draw_arrow, draw_box, new_axes, text_style

V1, V2 = "Conv BN ReLU\nConv BN ReLU\nConv BN", "BN ReLU Conv\nBN ReLU Conv\nBN ReLU Conv"
ROWS = (  # title, texts of the branches, what stands on the path after each addition
    ("ResNet v1 (2015): a ReLU on the path", (V1, V1), "ReLU"),
    ("ResNet v2 (2016): nothing but additions on the path", (V2, V2), None),
    (
        "Transformer, norm first: nothing but additions on the path",
        ("LayerNorm\nattention", "LayerNorm\nMLP"),
        None,
    ),
)


def draw_residual_stream():
    """Two blocks of ResNet v1, two of v2 and one transformer block. Returns a Figure.

    Sources: He et al. 2015; He et al. 2016, Figure 1; Vaswani et al. 2017, section 3.1, with
    LayerNorm moved into the branches (Xiong et al. 2020, Figure 1).
    """
    axes = new_axes(10.4, 7.2)
    for y, (title, branches, on_path) in zip((6.3, 4.0, 1.7), ROWS, strict=True):
        axes.text(0.3, y + 0.5, title, **text_style(13, weight="bold", ha="left"))
        draw_path(axes, y, branches, on_path)
    return axes.figure


def draw_path(axes, y, branches, on_path):
    """One row: the path from left to right at height y, each branch below it."""
    axes.text(0.45, y, "x", **text_style(14, weight="bold"))
    draw_arrow(axes, [(0.65, y), (9.9, y)], PURPLE, width=4)
    for start, text in zip((1.2, 5.5), branches, strict=True):
        end = start + 2.9
        middle, below = (start + end) / 2, y - 0.8
        axes.plot([start], [y], "o", color=BLACK, markersize=6, zorder=3)
        draw_arrow(axes, [(start, y), (start, below), (middle - 0.8, below)])
        draw_box(axes, middle, below, 1.6, 0.95, BLUE)
        axes.text(middle, below, text, **text_style(11), linespacing=1.35)
        draw_arrow(axes, [(middle + 0.8, below), (end, below), (end, y - 0.15)])
        draw_addition(axes, end, y, radius=0.15)
        if on_path:
            draw_box(axes, end + 0.7, y, 0.7, 0.4, ORANGE)
            axes.text(end + 0.7, y, on_path, **text_style(11, weight="bold"), zorder=4)
    axes.text(9.95, y - 0.35, "output", **text_style(11, DARK_GREY, ha="right"))
