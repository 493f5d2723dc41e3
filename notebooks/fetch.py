"""Run by a notebook that lies alone: fetches the project in Colab and Kaggle, finds it elsewhere.

The set-up cell reads this text from the repository and runs it: no file of ours is there yet.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.request import URLError

address = "https://github.com/resnet50-tutorial/resnet50-tutorial"
if "KAGGLE_KERNEL_RUN_TYPE" in os.environ:
    place = "/kaggle/working"
    hint = "In Kaggle, choose Settings > Turn on internet, then run this cell again."
elif "google.colab" in sys.modules:
    place = "/content"
    hint = "In Colab, run this cell again."
else:
    place = None
    hint = "Download it there, and open the notebook in its folder `notebooks`."


def is_whole(folder):
    return all((folder / name).exists() for name in ("helpers", "notebooks/notebook_setup.py"))


def fetch(folder):
    """Clones the project: afterwards the folder is whole, or as it was."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as part:
        clone = ["git", "clone", "--quiet", "--depth", "1", address, f"{part}/new"]
        subprocess.run(clone, check=True, capture_output=True, text=True)
        if folder.exists():  # half a project, or one of an earlier version
            folder.rename(f"{part}-old")
        Path(part, "new").rename(folder)


def find():
    """The project's folder: around this notebook, or the one that is fetched."""
    around = [folder for folder in (Path.cwd(), *Path.cwd().parents) if is_whole(folder)]
    if around:
        return around[0]
    if not place:
        raise FileNotFoundError(f"There is no project around {Path.cwd()}.")
    folder = Path(place, "resnet50-tutorial")
    if not is_whole(folder):
        fetch(folder)
    return folder


del URLError._render_traceback_  # the set-up cell's, for want of this file
try:
    sys.path.insert(0, str(find() / "notebooks"))
except (OSError, subprocess.CalledProcessError) as error:
    reason = getattr(error, "stderr", "") or str(error)
    line = f"`helpers` is missing: it is part of {address}, pip does not have it. {hint} {reason}"
    error._render_traceback_ = lambda: [" ".join(line.split())]
    raise
import notebook_setup  # noqa: E402, F401
