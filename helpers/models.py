"""Trained networks, each a folder with weights and a card that describes them; predictions."""

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
FEW = 8  # pictures: faster without the graph that `predict` builds
WEIGHTS, CARD = "model.weights.h5", "card.json"
# Keys of cards that earlier versions wrote: {then: now}.
RENAMED = {"read_size": "test_size", "frozen": "freeze"}
RENAMED |= {"start": "init_from", "start_sha256": "init_sha256"}


def test_size(image_size, min_crop_scale):
    """The side of test images: larger after training on small crops, where objects look larger.

    Source: Touvron et al. 2019 (FixRes).
    """
    return load_size(image_size) if min_crop_scale < 0.6 else image_size


def predict_probabilities(model, pixels):
    """Probabilities (n, classes) for uint8 images (n, s, s, 3): the mean over several views.

    The views are the whole picture, its centre crop if it is larger than the network's input (see
    test_size), and both mirrored.
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
    batches = [tf.data.Dataset.from_tensor_slices(view).batch(64) for view in views]
    return np.mean([model.predict(without_autotune(b), verbose=0) for b in batches], axis=0)


def temper(probabilities, temperature):
    """Probabilities (n, classes) at another temperature: above 1 less confident.

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", section 4.2.
    """
    powers = np.maximum(probabilities, 1e-12) ** (1 / temperature)
    return powers / powers.sum(axis=1, keepdims=True)


def top_k(probabilities, class_names, k=5):
    """The k most likely classes of one picture: [(name, probability), ...]."""
    best = np.argsort(-probabilities, kind="stable")[:k]
    return [(class_names[label], float(probabilities[label])) for label in best]


# --- loading ------------------------------------------------------------------------------------


def model_folder(name):
    """The folder `name`, or the one of that name in models/."""
    return Path(name) if Path(name).is_dir() else MODELS / name


def read_card(folder):
    """The card of the model in `folder`: a dict. Raises UserError."""
    path = Path(folder) / CARD
    if not path.is_file():
        raise UserError(
            f"No trained model in {folder}: train one (python train.py --data sample takes "
            "minutes), or choose another with --model."
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
        raise UserError(f"{path} is damaged ({error!r}): train or fetch it again.") from error


def load_model(name):
    """The model in the folder `name`, or of that name in models/: (keras.Model, card).

    A network with frozen stages stores only the other layers; the rest comes from the network it
    started from. Raises UserError if either is missing or damaged.
    """
    folder = model_folder(name)
    card = read_card(folder)
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise UserError(f"{weights} is missing: train or fetch the model again.")
    if sha256(weights) != card["weights_sha256"]:
        raise UserError(f"{weights} does not match the checksum in its card: fetch both again.")
    model = stored = float32_network(card)
    if card.get("freeze"):
        init, init_card = load_model(card["init_from"])
        if init_card["weights_sha256"] != card["init_sha256"]:
            raise UserError(
                f"{folder} was trained from other weights than those in "
                f"{model_folder(card['init_from'])}: fetch both again, or train it again."
            )
        copy_weights(init, model, but=["predictions"])
        stored = layers_after(model, card["freeze"])
    try:
        with warnings.catch_warnings(action="ignore"):  # Keras warns, then raises
            stored.load_weights(weights)
    except Exception as error:  # h5py and Keras raise many kinds
        raise UserError(f"{weights} does not fit its card: fetch both again.") from error
    return model, card


def float32_network(card):
    """The untrained float32 network that a card describes."""
    network, size = ARCHITECTURES[card["architecture"]], card["image_size"]
    with dtype_policy("float32"):
        scaling = imagenet_scaling() if card["scaling"] == "imagenet" else None
        return network((size, size, 3), len(card["class_names"]), scaling=scaling)


@contextmanager
def dtype_policy(name):
    """Gives layers built inside it this Keras dtype policy, such as "mixed_bfloat16"."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def layers_after(model, stage):
    """The layers after `stage` ("conv1" to "conv5"): a keras.Model that shares their weights."""
    kept = STAGES[: STAGES.index(stage) + 1]
    frozen = [layer for layer in model.layers if layer.name.startswith(kept)]
    return keras.Model(frozen[-1].output, model.output)


# --- saving -------------------------------------------------------------------------------------


def save_float16(model, path):
    """Writes a model's weights as float16, half the size; `load_weights` reads them.

    The model must not be compiled, or the optimizer's state would be written as well. Raises
    UserError if a weight is too large.
    """

    def copy_item(target, name, item):
        if isinstance(item, h5py.Group):
            copy = target.require_group(name)
        elif item.dtype == "float32":
            with np.errstate(over="ignore"):  # checked in the next line
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
    """Writes the card, last of all, with machine, versions and the weights' SHA-256; returns it.

    A machine that the card already names, that of the training, stays.
    """
    gpus = ", ".join(gpu.name for gpu in tf.config.list_physical_devices("GPU")) or "no GPU"
    machine = f"{os.cpu_count()} cores, {gpus}, {platform.machine()}"
    versions = {"python": platform.python_version(), "tensorflow": tf.__version__}
    versions |= {"keras": keras.__version__, "numpy": np.__version__}
    about = {"machine": card.get("machine", machine), "versions": versions}
    card = {**card, **about, "weights_sha256": sha256(Path(folder) / WEIGHTS)}
    write_card(folder, card)
    return card


def write_card(folder, card):
    """Writes the card of the model in `folder` as JSON, by atomic_write."""
    text = json.dumps(card, indent=1) + "\n"
    atomic_write(Path(folder) / CARD, lambda part: part.write_text(text))
