"""Digits in sign language: when each photo was taken, where the hand is, what may be different.

The photos' numbers run signer after signer, 0 to 9; the time is stored in each file.
"""

from datetime import datetime

import numpy as np
from PIL import Image
from scipy import ndimage

from helpers import UserError, synthetic
from helpers.data import load_images
from helpers.download import dataset_folder

DATE_TIME = 306  # EXIF's number for it
BREAK = 20 * 60  # seconds without a photo that end a session


def sessions(paths):
    """Which session each photo belongs to: int (n,), counted from 0.

    The signers came one after the other, in seven sessions with the same wall and light; between
    them lie 20 minutes or more. Raises UserError if a file does not say when it was taken.
    """
    times = np.array([time_of(path) for path in paths])
    order = np.argsort(times)
    session = np.zeros(len(paths), int)
    session[order[1:]] = np.cumsum(np.diff(times[order]) > BREAK)
    return session


def time_of(path):
    """When a photo was taken, in seconds since 1970."""
    with Image.open(path) as image:
        text = image.getexif().get(DATE_TIME, "")
    try:
        return datetime.strptime(text, "%Y:%m:%d %H:%M:%S").timestamp()
    except ValueError:
        raise UserError(f"{path}: the photo does not say when it was taken.") from None


def hand_masks(images):
    """Where the hand is: uint8 (n, s, s), 255 on the hand and 0 beside it.

    images: uint8 (n, s, s, 3), each one hand before a plain, greyish wall. Skin is redder than
    the wall; the threshold is half-way between the two (Otsu 1979).
    """
    return np.stack([hand_mask(image) for image in images])


def hand_mask(image):
    """As hand_masks, for one image: uint8 (s, s, 3) -> (s, s)."""
    image = image.astype("float32")
    red = (image[..., 0] - image[..., 2]) / (image.max(axis=-1) + 1)
    red = ndimage.gaussian_filter(red, 0.7)
    mask = red > otsu_threshold(red)
    pieces, count = ndimage.label(mask)
    sizes = ndimage.sum(mask, pieces, range(1, count + 1))
    mask = pieces == 1 + np.argmax(sizes)  # the largest piece is the hand
    holes, count = ndimage.label(~mask)
    sizes = ndimage.sum(~mask, holes, range(1, count + 1))
    small = 1 + np.flatnonzero(sizes < 0.004 * mask.size)  # a nail or a shine, not a 0's ring
    return (255 * (mask | np.isin(holes, small))).astype("uint8")


def otsu_threshold(values):
    """The value that parts an array into two classes that lie furthest apart (Otsu 1979)."""
    counts, edges = np.histogram(values, 64)
    middles = (edges[1:] + edges[:-1]) / 2
    below = counts.cumsum()[:-1]
    sums = (counts * middles).cumsum()
    above = counts.sum() - below
    between = below * above * (sums[:-1] / below - (sums[-1] - sums[:-1]) / above) ** 2
    return middles[np.argmax(between)]


# --- other backgrounds --------------------------------------------------------------------------


def backgrounds(size, folder=None):
    """What may be behind a hand in training: uint8 (n, size, size, 3), half of it drawn pictures.

    All photos have the same plain wall. Synthetic pictures lend things with edges, `pink_noise`
    what lies between. folder: where data is kept.
    """
    drawn = load_images(dataset_folder("sample", folder), size).pixels
    return np.concatenate([drawn, synthetic.pink_noise(len(drawn), size)])


# --- how alike two photos are -------------------------------------------------------------------


def nearest(pixels, train, test):
    """The training image most like each test image: (distances, rows of `train`), both (n,).

    The distance is the root mean square difference of the grey values, each image reduced to
    32 x 32 pixels, mean 0 and standard deviation 1. Copies have 0, unrelated images about 1.4.
    """
    grey = [Image.fromarray(image).convert("L").resize((32, 32)) for image in pixels]
    grey = np.stack([np.asarray(image, "float32").ravel() for image in grey])
    grey = (grey - grey.mean(axis=1, keepdims=True)) / grey.std(axis=1, keepdims=True)
    # For such images the mean square difference is 2 minus twice the mean product.
    square = 2 - 2 * grey[test] @ grey[train].T / grey.shape[1]
    found = square.argmin(axis=1)
    return np.sqrt(square.min(axis=1).clip(0)), np.asarray(train)[found]
