"""The data sets, each a folder with one sub-folder per class: downloaded, checked, extracted."""

import hashlib
import os
import re
import shutil
import socket
import tarfile
import zipfile
import zlib
from pathlib import Path

from helpers import UserError
from helpers.files import ROOT, sha256
from images import objects, synthetic

# The official file (Li, Andreeto, Ranzato, Perona). For a copy on your own server set the
# environment variable CALTECH101_URL, and CALTECH101_SHA256 if you packed it again.
CALTECH101_PAGE = "https://data.caltech.edu/records/mzrjq-6wc02"
CALTECH101_URL = f"{CALTECH101_PAGE}/files/caltech-101.zip"
CALTECH101_SHA256 = "331234750fc7f77520e50d9565e8b6907b03565e30320da1401130db08c61f91"
CALTECH101_INNER = "101_ObjectCategories.tar.gz"
# Digits in sign language: 2,062 photographs by students of Ankara Ayranci Anadolu High School (Mavi
# and Dikle, Apache licence 2.0), at one commit. GitHub packs the zip again for each download, so
# its content is checked. For a copy on your own server set SIGNS_URL.
SIGNS_URL = (
    "https://github.com/ardamavi/Sign-Language-Digits-Dataset/archive/"
    "4b09433ef9d5c60602e8805bb54b8aa2428527f8.zip"
)
SIGNS_PHOTOS = 2062
SIGNS_SHA256 = "ffca1ee1016e6fa7b5f9fcb8fc969d6895fe1f19ebd083f12da14e274f783749"  # of its photos


def data_folder(folder=None):
    """Makes the data folder: `folder`, else $RESNET50_DATA, else data/. Raises UserError."""
    folder = Path(folder or os.environ.get("RESNET50_DATA") or ROOT / "data").expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"Cannot make the data folder {folder}: {error.strerror}.") from error
    if not os.access(folder, os.W_OK):
        raise UserError(f"Cannot write to the data folder {folder}: choose one with --data-dir.")
    return folder


def caltech101(folder=None):
    """The folder with Caltech 101's 102 sub-folders, downloaded if missing. Raises UserError."""
    extracted = data_folder(folder) / "caltech-101"
    url = os.environ.get("CALTECH101_URL", CALTECH101_URL)
    fetch(extracted, "Caltech 101 (137 MB)", url, CALTECH101_PAGE, unpack_caltech101)
    for found in [extracted, *sorted(extracted.rglob("101_ObjectCategories"))]:
        if (found / "accordion").is_dir():
            return found
    raise UserError(f"{extracted} does not hold Caltech 101: delete that folder and start again.")


def sign_digits(folder=None):
    """The folder with the digits' sub-folders 0 to 9, downloaded if missing. Raises UserError."""
    extracted = data_folder(folder) / "sign-language-digits"
    url, what = os.environ.get("SIGNS_URL", SIGNS_URL), "photos of sign-language digits (17 MB)"
    return fetch(extracted, what, url, SIGNS_URL, unpack_sign_digits)


def fetch(extracted, what, url, page, unpack):
    """Downloads a zip and unpacks it to the folder `extracted`, unless that exists; returns it.

    what: the data's name in messages; page: where to get the zip by hand; unpack(zip, folder)
    raises UserError for a wrong zip, which is then deleted if it was downloaded here.
    """
    if extracted.is_dir():
        return extracted
    archive = extracted.with_name(f"{extracted.name}.zip")
    part = extracted.with_name(f"{extracted.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # of an interrupted extraction
    by_hand = archive.exists()
    if not by_hand:
        download(archive, what, url, page)
    print(f"Extracting {archive.name}", flush=True)
    try:
        unpack(archive, part)
        return part.rename(extracted)
    except UserError:
        if not by_hand:
            archive.unlink()
        raise
    except tarfile.FilterError as error:
        raise UserError(f"{archive} is not safe to extract ({error}): delete it.") from error
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError) as error:
        raise UserError(f"{archive} could not be extracted ({error}).") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def download(archive, what, url, page):
    """Downloads `url` to the file `archive`, completely or not at all, with a progress bar."""
    part = archive.with_name(f"{archive.name}.part")
    part.unlink(missing_ok=True)  # of an interrupted download
    print(f"Downloading {what} from {url}")
    socket.setdefaulttimeout(60)
    try:
        import keras  # here, since it takes seconds

        keras.utils.get_file(part.name, url, cache_dir=archive.parent, cache_subdir="")
        part.rename(archive)
    except Exception as error:
        raise UserError(
            f"The download failed ({error}). By hand: get {archive.name} from {page} and put it "
            f"at {archive}. Or use --data sample, which needs no internet."
        ) from error
    finally:
        socket.setdefaulttimeout(None)


def unpack_caltech101(archive, folder):
    """Checks the zip's SHA-256, then extracts the tar.gz inside it."""
    wanted, found = os.environ.get("CALTECH101_SHA256", CALTECH101_SHA256), sha256(archive)
    if found != wanted:
        raise UserError(
            f"{archive} is not the official caltech-101.zip ({archive.stat().st_size:,} bytes, "
            f"sha256 {found[:8]}..., wanted {wanted[:8]}...): delete it and start again, or get it "
            f"from {CALTECH101_PAGE}."
        )
    with zipfile.ZipFile(archive) as outer:
        inner = [name for name in outer.namelist() if name.endswith(CALTECH101_INNER)]
        if not inner:
            raise UserError(f"{archive} has no {CALTECH101_INNER}: delete it and start again.")
        with outer.open(inner[0]) as stream, tarfile.open(fileobj=stream, mode="r|gz") as tar:
            tar.extractall(folder, filter="data")  # "data" refuses paths that lead outside


def unpack_sign_digits(archive, folder):
    """Extracts the photographs, one sub-folder per digit, and checks their SHA-256."""
    photo, lines = re.compile(r"[^/]+/Dataset/(\d/IMG_\d+\.JPG)"), []
    try:
        with zipfile.ZipFile(archive) as whole:
            for member in sorted(filter(photo.fullmatch, whole.namelist())):
                name, content = photo.fullmatch(member)[1], whole.read(member)
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(content)
                lines.append(f"{name} {hashlib.sha256(content).hexdigest()}\n")
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError):
        lines = []
    if hashlib.sha256("".join(lines).encode()).hexdigest() != SIGNS_SHA256:
        raise UserError(
            f"{archive} is not the zip of sign-language digits ({len(lines):,} of "
            f"{SIGNS_PHOTOS:,} photos found): delete it and start again, or get it from {SIGNS_URL}"
        )


def dataset_folder(name, folder=None):
    """The folder of images for `--data NAME`: caltech101, signs, sample or a path."""
    if name == "caltech101":
        return caltech101(folder)
    if name == "signs":
        return sign_digits(folder)
    if name == "sample":
        # The name changes with the drawing code, so that old pictures are never used.
        code = sha256(synthetic.__file__)[:4] + sha256(objects.__file__)[:4]
        return synthetic.write_pictures(data_folder(folder) / f"sample-{code}")
    if not Path(name).is_dir():
        raise UserError(
            f"{name}: no such folder. --data takes caltech101, signs, sample or a folder."
        )
    return Path(name)
