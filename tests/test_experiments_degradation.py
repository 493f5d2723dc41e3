"""The measurements behind notebook 01's argument, on tiny networks and few pictures."""

import keras
import numpy as np
import pandas as pd
import pytest
from keras import layers

from experiments import block_cost, copy_proof, degradation, gradients, learning_rates


@pytest.fixture(scope="module")
def pictures():
    return gradients.drawn_pictures(2)


@pytest.fixture
def noise():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (16, 32, 32, 3), "uint8"), np.arange(16) % 4


# --- the copy with BatchNorm


def test_the_deeper_network_is_a_plain_one_that_copies_in_inference(pictures):
    images, labels = pictures
    keras.utils.set_random_seed(0)
    shallow = copy_proof.trained_net(images, labels, depth=4, epochs=2)
    deeper = copy_proof.deepen(shallow, 8, images)
    assert sum(isinstance(layer, layers.BatchNormalization) for layer in deeper.layers) == 6
    inference = copy_proof.compare(shallow, deeper, images, labels, None)
    assert inference["difference"] < 1e-4
    assert inference["error_shallow"] == inference["error_deeper"]
    # The statistics that the copy holds are those of all pictures, so a batch of all fits them.
    assert copy_proof.compare(shallow, deeper, images, labels, 16)["difference"] < 1e-3
    assert copy_proof.compare(shallow, deeper, images, labels, 4)["difference"] > 1e-2


# --- degradation


def test_plain_and_residual_networks_differ_in_their_additions_alone():
    plain, residual = (degradation.cifar_net(20, kind) for kind in (False, True))
    assert plain.count_params() == residual.count_params()
    for model, additions in ((plain, 0), (residual, 9)):
        assert sum(isinstance(layer, layers.Add) for layer in model.layers) == additions
        assert sum(hasattr(layer, "kernel") for layer in model.layers) == 20
        assert model.layers[-2].input.shape[1:] == (4, 4, 32)


def test_a_shortcut_skips_pixels_and_adds_empty_channels():
    x = np.arange(16, dtype="float32").reshape(1, 4, 4, 1)
    found = np.asarray(degradation.shortcut(x, 3, 2))
    np.testing.assert_array_equal(found[0, :, :, 0], [[0, 2], [8, 10]])
    assert found.shape == (1, 2, 2, 3) and not found[..., 1:].any()


def test_a_sweep_goes_on_where_it_was_stopped(noise, tmp_path, monkeypatch):
    monkeypatch.setattr(degradation, "DEPTHS", (8,))
    file = tmp_path / "runs.csv"
    todo = [("plain", 8, "SGD", 0.1, 3, 0), ("residual", 8, "Adam", 0.001, 3, 1)]
    degradation.sweep(*noise, todo[:1], file)
    first = pd.read_csv(file)
    degradation.sweep(*noise, todo, file)
    runs, curves = pd.read_csv(file), pd.read_csv(tmp_path / "runs_curves.csv")
    pd.testing.assert_frame_equal(runs[:1], first)
    assert [*runs[degradation.RUN].itertuples(index=False, name=None)] == todo
    assert curves["epoch"].tolist() == [1, 2, 3] * 2
    assert runs["error"].tolist() == curves.loc[curves["epoch"] == 3, "error"].tolist()
    assert runs["error"].between(0, 1).all()


def test_of_equal_errors_the_faster_run_is_best():
    among = [("plain", 20, "SGD", rate, 9, 0) for rate in (0.1, 0.2, 0.3)]
    runs = pd.DataFrame([*among, ("plain", 20, "SGD", 0.4, 9, 0)], columns=degradation.RUN)
    runs = runs.assign(error=[0.1, 0.1, 0.2, 0.0], epochs_run=[9, 8, 7, 6], loss=0.1)
    assert degradation.best_rates(runs, among) == {("plain", 20): 0.2}


def test_a_run_ends_after_five_epochs_without_an_error():
    class model:
        stop_training = False

    check = degradation.stop_when_fitted(model)
    for epoch, accuracy in enumerate([1, 0.9, 1, 1, 1, 1, 1]):
        assert not model.stop_training
        check(epoch, {"accuracy": accuracy})
    assert model.stop_training


def test_each_network_is_trained_at_each_rate_once(pictures, tmp_path, monkeypatch):
    file = tmp_path / "rates.csv"
    options = {"depths": (4,), "rates": (0.01, 0.1), "epochs": 5, "seeds": 1}
    learning_rates.sweep(*pictures, file, **options)
    rows = pd.read_csv(file)
    assert rows[["network", "learning_rate"]].drop_duplicates().shape == (4, 2)
    assert rows["error"].between(0, 1).all()
    monkeypatch.setattr(learning_rates, "training_errors", None)  # nothing is left to train
    learning_rates.sweep(*pictures, file, **options)


# --- cost


def test_the_bottleneck_costs_a_little_less_than_the_basic_block_of_figure_5():
    basic = block_cost.cost(64, block_cost.basic_block)
    bottleneck = block_cost.cost(256, lambda x: block_cost.resnet.identity_block(x, (64, 64, 256)))
    assert (basic["parameters"], bottleneck["parameters"]) == (74_368, 71_552)
    assert (basic["macs"], bottleneck["macs"]) == (231_211_008, 218_365_952)
