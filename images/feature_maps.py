"""Feature maps of a sheet of small pictures, a row for each part of the network."""

import matplotlib.pyplot as plt
from matplotlib.patches import Rectangle


def draw_feature_maps(sheet, features, chosen, framed):
    """A sheet of 2 x 4 pictures, and below it four maps of each part of a network.

    sheet: (h, w, 3) in 0-255. features: {part: maps (h, w, channels)}. chosen: {part: four
    channels}. framed: for each map of the last part, the numbers of the pictures to frame.
    Returns a Figure.
    """
    size = (10, 1.4 * (1 + len(features)))
    figure, panels = plt.subplots(1 + len(features), 4, figsize=size, layout="constrained")
    for axes in panels.flat:
        axes.axis("off")
    panels[0, 0].imshow(sheet / 255)
    for row, (part, maps) in zip(panels[1:], features.items(), strict=True):
        for axes, channel in zip(row, chosen[part], strict=True):
            axes.imshow(maps[:, :, channel], cmap="cividis")
            axes.set_title(f"{part[:5]}, channel {channel}", fontsize=10)
    height, width = maps.shape[0] / 2, maps.shape[1] / 4  # of one picture, in the last maps
    for axes, numbers in zip(panels[-1], framed, strict=True):
        for number in numbers:
            corner = (width * (number % 4) - 0.5, height * (number // 4) - 0.5)
            axes.add_patch(Rectangle(corner, width, height, fill=False, ec="white", lw=2.5))
    return figure
