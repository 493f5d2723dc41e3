"""The training run in PyTorch: that it is train.py's, part for part."""

import json
import sys
from dataclasses import replace
from importlib.util import find_spec

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from experiments import train_on_gpu
from helpers import batches, models, resnet, training
from helpers.recipe import Recipe

torch = pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")


def test_the_learning_rates_are_those_of_train():
    recipe = Recipe(epochs=30, learning_rate=2e-3)
    schedule = training.learning_rate_schedule(2e-3, 7, 30)
    found = train_on_gpu.learning_rates(recipe, 7)
    assert found.shape == (30, 7)
    np.testing.assert_allclose(found.ravel(), [float(schedule(i)) for i in range(210)], atol=1e-9)


def test_pictures_are_loaded_at_the_size_of_train():
    sizes = [32, 64, 96, 128]
    assert [train_on_gpu.load_size(s) for s in sizes] == [batches.load_size(s) for s in sizes]


@torch
def test_the_network_is_that_of_keras():
    import torch

    torch.manual_seed(0)
    layers = train_on_gpu.network("resnet50", 5)
    for name, layer in layers.items():
        if name.endswith("_bn"):
            for value in (layer.weight.data, layer.running_var):
                value.uniform_(0.5, 1.5)
            for value in (layer.bias.data, layer.running_mean):
                value.normal_(0, 0.1)
    model = resnet.ResNet50((64, 64, 3), 5)
    weights = train_on_gpu.keras_weights(layers)
    assert {v.path for v in model.weights} == set(weights)
    for variable in model.weights:
        variable.assign(weights[variable.path])
    for value in [*layers.parameters(), *layers.buffers()]:
        if value.is_floating_point():
            value.data.copy_(value.data.half().float())
    pixels = np.random.default_rng(0).integers(0, 256, (9, 80, 80, 3)).astype("uint8")
    theirs = train_on_gpu.predict(layers, pixels, 64)
    np.testing.assert_allclose(theirs, models.predict_probabilities(model, pixels), atol=1e-5)


@torch
def test_weights_start_as_in_keras():
    recipe = Recipe(seed=3)
    layers, optimizer = train_on_gpu.build(recipe, 7, "cpu")
    model = training.build_model(replace(recipe, precision="float32"), 7)
    weights = train_on_gpu.keras_weights(layers)
    for variable in model.weights:
        ours, theirs = variable.numpy(), weights[variable.path].astype("float32")
        assert ours.shape == theirs.shape, variable.path
        assert theirs.std() == pytest.approx(ours.std(), rel=0.05), variable.path
        assert np.abs(theirs).max() == pytest.approx(np.abs(ours).max(), rel=0.05), variable.path
    decayed, others = optimizer.param_groups
    assert decayed["weight_decay"] == recipe.weight_decay and others["weight_decay"] == 0
    kernels = [v for v in model.trainable_variables if v.path.endswith("kernel")]
    assert len(decayed["params"]) == len(kernels)
    assert len(others["params"]) == 2 * 53 + 1  # gamma and beta of each BatchNorm, the last bias


@torch
def test_a_step_is_a_step_of_train():
    """Equal gradients and AdamW: from equal weights, one step on one batch, in float32."""
    import torch

    recipe = Recipe(image_size=32, epochs=1, precision="float32", weight_decay=0.1)
    layers, optimizer = train_on_gpu.build(recipe, 3, "cpu")
    model = training.build_model(recipe, 3)
    start = {k: v.astype("float32") for k, v in train_on_gpu.keras_weights(layers).items()}
    for variable in model.weights:
        variable.assign(start[variable.path])
    for value in layers.parameters():
        value.data.copy_(value.data.half().float())
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 255, (8, 32, 32, 3)).astype("float32")
    labels = np.eye(3, dtype="float32")[np.arange(8) % 3]
    training.compile_model(model, recipe, steps=1)
    model.optimizer.learning_rate = keras.optimizers.schedules.PolynomialDecay(1e-3, 1, 1e-3)
    ours = model.train_on_batch(images, labels)
    optimizer.param_groups[0]["lr"].fill_(1e-3)
    optimizer.param_groups[1]["lr"].fill_(1e-3)
    batch = torch.tensor(images).permute(0, 3, 1, 2), torch.tensor(labels)
    step, totals = train_on_gpu.step_function(layers, optimizer, *batch, recipe)
    step()
    assert float(totals[0]) == pytest.approx(float(ours[0]), rel=1e-4)
    theirs = train_on_gpu.keras_weights(layers)
    for name in ("conv1_conv/kernel", "conv5_block3_3_bn/gamma", "predictions/kernel"):
        (variable,) = [v for v in model.weights if v.path == name]
        moved = variable.numpy() - start[name], theirs[name].astype("float32") - start[name]
        agree = np.abs(moved[0] - moved[1]) < 2e-4
        assert agree.mean() > 0.98 and np.abs(moved[0]).max() > 5e-4, name


