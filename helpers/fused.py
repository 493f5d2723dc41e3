"""Faster layers and a faster AdamW for training, which compute what Keras's own compute.

Keras builds batch normalisation and AdamW from single operations, each of which reads and writes a
whole tensor; here TensorFlow's fused kernels do it. A convolution's kernel gradient is a matrix
product where that is faster. Weights and optimizer state keep Keras's names and order, so the same
files load into either.
"""

import functools

import keras
import tensorflow as tf


class BatchNormalization(keras.layers.BatchNormalization):
    """keras.layers.BatchNormalization on TensorFlow's fused kernel: (n, h, w, c) -> the same.

    Its statistics are float32 for every input precision. The class keeps Keras's name, by which
    `.weights.h5` files name their groups. Keras passes a mask, which images never have.
    """

    def call(self, inputs, training=None, mask=None):
        settings = (self.gamma, self.beta, self.epsilon)
        if not (training and self.trainable):
            return normalize(inputs, *settings, self.moving_mean, self.moving_variance)[0]
        normalize_batch = normalize_across_replicas if self.synchronized else normalize
        outputs, mean, variance = normalize_batch(inputs, *settings)
        for average, new in ((self.moving_mean, mean), (self.moving_variance, variance)):
            average.assign(average * self.momentum + new * (1 - self.momentum))
        return outputs


def normalize(x, gamma, beta, epsilon, mean=(), variance=()):
    """The fused kernel: (outputs, mean, variance); mean and variance default to the batch's."""
    of_batch = isinstance(mean, tuple)
    outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=x,
        scale=gamma,
        offset=beta,
        mean=tf.convert_to_tensor(mean, tf.float32),
        variance=tf.convert_to_tensor(variance, tf.float32),
        epsilon=epsilon,
        is_training=of_batch,
    )
    if of_batch:  # the kernel's variance is the unbiased one, n / (n - 1) times Keras's
        n = pixels(x)
        variance *= tf.maximum(n - 1, 1) / n
    return outputs, mean, variance


def pixels(x):
    """The number of values per channel of x."""
    return tf.cast(tf.size(x) / x.shape[-1], tf.float32)


def normalize_across_replicas(x, gamma, beta, epsilon):
    """normalize(...) by mean and variance of all replicas' batches, which have one size."""
    _, mean, variance = normalize(x, gamma, beta, epsilon)
    mean, square = mean_of_replicas(mean, variance + mean**2)
    variance = square - mean**2

    @tf.custom_gradient
    def apply(x, gamma, beta):
        def gradients(upstream):
            by_x, by_gamma, by_beta, *_ = tf.raw_ops.FusedBatchNormGradV3(
                y_backprop=upstream,
                x=x,
                scale=gamma,
                reserve_space_1=mean,
                reserve_space_2=variance,
                reserve_space_3=(),
                epsilon=epsilon,
                is_training=False,  # mean and variance are constants here
            )
            # The outputs depend on x by mean and variance, too: Ioffe and Szegedy 2015, section 3.
            offset, scale = mean_of_replicas(by_beta / pixels(x), by_gamma / pixels(x))
            slope = gamma * tf.math.rsqrt(variance + epsilon)
            by_x -= normalize(x, slope * scale, slope * offset, epsilon, mean, variance)[0]
            return by_x, by_gamma, by_beta

        return normalize(x, gamma, beta, epsilon, mean, variance)[0], gradients

    return apply(x, tf.convert_to_tensor(gamma), tf.convert_to_tensor(beta)), mean, variance


def mean_of_replicas(*vectors):
    """The mean of each of these vectors of one length over the replicas, in one exchange."""
    context = tf.distribute.get_replica_context()
    return tf.unstack(context.all_reduce(tf.distribute.ReduceOp.MEAN, tf.stack(vectors)))


@functools.cache
def has_kernel(dtype):
    """Whether this machine has the fused kernel and its gradient for this dtype."""
    x = tf.zeros((1, 2, 2, 8), dtype)
    try:
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs, _, _ = normalize(x, tf.ones(8), tf.zeros(8), 1e-3)
        tape.gradient(outputs, x)
    except tf.errors.OpError:
        return False
    return True


