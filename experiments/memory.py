"""Memory of a training run when its data set grows tenfold, with --no-cache and without.

Trains on the synthetic pictures, each of them there many times over as a link, for as many steps
on the large data set as on the small one: five minutes on two idle cores.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from helpers import synthetic
from helpers.files import ROOT

DRAWN, COPIES, GROWTH = 10, 6, 10  # pictures a category, links to each, times as many


def repeat(pictures, folder, copies):
    """Fills `folder` with links to the pictures of a data set, each `copies` times."""
    for file in pictures.glob("*/*.jpg"):
        category = folder / file.parent.name
        category.mkdir(parents=True, exist_ok=True)
        for number in range(copies):
            os.link(file, category / f"{file.stem}_{number:03}.jpg")
    return folder


def megabytes(folder, epochs, *flags):
    """The most memory that train.py takes for `epochs` on a data set."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, ROOT / "train.py", "--data", folder, "--out", out, *flags]
        process = subprocess.Popen(
            [*command, "--epochs", str(epochs)], stdout=subprocess.DEVNULL, cwd=ROOT
        )
        _, code, usage = os.wait4(process.pid, 0)
    if code:
        sys.exit("train.py failed: its error stands above.")
    return usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def main():
    with tempfile.TemporaryDirectory() as folder:
        pictures = synthetic.write_pictures(Path(folder) / "drawn", per_category=DRAWN)
        small = repeat(pictures, Path(folder) / "small", COPIES)
        large = repeat(pictures, Path(folder) / "large", GROWTH * COPIES)
        count = len(list(small.glob("*/*")))
        for flags in (["--no-cache"], []):
            few = megabytes(small, GROWTH, *flags)
            many = megabytes(large, 1, *flags)
            name = flags[0] if flags else "all in memory"
            print(
                f"{name}: {few:.0f} MB for {count:,} pictures, {many:.0f} MB for "
                f"{GROWTH * count:,}: {many - few:+.0f} MB",
                flush=True,
            )


if __name__ == "__main__":
    main()
