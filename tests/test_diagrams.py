"""The files of images/: drawn from the networks, and up to date."""

import json

import keras
import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from PIL import Image

from helpers import resnet, synthetic
from images import diagrams, gradients

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def texts(figure):
    return diagrams.content(figure)["texts"]


def block(function, filters, **options):
    x = keras.Input((16, 16, 256))
    return keras.Model(x, function(x, filters, **options), name="block")


# --- images/ is what would be drawn now


def stored(name):
    with Image.open(diagrams.IMAGES / name) as picture:
        assert min(picture.size) > 500
        return json.loads(picture.text["Content"])


def same(drawn, kept):
    """Texts to the letter; places and points up to what another processor may round otherwise."""
    points = [np.concatenate(content["lines"] or [[]]) for content in (drawn, kept)]
    return (
        drawn["texts"] == kept["texts"]
        and np.allclose(drawn["places"], kept["places"], atol=0.01)
        and points[0].shape == points[1].shape
        and np.allclose(*points, rtol=0.1, atol=1e-12)
    )


@pytest.mark.parametrize("name", sorted(diagrams.FIGURES))
def test_figure_is_up_to_date(name):
    assert same(diagrams.content(diagrams.FIGURES[name]()), stored(name))


@pytest.mark.parametrize("name", sorted(diagrams.JPEGS))
def test_jpeg_is_up_to_date(name):
    drawn = diagrams.JPEGS[name]()
    with Image.open(diagrams.IMAGES / name) as kept:
        assert kept.size == drawn.size
        difference = np.abs(np.asarray(kept, float) - np.asarray(drawn, float))
    assert difference.mean() < 4  # JPEG's own loss; another picture differs by far more


def test_no_other_picture_lies_in_images():
    code = {"__pycache__", *(path.name for path in diagrams.IMAGES.glob("*.py"))}
    kept = {path.name for path in diagrams.IMAGES.iterdir()}
    assert kept - code == {*diagrams.FIGURES, *diagrams.JPEGS}


def test_draw_all_draws_all_and_leaves_nothing_half(tmp_path, monkeypatch):
    monkeypatch.setattr(diagrams, "FIGURES", {"a.png": diagrams.draw_skip_connection})
    monkeypatch.setattr(diagrams, "JPEGS", {"b.jpg": synthetic.draw_test_image})
    diagrams.draw_all(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "b.jpg"}


def test_a_changed_block_is_noticed():
    kept = stored("identity_block.png")
    changed = {
        "filters": diagrams.example_block(resnet.identity_block, (65, 64, 256)),
        "kernel": diagrams.example_block(
            lambda x, filters: resnet.identity_block(x, filters, kernel_size=5), (64, 64, 256)
        ),
        "kind": diagrams.example_block(
            lambda x, filters: resnet.convolutional_block(x, filters, strides=1), (64, 64, 256)
        ),
    }
    for what, model in changed.items():
        assert not same(diagrams.content(diagrams.draw_block(model)), kept), what


def test_a_changed_network_is_noticed():
    changed = resnet.ResNet50(classes=102)
    assert not same(diagrams.content(diagrams.draw_network(changed)), stored("resnet50.png"))


def test_a_changed_measurement_is_noticed():
    kept = stored("vanishing_gradient.png")
    changed = json.loads(json.dumps(kept))
    changed["lines"][0][0][1] *= 1.3
    assert same(kept, kept) and not same(changed, kept)


# --- diagrams


def test_identity_block_shows_each_layer_and_shape():
    shown = texts(diagrams.draw_block(block(resnet.identity_block, (64, 32, 256), kernel_size=5)))
    assert shown.count("Conv2D") == shown.count("BatchNorm") == shown.count("ReLU") == 3
    assert [text for text in shown if "filters" in text] == [
        "1 × 1, 64 filters",
        "5 × 5, 32 filters",
        "1 × 1, 256 filters",
    ]
    assert shown.count("stride 1") == 3
    assert {"Input x", "Add  +", "16 × 16 × 32", "shortcut: x itself"} <= set(shown)


def test_convolutional_block_shows_the_projection_and_its_stride():
    model = block(resnet.convolutional_block, (64, 64, 512))
    shown = texts(diagrams.draw_block(model))
    assert shown.count("Conv2D") == shown.count("BatchNorm") == 4
    assert shown.count("1 × 1, 512 filters") == 2
    assert shown.count("stride 2") == shown.count("stride 1") == 2
    assert "shortcut: a projection of x" in shown
    assert any(f"{model.count_params():,} parameters" in text for text in shown)


def test_a_plain_chain_has_no_shortcut():
    x = keras.Input((8, 8, 3))
    shown = texts(diagrams.draw_block(keras.Model(x, resnet.conv_bn(x, 4, 3), name="plain_part")))
    assert any(text.startswith("Plain part: 8 × 8 × 3 → 8 × 8 × 4") for text in shown)
    assert not any("shortcut" in text for text in shown)


def test_a_block_written_with_plus_and_relu_is_drawn_alike():
    x = keras.Input((8, 8, 4))
    y = keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3, padding="same")(x))
    shown = texts(diagrams.draw_block(keras.Model(x, keras.ops.relu(x + y), name="mine")))
    assert {"Add  +", "ReLU", "BatchNorm", "shortcut: x itself"} <= set(shown)


def test_network_shows_what_the_model_counts():
    model = resnet.ResNet50((96, 96, 3), classes=7)
    shown = texts(diagrams.draw_network(model))
    assert any("16 blocks, 50 layers" in t and f"{model.count_params():,}" in t for t in shown)
    assert {"3 × 3 = 9", "4 × 3 = 12", "6 × 3 = 18", "24 × 24 × 256", "3 × 3 × 2048", "7"} <= set(
        shown
    )


@pytest.mark.parametrize("name", ["skip_connection.png", "identity_block.png", "resnet50.png"])
def test_all_text_lies_inside_and_apart(name):
    """No text is cut off at the edge, and no two texts overlap."""
    figure = diagrams.FIGURES[name]()
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts if text.get_text()]
    for number, box in enumerate(boxes):
        assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1
        assert not any(box.overlaps(other) for other in boxes[:number])


# --- the measured figure


def test_depth_has_a_line_for_each_network_and_kind_of_panel():
    rows = [
        {"kind": kind, "batch_norm": bn, "depth": depth, "layer": layer, "seed": seed, "norm": norm}
        for kind in ("plain", "residual")
        for bn in (False, True)
        for depth in (6, 10)
        for layer in range(1, depth // 2)
        for seed, norm in enumerate((1.0, 2.0, 4.0))
    ]
    figure = gradients.draw_depth(pd.DataFrame(rows))
    drawn = [line for axes in figure.axes for line in axes.lines if len(line.get_xdata())]
    assert sorted(len(line.get_xdata()) for line in drawn) == [2] * 4 + [4] * 4
    assert all(np.allclose(np.asarray(line.get_ydata()), 2.0) for line in drawn)  # middle seed
    assert all(axes.get_yscale() == "log" for axes in figure.axes)
