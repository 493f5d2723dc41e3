"""A network's layers as a table: parameters, multiply-adds, receptive fields."""

import math
import re
from numbers import Integral

import pandas as pd
from keras import layers


def macs(model):
    """Multiply-adds of a model's convolutions and dense layers for one image.

    Biases and batch normalisation are left out, as usual: under 1 % of ResNet-50.
    """
    return sum(layer_macs(layer) for layer in model.layers)


def layer_macs(layer):
    """Multiply-adds of one layer for one image; 0 unless it is a Conv2D or Dense."""
    if not isinstance(layer, layers.Conv2D | layers.Dense):
        return 0
    return math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:-1])


def receptive_field(model):
    """The side of each layer's receptive field in input pixels: {layer name: pixels}.

    Where paths meet, the largest counts; padding counts; math.inf from a global pooling or dense
    layer on. Source: Araujo et al. 2019, "Computing Receptive Fields of Convolutional Neural
    Networks", equation (2).
    """
    seen = {}  # tensor -> (receptive field, stride), in input pixels
    fields = {}
    for layer in model.layers:
        inputs = layer.input if isinstance(layer.input, list) else [layer.input]
        field, step = max((seen[id(tensor)] for tensor in inputs), default=(1, 1))
        if isinstance(layer, layers.Conv2D | layers.MaxPooling2D | layers.AveragePooling2D):
            size = layer.kernel_size if isinstance(layer, layers.Conv2D) else layer.pool_size
            field, step = field + (size[0] - 1) * step, step * layer.strides[0]
        elif isinstance(layer, layers.GlobalAveragePooling2D | layers.Dense):
            field = math.inf
        seen[id(layer.output)] = field, step
        fields[layer.name] = field
    return fields


def layer_table(model, by="stage"):
    """Output shape and cost of each part of a network: a pandas.DataFrame, one row per part.

    by: "layer", "block" or "stage", taken from names such as "conv2_block1_1_conv". Multiply-adds
    are for one image; the receptive field is that of the part's last layer, in pixels, or "all".
    """
    block, stage = r"(conv|pool)\d(_block\d+)?|.*", r"(conv|pool)\d|.*"
    pattern = {"layer": ".*", "block": block, "stage": stage}
    fields = receptive_field(model)
    rows = {}
    for layer in model.layers:
        part = re.match(pattern[by], layer.name).group()
        row = rows.setdefault(part, {"output": "", "parameters": 0, "multiply-adds": 0})
        row["output"] = " x ".join(str(size) for size in layer.output.shape[1:])
        row["parameters"] += layer.count_params()
        row["multiply-adds"] += layer_macs(layer)
        row["receptive field"] = "all" if math.isinf(fields[layer.name]) else fields[layer.name]
    return pd.DataFrame.from_dict(rows, orient="index")


def readable(table):
    """The same table with commas in its whole numbers, for display."""
    return table.map(lambda cell: f"{cell:,}" if isinstance(cell, Integral) else cell)
