"""Code that the notebooks and commands share. A newcomer's order: resnet, recipe, training.

resnet       the network: identity block, convolutional block, ResNet-50, ResNet-101
recipe       every setting of a training run, with its default and its flag
training     builds and trains a network by a recipe; checkpoints
distributed  training on several GPUs or machines
batches      augmentation and batches
data         images from files
splits       which images are for training, validation and testing
download     where data sets come from
synthetic    pictures drawn by code, so that nothing has to be downloaded
signs        what photos of sign-language digits need: sessions, hand masks, backgrounds
precision    which precision is the fastest here
models       trained networks on disk, and predictions
inference    a network rewritten to predict many pictures
evaluation   scores
measure      what a network costs, and how far its layers see
files        files written whole or not at all
versions     whether this Python fits and has the packages
"""


class UserError(Exception):
    """Something the person at the keyboard can put right; the message says how, in one line."""

    def _render_traceback_(self):
        """What a notebook shows in place of a traceback."""
        return [str(self)]
