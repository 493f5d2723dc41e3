"""Small things that several tests share. Nothing here needs internet or a data set."""

import gc
import http.server
import io
import tarfile
import threading
import zipfile
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image
from skips import (  # noqa: F401  (hooks of pytest)
    pytest_collectreport,
    pytest_runtest_logreport,
    pytest_sessionfinish,
    pytest_terminal_summary,
)

# Where several processes run the tests, these files come first, so that all end together. Notebooks
# compute on all cores and most tests on one, so the order lets one of each run at a time. 05 draws
# the synthetic pictures for the other notebooks.
LONG_FIRST = (
    "05_predict_and_explain.ipynb",
    "test_checks.py",
    "test_distributed.py",
    "06_sign_digits.ipynb",
    "test_classroom.py",
    "04_train_caltech101.ipynb",
    "test_jupyterlab.py",
    "03_resnet50.ipynb",
    "test_training.py",
    "test_colab.py",
    "test_resnet.py",
    "01_identity_block.ipynb",
    "test_signs.py",
    "test_commands.py",
    "test_inference.py",
    "test_diagrams.py",
    "02_convolutional_block.ipynb",
    "test_experiments_degradation.py",
    "test_fused.py",
    "test_suite.py",
    "test_transfer_rates.py",
    "test_checks_shortcuts.py",
    "test_images_per_class.py",
    "test_checks_architecture.py",
    "test_synthetic.py",
    "test_data.py",
    "test_gradients.py",
    "test_ablation.py",
    "test_notebooks.py",
    "test_search.py",
    "test_checks_depth.py",
)


def pytest_collection_modifyitems(items):
    place = {name: number for number, name in enumerate(LONG_FIRST)}
    items.sort(key=lambda item: place.get(item.path.name, len(place)))  # a stable sort


def pytest_collection_finish():
    gc.freeze()  # what the imports brought stays: no collection needs to look at it again


def picture(seed=0, size=(40, 30), mode="RGB"):
    """A noisy picture of a colour that depends on the seed."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 60, (size[1], size[0], 3)) + 60 * np.array(
        [seed % 2, seed // 2 % 2, seed // 4 % 2]
    )
    return Image.fromarray(pixels.astype("uint8")).convert(mode)


def write_folder(folder, classes=("blue", "green"), count=6):
    """A data set of tiny pictures: one sub-folder a class."""
    for number, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            picture(number + 8 * i).save(folder / name / f"image_{i:04}.jpg")
    return folder


def archive_of(path, members, inner="caltech-101/101_ObjectCategories.tar.gz"):
    """A zip with a tar.gz inside, as Caltech 101 comes; members: {name in the tar: bytes}."""
    tar_bytes = io.BytesIO()
    with tarfile.open(fileobj=tar_bytes, mode="w:gz") as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    with zipfile.ZipFile(path, "w") as outer:
        outer.writestr(inner, tar_bytes.getvalue())
    return path


@contextmanager
def serving(data):
    """A server on this machine that answers every request with `data`.

    Yields its handler: `address` without a path, `requests` so far, `content`, which a test may
    exchange, and `cut`, after how many bytes an answer breaks off.
    """

    class Handler(http.server.BaseHTTPRequestHandler):
        requests, content, cut = 0, data, None

        def do_GET(self):
            Handler.requests += 1
            self.send_response(200)
            self.send_header("Content-Length", len(self.content))
            self.end_headers()
            self.wfile.write(self.content[: self.cut])

        def log_message(self, *args):
            pass

    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listening.serve_forever, args=[0.01], daemon=True).start()
    Handler.address = f"http://127.0.0.1:{listening.server_port}"
    yield Handler
    listening.shutdown()
    listening.server_close()


def small_network(input_shape=(32, 32, 3), classes=2, scaling=None):
    """Stands in for ResNet50 where a test is about the training around it."""
    import keras  # not above: the process that hands out the tests needs no TensorFlow

    inputs = keras.Input(input_shape)
    x = keras.layers.Rescaling(1 / 127.5, offset=-1, name="scaling")(inputs)
    x = keras.layers.Conv2D(4, 3, strides=4, name="conv1_conv")(x)
    x = keras.layers.BatchNormalization(name="block_3_bn")(x)
    x = keras.layers.Activation("relu")(x)
    x = keras.layers.GlobalAveragePooling2D(name="avg_pool")(x)
    return keras.Model(inputs, keras.layers.Dense(classes, "softmax", name="predictions")(x))


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "pictures")


@pytest.fixture
def small(monkeypatch):
    """Replaces the network by a small one."""
    from helpers import resnet

    monkeypatch.setitem(resnet.ARCHITECTURES, "resnet50", small_network)
