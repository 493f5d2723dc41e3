"""Digits in sign language: who was photographed when, and where the hand is on a photo.

The photos' numbers run signer after signer, 0 to 9; the time is stored in each file.
"""

from datetime import datetime

import numpy as np
from PIL import Image
from scipy import ndimage

from helpers import UserError

DATE_TIME = 306  # EXIF's number for it
BREAK = 20 * 60  # seconds without a photo that end a sitting


def sittings(paths):
    """Which sitting each photo belongs to: int (n,), counted from 0.

    The signers came one after the other, in seven sittings with the same wall and light; between
    them lie 20 minutes or more. Raises UserError if a file does not say when it was taken.
    """
    times = np.array([time_of(path) for path in paths])
    order = np.argsort(times)
    sitting = np.zeros(len(paths), int)
    sitting[order[1:]] = np.cumsum(np.diff(times[order]) > BREAK)
    return sitting


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
    image = image.astype("float32")
    red = (image[..., 0] - image[..., 2]) / (image.max(axis=-1) + 1)
    red = ndimage.gaussian_filter(red, 0.7)
    mask = red > threshold(red)
    pieces, count = ndimage.label(mask)
    sizes = ndimage.sum(mask, pieces, range(1, count + 1))
    mask = pieces == 1 + np.argmax(sizes)  # the largest piece is the hand
    holes, count = ndimage.label(~mask)
    sizes = ndimage.sum(~mask, holes, range(1, count + 1))
    small = 1 + np.flatnonzero(sizes < 0.004 * mask.size)  # a nail or a shine, not a 0's ring
    return (255 * (mask | np.isin(holes, small))).astype("uint8")


def threshold(values):
    """The value that parts an array into two classes that lie furthest apart (Otsu 1979)."""
    counts, edges = np.histogram(values, 64)
    middles = (edges[1:] + edges[:-1]) / 2
    below = counts.cumsum()[:-1]
    sums = (counts * middles).cumsum()
    above = counts.sum() - below
    between = below * above * (sums[:-1] / below - (sums[-1] - sums[:-1]) / above) ** 2
    return middles[np.argmax(between)]
