"""Atomic writes and checksums."""

import hashlib
import os
from pathlib import Path

from helpers import UserError

ROOT = Path(__file__).resolve().parent.parent


def atomic_write(path, write):
    """Calls write(temporary path), then renames that file to `path`.

    Raises UserError if the file cannot be written; an earlier `path` is then kept.
    """
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
            f"Cannot write {path} ({reason}). The earlier file is kept. Free disk space or get "
            "permission to write, then start the same command again."
        ) from error
    finally:
        part.unlink(missing_ok=True)


def write_csv(path, table):
    """Writes a pandas.DataFrame as CSV, without its index, by atomic_write."""
    atomic_write(path, lambda part: table.to_csv(part, index=False))


def sha256(path):
    """The SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
