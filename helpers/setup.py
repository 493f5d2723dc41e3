"""Whether all packages are there, for commands and notebooks; what a set-up cell ends with.

Imports nothing that may be missing before it has looked.
"""

import importlib
import os
import platform
import subprocess
import sys
from importlib.util import find_spec

import helpers

# What the notebooks and commands import: {module: the package it comes with}.
NEEDED = {
    "tensorflow": "tensorflow",
    "keras": "keras",
    "h5py": "h5py",
    "matplotlib": "matplotlib",
    "numpy": "numpy",
    "pandas": "pandas",
    "PIL": "pillow",
    "rich": "rich",
    "scipy": "scipy",
    "seaborn": "seaborn",
    "sklearn": "scikit-learn",
    "tqdm": "tqdm",
}


def start():
    """Prints the versions of Python, TensorFlow and Keras, and the device they will run on.

    Turns TF32 off, for this process: float32 products keep all their digits on a GPU too.

    In Colab it first installs the packages that are missing, and only those.
    Raises UserError where packages are missing elsewhere, or cannot be installed.
    """
    in_colab = "google.colab" in sys.modules
    if in_colab:
        if missing := missing_packages():
            install(missing)
        import_tensorflow_quietly()
    else:
        check()

    import keras
    import tensorflow as tf

    # Newer GPUs round the factors of float32 products to TF32, 10 bits in place of 23. The
    # notebooks compare numbers more closely than that.
    tf.config.experimental.enable_tensor_float_32_execution(False)
    gpus = tf.config.list_physical_devices("GPU")
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    device = ", ".join(detail.get("device_name", "a GPU") for detail in details) or "no GPU"
    python = platform.python_version()
    print(f"Python {python}, TensorFlow {tf.__version__}, Keras {keras.__version__}, {device}")
    if in_colab and not gpus:
        print("A GPU trains faster: Runtime > Change runtime type > T4 GPU > Save, then Run all.")


def check():
    """Imports TensorFlow without its log lines.

    Raises UserError, which says what to do, if this Python does not fit or lacks packages.
    """
    if not (3, 11, 4) <= sys.version_info < (3, 14):  # older ones have read as far as this
        version = ".".join(map(str, sys.version_info[:3]))
        raise helpers.UserError(f"Python 3.11.4 to 3.13 is needed; {sys.executable} is {version}.")
    python = r".venv\Scripts\python" if os.name == "nt" else ".venv/bin/python"
    if missing := missing_packages():
        raise helpers.UserError(
            f"Not installed for {sys.executable}: {', '.join(missing)}. `make run` installs all "
            f"into .venv (without make: README.md, Start). Then start {python} in place of python, "
            f"and the notebooks with `make lab` or `{python} -m jupyterlab`."
        )
    import_tensorflow_quietly()


def import_tensorflow_quietly():
    """Imports TensorFlow without the lines that its C++ part writes to stderr at the start.

    They are meant for TensorFlow's developers, and no setting silences all of them.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    stderr = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        import tensorflow

        if "TF_CONFIG" not in os.environ:  # several machines have to be set up before
            tensorflow.zeros(1)  # the first operation starts the devices, which writes too
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)


def missing_packages():
    return [package for module, package in NEEDED.items() if find_spec(module) is None]


def install(packages):
    """Installs packages beside those that are there. Raises UserError if pip cannot."""
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", *packages]
    pip = subprocess.run(command, capture_output=True, text=True, check=False)
    if pip.returncode:
        reason = " ".join(pip.stderr.splitlines()[-1:])
        raise helpers.UserError(
            f"pip could not install {', '.join(packages)} ({reason}). Run this cell again."
        )
    importlib.invalidate_caches()
