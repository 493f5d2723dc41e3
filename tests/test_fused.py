"""The faster layers and the fused AdamW compute what Keras's own do."""

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from helpers import fused

# How far apart two results may be, as a part of the largest value: some units in the last place.
TOLERANCE = {"float32": 2e-5, "mixed_bfloat16": 2e-2, "mixed_float16": 4e-3}
precisions = pytest.mark.parametrize("precision", TOLERANCE)


def assert_close(one, other, precision):
    one, other = (np.asarray(tf.cast(tensor, "float32")) for tensor in (one, other))
    assert one.shape == other.shape
    assert np.abs(one - other).max() <= TOLERANCE[precision] * max(np.abs(other).max(), 1e-3)


def normalization(precision="float32", shape=(4, 4, 6), **settings):
    """A model of one plain layer whose four weights are drawn at random."""
    settings = {"momentum": 0.7, "epsilon": 1e-2, "name": "bn", **settings}
    inputs = keras.Input(shape)
    layer = keras.layers.BatchNormalization(dtype=precision, **settings)
    model = keras.Model(inputs, layer(inputs))
    rng = np.random.default_rng(1)
    layer.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in layer.weights])
    return model


def network(precision="float32"):
    """Convolutions, batch normalisation, sums, a dense layer.

    The convolutions have no bias: what follows takes it away again, so its gradient is rounding
    errors alone, which AdamW blows up to full steps.
    """
    keras.config.set_dtype_policy(precision)
    x = inputs = keras.Input((8, 8, 3), name="image")
    for name in ("a", "b"):
        y = keras.layers.Conv2D(6, 3, padding="same", use_bias=False, name=f"{name}_conv")(x)
        y = keras.layers.BatchNormalization(name=f"{name}_bn")(y)
        x = keras.layers.Activation("relu")(keras.layers.Add()([y, y]))
    x = keras.layers.GlobalAveragePooling2D()(x)
    outputs = keras.layers.Dense(3, "softmax", dtype="float32", name="predictions")(x)
    model = keras.Model(inputs, outputs)
    keras.config.set_dtype_policy("float32")
    return model


def compile_with(model, optimizer_class, **settings):
    optimizer = optimizer_class(keras.optimizers.schedules.CosineDecay(3e-3, 20), **settings)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    model.compile(optimizer, "categorical_crossentropy", jit_compile=False)
    return model


def batch(n=8):
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (n, 8, 8, 3)).astype("float32")
    return x, np.eye(3, dtype="float32")[rng.integers(0, 3, n)]


def step(model, x, training):
    """Outputs, gradients by input, gamma and beta, and the layer's weights after the call."""
    layer = model.get_layer("bn")
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = model(x, training=training)
        loss = tf.reduce_sum(tf.cast(y, "float32") ** 3)
    gradients = tape.gradient(loss, [x, layer.gamma.value, layer.beta.value])
    return [y, *gradients, *layer.get_weights()]


@precisions
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("trainable", [True, False])
def test_the_fused_layer_equals_the_plain_one(precision, training, trainable):
    plain = normalization(precision)
    plain.get_layer("bn").trainable = trainable
    fast = fused.fuse(plain)
    assert type(fast.get_layer("bn")) is fused.BatchNormalization
    x = np.random.default_rng(2).normal(1, 2, (3, 4, 4, 6)).astype("float32")
    before = plain.get_layer("bn").get_weights()
    for one, other in zip(step(fast, x, training), step(plain, x, training), strict=True):
        assert_close(one, other, precision)
    moved = np.abs(plain.get_layer("bn").get_weights()[2] - before[2]).max()
    assert (moved > 0) == (training and trainable)


@precisions
def test_the_synchronised_layer_of_one_device_equals_the_plain_one(precision):
    plain = normalization(precision)
    fast = fused.fuse(plain)
    fast.get_layer("bn").synchronized = True
    x = np.random.default_rng(2).normal(1, 2, (3, 4, 4, 6)).astype("float32")
    for one, other in zip(step(fast, x, True), step(plain, x, True), strict=True):
        assert_close(one, other, precision)


def test_the_variance_of_two_values_is_not_the_unbiased_one():
    plain = normalization(shape=(1, 1, 6))
    fast = fused.fuse(plain)
    x = np.random.default_rng(3).normal(0, 1, (2, 1, 1, 6)).astype("float32")
    for one, other in zip(step(fast, x, True), step(plain, x, True), strict=True):
        assert_close(one, other, "float32")


def test_a_batch_of_one_value_leaves_no_nan():
    plain = normalization(shape=(1, 1, 6))
    fast = fused.fuse(plain)
    x = np.ones((1, 1, 1, 6), "float32")
    for one, other in zip(step(fast, x, True), step(plain, x, True), strict=True):
        assert np.isfinite(one).all()
        assert_close(one, other, "float32")


