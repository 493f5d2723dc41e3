"""A ResNet-50 with two faults, for an exercise of notebook 03. Look for them before you read on."""

from functools import partial

import keras
from keras import layers

from helpers.resnet import conv_bn, convolutional_block, identity_block, stem


def doubled_branch(x, filters, name):
    """An identity block that adds its branch to itself: x is lost."""
    f1, f2, f3 = filters
    y = layers.Activation("relu", name=f"{name}_1_relu")(conv_bn(x, f1, 1, name=f"{name}_1"))
    y = layers.Activation("relu", name=f"{name}_2_relu")(conv_bn(y, f2, 3, name=f"{name}_2"))
    y = conv_bn(y, f3, 1, name=f"{name}_3")
    y = layers.Add(name=f"{name}_add")([y, y])
    return layers.Activation("relu", name=f"{name}_out")(y)


FAULTS = {"conv3_block3": doubled_branch, "conv4_block5": partial(identity_block, kernel_size=1)}


def faulty_resnet50(input_shape=(64, 64, 3), classes=6):
    """As ResNet50, with the same layer names and output shapes, but for the blocks in FAULTS."""
    inputs = keras.Input(input_shape, name="image")
    x = stem(layers.Rescaling(1 / 127.5, offset=-1, name="scaling")(inputs))
    filters = (64, 64, 256)
    for stage, blocks in enumerate((3, 4, 6, 3), start=2):
        strides = 1 if stage == 2 else 2
        x = convolutional_block(x, filters, strides=strides, name=f"conv{stage}_block1")
        for number in range(2, blocks + 1):
            name = f"conv{stage}_block{number}"
            x = FAULTS.get(name, identity_block)(x, filters, name=name)
        filters = tuple(2 * width for width in filters)
    x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    outputs = layers.Dense(classes, "softmax", name="predictions")(x)
    return keras.Model(inputs, outputs, name="faulty_resnet50")
