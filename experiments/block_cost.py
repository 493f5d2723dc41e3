"""What a bottleneck costs, compared with the basic block beside it in the paper.

    python experiments/block_cost.py    # prints and writes experiments/results/block_cost.csv

Figure 5 (He et al. 2015): on the left two 3x3 convolutions with 64 channels, on the right a
bottleneck from 256 channels to 64 and back. Both at 56 x 56 positions, as in the first stage.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import keras
import pandas as pd
from keras import layers

from experiments.gradients import RESULTS
from helpers import files, resnet
from images.layer_table import macs


def main():
    blocks = {
        "basic, 64 wide": (64, basic_block),
        "bottleneck 256-64-64-256": (256, lambda x: resnet.identity_block(x, (64, 64, 256))),
        "basic, 256 wide": (256, basic_block),
    }
    table = pd.DataFrame([{"block": name, **cost(*block)} for name, block in blocks.items()])
    files.write_csv(RESULTS / "block_cost.csv", table)
    print(table.to_string())


def basic_block(x):
    """Two 3x3 convolutions at the width of x, each with BatchNorm. Source: Figure 5, left."""
    width = x.shape[-1]
    y = layers.Activation("relu")(resnet.conv_bn(x, width, 3, name="basic_1"))
    y = resnet.conv_bn(y, width, 3, name="basic_2")
    return layers.Activation("relu")(layers.Add()([x, y]))


def cost(channels, block, size=56):
    """Convolutions, parameters (all and trainable) and multiply-adds at size x size positions."""
    x = keras.Input((size, size, channels))
    model = keras.Model(x, block(x))
    kernels = [layer.kernel for layer in model.layers if isinstance(layer, layers.Conv2D)]
    return {
        "convolutions": len(kernels),
        "kernel_weights": sum(kernel.numpy().size for kernel in kernels),
        "parameters": model.count_params(),
        "learned": sum(weight.numpy().size for weight in model.trainable_weights),
        "macs": macs(model),
    }


if __name__ == "__main__":
    main()
