"""Trained networks: a folder with weights and a card that says what they are; predictions."""

import json
import os
import platform
import warnings
from contextlib import contextmanager
from pathlib import Path

import h5py
import keras
import numpy as np
import tensorflow as tf

from helpers import UserError
from helpers.batches import load_size, without_autotune
from helpers.files import ROOT, atomic_write, sha256
from helpers.recipe import STAGES
from helpers.resnet import ARCHITECTURES, copy_weights, imagenet_scaling

MODELS = ROOT / "models"
FEW = 8  # pictures, answered before `predict` would have built its graph
WEIGHTS, CARD = "model.weights.h5", "card.json"
# Keys of cards that earlier versions wrote: {then: now}.
RENAMED = {
    "read_size": "test_size",
    "start": "init_from",
    "start_sha256": "init_sha256",
    "frozen": "freeze",
}

# --- predictions --------------------------------------------------------------------------------


def test_size(image_size, min_crop_scale):
    """Test-time image size; larger after training on small crops.

    Objects look larger in small crops than in whole pictures, so such a network is also shown
    the centre of a picture. Source: Touvron et al. 2019 (FixRes).
    """
    return load_size(image_size) if min_crop_scale < 0.6 else image_size


test_size.__test__ = False  # pytest takes functions of this name for tests


def predict_probabilities(model, pixels, batch_size=64):
    """Probabilities (n, classes) for uint8 images (n, s, s, 3): the mean over several views.

    A view is the whole picture or, if it is larger than the network's input (see test_size), its
    centre crop; each is also mirrored.
    """
    size = model.input_shape[1]
    views = [pixels]
    if pixels.shape[1] > size:
        edge = (pixels.shape[1] - size) // 2
        whole = tf.image.resize(pixels, (size, size), antialias=True).numpy()
        views = [whole, pixels[:, edge : edge + size, edge : edge + size]]
    views += [view[:, :, ::-1] for view in views]
    if len(pixels) <= FEW:
        answers = model(np.concatenate(views), training=False).numpy()
        return np.mean(np.split(answers, len(views)), axis=0)
    batches = [tf.data.Dataset.from_tensor_slices(view).batch(batch_size) for view in views]
    return np.mean([model.predict(without_autotune(b), verbose=0) for b in batches], axis=0)


def temper(probabilities, temperature):
    """Probabilities (n, classes) at another temperature: below 1 surer, above 1 less sure.

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", section 4.2.
    """
    powers = np.maximum(probabilities, 1e-12) ** (1 / temperature)
    return powers / powers.sum(axis=1, keepdims=True)


def top_k(probabilities, class_names, k=5):
    """The k most likely classes of one picture: a list of (name, probability)."""
    best = np.argsort(-probabilities, kind="stable")[:k]
    return [(class_names[label], float(probabilities[label])) for label in best]


# --- reading ------------------------------------------------------------------------------------


def model_folder(name):
    """The folder that `name` means: a folder, or the name of one in models/."""
    return Path(name) if Path(name).is_dir() else MODELS / name


def read_card(folder):
    """The card of the model in `folder`, a dict. Raises UserError."""
    path = Path(folder) / CARD
    if not path.is_file():
        raise UserError(
            f"No trained model in {folder}: train one (python train.py --data sample takes "
            "minutes), or name another with --model."
        )
    try:
        card = {RENAMED.get(key, key): value for key, value in json.loads(path.read_text()).items()}
        card = {"architecture": "resnet50", "test_size": card["image_size"], **card}
        sizes = 32 <= card["image_size"] <= card["test_size"]
        known = card["architecture"] in ARCHITECTURES
        if len(card["class_names"]) < 2 or not sizes or not card["scaling"] or not known:
            raise ValueError("impossible values")
        return card
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is damaged ({error!r}): train or fetch the model anew.") from error


