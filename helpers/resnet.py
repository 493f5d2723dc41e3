"""ResNet-50 (He et al. 2015, "Deep Residual Learning for Image Recognition", Table 1).

Layer names, order and constants are those of `keras.applications.ResNet50`, so weight files of
one fit the other. Notebooks 01-03 build these functions, line for line.
"""

import keras
from keras import layers

from helpers import UserError

IMAGENET_MEAN_RGB = (123.68, 116.779, 103.939)  # what ImageNet weights expect to be subtracted


def conv_bn(x, filters, kernel_size, strides=1, name="conv"):
    """Convolution, then batch normalisation: (n, h, w, c) -> (n, h/strides, w/strides, filters).

    "same" padding keeps height and width at stride 1. Source: section 3.4.
    """
    x = layers.Conv2D(filters, kernel_size, strides, padding="same", name=f"{name}_conv")(x)
    return layers.BatchNormalization(epsilon=1.001e-5, name=f"{name}_bn")(x)


def identity_block(x, filters, kernel_size=3, name="identity_block"):
    """Bottleneck block whose shortcut is x itself: (n, h, w, f3) -> (n, h, w, f3).

    filters = (f1, f2, f3): the widths of the 1x1, kernel_size and 1x1 convolutions.
    Raises ValueError unless x has f3 channels. Source: Figure 5, right; equation (1).
    """
    f1, f2, f3 = filters
    if x.shape[-1] != f3:
        raise ValueError(f"identity_block needs an input of {f3} channels. Received: {x.shape}")
    y = conv_bn(x, f1, 1, name=f"{name}_1")
    y = layers.Activation("relu", name=f"{name}_1_relu")(y)
    y = conv_bn(y, f2, kernel_size, name=f"{name}_2")
    y = layers.Activation("relu", name=f"{name}_2_relu")(y)
    y = conv_bn(y, f3, 1, name=f"{name}_3")
    y = layers.Add(name=f"{name}_add")([x, y])
    return layers.Activation("relu", name=f"{name}_out")(y)


def convolutional_block(x, filters, kernel_size=3, strides=2, name="convolutional_block"):
    """Bottleneck block with a projected shortcut: (n, h, w, c) -> (n, h/strides, w/strides, f3).

    filters = (f1, f2, f3), as in identity_block; strides acts in the first 1x1 convolution and
    in the shortcut's. Source: section 3.3, option B; equation (2).
    """
    f1, f2, f3 = filters
    shortcut = conv_bn(x, f3, 1, strides, name=f"{name}_0")
    y = conv_bn(x, f1, 1, strides, name=f"{name}_1")
    y = layers.Activation("relu", name=f"{name}_1_relu")(y)
    y = conv_bn(y, f2, kernel_size, name=f"{name}_2")
    y = layers.Activation("relu", name=f"{name}_2_relu")(y)
    y = conv_bn(y, f3, 1, name=f"{name}_3")
    y = layers.Add(name=f"{name}_add")([shortcut, y])
    return layers.Activation("relu", name=f"{name}_out")(y)


def stem(x):
    """The layers before the first block: (n, h, w, 3) -> (n, h/4, w/4, 64). Source: Table 1.

    7x7 convolution and 3x3 max-pooling, both with stride 2.
    """
    x = layers.ZeroPadding2D(3, name="conv1_pad")(x)
    x = layers.Conv2D(64, 7, strides=2, name="conv1_conv")(x)
    x = layers.BatchNormalization(epsilon=1.001e-5, name="conv1_bn")(x)
    x = layers.Activation("relu", name="conv1_relu")(x)
    x = layers.ZeroPadding2D(1, name="pool1_pad")(x)
    return layers.MaxPooling2D(3, strides=2, name="pool1_pool")(x)


