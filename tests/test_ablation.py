"""The short training runs of `make ablation`, on a handful of synthetic pictures."""

from dataclasses import replace

import pandas as pd
import pytest

from experiments import ablation
from helpers import batches, data, training
from helpers.recipe import Recipe
from images import synthetic

OTHER = {
    "optimizer": "sgd",
    "batch_norm_momentum": 0.99,
    "cutmix": 0.5,
    "zero_init_residual": False,
}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    return data.load_images(synthetic.write_pictures(folder / "sample", per_category=13), 60)


def test_the_changes_change_what_the_recipe_names():
    changes = list(ablation.CHANGES.values())
    assert changes[0] == {}
    for change in changes[1:]:
        assert replace(ablation.RECIPE, **change) != ablation.RECIPE
        for name, value in change.items():
            assert getattr(ablation.RECIPE, name) != value


def test_what_is_done_is_not_done_again(images, tmp_path, monkeypatch):
    calls = []

    def run(images, recipe):
        calls.append((recipe.epochs, recipe.optimizer, recipe.mixup))
        return {"images": 10, "accuracy": 0.5}

    monkeypatch.setattr(ablation, "run", run)
    monkeypatch.setattr(ablation, "choose_precision", lambda: "float32")  # no benchmark
    file = tmp_path / "ablation.csv"
    three, four = (replace(ablation.RECIPE, epochs=epochs) for epochs in (3, 4))
    ablation.measure(images, ["none"], three, file)
    ablation.measure(images, ["none", "SGD 0.1, not AdamW"], three, file)
    ablation.measure(images, ["none"], four, file)
    assert calls == [(3, "adamw", 0.2), (3, "sgd", 0.2), (4, "adamw", 0.2)]
    assert pd.read_csv(file)["change"].tolist() == ["none", "SGD 0.1, not AdamW", "none"]


def test_a_run_trains_as_it_is_told_and_scores_what_it_kept_back(small, images, monkeypatch):
    seen = {}
    fit, augment = training.keras.Model.fit, batches.augment

    def spy_fit(model, *args, **options):
        norm = model.get_layer("block_3_bn")
        seen.update(optimizer=model.optimizer.name.lower(), momentum=norm.momentum)
        seen.update(gamma=float(norm.gamma[0]), epochs=options["epochs"])
        return fit(model, *args, **options)

    def spy_augment(images, labels, seed, size, **options):
        seen.update(batch=images.shape[0], size=size, **options)
        return augment(images, labels, seed, size, **options)

    monkeypatch.setattr(training.keras.Model, "fit", spy_fit)
    monkeypatch.setattr(batches, "augment", spy_augment)
    recipe = Recipe(image_size=48, per_class=12, val_per_class=4, epochs=1, precision="float32")
    score = ablation.run(images, replace(recipe, **OTHER))
    assert "sgd" in seen.pop("optimizer")
    assert seen == {
        "momentum": 0.99,
        "gamma": 1.0,
        "epochs": 1,
        "batch": 32,
        "size": 48,
        "mixup": 0.2,
        "cutmix": 0.5,
        "min_crop_scale": 0.45,
    }
    # 8 of 12 pictures of each of 8 classes are for training, 4 are kept back
    assert score["images"] == 32 and 0 <= score["accuracy"] <= 1
