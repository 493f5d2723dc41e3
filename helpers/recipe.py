"""The settings of a training run, each a default, a flag of train.py and a line of the card.

Imports only the standard library, so that `train.py --help` answers at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace

STAGES = ("conv1", "conv2", "conv3", "conv4", "conv5")  # prefixes of the layers' names


def setting(default, help, **limits):
    """A field of Recipe. limits: at_least, at_most, below or choices of its values."""
    return field(default=default, metadata={"help": help, **limits})


@dataclass(frozen=True)
class Recipe:
    """The settings of a training run."""

    architecture: str = setting("resnet50", "the network", choices=("resnet50", "resnet101"))
    image_size: int = setting(64, "side in pixels", at_least=32)
    start_size: int = setting(None, "first side; grows by 32 to --image-size", at_least=32)
    per_class: int = setting(30, "training images per class; the rest are for testing", at_least=1)
    val_per_class: int = setting(0, "how many of those are for validation", at_least=0)
    epochs: int = setting(140, "passes over the training images", at_least=1)
    batch_size: int = setting(32, "images per step", at_least=2)
    seed: int = setting(0, "seed of weights, order and augmentation", at_least=0)
    split_seed: int = setting(0, "seed of the split", at_least=0)
    optimizer: str = setting("adamw", "adamw or sgd", choices=("adamw", "sgd"))
    learning_rate: float = setting(1e-3, "peak of the schedule", at_least=0.0)
    weight_decay: float = setting(0.05, "decoupled weight decay, of kernels only", at_least=0.0)
    label_smoothing: float = setting(0.1, "of the target probabilities", at_least=0.0, below=1)
    mixup: float = setting(0.2, "alpha of the Beta distribution, 0 for none", at_least=0.0)
    cutmix: float = setting(0.5, "fraction of images mixed by CutMix", at_least=0.0, at_most=1)
    unmixed: float = setting(0.0, "last share of epochs without mixing", at_least=0.0, at_most=1)
    min_crop_scale: float = setting(0.45, "smallest crop side (0 to 1)", at_least=0.1, at_most=1)
    zero_init_residual: bool = setting(True, "start each block's last gamma at 1 instead of 0")
    batch_norm_momentum: float = setting(None, "default: by steps per epoch", at_least=0.0, below=1)
    precision: str = setting(
        "auto",
        "auto measures which is fastest",
        choices=("auto", "float32", "mixed_bfloat16", "mixed_float16"),
    )
    imagenet: bool = setting(False, "start from ImageNet weights (a download)")
    init_from: str = setting(None, "network to start from: a name in models/, a folder or random")
    freeze: str = setting(None, "freeze --init-from up to this stage", choices=STAGES)

    def at_epoch(self, epoch):
        """The recipe of one epoch, from 0, with its image size and mixing.

        Source of growing images: Howard et al. 2018 (fast.ai's DAWNBench entry); Tan and Le 2021
        (EfficientNetV2), section 4.
        """
        sizes = [*range(self.start_size or self.image_size, self.image_size, 32), self.image_size]
        now = replace(self, image_size=sizes[epoch * len(sizes) // self.epochs], start_size=None)
        if epoch >= round((1 - self.unmixed) * self.epochs):
            now = replace(now, mixup=0.0, cutmix=0.0)
        return now


def load_size(size):
    """The side at which training images of `size` are loaded: larger, so that crops stay sharp."""
    return round(1.25 * size)


def default_momentum(steps):
    """BatchNorm's momentum for this many steps per epoch (Chen et al. 2020, SimCLR, B.8)."""
    return min(max(1 - 10 / steps, 0.9), 0.99)


UNMIXED = Recipe(mixup=0.0, cutmix=0.0)
RECIPES = {
    "caltech101": Recipe(
        image_size=128,
        start_size=64,
        epochs=400,
        batch_size=64,
        learning_rate=1.5e-3,
        weight_decay=0.1,
        split_seed=3,  # the test images of splits 0 to 2 served earlier networks
    ),
    "sample": replace(UNMIXED, per_class=45, val_per_class=5, epochs=24, min_crop_scale=0.7),
    "signs": replace(
        UNMIXED,
        image_size=96,
        per_class=None,
        epochs=40,
        min_crop_scale=0.85,
        init_from="caltech101",
    ),
    "folder": Recipe(per_class=None, epochs=100),
}
SETTINGS = {item.name: item.metadata for item in fields(Recipe)}
