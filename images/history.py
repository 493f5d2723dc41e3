"""How deep image networks became, and when: the numbers and a figure of them."""

import matplotlib.pyplot as plt
import seaborn as sns

from images.plots import BLUE, ORANGE
from images.shapes import BLACK

# Name, year and month of the preprint or conference, layers with weights on the main path, what
# it was trained on, source.
DEPTHS = (
    ("AlexNet", 2012 + 11 / 12, 8, "ImageNet", "Krizhevsky et al. 2012, section 3.5"),
    ("VGG-19", 2014 + 8 / 12, 19, "ImageNet", "Simonyan and Zisserman 2014, Table 1"),
    ("GoogLeNet", 2014 + 8 / 12, 22, "ImageNet", "Szegedy et al. 2014, section 5"),
    ("Highway network", 2015 + 6 / 12, 100, "MNIST", "Srivastava et al. 2015b, Figure 1"),
    ("ResNet-152", 2015 + 11 / 12, 152, "ImageNet", "He et al. 2015, Table 1"),
    ("ResNet-1202", 2015 + 11 / 12, 1202, "CIFAR-10", "He et al. 2015, section 4.2"),
    ("ResNet v2-1001", 2016 + 2 / 12, 1001, "CIFAR-10", "He et al. 2016, Table 4"),
    ("DenseNet-264", 2016 + 7 / 12, 264, "ImageNet", "Huang et al. 2016, Table 1"),
    ("ResNeXt-101", 2016 + 10 / 12, 101, "ImageNet", "Xie et al. 2016, section 5"),
    ("ResNet-50, new recipe", 2021 + 9 / 12, 50, "ImageNet", "Wightman et al. 2021"),
    ("ConvNeXt-T", 2022, 59, "ImageNet", "Liu et al. 2022, Table 9, counted as ResNet-50"),
)
PLACES = {  # where a label stands beside its point: shift in points, alignment
    "VGG-19": ((-7, -4), "right"),
    "GoogLeNet": ((-7, 6), "right"),
    "Highway network": ((-8, -3), "right"),
    "ResNet-152": ((-8, 4), "right"),
    "ResNet-1202": ((-8, 4), "right"),
    "ResNet v2-1001": ((8, -5), "left"),
    "ResNet-50, new recipe": ((2, -15), "center"),
    "ConvNeXt-T": ((0, 8), "center"),
}


def draw_history():
    """Depth against time on a logarithmic axis; open squares: small pictures only."""
    figure, axes = plt.subplots(figsize=(9.4, 4.2), layout="constrained")
    for name, year, depth, data, _ in DEPTHS:
        large = data == "ImageNet"
        fill = BLUE if large else "white"
        axes.plot(year, depth, "o" if large else "s", color=BLUE, markerfacecolor=fill, ms=8)
        shift, side = PLACES.get(name, ((8, -4), "left"))
        text = name if large else f"{name} ({data})"
        axes.annotate(text, (year, depth), shift, textcoords="offset points", ha=side, fontsize=11)
    axes.axvline(2015 + 11 / 12, color=ORANGE, linestyle="--", linewidth=1.5, zorder=0)
    axes.text(2016.05, 5.3, "residual networks", color=BLACK, fontsize=11)
    axes.set_yscale("log")
    axes.set_yticks([5, 10, 20, 50, 100, 200, 500, 1000])
    axes.set_yticklabels(["5", "10", "20", "50", "100", "200", "500", "1000"])
    axes.minorticks_off()
    axes.set(xlim=(2012, 2023), ylim=(4.5, 2000), xlabel="year")
    axes.set_ylabel("layers with weights (log scale)")
    axes.grid(alpha=0.3)
    sns.despine(ax=axes)
    return figure
