"""Whether this Python fits and has the packages, for commands and notebooks.

Imports nothing that may be missing before it has looked.
"""

import os
import sys
from importlib.util import find_spec

import helpers

# What the notebooks and commands import.
MODULES = ("tensorflow", "keras", "h5py", "matplotlib", "numpy", "pandas", "PIL", "rich")
MODULES += ("scipy", "seaborn", "sklearn", "tqdm")
PACKAGES = {"PIL": "pillow", "sklearn": "scikit-learn"}  # where pip knows them by another name


def check():
    """Imports TensorFlow without its log lines.

    Raises UserError, which says what to do, if this Python does not fit or lacks packages.
    """
    check_python()
    python = r".venv\Scripts\python" if os.name == "nt" else ".venv/bin/python"
    if missing := missing_packages():
        raise helpers.UserError(
            f"Not installed for {sys.executable}: {', '.join(missing)}. `make run` installs all "
            f"into .venv (without make: README.md, Start). Then start {python} in place of python, "
            f"and the notebooks with `make lab` or `{python} -m jupyterlab`."
        )
    import_tensorflow_quietly()


def check_python():
    """Raises UserError if this Python is too old or too new."""
    if not (3, 11, 4) <= sys.version_info < (3, 14):  # older ones have read as far as this
        version = ".".join(map(str, sys.version_info[:3]))
        raise helpers.UserError(f"Python 3.11.4 to 3.13 is needed; {sys.executable} is {version}.")


def missing_packages():
    """The packages that are not installed, by their names in pip."""
    return [PACKAGES.get(module, module) for module in MODULES if find_spec(module) is None]


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
