"""Code that the notebooks and commands share. A newcomer's order: resnet, recipe, training.

resnet       the network: identity block, convolutional block, ResNet-50, ResNet-101
recipe       the settings of a training run, with their defaults and flags
training     builds and trains a network by a recipe; checkpoints
fused        faster layers and a faster optimizer for training
distributed  training on several GPUs or machines
batches      augmentation and batches
data         images from files
splits       training, validation and test images
download     where data sets come from
signs        photographs of sign-language digits: sessions, hand masks, backgrounds
precision    the fastest precision on this machine
models       trained networks on disk, and predictions
inference    a network rewritten to predict many pictures
evaluation   scores
files        atomic writes and checksums
versions     checks Python and the installed packages
"""


class UserError(Exception):
    """An error that the user can fix; the message says how, in one line."""

    def _render_traceback_(self):
        """What a notebook shows instead of a traceback."""
        return [str(self)]
