"""The short trainings of `make levers`, on a handful of drawn pictures."""

import levers
import pandas as pd
import pytest

from helpers import data, synthetic

ALL_AT_ONCE = {"sgd": 0.1, "randaugment": 0.1, "momentum": 0.99, "mixup_from": 0.5, "cutmix": 0.5}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    return data.load_images(synthetic.write_pictures(folder / "sample", per_category=13), 60)


def test_the_changes_change_what_the_recipe_names():
    changes = list(levers.CHANGES.values())
    assert changes[0] == {}
    for change in changes[1:]:
        ((name, value),) = change.items()
        assert levers.RECIPE[name] != value


def test_what_is_done_is_not_done_again(images, tmp_path, monkeypatch):
    calls = []

    def run(images, epochs, precision, per_class, how):
        calls.append((epochs, how["sgd"], how["mixup"]))
        return {"images": 10, "accuracy": 0.5}

    monkeypatch.setattr(levers, "run", run)
    file = tmp_path / "levers.csv"
    levers.measure(images, ["none"], 3, file)
    levers.measure(images, ["none", "SGD 0.1, not AdamW"], 3, file)
    levers.measure(images, ["none"], 4, file)
    assert calls == [(3, None, 0.2), (3, 0.1, 0.2), (4, None, 0.2)]
    assert pd.read_csv(file)["change"].tolist() == ["none", "SGD 0.1, not AdamW", "none"]


def test_a_run_trains_as_it_is_told_and_scores_what_it_kept_back(images, monkeypatch):
    seen = []
    fit, batches = levers.keras.Model.fit, data.training_batches

    def spy_fit(model, *args, **options):
        bn = model.get_layer("conv2_block1_3_bn")
        seen.append((model.optimizer.name, bn.momentum, options["initial_epoch"]))
        return fit(model, *args, **options)

    def spy_batches(pixels, labels, classes, **options):
        seen.append((len(pixels), options["mixup"], options["cutmix"], data.augment.__name__))
        return batches(pixels, labels, classes, **options)

    monkeypatch.setattr(levers.keras.Model, "fit", spy_fit)
    monkeypatch.setattr(data, "training_batches", spy_batches)
    score = levers.run(images, 2, "float32", 12, levers.RECIPE | ALL_AT_ONCE)
    # 8 of 12 pictures of each of 8 classes are for training, 4 are kept back
    first, second = (64, 0.0, 0.5, "<lambda>"), (64, 0.2, 0.5, "<lambda>")
    name = seen[1][0].lower()
    assert seen == [first, (seen[1][0], 0.99, 0), second, (seen[1][0], 0.99, 1)] and "sgd" in name
    assert score["images"] == 32 and 0 <= score["accuracy"] <= 1
    assert data.augment.__name__ == "augment"
