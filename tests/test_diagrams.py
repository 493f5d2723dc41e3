"""The files of images/: drawn from the networks, and up to date."""

import json
from functools import cache

import keras
import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Rectangle
from PIL import Image

from helpers import resnet
from images import blocks, diagrams, gradients, history, residual_stream
from images.plots import GREY

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@cache
def network():
    """The whole network, built once for all that draw it."""
    return resnet.ResNet50()


@cache
def figure(name):
    """A file of images/ as it is drawn now, drawn once."""
    return diagrams.FIGURES[name]()


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
    assert same(diagrams.content(figure(name)), stored(name))


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
    assert kept - code == {*diagrams.FIGURES, *diagrams.JPEGS, gradients.NORMS.name}


def test_draw_all_draws_all_and_leaves_nothing_half(tmp_path, monkeypatch):
    monkeypatch.setattr(diagrams, "FIGURES", {"a.png": diagrams.draw_skip_connection})
    monkeypatch.setattr(diagrams, "JPEGS", {"b.jpg": diagrams.draw_test_image})
    diagrams.draw_all(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "b.jpg"}


def test_the_test_image_is_large_red_and_always_the_same():
    picture = diagrams.draw_test_image()
    assert picture.size == (400, 300)
    red, green, blue = picture.getpixel((200, 60))
    assert red > 150 and max(green, blue) < 70
    assert picture.tobytes() == diagrams.draw_test_image().tobytes()


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


def test_the_gradients_that_are_drawn_are_those_of_the_networks():
    """Those of one seed; they take ten seconds for all three."""
    norms = pd.read_csv(gradients.NORMS)
    assert set(norms["seed"]) == {0, 1, 2}
    kept = norms[norms["seed"] == 0].reset_index(drop=True)
    pd.testing.assert_frame_equal(gradients.measured_norms(seeds=(0,)), kept, rtol=0.1)


def test_a_changed_measurement_is_noticed():
    kept = stored("vanishing_gradient.png")
    changed = json.loads(json.dumps(kept))
    changed["lines"][0][0][1] *= 1.3
    assert same(kept, kept) and not same(changed, kept)


# --- diagrams


def test_identity_block_shows_each_layer_and_shape():
    shown = texts(diagrams.draw_block(block(resnet.identity_block, (64, 32, 256), kernel_size=5)))
    assert shown.count("BatchNorm") == shown.count("ReLU") == 3
    kernels = ["1 × 1, 64", "5 × 5, 32", "1 × 1, 256"]
    assert [text for text in shown if text in kernels] == kernels
    assert {"input x", "Add", "+", "16 × 16 × 32", "shortcut:\nx itself"} <= set(shown)


def test_convolutional_block_shows_the_projection_and_its_stride():
    model = block(resnet.convolutional_block, (64, 64, 512))
    shown = texts(diagrams.draw_block(model))
    assert shown.count("BatchNorm") == 4
    assert {"1 × 1, 64, /2", "3 × 3, 64", "1 × 1, 512", "1 × 1, 512, /2"} <= set(shown)
    assert "shortcut:\na projection" in shown
    assert any(f"{model.count_params():,} parameters" in text for text in shown)


def test_the_note_speaks_of_a_stride_only_where_one_is_drawn():
    (without,) = diagrams.draw_block(block(resnet.identity_block, (64, 64, 256))).axes
    assert without.texts[-1].get_text().startswith("1 × 1, 64: a convolution with 64 filters.")
    (within,) = diagrams.draw_block(block(resnet.convolutional_block, (64, 64, 512))).axes
    note = "1 × 1, 64, /2: a convolution with 64 filters and stride 2."
    assert within.texts[-1].get_text().startswith(note)


def boxes_and_arrows(figure):
    """The boxes' extents as (left, bottom, right, top), and the arrows' points, in inches."""
    patches = figure.axes[0].patches
    boxes = [p for p in patches if isinstance(p, FancyBboxPatch)]
    arrows = [p for p in patches if isinstance(p, FancyArrowPatch)]
    extents = [
        (x - 0.03, y - 0.03, x + box.get_width() + 0.03, y + box.get_height() + 0.03)
        for box in boxes
        for x, y in [(box.get_x(), box.get_y())]
    ]
    return np.array(extents), [arrow._path_original.vertices for arrow in arrows]


def test_boxes_are_as_wide_as_their_channels():
    boxes, _ = boxes_and_arrows(
        diagrams.draw_block(block(resnet.convolutional_block, (64, 128, 512)))
    )
    widths = boxes[:, 2] - boxes[:, 0] + 0.04  # a box leaves 0.02 free on each side
    channels = [256, 64, 64, 64, 128, 128, 128, 512, 512, 512, 512, 512, 512]
    assert np.allclose(widths / widths.max() * 512, channels, rtol=1e-6)


@pytest.mark.parametrize(
    ("function", "filters"),
    [(resnet.identity_block, (64, 64, 256)), (resnet.convolutional_block, (64, 64, 512))],
)
def test_arrows_enter_a_box_at_its_middle_and_the_shortcut_ends_at_add(function, filters):
    model = block(function, filters)
    boxes, arrows = boxes_and_arrows(diagrams.draw_block(model))
    centres = np.stack([boxes[:, [0, 2]].mean(axis=1), boxes[:, [1, 3]].mean(axis=1)], axis=1)
    for points in arrows:
        x, y = points[-1]
        distances = np.abs(centres - (x, y)).min(axis=1)
        inside = (boxes[:, 0] < x + 0.03) & (x - 0.03 < boxes[:, 2])
        inside &= (boxes[:, 1] < y + 0.03) & (y - 0.03 < boxes[:, 3])
        assert inside.any(), "an arrow ends in mid-air"
        assert distances[inside].min() < 1e-6, "an arrow misses the middle of its box"
    add = len(boxes) - 2 if function is resnet.identity_block else 9
    x, y = arrows[-1][-1]
    assert np.isclose(y, centres[add, 1]) and np.isclose(x, boxes[add, 2], atol=0.03)


