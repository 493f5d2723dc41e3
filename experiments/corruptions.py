"""Changes to photographs of hands: other light, angle, size, background."""

import numpy as np

from helpers import models
from helpers.batches import affine_transform, resize

CORRUPTIONS = {
    "as they are": {},
    "other background": {"behind": True},
    "half the light": {"light": 0.5},
    "half as much light again": {"light": 1.5},
    "warm light": {"light": (1.2, 1.0, 0.7)},
    "cold light": {"light": (0.7, 0.95, 1.2)},
    "rotated by 10 degrees": {"degrees": 10},
    "rotated by 20 degrees": {"degrees": 20},
    "rotated by 30 degrees": {"degrees": 30},
    "the other hand": {"mirror": True},
    "hand at 0.8 of its size": {"zoom": 0.8},
    "hand at 0.6 of its size": {"zoom": 0.6},
    "off the middle": {"offset": 0.15},
    "squeezed to 3/4 of its width": {"zoom": (0.75, 1.0)},
    "squeezed to 3/4 of its height": {"zoom": (1.0, 0.75)},
    "four at once": {"behind": True, "light": (1.0, 0.85, 0.6), "degrees": 20, "zoom": 0.8},
}


UNCHANGED = {"behind": False, "light": 1.0, "degrees": 0, "mirror": False, "zoom": 1.0, "offset": 0}


def corrupt(images, backgrounds, name):
    """Applies the corruption `name`, a key of CORRUPTIONS: float32 (n, s, s, 3) in 0-255.

    images uint8 (n, s, s, 4), see signs.with_masks; backgrounds uint8 (m, s, s, 3), used in turn.
    Every other photograph is rotated the other way; `offset`, in image sides, goes right, left,
    down and up in turn.
    """
    how = UNCHANGED | CORRUPTIONS[name]
    number = np.arange(len(images))
    degrees = np.where(number % 2, -how["degrees"], how["degrees"]).astype("float32")
    ways = np.array([(1, 0), (-1, 0), (0, 1), (0, -1)], "float32")[number % 4]
    if how["mirror"]:
        images = images[:, :, ::-1]
    zooms = np.broadcast_to(np.asarray(how["zoom"], "float32"), (len(images), 2))
    moved = affine_transform(images, degrees, zooms, how["offset"] * ways).numpy()
    cut = moved[..., 3:] / 255 if how["behind"] else 1.0
    photos = cut * moved[..., :3] + (1 - cut) * backgrounds[number % len(backgrounds)]
    return (photos * np.asarray(how["light"], "float32")).clip(0, 255)


def accuracy_on(model, images, labels, backgrounds, name):
    """The accuracy of a network on the images (n, s, s, 4) with the corruption `name`."""
    pictures = corrupt(images, backgrounds, name)
    pictures = np.asarray(resize(pictures, model.input_shape[1]))
    if "mirror" in CORRUPTIONS[name]:  # one view only: predict_probabilities mirrors, too
        probabilities = model.predict(pictures, verbose=0)
    else:
        probabilities = models.predict_probabilities(model, pictures)
    return float((probabilities.argmax(axis=1) == labels).mean())
