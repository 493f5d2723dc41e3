"""Shared code of the ResNet-50 notebooks. One subject a file:

resnet      the network: identity block, convolutional block, ResNet-50
data        Caltech 101, a folder of your own images, the split, the batches
sample      the drawn sample: pictures made by code, so nothing has to be downloaded
signs       digits in sign language: sittings, hands, shifted photos
training    the recipe: learning rate, augmentation, checkpoints, scores, saved models
measure     what a network costs and how its gradients flow
pictures    the figures
start       whether all packages are there; what each set-up cell ends with
"""

import os
from importlib.util import find_spec


class UserError(Exception):
    """Something the person at the keyboard can put right; the message says how, in one line."""

    def _render_traceback_(self):
        """What a notebook shows in place of a traceback."""
        return [str(self)]


def import_tensorflow_quietly():
    """Imports TensorFlow without the start-up lines that its C++ part writes to stderr.

    They are meant for TensorFlow's developers, and no setting silences all of them.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    stderr = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        import tensorflow

        tensorflow.zeros(1)  # the first operation starts the devices, which writes too
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)


if find_spec("tensorflow"):  # helpers.start says what to do if it is missing
    import_tensorflow_quietly()