def stage(x, filters, blocks, strides, name):
    """One convolutional block, then identity blocks, `blocks` in all: one row of Table 1.

    (n, h, w, c) -> (n, h/strides, w/strides, filters[2])
    """
    x = convolutional_block(x, filters, strides=strides, name=f"{name}_block1")
    for number in range(2, blocks + 1):
        x = identity_block(x, filters, name=f"{name}_block{number}")
    return x


def ResNet50(input_shape=(64, 64, 3), classes=101, scaling=None):
    """The 50-layer network: images (n, h, w, 3) in 0-255 -> probabilities (n, classes).

    scaling: the layer that scales pixels; None means to [-1, 1]. Source: Table 1, "50-layer".
    """
    inputs = keras.Input(input_shape, name="image")
    x = (scaling or layers.Rescaling(1 / 127.5, offset=-1, name="scaling"))(inputs)
    x = stem(x)
    x = stage(x, (64, 64, 256), blocks=3, strides=1, name="conv2")
    x = stage(x, (128, 128, 512), blocks=4, strides=2, name="conv3")
    x = stage(x, (256, 256, 1024), blocks=6, strides=2, name="conv4")
    x = stage(x, (512, 512, 2048), blocks=3, strides=2, name="conv5")
    x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    outputs = layers.Dense(classes, "softmax", dtype="float32", name="predictions")(x)
    return keras.Model(inputs, outputs, name="resnet50")


def ResNet101(input_shape=(64, 64, 3), classes=101, scaling=None):
    """The 101-layer network: as ResNet50, with 23 blocks in the fourth stage.

    Source: Table 1, "101-layer".
    """
    inputs = keras.Input(input_shape, name="image")
    x = (scaling or layers.Rescaling(1 / 127.5, offset=-1, name="scaling"))(inputs)
    x = stem(x)
    x = stage(x, (64, 64, 256), blocks=3, strides=1, name="conv2")
    x = stage(x, (128, 128, 512), blocks=4, strides=2, name="conv3")
    x = stage(x, (256, 256, 1024), blocks=23, strides=2, name="conv4")
    x = stage(x, (512, 512, 2048), blocks=3, strides=2, name="conv5")
    x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    outputs = layers.Dense(classes, "softmax", dtype="float32", name="predictions")(x)
    return keras.Model(inputs, outputs, name="resnet101")


ARCHITECTURES = {"resnet50": ResNet50, "resnet101": ResNet101}


def imagenet_scaling():
    """The input scaling of ImageNet weights (Keras "caffe" mode): subtracts the mean RGB."""
    return layers.Normalization(mean=IMAGENET_MEAN_RGB, variance=(1, 1, 1), name="scaling")


def imagenet_network(architecture, input_shape, classes, weights="imagenet"):
    """A network with ImageNet weights and a new classifier.

    weights: "imagenet", downloaded once by keras.applications, or a file of such weights. Raises
    UserError if they cannot be downloaded.
    """
    library = {
        "resnet50": keras.applications.ResNet50,
        "resnet101": keras.applications.ResNet101,
    }[architecture]
    try:
        source = library(include_top=False, weights=weights, input_shape=input_shape)
    except Exception as error:  # get_file raises plain Exception
        raise UserError(
            f"The ImageNet weights could not be downloaded ({' '.join(str(error).split())}): "
            "check the connection, or leave out --imagenet."
        ) from error
    model = ARCHITECTURES[architecture](input_shape, classes, scaling=imagenet_scaling())
    copy_weights(source, model)
    # Those weights take BGR, ours RGB: reverse the first kernel's input channels.
    kernel, bias = source.get_layer("conv1_conv").get_weights()
    model.get_layer("conv1_conv").set_weights([kernel[:, :, ::-1], bias])
    return model


def copy_weights(source, target, but=()):
    """Copies the weights of `source` into the layers of the same names in `target`.

    but: names of layers to skip. Raises ValueError if a layer is missing or has another shape.
    """
    for layer in source.layers:
        if layer.weights and layer.name not in but:
            target.get_layer(layer.name).set_weights(layer.get_weights())
