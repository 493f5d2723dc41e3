"""The images: where they come from, how they are split, and how they reach the network.

Four sources, one layout (a folder with one sub-folder a class) and one code path: Caltech 101,
sign language digits, a folder of your own, and the synthetic pictures of `helpers.synthetic`.
"""

import hashlib
import os
import re
import shutil
import socket
import tarfile
import warnings
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from PIL import Image, ImageOps
from sklearn.model_selection import GroupKFold

from helpers import UserError, synthetic

ROOT = Path(__file__).resolve().parent.parent

# The official file: https://data.caltech.edu/records/mzrjq-6wc02 (Li, Andreeto, Ranzato, Perona).
# A class that keeps a copy on its own server sets CALTECH101_URL, and CALTECH101_SHA256 if the
# copy was packed anew.
CALTECH101_URL = "https://data.caltech.edu/records/mzrjq-6wc02/files/caltech-101.zip"
CALTECH101_SHA256 = "331234750fc7f77520e50d9565e8b6907b03565e30320da1401130db08c61f91"
CALTECH101_BYTES = 137_414_764
CALTECH101_INNER = "101_ObjectCategories.tar.gz"
# Digits in sign language: 2,062 photos by the students of Ankara Ayranci Anadolu High School (Mavi
# and Dikle, Apache licence 2.0), at one commit. GitHub packs a zip anew for each download, so what
# is compared is its content. A class that keeps a copy on its own server sets SIGNS_URL.
SIGNS_URL = (
    "https://github.com/ardamavi/Sign-Language-Digits-Dataset/archive/"
    "4b09433ef9d5c60602e8805bb54b8aa2428527f8.zip"
)
SIGNS_PHOTOS = 2062
SIGNS_SHA256 = "ffca1ee1016e6fa7b5f9fcb8fc969d6895fe1f19ebd083f12da14e274f783749"  # of photos()
NOT_OBJECTS = ("BACKGROUND_Google",)  # pictures of nothing in particular; left out by custom
LARGEST_IMAGE = 150_000_000  # pixels; more needs over a gigabyte to decode


# --- files --------------------------------------------------------------------------------------


def write_whole(path, write):
    """Calls write(temporary path), then renames it to `path`: all of the file or none of it."""
    path = Path(path)
    part = path.with_name(f"part-{path.name}")
    try:
        write(part)
        with open(part, "rb+") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except (OSError, RuntimeError) as error:  # h5py raises either on a full disk
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise UserError(
            f"Cannot write {path} ({reason}). What was there before is kept; make room or get "
            "permission, then start the same command again."
        ) from error
    finally:
        part.unlink(missing_ok=True)


def write_table(path, table):
    """Writes a pandas table as CSV, without its index: all of the file or none of it."""
    write_whole(path, lambda part: table.to_csv(part, index=False))