def convolution(size=4, precision="float32", **settings):
    """A model of one plain convolution, for images of any size if that is None."""
    settings = {"filters": 5, "kernel_size": 1, "padding": "same", "name": "conv", **settings}
    inputs = keras.Input((size, size, 6))
    return keras.Model(inputs, keras.layers.Conv2D(dtype=precision, **settings)(inputs))


CONVOLUTIONS = [
    dict(),
    dict(strides=2),
    dict(strides=2, size=7, padding="valid"),
    dict(kernel_size=3),
    dict(kernel_size=3, size=2),
    dict(kernel_size=3, size=8),
    dict(kernel_size=3, use_bias=False),
]


@pytest.mark.parametrize("any_size", [False, True])
@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("settings", CONVOLUTIONS, ids=str)
def test_a_convolution_and_its_gradients_equal_the_plain_ones(settings, precision, any_size):
    size = settings.get("size", 4)
    plain = convolution(**{**settings, "size": None if any_size else size}, precision=precision)
    fast = fused.fuse(plain)
    assert type(fast.get_layer("conv")) is fused.Conv2D
    x = tf.constant(np.random.default_rng(5).normal(0, 1, (3, size, size, 6)), "float32")
    results = []
    for model in (fast, plain):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = model(x)
            loss = tf.reduce_sum(tf.cast(y, "float32") ** 3)
        results.append([y, *tape.gradient(loss, [x, *model.trainable_variables])])
    for one, other in zip(*results, strict=True):
        assert_close(one, other, precision)


@pytest.mark.parametrize("settings", [dict(), dict(kernel_size=3)], ids=str)
def test_the_kernel_gradient_of_a_small_map_is_a_matrix_product(settings):
    model = fused.fuse(convolution(**settings))

    @tf.function
    def gradient(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(x))
        return tape.gradient(loss, model.trainable_variables[0])

    graph = gradient.get_concrete_function(tf.TensorSpec((3, 4, 4, 6))).graph
    operations = {operation.type for operation in graph.get_operations()}
    assert "MatMul" in operations and "Conv2DBackpropFilter" not in operations


@pytest.mark.parametrize(
    "settings",
    [
        dict(kernel_size=5),
        dict(kernel_size=(1, 3)),
        dict(kernel_size=3, strides=2),
        dict(kernel_size=3, padding="valid"),
        dict(kernel_size=3, dilation_rate=2),
        dict(filters=6, groups=2),
    ],
    ids=str,
)
def test_other_convolutions_stay_plain(settings):
    layer = fused.fuse(convolution(**settings)).get_layer("conv")
    assert type(layer) is keras.layers.Conv2D


def test_with_a_gpu_the_convolutions_stay_plain(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["a GPU"])
    layer = fused.fuse(convolution()).get_layer("conv")
    assert type(layer) is keras.layers.Conv2D


@pytest.mark.parametrize(
    "settings",
    [
        dict(axis=1),
        dict(shape=(6,)),
        dict(scale=False),
        dict(center=False),
        dict(synchronized=True),
        dict(precision="float64"),
        dict(precision="bfloat16"),
    ],
    ids=str,
)
def test_what_the_kernel_does_not_compute_stays_plain(settings):
    layer = fused.fuse(normalization(**settings)).get_layer("bn")
    assert type(layer) is keras.layers.BatchNormalization


def test_without_a_kernel_the_layers_stay_plain(monkeypatch):
    monkeypatch.setattr(fused, "has_kernel", lambda dtype: False)
    kinds = {type(layer) for layer in fused.fuse(network()).layers}
    assert keras.layers.BatchNormalization in kinds and fused.BatchNormalization not in kinds


def test_a_missing_kernel_is_noticed(monkeypatch):
    def missing(**arguments):
        raise tf.errors.NotFoundError(None, None, "no kernel")

    assert fused.has_kernel("float32")
    monkeypatch.setattr(tf.raw_ops, "FusedBatchNormV3", missing)
    assert not fused.has_kernel.__wrapped__("float32")


