"""Where the images come from: downloads, checked and extracted; `dataset_folder` for all of them.

Four sources, one layout, a folder with one sub-folder per class: Caltech 101, photos of digits in
sign language, a folder of your own, and the synthetic pictures of `helpers.synthetic`.
"""

import hashlib
import os
import re
import shutil
import socket
import tarfile
import zipfile
import zlib
from pathlib import Path

from helpers import UserError, synthetic
from helpers.files import ROOT, sha256

# The official file (Li, Andreeto, Ranzato, Perona).
# A class that keeps a copy on its own server sets CALTECH101_URL, and CALTECH101_SHA256 if the
# copy was packed anew.
CALTECH101_PAGE = "https://data.caltech.edu/records/mzrjq-6wc02"
CALTECH101_URL = f"{CALTECH101_PAGE}/files/caltech-101.zip"
CALTECH101_SHA256 = "331234750fc7f77520e50d9565e8b6907b03565e30320da1401130db08c61f91"
CALTECH101_INNER = "101_ObjectCategories.tar.gz"
# Digits in sign language: 2,062 photos by the students of Ankara Ayranci Anadolu High School (Mavi
# and Dikle, Apache licence 2.0), at one commit. GitHub packs a zip anew for each download, so what
# is compared is its content. A class that keeps a copy on its own server sets SIGNS_URL.
SIGNS_URL = (
    "https://github.com/ardamavi/Sign-Language-Digits-Dataset/archive/"
    "4b09433ef9d5c60602e8805bb54b8aa2428527f8.zip"
)
SIGNS_PHOTOS = 2062
SIGNS_SHA256 = "ffca1ee1016e6fa7b5f9fcb8fc969d6895fe1f19ebd083f12da14e274f783749"  # of its photos


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
    """The folder of Caltech 101's 102 sub-folders; downloaded if not there. Raises UserError."""
    extracted = data_folder(folder) / "caltech-101"
    url = os.environ.get("CALTECH101_URL", CALTECH101_URL)
    fetch(extracted, "Caltech 101 (137 MB)", url, CALTECH101_PAGE, unpack_caltech101)
    for found in [extracted, *sorted(extracted.rglob("101_ObjectCategories"))]:
        if (found / "accordion").is_dir():
            return found
    raise UserError(f"{extracted} does not hold Caltech 101: delete that folder and start again.")


def sign_digits(folder=None):
    """The folder of the digits, sub-folders 0 to 9; downloaded if not there. Raises UserError."""
    extracted = data_folder(folder) / "sign-language-digits"
    url, what = os.environ.get("SIGNS_URL", SIGNS_URL), "photos of sign-language digits (17 MB)"
    return fetch(extracted, what, url, SIGNS_URL, unpack_sign_digits)


def fetch(extracted, what, url, page, unpack):
    """Downloads a zip and unpacks it to the folder `extracted`, if that is not there; returns it.

    Under its final name all is whole: work is done under another. what: the data's name for the
    reader; page: where to get the zip by hand; unpack(zip, folder) raises UserError unless the
    content is the wanted one. Then a zip that was downloaded is removed, one put there is kept.
    """
    if extracted.is_dir():
        return extracted
    archive = extracted.with_name(f"{extracted.name}.zip")
    part = extracted.with_name(f"{extracted.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # what an interrupted extraction left
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
    """Downloads `url` to the file `archive`, with a progress bar: all of it or nothing."""
    part = archive.with_name(f"{archive.name}.part")
    part.unlink(missing_ok=True)  # what an interrupted download left
    print(f"Downloading {what} from {url}")
    socket.setdefaulttimeout(60)
    try:
        import keras  # here: it takes seconds, and only a download needs it

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
            raise UserError(f"{archive} holds no {CALTECH101_INNER}: delete it, start again.")
        with outer.open(inner[0]) as stream, tarfile.open(fileobj=stream, mode="r|gz") as tar:
            tar.extractall(folder, filter="data")  # "data" refuses paths that lead outside


def unpack_sign_digits(archive, folder):
    """Extracts the photos, one sub-folder per digit; they must be the commit's, byte for byte."""
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
            f"{archive} is not the sign-language digits' zip ({len(lines):,} of its "
            f"{SIGNS_PHOTOS:,} photos found): delete it and start again, or get it from {SIGNS_URL}"
        )


def dataset_folder(name, folder=None):
    """The folder of images that `--data NAME` means: caltech101, signs, sample or a path."""
    if name == "caltech101":
        return caltech101(folder)
    if name == "signs":
        return sign_digits(folder)
    if name == "sample":
        # Named after the drawing code, so that pictures of older code are never taken for new.
        code = sha256(synthetic.__file__)[:8]
        return synthetic.write_pictures(data_folder(folder) / f"sample-{code}")
    if not Path(name).is_dir():
        raise UserError(
            f"{name}: no such folder. --data takes caltech101, signs, sample or a folder."
        )
    return Path(name)
