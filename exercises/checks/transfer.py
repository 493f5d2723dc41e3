"""The check of a function that prepares a trained network for other classes (notebook 06)."""

import keras
import numpy as np
from keras import layers

from exercises.checks.verdict import (
    FUNCTION_TODO,
    NotDone,
    call,
    check,
    require_function,
    untouched,
)


def small_network():
    """A network with all kinds of layers of a frozen one, and a head."""
    x = inputs = keras.Input((8, 8, 3))
    for number in (1, 2):
        x = layers.Conv2D(4, 3, name=f"conv{number}")(x)
        x = layers.BatchNormalization(name=f"bn{number}")(x)
        x = layers.Activation("relu", name=f"relu{number}")(x)
    x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    outputs = layers.Dense(6, "softmax", name="predictions")(x)
    return keras.Model(inputs, outputs)


@check("only the last layer is free, and BatchNorm will stay as it is.")
def freeze_all_but_head(freeze):
    """The learner's function(model) freezes all layers but the last, in place."""
    require_function(freeze, "freeze_all_but_head(model)", None)
    model = small_network()
    before = [weights.copy() for weights in model.get_weights()]
    call(freeze, model)
    if not all(map(np.array_equal, before, model.get_weights())):
        return "The weights have changed. Freezing leaves them as they are: set `trainable` only."
    head, body = model.layers[-1], [layer for layer in model.layers[:-1] if layer.weights]
    free = [layer.name for layer in body if layer.trainable]
    if len(free) == len(body):
        if untouched(freeze):
            raise NotDone(FUNCTION_TODO)
        if not head.trainable:
            return "The wrong way round: the last layer is frozen, and all others are free."
        return "No layer is frozen: set `trainable = False` on each layer but the last."
    if not head.trainable:
        return "The last layer is frozen too: nothing could learn."
    if not model.trainable:
        return (
            "The model as a whole is frozen, which hides the free last layer: model.trainable is "
            "False. Go through model.layers[:-1] instead."
        )
    if all(name.startswith("bn") for name in free) and free:
        return (
            "The BatchNormalization layers are still free: gamma and beta would be trained, and "
            "the moving averages would drift away from those that fit the kernels."
        )
    if all(name.startswith("conv") for name in free) and free:
        return "The convolutions are still free; only BatchNormalization is frozen."
    if free:
        return f"Still free: {', '.join(free)}. Every layer but the last should be frozen."
    return None