@torch
def test_crops_are_those_of_tensorflow():
    import torch

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (6, 40, 40, 3)).astype("uint8")
    corner, side = rng.uniform(0, 0.4, (6, 2)), rng.uniform(0.3, 0.6, (6, 2))
    boxes = np.concatenate([corner, corner + side], axis=1).astype("float32")
    boxes[0] = boxes[0][[0, 3, 2, 1]]  # mirrored
    ours = tf.image.crop_and_resize(images, boxes, np.arange(6), (32, 32))
    theirs = train_on_gpu.crop_and_resize(torch.tensor(images).float(), torch.tensor(boxes), 32)
    np.testing.assert_allclose(theirs, ours, atol=0.01)
    ours = batches.resize(images, 20)
    np.testing.assert_allclose(train_on_gpu.resize(images, 20, "cpu"), ours, atol=0.01)


@torch
def test_mixing_has_the_shares_of_train():
    import torch

    recipe = Recipe(mixup=0.2, cutmix=0.5, min_crop_scale=0.45)
    torch.manual_seed(0)
    labels = torch.eye(2).repeat(40, 32, 1)  # image i and its partner, i from the end, differ
    images = labels[..., :1, None, None] * torch.full((40, 64, 16, 16, 3), 255.0)
    mixed, shares = train_on_gpu.mix(images, labels, recipe)
    # An image is white where it is of class 0: its mean is its label's share.
    np.testing.assert_allclose(mixed.mean((2, 3, 4)) / 255, shares[..., 0], atol=1e-4)
    one_hot = tf.constant(labels[0].numpy())
    pixels = tf.constant(images[0].numpy())
    theirs = [batches.mix(pixels, one_hot, tf.constant([i, 1]), 0.2, 0.5)[1] for i in range(40)]
    ours, theirs = shares.max(-1).values.numpy().ravel(), np.max(theirs, axis=-1).ravel()
    for q in (0.1, 0.25, 0.5, 0.75):
        assert np.quantile(ours, q) == pytest.approx(np.quantile(theirs, q), abs=0.05)


@torch
def test_pack_train_and_finish_make_a_model(folder, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    flags = ["--data", str(folder), "--out", str(out), "--image-size", "32", "--epochs", "2"]
    flags += ["--batch-size", "4", "--precision", "float32"]
    for what in ("pack", "train", "finish"):
        monkeypatch.setattr(sys, "argv", ["train_on_gpu.py", what, *flags])
        train_on_gpu.main()
    model, card = models.load_model(out)
    assert model.output_shape == (None, 2) and card["settings"]["epochs"] == 2
    assert card["trained_by"].startswith("experiments/train_on_gpu.py")
    assert "Test: accuracy" in capsys.readouterr().out
    assert len(pd.read_csv(out / "history.csv")) == 2
    split = pd.read_csv(out / "split.csv")
    packed = {file.name for file in (out / "train").glob("*/*")}
    assert packed == {name.split("/")[-1] for name in split.query("part == 'train'")["file"]}
    assert json.loads((out / "run.json").read_text())["machine"] == card["machine"]


@pytest.mark.parametrize(
    "flags",
    [
        [],
        ["train"],
        ["fly", "--out", "x"],
        ["train", "--out", "x", "--optimizer", "sgd"],
        ["pack", "--out", "x", "--data", "signs"],
        ["train", "--out", "x", "--precision", "mixed_float16"],
    ],
)
def test_a_wrong_call_is_answered_in_one_line(flags, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["train_on_gpu.py", *flags])
    with pytest.raises(SystemExit) as stopped:
        train_on_gpu.main()
    assert stopped.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
