"""Grad-CAM's channel weights, so that notebook 05 goes on whatever its first exercise holds."""

import tensorflow as tf


def channel_weights(maps, top, labels):
    """How much a class's score rises with each channel of the maps, on average: (n, channels).

    maps: float32 (n, h, w, channels). top(maps): scores (n, classes). labels: int (n,), the class
    to ask for in each picture. Source: Selvaraju et al. 2017, "Grad-CAM", equation 1.
    """
    with tf.GradientTape() as tape:
        tape.watch(maps)
        scores = tf.gather(top(maps), labels, axis=1, batch_dims=1)
    # A picture's score depends on its own maps alone, so one call serves them all.
    return tf.reduce_mean(tape.gradient(scores, maps), axis=(1, 2)).numpy()