def test_a_fused_network_keeps_names_order_settings_and_weights():
    plain = network("mixed_bfloat16")
    plain.get_layer("a_conv").trainable = False
    fast = fused.fuse(plain)
    assert [layer.name for layer in fast.layers] == [layer.name for layer in plain.layers]
    assert [w.path for w in fast.weights] == [w.path for w in plain.weights]
    for one, other in zip(fast.layers, plain.layers, strict=True):
        assert one.get_config() == other.get_config()
    for one, other in zip(fast.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("frozen", [(), ("a_conv", "a_bn")], ids=str)
def test_loss_and_gradients_of_a_fused_network_equal_the_plain_ones(frozen):
    plain = network()
    for name in frozen:
        plain.get_layer(name).trainable = False
    x, y = batch()
    results = []
    for model in (plain, fused.fuse(plain)):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(keras.losses.categorical_crossentropy(y, model(x, training=True)))
        results.append(
            [loss, *tape.gradient(loss, model.trainable_variables), *model.get_weights()]
        )
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_the_two_networks_share_no_weights():
    plain = network()
    fast = fused.fuse(plain)
    before = plain.get_weights()
    compile_with(fast, fused.AdamW).fit(*batch(), verbose=0)
    for one, other in zip(plain.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "settings",
    [
        dict(),
        dict(clipnorm=0.1),
        dict(use_ema=True, ema_overwrite_frequency=2),
        dict(gradient_accumulation_steps=2),
        dict(amsgrad=True),
    ],
    ids=str,
)
def test_the_fused_adamw_equals_keras_adamw(settings):
    rng = np.random.default_rng(4)
    trained = []
    models = network(), network()
    models[1].set_weights(models[0].get_weights())
    draws = [[rng.normal(size=v.shape) for v in models[0].trainable_variables] for _ in range(6)]
    for model, kind in zip(models, (keras.optimizers.AdamW, fused.AdamW), strict=True):
        compile_with(model, kind, weight_decay=0.5, **settings)
        for gradients in draws:
            gradients = [tf.constant(gradient, "float32") for gradient in gradients]
            model.optimizer.apply(gradients, model.trainable_variables)
        trained.append([*model.trainable_variables, *model.optimizer.variables])
    for plain, fast in zip(*trained, strict=True):
        assert plain.path.split("/")[1:] == fast.path.split("/")[1:]
        np.testing.assert_allclose(fast, plain, rtol=1e-5, atol=2e-6, err_msg=plain.path)


def test_the_learning_rate_is_computed_once_per_step():
    computed = []

    class Schedule(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            computed.append(step)
            return 0.01

    model = network()
    optimizer = fused.AdamW(Schedule(), weight_decay=0.5)
    optimizer.build(model.trainable_variables)
    computed.clear()
    before = model.get_layer("predictions").get_weights()[0]
    optimizer.apply([tf.zeros_like(v) for v in model.trainable_variables])
    assert len(computed) == 1
    np.testing.assert_allclose(
        model.get_layer("predictions").get_weights()[0], before * 0.995, rtol=1e-6
    )


def test_rows_of_an_embedding_are_updated_as_by_keras():
    results = []
    for kind in (keras.optimizers.AdamW, fused.AdamW):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((1,), dtype="int32"), keras.layers.Embedding(4, 2)])
        model.compile(kind(0.1, weight_decay=0.1), "mse")
        model.fit(np.array([[1], [1], [3]]), np.ones((3, 1, 2)), epochs=3, verbose=0)
        results.append(model.get_weights()[0])
    np.testing.assert_allclose(*results, atol=1e-6)


@pytest.mark.parametrize("there", [True, False])
def test_a_checkpoint_of_one_goes_on_with_the_other(there, tmp_path):
    kinds = (keras.optimizers.AdamW, fused.AdamW)
    models = [network(), fused.fuse(network())]
    for model, kind in zip(models, kinds, strict=True):
        compile_with(model, kind, weight_decay=0.05)
        model.optimizer.build(model.trainable_variables)
    first, second = models if there else models[::-1]
    first.fit(*batch(), epochs=3, verbose=0)
    first.save_weights(tmp_path / "first.weights.h5")
    second.load_weights(tmp_path / "first.weights.h5")
    second.save_weights(tmp_path / "second.weights.h5")
    assert int(second.optimizer.iterations) == 3
    one, other = (arrays(tmp_path / f"{name}.weights.h5") for name in ("first", "second"))
    assert list(one) == list(other) and any(name.startswith("optimizer") for name in one)
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])


def arrays(path):
    """The arrays of an HDF5 file: {name: array}."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: found.update({name: item[()]} if hasattr(item, "dtype") else {})
        )
    return found


def test_loss_scaling_skips_a_step_that_overflows_and_makes_the_others():
    plain = network("mixed_float16")
    fast = fused.fuse(plain)
    for model, kind in ((plain, keras.optimizers.AdamW), (fast, fused.AdamW)):
        compile_with(model, kind, weight_decay=0.05)
        assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
        before = model.get_layer("predictions").get_weights()[0]
        model.fit(*batch(), epochs=1, verbose=0)
        assert (model.get_layer("predictions").get_weights()[0] != before).any()
        x, y = batch()
        model.fit(x * np.inf, y, epochs=1, verbose=0)
    for one, other in zip(fast.trainable_weights, plain.trainable_weights, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-3)
