"""Variants of the training run that train.py has no flags for."""

import functools
from unittest import mock

import numpy as np
import tensorflow as tf
from PIL import Image, ImageDraw, ImageFilter

from helpers import batches, fused

OPERATIONS = (
    "identity",
    "brightness",
    "colour",
    "contrast",
    "sharpness",
    "posterize",
    "solarize",
    "autocontrast",
    "shear_x",
    "shear_y",
    "translate_x",
    "translate_y",
    "rotate",
)


def trivial_augment(images, seed):
    """One random operation of random strength on each image: TrivialAugment, without equalize.

    images float32 (n, s, s, 3) in 0-255 -> the same. Source: Mueller and Hutter 2021, "wide".
    """
    count = tf.shape(images)[0]
    seeds = tf.random.split(seed, 3)
    kind = tf.random.stateless_uniform((count,), seeds[0], 0, len(OPERATIONS), "int32")
    strength = tf.random.stateless_uniform((count,), seeds[1])
    sign = tf.sign(tf.random.stateless_uniform((count,), seeds[2], -1.0, 1.0))

    def choose(name, changed, otherwise):
        chosen = tf.reshape(kind == OPERATIONS.index(name), (-1, 1, 1, 1))
        return tf.where(chosen, changed, otherwise)

    def pixelwise(values):
        return values[:, None, None, None]

    grey = tf.image.rgb_to_grayscale(images)
    blurred = tf.nn.avg_pool2d(images, 3, 1, "SAME")
    factor = pixelwise(1 + 0.99 * strength * sign)
    changed = images
    for name, extreme in (
        ("brightness", tf.zeros_like(images)),
        ("colour", grey + tf.zeros_like(images)),
        ("contrast", tf.reduce_mean(grey, (1, 2, 3), keepdims=True) + tf.zeros_like(images)),
        ("sharpness", blurred),
    ):
        changed = choose(name, extreme + factor * (images - extreme), changed)
    step = pixelwise(2.0 ** tf.floor(6 * strength))  # 8 to 2 bits are kept
    changed = choose("posterize", tf.floor(images / step) * step, changed)
    threshold = pixelwise(255 * (1 - strength))
    changed = choose("solarize", tf.where(images >= threshold, 255 - images, images), changed)
    low, high = (f(images, (1, 2), keepdims=True) for f in (tf.reduce_min, tf.reduce_max))
    changed = choose("autocontrast", (images - low) * 255 / tf.maximum(high - low, 1.0), changed)
    return transform(tf.clip_by_value(changed, 0.0, 255.0), kind, strength * sign)


def transform(images, kind, strength):
    """Shears, translates or rotates the images whose operation is one of these."""
    side = images.shape[1]

    def amount(name, most):
        return tf.where(kind == OPERATIONS.index(name), most * strength, 0.0)

    angle = amount("rotate", 135 * np.pi / 180)
    one, zero = tf.ones_like(strength), tf.zeros_like(strength)
    a, b = tf.cos(angle), amount("shear_x", 0.99) - tf.sin(angle)
    c, d = amount("shear_y", 0.99) + tf.sin(angle), tf.cos(angle) * one
    middle = (side - 1) / 2
    x = amount("translate_x", side / 2) + middle * (1 - a - b)
    y = amount("translate_y", side / 2) + middle * (1 - c - d)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack([a, b, x, c, d, y, zero, zero], axis=1),
        output_shape=(side, side),
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
        fill_value=128.0,
    )


def with_trivial_augment():
    """Applies trivial_augment to every batch before mixing: a context manager."""
    augment = batches.augment

    def both(images, labels, seed, size, mixup, cutmix, **options):
        images, labels = augment(images, labels, seed, size, mixup=0.0, cutmix=0.0, **options)
        images = trivial_augment(images, tf.random.fold_in(seed, 2))
        return batches.mix(images, labels, seed, mixup, cutmix)

    return mock.patch.object(batches, "augment", both)


def with_averaged_weights(momentum=0.999):
    """Makes the final weights an exponential moving average: a context manager.

    Source: Polyak and Juditsky 1992.
    """
    averaged = functools.partial(fused.AdamW, use_ema=True, ema_momentum=momentum)
    return mock.patch.object(fused, "AdamW", averaged)


def dead_leaves(count, size, seed=0, leaves=400):
    """Overlapping random shapes, whose edges are like a photograph's: uint8 (count, size, size, 3).

    Radii r have the density 1 / r^3 between 1/40 and 1/2 of the side. Sources: Lee, Mumford and
    Huang 2001, "Occlusion models for natural images"; Baradad et al. 2021, "Learning to see by
    looking at noise".
    """
    rng = np.random.default_rng(seed)
    pictures = np.empty((count, size, size, 3), "uint8")
    for picture in pictures:
        middle, spread = rng.uniform(40, 215) + rng.normal(0, 25, 3), rng.uniform(10, 70)
        image = Image.new("RGB", (2 * size, 2 * size), tuple(middle.clip(0, 255).astype(int)))
        pen = ImageDraw.Draw(image)
        low, high = size / 20, size  # radii, at twice the size
        radii = (low**-2 + rng.random(leaves) * (high**-2 - low**-2)) ** -0.5
        for radius in radii:
            x, y = rng.uniform(-0.1, 1.1, 2) * 2 * size
            colour = (middle + rng.normal(0, spread) + rng.normal(0, spread / 2, 3)).clip(0, 255)
            sides, turn = int(rng.choice([3, 4, 5, 6, 40])), rng.uniform(0, 360)
            pen.regular_polygon((x, y, radius), sides, turn, tuple(colour.astype(int)))
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0, 2)))
        picture[:] = image.resize((size, size), Image.Resampling.BOX)
    return pictures