def digest(path):
    """The SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --- fetching -----------------------------------------------------------------------------------


def data_folder(folder=None):
    """The folder that holds all data: `folder`, else $RESNET50_DATA, else `data/` here.

    Made if it is not there. Raises UserError if it cannot be.
    """
    folder = Path(folder or os.environ.get("RESNET50_DATA") or ROOT / "data").expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"Cannot make the data folder {folder}: {error.strerror}.") from error
    if not os.access(folder, os.W_OK):
        raise UserError(f"Cannot write to the data folder {folder}: choose one with --data-dir.")
    return folder


def caltech101(folder=None):
    """The folder of Caltech 101's 102 sub-folders, downloaded and extracted if it is not there.

    Whatever is found under its final name is whole: downloads and extractions happen under
    another name and are renamed at the end. Raises UserError.
    """
    folder = data_folder(folder)
    extracted = folder / "caltech-101"
    if not extracted.is_dir():
        archive = folder / "caltech-101.zip"
        if archive.exists():
            check_archive(archive)
        else:
            url = os.environ.get("CALTECH101_URL", CALTECH101_URL)
            page = "https://data.caltech.edu/records/mzrjq-6wc02"
            download(archive, "Caltech 101 (137 MB)", url, page, check_archive)
        extract(archive, extracted, unpack_tar)
    for found in [extracted, *sorted(extracted.rglob("101_ObjectCategories"))]:
        if (found / "accordion").is_dir():
            return found
    raise UserError(f"{extracted} does not hold Caltech 101: delete that folder and start again.")


def download(archive, what, url, page, check):
    """Downloads `url` to the file `archive`, with a progress bar; whole and checked, or not at all.

    what: its name for the reader; page: where to get it by hand; check(file) raises UserError if
    the content is not the wanted one.
    """
    part = archive.with_name(archive.name + ".part")
    part.unlink(missing_ok=True)  # what an interrupted download left
    print(f"Downloading {what} from {url}")
    socket.setdefaulttimeout(60)
    try:
        keras.utils.get_file(part.name, url, cache_dir=archive.parent, cache_subdir="")
        check(part)
        part.rename(archive)
    except UserError:
        part.unlink()
        raise
    except Exception as error:
        raise UserError(
            f"The download failed ({error}). By hand: get {archive.name} from {page} and put it "
            f"at {archive}. Or use --data sample, which needs no internet."
        ) from error
    finally:
        socket.setdefaulttimeout(None)


def check_archive(archive):
    """Raises UserError unless the file has the official size and SHA-256."""
    wanted = os.environ.get("CALTECH101_SHA256", CALTECH101_SHA256)
    size = archive.stat().st_size
    found = digest(archive)
    if found != wanted or (wanted == CALTECH101_SHA256 and size != CALTECH101_BYTES):
        raise UserError(
            f"{archive} is not the official caltech-101.zip ({size:,} bytes, sha256 "
            f"{found[:8]}..., wanted {wanted[:8]}...): delete it and start again, or get it from "
            "https://data.caltech.edu/records/mzrjq-6wc02."
        )


def extract(archive, folder, unpack):
    """Calls unpack(archive, temporary folder); renames that to `folder`, whole or not at all."""
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)  # what an interrupted extraction left
    print(f"Extracting {archive.name}", flush=True)
    try:
        unpack(archive, part)
        return part.rename(folder)
    except tarfile.FilterError as error:
        raise UserError(f"{archive} is not safe to extract ({error}): delete it.") from error
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError) as error:
        raise UserError(f"{archive} could not be extracted ({error}).") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def unpack_tar(archive, folder):
    """Extracts Caltech 101's tar.gz, which lies in the zip `archive`."""
    with zipfile.ZipFile(archive) as outer:
        inner = [name for name in outer.namelist() if name.endswith(CALTECH101_INNER)]
        if not inner:
            raise UserError(f"{archive} holds no {CALTECH101_INNER}: delete it, start again.")
        with outer.open(inner[0]) as stream, tarfile.open(fileobj=stream, mode="r|gz") as tar:
            tar.extractall(folder, filter="data")  # "data" refuses paths that lead outside


def sign_digits(folder=None):
    """The folder of the sign-language digits, sub-folders 0 to 9; downloaded if it is not there.

    As with caltech101, what is found under its final name is whole. Raises UserError.
    """
    folder = data_folder(folder)
    extracted = folder / "sign-language-digits"
    if extracted.is_dir():
        return extracted
    archive = folder / "sign-language-digits.zip"
    if not archive.exists():
        url = os.environ.get("SIGNS_URL", SIGNS_URL)
        download(archive, "photos of sign-language digits (17 MB)", url, SIGNS_URL, photos)
    return extract(archive, extracted, unpack_photos)


def unpack_photos(archive, folder):
    """Extracts the photos of the sign-language digits, one sub-folder a digit."""
    for name, content in photos(archive).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def photos(archive):
    """The photos in the sign-language digits' zip, {"0/IMG_1118.JPG": bytes, ...}.

    Raises UserError unless they are the 2,062 of the commit, byte for byte.
    """
    try:
        with zipfile.ZipFile(archive) as whole:
            inside = r"[^/]+/Dataset/(\d/IMG_\d+\.JPG)"
            names = {m[1]: m[0] for m in map(re.compile(inside).fullmatch, whole.namelist()) if m}
            found = {name: whole.read(names[name]) for name in sorted(names)}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError):
        found = {}
    lines = [f"{name} {hashlib.sha256(found[name]).hexdigest()}\n" for name in found]
    if hashlib.sha256("".join(lines).encode()).hexdigest() != SIGNS_SHA256:
        raise UserError(
            f"{archive} is not the sign-language digits' zip ({len(found):,} of its "
            f"{SIGNS_PHOTOS:,} photos found): delete it and start again, or get it from {SIGNS_URL}"
        )
    return found


