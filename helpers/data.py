"""Images from files: single pictures, and folders with one sub-folder per class."""

import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from helpers import UserError

NOT_OBJECTS = ("BACKGROUND_Google",)  # random pictures; most papers leave them out
LARGEST_IMAGE = 150_000_000  # pixels; a larger one takes over a gigabyte to decode


def read_image(path, size):
    """Reads a picture of any format as RGB, stretched to a square: uint8 (size, size, 3).

    Turns transparency white, applies the EXIF rotation, scales 16-bit grey to 8 bits and takes an
    animation's first frame. Raises UserError if the file is not a complete picture.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns about what is handled here
            with Image.open(path) as image:
                if image.width * image.height > LARGEST_IMAGE:
                    raise UserError(f"{path}: too large ({image.width} x {image.height} pixels).")
                image.draft("RGB", (2 * size, 2 * size))  # decodes a JPEG smaller, and faster
                image = ImageOps.exif_transpose(image)
                if image.mode.startswith("I"):
                    image = Image.fromarray((np.asarray(image) // 256).astype("uint8"))
                if "A" in image.getbands() or "transparency" in image.info:
                    image = image.convert("RGBA")
                    white = Image.new("RGBA", image.size, "white")
                    image = Image.alpha_composite(white, image)
                image = image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR)
                return np.asarray(image)
    except UserError:
        raise
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise UserError(f"{path}: {error.strerror.lower()}.") from None
    except (Image.UnidentifiedImageError, Image.DecompressionBombError):
        raise UserError(f"{path}: not a picture in a known format.") from None
    except Exception as error:  # Pillow's decoders raise many kinds on a damaged file
        raise UserError(f"{path}: a damaged picture ({error}).") from None


def read_images(paths, size, keep=True):
    """Reads pictures in parallel: (uint8 (n, size, size, 3), list of UserError or None).

    A picture that cannot be read becomes zeros. keep=False only checks them, in bounded memory;
    the first result is then None.
    """
    images = np.zeros((len(paths), size, size, 3), "uint8") if keep else None

    def read(number):
        try:
            image = read_image(paths[number], size)
            if keep:
                images[number] = image
        except UserError as error:
            return error

    with ThreadPoolExecutor() as threads:
        return images, list(threads.map(read, range(len(paths))))


class Images(NamedTuple):
    """Images of a folder: row i is the file paths[i] of class class_names[labels[i]]."""

    paths: np.ndarray  # (n,) of str
    labels: np.ndarray  # (n,) of int
    class_names: list
    pixels: np.ndarray | None  # uint8 (n, size, size, 3), or None if they stay on disk
    skipped: list  # a line for each file that could not be used


def load_images(folder, size, keep=True, classes=None):
    """Reads a folder with one sub-folder per class, in alphabetical order: an Images.

    classes: the sub-folders to read; None reads all. Files that cannot be read are listed in
    `skipped`. Raises UserError if there are fewer than two classes, or one has no picture.
    """
    folder = Path(folder)
    class_names = sorted(
        child.name
        for child in folder.iterdir()
        if child.is_dir() and not child.name.startswith(".") and child.name not in NOT_OBJECTS
        if classes is None or child.name in classes
    )
    if len(class_names) < 2:
        raise UserError(
            f"{folder} has {len(class_names)} class folders, two or more are needed: one "
            "sub-folder per class, named after it, with that class's pictures inside."
        )
    paths, labels = [], []
    for label, name in enumerate(class_names):
        files = files_in(folder / name)
        paths += map(str, files)
        labels += [label] * len(files)
    pixels, errors = read_images(paths, size, keep)
    good = np.array([error is None for error in errors], bool)
    paths, labels = np.array(paths, str)[good], np.array(labels, int)[good]
    if keep and not good.all():
        pixels = pixels[good]
    for label, name in enumerate(class_names):
        if not (labels == label).any():
            raise UserError(f"{folder / name} has no readable picture: add some or remove it.")
    return Images(paths, labels, class_names, pixels, [str(e) for e in errors if e])


def image_files(paths):
    """The files in a list of files and folders. Raises UserError if a folder is empty."""
    files = []
    for path in map(Path, paths):
        found = files_in(path) if path.is_dir() else [path]
        if not found:
            raise UserError(f"{path}: the folder is empty.")
        files += found
    return files


def files_in(folder):
    """The visible files of a folder in alphabetical order."""
    return sorted(file for file in folder.iterdir() if file.is_file() and file.name[0] != ".")
