"""Photographs of digits in sign language: recording sessions, hand masks, backgrounds."""

from datetime import datetime

import numpy as np
from PIL import Image
from scipy import ndimage

from helpers import UserError
from helpers.data import load_images
from helpers.download import dataset_folder
from images import synthetic

DATE_TIME = 306  # EXIF tag
BREAK = 20 * 60  # seconds without a photograph that end a session


def sessions(paths):
    """The recording session of each photograph: int (n,), counted from 0.

    Sessions are at least 20 minutes apart. Raises UserError if a file does not say when it was
    taken.
    """
    times = np.array([time_of(path) for path in paths])
    order = np.argsort(times)
    session = np.zeros(len(paths), int)
    session[order[1:]] = np.cumsum(np.diff(times[order]) > BREAK)
    return session


def time_of(path):
    """When a photograph was taken, in seconds since 1970. Raises UserError."""
    with Image.open(path) as image:
        text = image.getexif().get(DATE_TIME, "")
    try:
        return datetime.strptime(text, "%Y:%m:%d %H:%M:%S").timestamp()
    except ValueError:
        raise UserError(f"{path}: the file does not say when the photograph was taken.") from None


def with_masks(images):
    """Photographs and their hand masks, joined: uint8 (n, s, s, 3) -> (n, s, s, 4)."""
    return np.concatenate([images, hand_masks(images)[..., None]], axis=-1)


def hand_masks(images):
    """Masks of hands: uint8 (n, s, s), 255 on the hand and 0 elsewhere.

    images: uint8 (n, s, s, 3), each with one hand in front of a plain, greyish wall, which is less
    red than skin.
    """
    return np.stack([hand_mask(image) for image in images])


def hand_mask(image):
    """The mask of one image: uint8 (s, s, 3) -> (s, s)."""
    image = image.astype("float32")
    red = (image[..., 0] - image[..., 2]) / (image.max(axis=-1) + 1)
    red = ndimage.gaussian_filter(red, 0.7)
    mask = red > otsu_threshold(red)
    pieces, count = ndimage.label(mask)
    sizes = ndimage.sum(mask, pieces, range(1, count + 1))
    mask = pieces == 1 + np.argmax(sizes)  # the largest piece is the hand
    holes, count = ndimage.label(~mask)
    sizes = ndimage.sum(~mask, holes, range(1, count + 1))
    small = 1 + np.flatnonzero(sizes < 0.004 * mask.size)  # a nail, not the hole of a 0
    return (255 * (mask | np.isin(holes, small))).astype("uint8")


def otsu_threshold(values):
    """The threshold that maximises the variance between two classes of values (Otsu 1979)."""
    counts, edges = np.histogram(values, 64)
    middles = (edges[1:] + edges[:-1]) / 2
    below = counts.cumsum()[:-1]
    sums = (counts * middles).cumsum()
    above = counts.sum() - below
    between = below * above * (sums[:-1] / below - (sums[-1] - sums[:-1]) / above) ** 2
    return middles[np.argmax(between)]


def backgrounds(size, folder=None):
    """Backgrounds for copy_paste, half synthetic pictures, half noise: uint8 (n, size, size, 3).

    folder: the data folder.
    """
    drawn = load_images(dataset_folder("sample", folder), size).pixels
    return np.concatenate([drawn, synthetic.pink_noise(len(drawn), size)])