def dataset_folder(name, folder=None):
    """The folder of images that `--data NAME` means: caltech101, signs, sample or a path."""
    if name == "caltech101":
        return caltech101(folder)
    if name == "signs":
        return sign_digits(folder)
    if name == "sample":
        # Named after the drawing code, so that pictures of older code are never taken for new.
        code = digest(synthetic.__file__)[:8]
        return synthetic.write_pictures(data_folder(folder) / f"sample-{code}")
    if not Path(name).is_dir():
        raise UserError(
            f"{name}: no such folder. --data takes caltech101, signs, sample or a folder."
        )
    return Path(name)


# --- reading ------------------------------------------------------------------------------------


def read_image(path, size):
    """One picture, whatever its format, as RGB: uint8 (size, size, 3), squeezed to a square.

    Transparency becomes white, a camera's rotation is undone, 16-bit grey is scaled to 8 bits,
    of an animation the first frame is taken. Raises UserError if it is not a whole picture.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of what is handled here
            with Image.open(path) as image:
                if image.width * image.height > LARGEST_IMAGE:
                    raise UserError(f"{path}: too large ({image.width} x {image.height} pixels).")
                image.draft("RGB", (2 * size, 2 * size))  # a JPEG can be decoded smaller, faster
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
    except FileNotFoundError:
        raise UserError(f"{path}: no such file.") from None
    except PermissionError:
        raise UserError(f"{path}: no permission to read it.") from None
    except (Image.UnidentifiedImageError, Image.DecompressionBombError):
        raise UserError(f"{path}: not a picture (or one in a format nobody can read).") from None
    except Exception as error:  # Pillow's decoders raise many kinds on a damaged file
        raise UserError(f"{path}: a damaged picture ({error}).") from None


def read_images(paths, size, keep=True):
    """Reads many pictures at once: (uint8 (n, size, size, 3), list of UserErrors).

    A picture that cannot be read leaves its error and a row of zeros. With keep=False pictures
    are only checked, and the first result is None: memory stays bounded.
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
    """A folder of images, read: row i is the file paths[i] of class class_names[labels[i]]."""

    paths: np.ndarray  # (n,) of str
    labels: np.ndarray  # (n,) of int
    class_names: list
    pixels: np.ndarray | None  # uint8 (n, size, size, 3), or None if they stay on disk
    skipped: list  # a line for each file that could not be used