def test_the_shortcut_has_another_colour_than_relu():
    model = block(resnet.identity_block, (64, 64, 256))
    arrow = diagrams.draw_block(model).axes[0].patches[-1]
    relu = next(layer for layer in model.layers if layer.name.endswith("relu"))
    assert arrow.get_edgecolor()[:3] != blocks.colour_of(relu)


def test_a_plain_chain_has_no_shortcut():
    x = keras.Input((8, 8, 3))
    shown = texts(diagrams.draw_block(keras.Model(x, resnet.conv_bn(x, 4, 3), name="plain_part")))
    assert shown[:2] == ["", "Plain part"]
    assert any(text.startswith("8 × 8 × 3 → 8 × 8 × 4") for text in shown)
    assert not any("shortcut" in text for text in shown)


def test_a_block_written_with_plus_and_relu_is_drawn_alike():
    x = keras.Input((8, 8, 4))
    y = keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3, padding="same")(x))
    shown = texts(diagrams.draw_block(keras.Model(x, keras.ops.relu(x + y), name="mine")))
    assert {"Add", "+", "ReLU", "BatchNorm", "shortcut:\nx itself"} <= set(shown)


def test_blocks_side_by_side_have_one_scale_and_their_own_titles():
    narrow = block(resnet.identity_block, (8, 8, 256))
    wide = block(resnet.convolutional_block, (64, 64, 256))
    figure = diagrams.draw_blocks({"narrow": narrow, "wide": wide}, widest=2)
    assert {"narrow", "wide"} <= set(texts(figure))
    boxes, _ = boxes_and_arrows(figure)
    widths = boxes[:, 2] - boxes[:, 0] + 0.04
    assert np.isclose(widths.max(), 2) and np.isclose(widths.min(), 2 * 8 / 256)


def test_network_shows_what_the_model_counts():
    model = resnet.ResNet50((96, 96, 3), classes=7)
    shown = texts(diagrams.draw_network(model))
    assert any("16 blocks, 50 layers" in t and f"{model.count_params():,}" in t for t in shown)
    assert {"3 × 3 = 9", "4 × 3 = 12", "6 × 3 = 18", "24 × 24 × 256", "3 × 3 × 2048", "7"} <= set(
        shown
    )


def bars_and_additions(model):
    """The bars on the main path of a drawn network and its additions, from left to right."""
    (axes,) = diagrams.draw_network(model).axes
    bars = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    additions = [patch for patch in axes.patches if isinstance(patch, Circle)]
    return (
        [bar for bar in bars if bar.get_y() + bar.get_height() / 2 == pytest.approx(3.1)],
        [circle for circle in additions if circle.center[1] == diagrams.LEVEL],
    )


def test_each_shortcut_starts_before_its_block_and_ends_at_its_addition(monkeypatch):
    arrows = []
    monkeypatch.setattr(
        diagrams, "draw_arrow", lambda axes, points, *_, **__: arrows.append(points)
    )
    bars, additions = bars_and_additions(network())
    bars = [bar for bar in bars if bar.get_facecolor()[:3] != GREY]
    assert (len(arrows[1:]), len(additions), len(bars)) == (16, 16, 48)  # one is the main path
    for number, (points, addition) in enumerate(zip(arrows[1:], additions, strict=True)):
        first, *_, last = (bar.get_x() for bar in bars[3 * number : 3 * number + 3])
        before = additions[number - 1].center[0] if number else 0
        assert before < points[0][0] < first and points[0][1] == diagrams.LEVEL
        top = (addition.center[0], addition.center[1] + addition.radius)
        assert points[-1] == pytest.approx(top) and last < addition.center[0]


def test_bars_are_as_tall_as_their_layers_have_channels():
    bars, _ = bars_and_additions(network())
    heights = [round(bar.get_height() / diagrams.PER_CHANNEL) for bar in bars]
    assert heights[:9] == [3, 64, 64, 64, 64, 256, 64, 64, 256]
    assert heights[-5:] == [512, 512, 2048, 2048, 101]


def test_v1_alone_has_something_on_its_path():
    shown = texts(residual_stream.draw_residual_stream())
    assert shown.count("+") == 6 and shown.count("ReLU") == 2
    assert {"LayerNorm\nattention", "LayerNorm\nMLP"} <= set(shown)


def test_history_shows_each_network_where_its_numbers_say():
    (axes,) = history.draw_history().axes
    points = {tuple(line.get_xydata()[0]) for line in axes.lines if len(line.get_xdata()) == 1}
    assert points == {(year, depth) for _, year, depth, *_ in history.DEPTHS}
    assert ("ResNet-152", 152) in [(name, depth) for name, _, depth, *_ in history.DEPTHS]


@pytest.mark.parametrize(
    "name", ["skip_connection.png", "identity_block.png", "convolutional_block.png", "resnet50.png"]
)
def test_all_text_lies_inside_and_apart(name):
    """No text is cut off at the edge, and no two texts overlap."""
    drawn = figure(name)
    drawn.canvas.draw()
    boxes = [text.get_window_extent() for text in drawn.axes[0].texts if text.get_text()]
    for number, box in enumerate(boxes):
        assert drawn.bbox.x0 <= box.x0 and box.x1 <= drawn.bbox.x1
        assert drawn.bbox.y0 <= box.y0 and box.y1 <= drawn.bbox.y1
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
