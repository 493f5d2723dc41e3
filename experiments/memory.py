"""How much memory training takes if the data set grows tenfold, with and without --no-cache.

    python experiments/memory.py    # five minutes on two idle cores

Trains on many links to the same synthetic pictures, for the same number of steps on both data sets.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from helpers.files import ROOT
from images import synthetic

DRAWN, COPIES, GROWTH = 10, 6, 10  # pictures per category, links to each, growth


def repeat(pictures, folder, copies):
    """Fills `folder` with `copies` links to each picture of a data set."""
    for file in pictures.glob("*/*.jpg"):
        category = folder / file.parent.name
        category.mkdir(parents=True, exist_ok=True)
        for number in range(copies):
            os.link(file, category / f"{file.stem}_{number:03}.jpg")
    return folder


def megabytes(folder, epochs, *flags):
    """The peak memory of train.py for `epochs` on a data set, in MB."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, ROOT / "train.py", "--data", folder, "--out", out, *flags]
        process = subprocess.Popen(
            [*command, "--epochs", str(epochs)], stdout=subprocess.DEVNULL, cwd=ROOT
        )
        _, code, usage = os.wait4(process.pid, 0)
    if code:
        sys.exit("train.py failed: see its error above.")
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
