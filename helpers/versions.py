"""Checks Python and the installed packages, and imports TensorFlow."""

import os
import sys
from contextlib import contextmanager
from importlib.util import find_spec

import helpers

# What the notebooks and commands import.
MODULES = ("tensorflow", "keras", "h5py", "matplotlib", "numpy", "pandas", "PIL", "rich")
MODULES += ("scipy", "seaborn", "sklearn")
PACKAGES = {"PIL": "pillow", "sklearn": "scikit-learn"}  # pip's names, if they differ


def check(unused=()):
    """Imports TensorFlow. Raises UserError if this Python does not fit or lacks packages.

    unused: packages that TensorFlow and Keras would import and the caller has no use for.
    """
    check_python()
    python = r".venv\Scripts\python" if os.name == "nt" else ".venv/bin/python"
    if missing := missing_packages():
        raise helpers.UserError(
            f"Not installed for {sys.executable}: {', '.join(missing)}. `make run` installs them "
            f"into .venv (without make: see README.md). Then type {python} for python; start "
            f"the notebooks with `make lab` or `{python} -m jupyterlab`."
        )
    with hidden(unused):
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
    """Imports TensorFlow without the log lines of its C++ part, which no setting silences."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    stderr = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        import tensorflow

        if "TF_CONFIG" not in os.environ:  # several machines must connect first
            tensorflow.zeros(1)  # starts the devices, which also log
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)


@contextmanager
def hidden(packages):
    """Hides these packages from `import`, except those already imported."""
    absent = [name for name in packages if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # None means "not found"
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]
