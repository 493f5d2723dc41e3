"""What the first cell of each notebook imports: finds `helpers`, looks at versions and packages."""

import importlib
import os
import platform
import subprocess
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

HERE = Path(__file__).resolve().parent
# Beside the notebook in an assignment of nbgrader's, else one folder up.
sys.path.insert(0, str(HERE if (HERE / "helpers").is_dir() else HERE.parent))

from helpers import UserError, versions  # noqa: E402

COLAB = "google.colab" in sys.modules
KAGGLE = "KAGGLE_KERNEL_RUN_TYPE" in os.environ


def start():
    """Prints the versions of Python, TensorFlow and Keras, and the device they will run on.

    Turns TF32 off, for this process: float32 products keep all their digits on a GPU too.

    In Colab and Kaggle it first installs the packages that are missing, and only those.
    Raises UserError where Python or Keras is too old, packages are missing elsewhere, or cannot
    be installed.
    """
    if COLAB or KAGGLE:
        versions.check_python()
        if missing := versions.missing_packages():
            install(missing)
        versions.import_tensorflow_quietly()
    else:
        versions.check()

    import keras
    import tensorflow as tf

    if keras.__version__.startswith("2."):
        remedy = "Install the packages of requirements.txt."
        if KAGGLE:
            remedy = "Choose Settings > Environment > Always use latest environment."
        raise UserError(f"Keras 3 is needed; this is {keras.__version__}. {remedy}")
    # Newer GPUs round the factors of float32 products to TF32, 10 bits in place of 23. The
    # notebooks compare numbers more closely than that.
    tf.config.experimental.enable_tensor_float_32_execution(False)
    gpus = tf.config.list_physical_devices("GPU")
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    device = ", ".join(detail.get("device_name", "a GPU") for detail in details) or "no GPU"
    python = platform.python_version()
    print(f"Python {python}, TensorFlow {tf.__version__}, Keras {keras.__version__}, {device}")
    if COLAB and not gpus:
        print("A GPU trains faster: Runtime > Change runtime type > T4 GPU > Save, then Run all.")
    elif KAGGLE and not gpus:
        print("A GPU trains faster: Settings > Accelerator > GPU T4 x2, then Run All.")


PHOTOGRAPHS = {  # by name: the variable with their address, their folder, the download's size
    "caltech101-8": ("CALTECH101_URL", "caltech-101", "137 MB"),
    "signs": ("SIGNS_URL", "sign-language-digits", "17 MB"),
}


def default_data(photographs="caltech101-8"):
    """What a notebook trains on, unless its reader chooses; prints why.

    These photographs where they are or can be downloaded, else "sample". $NOTEBOOK_DATA decides in
    place of this, unless it names photographs of another data set.
    """
    from helpers import download

    variable, folder, size = PHOTOGRAPHS[photographs]
    url = os.environ.get(variable, getattr(download, variable))
    chosen = os.environ.get("NOTEBOOK_DATA", "")
    if chosen == "sample" or chosen.startswith(photographs.partition("-")[0]):
        name, reason = chosen, "chosen by NOTEBOOK_DATA"
    elif "PYTEST_CURRENT_TEST" in os.environ:  # stored outputs must not depend on the network
        name, reason = "sample", "pictures drawn by code, nothing to download"
    elif (download.data_folder() / folder).is_dir():
        name, reason = photographs, "the photographs are in the data folder"
    elif answers(url):
        name, reason = photographs, f"the photographs can be downloaded: {size}, once"
    else:
        name, reason = "sample", "no network: pictures drawn by code"
    print(f"{name} ({reason})")
    return name


def answers(url, seconds=5):
    """Whether the server of `url` can be reached; it may refuse this kind of request."""
    try:
        with urlopen(Request(url, method="HEAD"), timeout=seconds):
            return True
    except HTTPError as error:
        return error.code < 500
    except (OSError, ValueError):
        return False


def install(packages):
    """Installs packages beside those that are there. Raises UserError if pip cannot."""
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", *packages]
    pip = subprocess.run(command, capture_output=True, text=True, check=False)
    if pip.returncode:
        reason = " ".join(pip.stderr.splitlines()[-1:])
        raise UserError(
            f"pip could not install {', '.join(packages)} ({reason}). Run this cell again."
        )
    importlib.invalidate_caches()