def load_model(name):
    """The model `name` (a folder, or the name of one in models/): (keras.Model, card).

    A network that was trained with its first stages frozen stores only the others; it is put
    together with the one that it started from. Raises UserError if either is missing or changed.
    """
    folder = model_folder(name)
    card = read_card(folder)
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise UserError(f"{weights} is missing: train or fetch the model anew.")
    if sha256(weights) != card["weights_sha256"]:
        raise UserError(f"{weights} is damaged or not the one its card names: fetch both anew.")
    model = stored = float32_network(card)
    if card.get("freeze"):
        init, init_card = load_model(card["init_from"])
        if init_card["weights_sha256"] != card["init_sha256"]:
            raise UserError(
                f"{folder} goes with other weights than {model_folder(card['init_from'])} holds "
                "now: fetch both anew, or train it again."
            )
        copy_weights(init, model, but=["predictions"])
        stored = layers_after(model, card["freeze"])
    try:
        with warnings.catch_warnings(action="ignore"):  # Keras warns, then raises
            stored.load_weights(weights)
    except Exception as error:  # h5py and Keras raise many kinds
        raise UserError(f"{weights} does not fit its card: fetch both anew.") from error
    return model, card


def float32_network(card):
    """The untrained float32 network that a card describes."""
    network, size = ARCHITECTURES[card["architecture"]], card["image_size"]
    with dtype_policy("float32"):
        scaling = imagenet_scaling() if card["scaling"] == "imagenet" else None
        return network((size, size, 3), len(card["class_names"]), scaling=scaling)


@contextmanager
def dtype_policy(name):
    """Layers that are built inside get this Keras dtype policy, such as "mixed_bfloat16"."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def layers_after(model, stage):
    """The layers after `stage` ("conv1" to "conv5") as a model that shares their weights."""
    kept = STAGES[: STAGES.index(stage) + 1]
    frozen = [layer for layer in model.layers if layer.name.startswith(kept)]
    return keras.Model(frozen[-1].output, model.output)


# --- writing ------------------------------------------------------------------------------------


def save_float16(model, path):
    """Writes a model's weights as float16: half the size, loaded by plain `load_weights`.

    The model must not be compiled: its file would hold the optimizer's state as well. Raises
    UserError where a weight is too large.
    """

    def copy_item(target, name, item):
        if isinstance(item, h5py.Group):
            copy = target.require_group(name)
        elif item.dtype == "float32":
            with np.errstate(over="ignore"):  # the next line says it better
                halves = item[()].astype("float16")
            if not np.isfinite(halves).all():
                raise UserError("A weight is too large for float16: the training run diverged.")
            packing = dict(compression="gzip", shuffle=True) if halves.ndim else {}
            copy = target.create_dataset(name, data=halves, **packing)
        else:
            copy = target.create_dataset(name, data=item[()])
        copy.attrs.update(item.attrs)

    def write(part):
        whole = part.with_name(f"float32-{part.name}")
        try:
            model.save_weights(whole)
            with h5py.File(whole) as source, h5py.File(part, "w") as target:
                source.visititems(lambda name, item: copy_item(target, name, item))
                target.attrs.update(source.attrs)
        finally:
            whole.unlink(missing_ok=True)

    atomic_write(path, write)


def save_card(folder, card):
    """Writes the card of the weights in `folder`; returns it whole.

    It comes last and holds the weights' SHA-256: without a card that fits, a folder is no model.
    """
    versions = {"python": platform.python_version(), "tensorflow": tf.__version__}
    versions |= {"keras": keras.__version__, "numpy": np.__version__}
    card = {**card, "versions": versions, "weights_sha256": sha256(Path(folder) / WEIGHTS)}
    text = json.dumps(card, indent=1) + "\n"
    atomic_write(Path(folder) / CARD, lambda part: part.write_text(text))
    return card


def machine():
    """This machine, in words."""
    gpus = [gpu.name for gpu in tf.config.list_physical_devices("GPU")]
    return f"{os.cpu_count()} cores, {', '.join(gpus) or 'no GPU'}, {platform.machine()}"
