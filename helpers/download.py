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
        import keras  # here: it takes seconds, and only a download needs it

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
    found = sha256(archive)
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
        download(archive, "photos of sign-language digits (17 MB)", url, SIGNS_URL, sign_photos)
    return extract(archive, extracted, unpack_photos)


def unpack_photos(archive, folder):
    """Extracts the photos of the sign-language digits, one sub-folder a digit."""
    for name, content in sign_photos(archive).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def sign_photos(archive):
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
        code = sha256(synthetic.__file__)[:8]
        return synthetic.write_pictures(data_folder(folder) / f"sample-{code}")
    if not Path(name).is_dir():
        raise UserError(
            f"{name}: no such folder. --data takes caltech101, signs, sample or a folder."
        )
    return Path(name)