def suits(layer):
    """Whether the fused kernel computes the same as this layer."""
    return (
        type(layer) is keras.layers.BatchNormalization
        and len(layer.input.shape) == 4
        and layer.axis in (-1, 3)
        and layer.scale
        and layer.center
        and not layer.synchronized
        and not getattr(layer, "renorm", False)  # absent in Keras 3.13
        and layer.variable_dtype == "float32"
        and layer.compute_dtype in ("float32", "bfloat16", "float16")
        and has_kernel(layer.compute_dtype)
    )


class Conv2D(keras.layers.Conv2D):
    """keras.layers.Conv2D, 1x1 or 3x3, with a faster kernel gradient: (n, h, w, c) -> the same.

    oneDNN, which computes it on CPUs, is slow on maps of few pixels.
    """

    def convolution_op(self, inputs, kernel):
        if self.kernel_size == (1, 1):
            inputs = inputs[:, :: self.strides[0], :: self.strides[1]]
        elif inputs.shape[1] is None or inputs.shape[1] * inputs.shape[2] > 16:
            return super().convolution_op(inputs, kernel)
        return convolve(inputs, tf.convert_to_tensor(kernel))


@tf.custom_gradient
def convolve(x, kernel):
    """Convolution of stride 1, padded to the same size; its kernel gradient is a matrix product."""

    def gradients(upstream):
        by_x = tf.nn.conv2d_transpose(upstream, kernel, tf.shape(x), 1, "SAME")
        window = [1, *kernel.shape[:2], 1]
        one = [1, 1, 1, 1]
        seen = x if window == one else tf.image.extract_patches(x, window, one, one, "SAME")
        rows, columns = (tf.reshape(some, (-1, some.shape[-1])) for some in (seen, upstream))
        by_kernel = tf.matmul(rows, columns, transpose_a=True)
        return by_x, tf.reshape(by_kernel, kernel.shape)

    return tf.nn.conv2d(x, kernel, 1, "SAME"), gradients


def has_faster_gradient(layer):
    """Whether Conv2D computes the same as this layer, and this machine gains by it."""
    return (
        type(layer) is keras.layers.Conv2D
        and (
            layer.kernel_size == (1, 1)
            or (layer.kernel_size, layer.strides, layer.padding) == ((3, 3), (1, 1), "same")
        )
        and layer.data_format == "channels_last"
        and layer.dilation_rate == (1, 1)
        and layer.groups == 1
        and not tf.config.list_physical_devices("GPU")
    )


def fuse(model, any_size=False):
    """A copy of a keras.Model with the layers of this file, where they suit."""
    return clone(model, lambda layer: faster_class(layer).from_config(layer.get_config()), any_size)


def faster_class(layer):
    """The class of this file that computes the same as this layer, or the layer's own class."""
    if suits(layer):
        return BatchNormalization
    return Conv2D if has_faster_gradient(layer) else type(layer)


def clone(model, copy, any_size=False, kind=keras.Model):
    """An uncompiled copy of a keras.Model, of class `kind`, with the layers copy(layer).

    It has the same weights. With any_size it takes images of any height and width.
    """
    bare = kind(model.inputs, model.outputs, name=model.name)  # not compiled
    inputs = [keras.Input((None, None, 3))] if any_size else None
    cloned = keras.models.clone_model(bare, input_tensors=inputs, clone_function=copy)
    cloned.dtype_policy = model.dtype_policy  # in mixed_float16 `compile` adds the loss scaling
    cloned.set_weights(model.get_weights())
    return cloned


class AdamW(keras.optimizers.AdamW):
    """keras.optimizers.AdamW with TensorFlow's fused kernel, and a graph built in half the time.

    Keras offers moments and weight decay only as private attributes.
    """

    def apply(self, grads, trainable_variables=None):
        step = tf.cast(self.iterations + 1, tf.float32)
        self.powers = self.beta_1**step, self.beta_2**step  # once, not for each variable
        super().apply(grads, trainable_variables)

    def _apply_weight_decay(self, variables):
        """Does nothing: update_step does it, and computes no schedule for each kernel."""

    def update_step(self, gradient, variable, learning_rate):
        if self.weight_decay and self._use_weight_decay(variable):
            variable.assign_sub(variable * self.weight_decay * learning_rate)
        if self.amsgrad or isinstance(gradient, tf.IndexedSlices):  # not in the kernel
            return super().update_step(gradient, variable, learning_rate)
        index = self._get_variable_index(variable)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=self.powers[0],
            beta2_power=self.powers[1],
            lr=tf.cast(learning_rate, variable.dtype),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=tf.cast(gradient, variable.dtype),
        )
