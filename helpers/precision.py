"""The fastest precision on this machine."""

import time

import tensorflow as tf


def choose_precision():
    """The fastest dtype policy in a benchmark of a second: "float32" or a mixed one.

    bfloat16 is fast only on CPUs with instructions for it; float16 is for GPUs alone, the half
    precision of older ones.
    """
    gpu = bool(tf.config.list_physical_devices("GPU"))
    dtypes = ("float32", "bfloat16", "float16") if gpu else ("float32", "bfloat16")
    # The best of three, since other programs may disturb one.
    seconds = {dtype: min(convolution_seconds(dtype) for _ in range(3)) for dtype in dtypes}
    best = "float32"
    for dtype in dtypes[1:]:
        if seconds[dtype] < 0.8 * seconds[best]:
            best = dtype
    return "float32" if best == "float32" else f"mixed_{best}"


def convolution_seconds(dtype):
    """Time of a 3x3 convolution in this dtype; infinity if it has no kernel here."""
    images = 256 if tf.config.list_physical_devices("GPU") else 32
    x = tf.cast(tf.random.stateless_uniform((images, 16, 16, 128), (0, 0)), dtype)
    kernel = tf.cast(tf.random.stateless_uniform((3, 3, 128, 128), (0, 1)), dtype)
    convolve = tf.function(lambda x, k: tf.reduce_sum(tf.nn.conv2d(x, k, 1, "SAME")))
    times = []
    try:
        for _ in range(6):  # the first one builds the graph
            start = time.perf_counter()
            convolve(x, kernel).numpy()
            times.append(time.perf_counter() - start)
    except tf.errors.OpError:
        return float("inf")
    return min(times)