def load_images(folder, size, keep=True, classes=None):
    """Reads a folder with one sub-folder a class into an Images, in alphabetical order.

    classes: the names of the sub-folders to read; None takes all. Files that are not whole
    pictures are left out and listed in `skipped`. Raises UserError if fewer than two classes are
    left.
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
            f"{folder}: {len(class_names)} class folders, two or more are needed: one sub-folder "
            "a class, named after it, with that class's pictures inside."
        )
    paths, labels = [], []
    for label, name in enumerate(class_names):
        files = sorted(file for file in (folder / name).iterdir() if file.is_file())
        files = [str(file) for file in files if not file.name.startswith(".")]
        paths += files
        labels += [label] * len(files)
    pixels, errors = read_images(paths, size, keep)
    good = np.array([error is None for error in errors], bool)
    paths, labels = np.array(paths, str)[good], np.array(labels, int)[good]
    if keep and not good.all():
        pixels = pixels[good]
    for label, name in enumerate(class_names):
        if not (labels == label).any():
            raise UserError(f"{folder / name}: no picture that can be read. Fill or remove it.")
    return Images(paths, labels, class_names, pixels, [str(e) for e in errors if e])


def split(labels, class_names, per_class=None, validation=0, seed=0):
    """Splits images class by class: index arrays (training, validation, test).

    per_class images of each class are for training, the rest for the test; None takes 80 % of
    each class. `validation` images a class are cut from the training ones. The same labels and
    seed give the same split, always. Raises UserError if a class has too few images.
    """
    rng = np.random.default_rng(seed)
    parts = [], [], []
    for label, name in enumerate(class_names):
        mine = rng.permutation(np.flatnonzero(labels == label))
        count = min(int(0.8 * len(mine)), len(mine) - 1) if per_class is None else per_class
        if count <= validation or count >= len(mine):
            raise UserError(
                f"Class {name!r} has {len(mine)} pictures, too few: {max(count, validation + 1)} "
                f"to train on ({validation} of them for validation) and one to test on are "
                "needed. Add pictures, or lower --per-class or --validation."
            )
        for part, some in zip(
            parts, np.split(mine, [count - validation, count])[:2] + [mine[count:]], strict=True
        ):
            part.append(some)
    return tuple(np.sort(np.concatenate(part)) for part in parts)


def split_groups(labels, class_names, groups, per_class=None, validation=0, seed=0):
    """As split, but images of one group (int (n,)) never lie on both sides of it.

    The groups are dealt out to five parts of about the same size; seed % 5 says which of them is
    the test, so the seeds 0-4 together test every image once. The next part is for validation, if
    there is one; `per_class` and `validation` images are drawn from what is theirs, and the rest
    of it is not used. Raises UserError if a class has too few images.
    """
    rng = np.random.default_rng(seed)
    folds = [part for _, part in GroupKFold(5).split(labels, groups=groups)]
    test, next_fold = folds[seed % 5], folds[(seed + 1) % 5]
    others = folds if not validation else [fold for fold in folds if fold is not next_fold]
    rest = np.concatenate([fold for fold in others if fold is not test])
    parts = [], []
    for label, name in enumerate(class_names):
        for part, whole, count in (
            (parts[0], rest, per_class),
            (parts[1], next_fold, validation),
        ):
            mine = rng.permutation(whole[labels[whole] == label])
            wanted = 1 if count is None else count
            if len(mine) < wanted:
                raise UserError(
                    f"Class {name!r} has {len(mine)} pictures where {wanted} are wanted: "
                    "lower --per-class or --validation."
                )
            part.append(mine[:count])
    return (*(np.sort(np.concatenate(part)) for part in parts), test)


def write_split(path, folder, images, parts):
    """Writes which file is for what, as a CSV with the columns part, class and file."""
    rows = [
        (name, images.class_names[images.labels[i]], Path(images.paths[i]).relative_to(folder))
        for name, part in zip(("train", "validation", "test"), parts, strict=True)
        for i in part
    ]
    write_table(path, pd.DataFrame(rows, columns=["part", "class", "file"]))


# --- batches ------------------------------------------------------------------------------------


def augment(images, labels, seed, size, mixup=0.2, smallest_crop=0.45, cutmix=0.0):
    """Random crops, mirrorings, brightness, contrast and mixing of one batch.

    images uint8 (n, s, s, 3), labels one-hot (n, classes), seed int (2,) -> float32
    (n, size, size, 3) in 0-255 and (n, classes). All randomness comes from the seed, which is
    why a resumed training sees the very batches it would have seen. Each image is mixed with
    another of the batch: `mixup` is the alpha of the Beta distribution that draws the shares,
    0 for none; with probability `cutmix` a rectangle of the other is pasted in instead. Sources:
    Szegedy et al. 2014 (crops); Zhang et al. 2017 (mixup); Yun et al. 2019 (CutMix).
    """
    count = tf.shape(images)[0]
    seeds = tf.unstack(tf.random.split(seed, 8), num=8)

    def uniform(key, shape, low, high):
        return tf.random.stateless_uniform((count, *shape), seeds[key], low, high)

    # A crop whose sides are smallest_crop to 1 times the image's, up to a third longer one way.
    stretch = tf.exp(uniform(0, (1,), -0.15, 0.15))
    sides = tf.minimum(
        uniform(1, (1,), smallest_crop, 1.0) * tf.concat([stretch, 1 / stretch], 1), 1.0
    )
    corner = uniform(2, (2,), 0.0, 1.0) * (1 - sides)
    top, left, bottom, right = tf.unstack(tf.concat([corner, corner + sides], 1), axis=1)
    mirror = uniform(3, (), 0.0, 1.0) < 0.5
    left, right = tf.where(mirror, right, left), tf.where(mirror, left, right)
    boxes = tf.stack([top, left, bottom, right], axis=1)
    images = tf.image.crop_and_resize(images, boxes, tf.range(count), (size, size))

    mean = tf.reduce_mean(images, (1, 2, 3), keepdims=True)
    images = (images - mean) * uniform(4, (1, 1, 1), 0.7, 1.3) + mean
    images = tf.clip_by_value(images * uniform(5, (1, 1, 1), 0.7, 1.3), 0.0, 255.0)

    share = tf.ones((count, 1, 1, 1))  # of the image itself, for each pixel
    if mixup:
        # share ~ Beta(mixup, mixup), made of two gamma variables
        one, other = (tf.random.stateless_gamma((count,), seeds[k], mixup) + 1e-8 for k in (6, 7))
        share = (one / (one + other))[:, None, None, None]
    if cutmix:
        chance, area, x, y = tf.unstack(
            tf.random.stateless_uniform((4, count, 1), tf.random.fold_in(seed, 1))
        )
        pixel = (tf.range(size, dtype=tf.float32) + 0.5) / size
        reach = tf.sqrt(area) / 2  # half a side of the rectangle, which the border may cut off
        inside = (tf.abs(pixel - y) < reach)[:, :, None] & (tf.abs(pixel - x) < reach)[:, None, :]
        pasted = 1 - tf.cast(inside, tf.float32)[..., None]
        share = tf.where(chance[..., None, None] < cutmix, pasted, share)
    if mixup or cutmix:
        images = share * images + (1 - share) * images[::-1]
        share = tf.reduce_mean(share, (1, 2))
        labels = share * labels + (1 - share) * labels[::-1]
    return images, labels


def place(images, backgrounds, seed, degrees=35.0, smallest=0.5, stretch=0.3):
    """Turns, stretches, shrinks and moves what is cut out on each image; changes what is behind.

    images uint8 (n, s, s, 4): the fourth channel is 255 where the object is, else 0; backgrounds
    uint8 (m, s, s, 3); seed int (2,) -> float32 (n, s, s, 3) in 0-255. The object is turned by up
    to `degrees`, becomes `smallest` to 1.1 times as large, and up to e^`stretch` times longer one
    way and shorter the other, as photos of all proportions are squeezed to a square. Its tone and
    contrast change, down to a bare outline: a network that has outlines to go by looks less at
    shading (Geirhos et al. 2019, on textures). Half of the images keep their own background; the
    light on all of them takes a colour and soft shadows.
    """
    count = tf.shape(images)[0]
    seeds = tf.unstack(tf.random.split(seed, 10), num=10)

    def uniform(key, shape, low, high):
        return tf.random.stateless_uniform((count, *shape), seeds[key], low, high)

    zoom = uniform(0, (), smallest, 1.1)
    room = (1.25 - zoom)[:, None] / 3  # a small object may lie further from the middle
    zooms = zoom[:, None] * tf.exp(uniform(9, (1,), -stretch, stretch) * [1.0, -1.0])
    placed = move(
        images, uniform(1, (), -degrees, degrees), zooms, uniform(2, (2,), -1.0, 1.0) * room
    )
    # The object's tone and contrast, down to a bare outline.
    object_, mask = placed[..., :3], placed[..., 3:] / 255
    total = tf.reduce_sum(mask, (1, 2), keepdims=True) + 1.0
    tone = tf.reduce_sum(object_ * mask, (1, 2), keepdims=True) / total
    changed = tone + uniform(3, (1, 1, 1), 0.0, 1.6) * (object_ - tone)
    changed *= tf.exp(uniform(4, (1, 1, 1), -0.6, 0.2))
    images = mask * changed + (1 - mask) * object_

    chosen = tf.random.stateless_uniform((count,), seeds[5], 0, len(backgrounds), "int32")
    keep = uniform(6, (1, 1, 1), 0.0, 1.0) < 0.5
    cut = tf.where(keep, 1.0, mask)
    behind = tf.cast(tf.gather(backgrounds, chosen), "float32")
    images = cut * images + (1 - cut) * behind

    # The light: its colour, and soft shadows.
    shadows = tf.image.resize(uniform(7, (4, 4, 1), -0.5, 0.5), images.shape[1:3], "bicubic")
    light = uniform(8, (1, 1, 3), -0.25, 0.25) + shadows
    return tf.clip_by_value(images * tf.exp(light), 0.0, 255.0)


def move(images, degrees, zoom, shift):
    """Turns, enlarges and moves images (n, s, s, c); what comes in from outside repeats the edge.

    degrees (n,) counter-clockwise; then zoom (n, 2): across and down, 0.5 halves; shift (n, 2):
    right and down, in image sides. Returns float32.
    """
    side = images.shape[1]
    angle = degrees[:, None] * np.pi / 180
    # The transform says where in the input each pixel of the output comes from.
    a, c = tf.unstack(tf.cos(angle) / zoom, axis=1)
    d, b = tf.unstack(tf.sin(angle) / zoom, axis=1)
    x, y = tf.unstack((shift + 0.5) * side - 0.5, axis=1)
    middle = (side - 1) / 2
    zeros = tf.zeros_like(x)
    rows = [a, -b, middle - a * x + b * y, d, c, middle - d * x - c * y]
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.cast(images, "float32"),
        transforms=tf.stack([*rows, zeros, zeros], axis=1),
        output_shape=(side, side),
        interpolation="BILINEAR",
        fill_mode="NEAREST",
        fill_value=0.0,
    )


def stored_size(size):
    """The side at which training images of `size` are kept: larger, so that crops stay sharp."""
    return round(1.25 * size)


def training_batches(
    images,
    labels,
    classes,
    *,
    size,
    batch_size,
    epochs,
    first_epoch=0,
    seed=0,
    mixup=0.2,
    smallest_crop=0.45,
    cutmix=0.0,
    backgrounds=None,
):
    """Augmented batches for the epochs first_epoch..epochs-1: (tf.data.Dataset, steps an epoch).

    images: uint8 (n, s, s, 3), or n file names that are then read as they are needed; with
    backgrounds (m, s, s, 3) they are (n, s, s, 4) and pass through `place` first.
    Order and augmentation depend on (seed, epoch, step) alone, not on what ran before.
    """
    count = len(images)
    batch_size = min(batch_size, count)
    steps = count // batch_size
    one_hot = tf.one_hot(labels, classes)
    on_disk = not isinstance(images, np.ndarray) or images.ndim == 1
    pixels = None if on_disk else tf.constant(images)
    stored = stored_size(size)

    def indices(epoch):
        order = tf.random.experimental.stateless_shuffle(tf.range(count), tf.stack([seed, epoch]))
        order = tf.reshape(order[: steps * batch_size], (steps, batch_size))
        return tf.data.Dataset.from_tensor_slices((tf.fill((steps,), epoch), order)).enumerate()

    def read(rows):
        return read_images([images[row] for row in rows], stored)[0]

    def batch(step, epoch_and_rows):
        epoch, rows = epoch_and_rows
        if on_disk:
            chosen = tf.numpy_function(read, [rows], tf.uint8)
            chosen = tf.ensure_shape(chosen, (batch_size, stored, stored, 3))
        else:
            chosen = tf.gather(pixels, rows)
        key = tf.stack([seed + 1000 * epoch, tf.cast(step, tf.int32)])
        if backgrounds is not None:
            chosen = place(chosen, backgrounds, key + 1)
        return augment(chosen, tf.gather(one_hot, rows), key, size, mixup, smallest_crop, cutmix)

    epoch_numbers = tf.data.Dataset.from_tensor_slices(
        np.arange(first_epoch, epochs, dtype="int32")
    )
    batches = epoch_numbers.flat_map(indices).map(batch, num_parallel_calls=2)
    return batches.prefetch(4), steps


def plain_batches(images, labels, classes, batch_size=64):
    """Batches as they are, in order, for validation: a tf.data.Dataset."""
    dataset = tf.data.Dataset.from_tensor_slices((images, tf.one_hot(labels, classes)))
    return dataset.batch(batch_size).prefetch(2)


def picture_files(paths):
    """The files meant by a list of files and folders (folders: all pictures in them, sorted)."""
    files = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = sorted(f for f in path.iterdir() if f.is_file() and f.name[0] != ".")
            if not inside:
                raise UserError(f"{path}: the folder holds no file.")
            files += inside
        else:
            files.append(path)
    return files
