"""The tables beside a trained network's weights: that they are made right, and fit its card."""

import keras
import numpy as np
import pandas as pd
import pytest

from experiments import records
from helpers import data, evaluation, models, resnet
from images import synthetic

CLASSES = ["ant", "bee", "cup"]
LABELS = np.array([0, 0, 1, 1, 2, 2])
SAID = np.array(
    [
        [0.7, 0.2, 0.1],
        [0.4, 0.5, 0.1],
        [0.1, 0.6, 0.3],
        [0.2, 0.5, 0.3],
        [0.1, 0.0, 0.9],
        [0.3, 0.5, 0.2],
    ]
)


def table():
    found = records.top_five([f"{i}.jpg" for i in range(6)], SAID, CLASSES)
    found.insert(1, "class", [CLASSES[label] for label in LABELS])
    return found


def test_each_picture_has_its_classes_in_order():
    row = table().iloc[1]
    assert [row["class_1"], row["p_1"], row["class_3"], row["p_3"]] == ["bee", 0.5, "cup", 0.1]


def test_each_class_has_its_scores_and_what_it_is_mistaken_for():
    rows = records.scores_by_class(table()).set_index("class")
    assert rows.loc["ant"].tolist() == [2, 0.5, 1.0, "bee", 1]
    assert rows.loc["bee"].tolist() == [2, 1.0, 1.0, "", 0]
    assert rows.loc["cup", "mistaken_for"] == "bee"


def test_the_threshold_says_what_is_answered():
    backgrounds = np.array([[0.45, 0.3, 0.25], [0.55, 0.25, 0.2]])
    rows = records.answers(LABELS, SAID, backgrounds, threshold=0.55)
    last = rows.iloc[-1]
    assert last["threshold"] == 0.55 and last["coverage"] == 0.5 and last["accuracy"] == 1
    assert last["backgrounds_answered"] == 0.5
    # Of 12 pairs of a known and an unknown picture the known one is surer in 9.
    assert last["auroc"] == pytest.approx(9 / 12)
    assert rows.iloc[0]["coverage"] == 1 and rows.iloc[0]["accuracy"] == pytest.approx(
        4 / 6, abs=1e-4
    )


def test_reliability_compares_promise_and_truth():
    rows = records.reliability(np.repeat(LABELS, 10), np.repeat(SAID, 10, axis=0), temperature=0.5)
    assert rows["images"].tolist() == [6] * 20
    before, after = (rows[rows["temperature"] == name] for name in ("before", "after"))
    assert before["confidence"].mean() == pytest.approx(SAID.max(axis=1).mean(), abs=1e-3)
    assert after["confidence"].mean() > before["confidence"].mean() + 0.05
    for some in (before, after):
        assert some["accuracy"].mean() == pytest.approx(4 / 6, abs=1e-3)


def test_a_silenced_block_is_its_shortcut_and_comes_back():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 8))
    x = resnet.identity_block(inputs, (2, 2, 8), name="one")
    x = keras.layers.GlobalAveragePooling2D()(resnet.identity_block(x, (2, 2, 8), name="two"))
    model = keras.Model(inputs, keras.layers.Dense(3, "softmax")(x))
    rng = np.random.default_rng(0)
    pixels = (rng.uniform(0, 9, (30, 1, 1, 8)) * rng.normal(size=(30, 8, 8, 8))).astype("float32")
    model.get_layer("two_3_bn").beta.assign(rng.normal(0, 9, 8))
    before, norm = model.get_weights(), model.get_layer("two_3_bn")
    gamma, beta, *averages = norm.get_weights()
    norm.set_weights([0 * gamma, 0 * beta, *averages])
    labels = model.predict(pixels, verbose=0).argmax(axis=1)  # right without the second block
    norm.set_weights([gamma, beta, *averages])
    rows = records.lesions(model, pixels, labels)
    assert rows["silenced"].tolist() == ["nothing", "one", "two"]
    whole = evaluation.scores(labels, model.predict(pixels, verbose=0))
    assert (
        rows["accuracy"].tolist()[::2] == [round(whole["accuracy"], 4), 1] and whole["accuracy"] < 1
    )
    for one, other in zip(before, model.get_weights(), strict=True):
        assert (one == other).all()


def test_colours_tell_a_class_of_grey_pictures_from_the_others():
    """The model names class 1 where red and blue are equal."""
    inputs = keras.Input((4, 4, 3))
    x = keras.layers.Dense(2, use_bias=False)(keras.layers.GlobalAveragePooling2D()(inputs))
    model = keras.Model(inputs, keras.layers.ReLU()(x))
    model.set_weights([np.array([[1.0, 0], [0, 0], [-1.0, 1e-6]])])
    pixels = np.full((10, 4, 4, 3), 100, "uint8")
    pixels[:6, ..., 2] = 50  # no class of grey pictures
    rows = records.colours(model, pixels, np.arange(10) // 6, grey_class=1).set_index("colours")
    assert rows["right"].to_dict() == {"as they are": 1, "grey": 1, "brown tint": 0}
    assert rows["others_right"].to_dict() == {"as they are": 1, "grey": 0, "brown tint": 1}
    assert rows["others_called_so"].to_dict() == {"as they are": 0, "grey": 1, "brown tint": 0}
    assert set(rows["images"]) == {4} and set(rows["others"]) == {6}


def test_all_tables_are_written(small, tmp_path, monkeypatch):
    photographs = synthetic.write_pictures(tmp_path / "drawn", per_category=2)
    monkeypatch.setattr(records, "GREY_CLASS", "watch")
    names = data.load_images(photographs, 32, keep=False).class_names
    (photographs / "BACKGROUND_Google").mkdir()
    for file in (photographs / names[0]).glob("*.jpg"):
        (photographs / "BACKGROUND_Google" / file.name).write_bytes(file.read_bytes())
    files = sorted(photographs.glob("[!B]*/*.jpg"))
    rows = [("test", file.parent.name, file.relative_to(photographs)) for file in files]
    folder = tmp_path / "model"
    folder.mkdir()
    pd.DataFrame(rows, columns=["part", "class", "file"]).to_csv(folder / "split.csv", index=False)
    card = {"architecture": "resnet50", "class_names": names, "image_size": 32, "test_size": 40}
    card |= {"scaling": "-1..1", "temperature": 0.8, "threshold": 0.2}
    models.save_float16(models.float32_network(card), folder / models.WEIGHTS)
    models.save_card(folder, card)
    records.write(photographs, folder)
    made = {file.stem: pd.read_csv(file) for file in folder.glob("*.csv")}
    assert set(made) == {
        "split",
        "predictions",
        "backgrounds",
        "classes",
        "reliability",
        "answers",
        "lesions",
        "colours",
    }
    assert len(made["predictions"]) == len(files) and len(made["backgrounds"]) == 2
    assert made["classes"]["images"].sum() == len(files)
    assert made["answers"]["threshold"].iloc[-1] == 0.2
